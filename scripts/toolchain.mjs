// Makes a bare checkout ready, then runs a command in it:
//
//   node scripts/toolchain.mjs node <file> [arguments]
//   node scripts/toolchain.mjs npm <script> [arguments]
//
// npm calls it (see "scripts" in package.json), so it must run on the machine's own, possibly old,
// Node. Whatever it prepares stays in the checkout and npm's cache; whatever it says goes to
// stderr, so that stdout belongs to the command.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = [22, 18]; // the first that runs .ts files without a flag
const FETCHED_NODE = "26.10.0"; // in the registry for Linux, macOS and Windows alike

// What the compiler makes.
const COMPILED = ["contracts/artifacts", "contracts/types"];

const checkout = fileURLToPath(new URL("..", import.meta.url));
const inCheckout = (...path) => join(checkout, ...path);
const say = (text) => process.stderr.write(`set-up: ${text}\n`);

function fail(text) {
  say(text);
  process.exit(1);
}

// By its script and not by name: `npm` on PATH may bring the Node it was installed with.
const npm = process.env.npm_execpath;
if (!npm) fail("start me through npm: npm run demo, npm test");

const [program, ...rest] = process.argv.slice(2);
if (program !== "node" && program !== "npm") fail(`runs node or npm, not ${program}`);

const node = suitableNode();
process.env.PATH = [dirname(node), process.env.PATH].join(delimiter);
// Hardhat would ask about telemetry, and make a folder for keys among the user's own settings;
// Biome would make one for its logs.
process.env.HARDHAT_DISABLE_TELEMETRY_PROMPT = "true";
process.env.XDG_CONFIG_HOME = inCheckout("cache", "config");
process.env.XDG_CACHE_HOME = inCheckout("cache", "tools");
installDependencies();
buildContracts();
run(program === "node" ? rest : [npm, "run", "--silent", rest[0], "--", ...rest.slice(1)]);

function suitableNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]))
    return process.execPath;

  const windows = process.platform === "win32";
  const appleSilicon = process.platform === "darwin" && process.arch === "arm64";
  const name = [
    appleSilicon ? "node-bin" : "node",
    windows ? "win" : process.platform,
    process.arch,
  ].join("-");
  const folder = inCheckout(".node", FETCHED_NODE);
  const fetched = join(folder, "node_modules", name, "bin", windows ? "node.exe" : "node");
  if (!existsSync(fetched)) {
    say(`Node ${process.versions.node} is too old; fetching ${FETCHED_NODE} into .node/`);
    const npmInstall = [npm, "install", "--no-save", "--no-package-lock", "--prefix", folder];
    prepare(process.execPath, [...npmInstall, `${name}@${FETCHED_NODE}`]);
  }
  return fetched;
}

// npm itself must run under the suitable Node, or it leaves out native packages that need it.
function installDependencies() {
  const stamp = inCheckout("node_modules", ".installed");
  const wanted = fingerprint(["package-lock.json"]);
  if (isStamped(stamp, wanted)) return;
  say("installing dependencies (npm ci)");
  prepare(node, [npm, "ci"]);
  writeFileSync(stamp, wanted);
}

function buildContracts() {
  const stamp = inCheckout("contracts", "artifacts", ".built");
  const wanted = fingerprint([
    "package-lock.json",
    "hardhat.config.ts",
    ...solidityIn("contracts"),
    ...solidityIn("test/solidity/support"),
  ]);
  if (isStamped(stamp, wanted) && existsSync(inCheckout("contracts", "types"))) return;
  say("compiling contracts");
  // Their tests take longer than they do, and are for those who run them.
  const hardhat = inCheckout("node_modules", "hardhat", "dist", "src", "cli.js");
  prepare(node, [hardhat, "build", "--no-tests"]);
  writeFileSync(stamp, wanted);
}

function solidityIn(folder) {
  return readdirSync(inCheckout(folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return COMPILED.includes(path) ? [] : solidityIn(path);
      return path.endsWith(".sol") ? [path] : [];
    })
    .sort();
}

function fingerprint(paths) {
  const hash = createHash("sha256").update(process.platform).update(process.arch);
  for (const path of paths) hash.update(`\n${path}\n`).update(readFileSync(inCheckout(path)));
  return hash.digest("hex");
}

function isStamped(stamp, wanted) {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
}

function prepare(executable, args) {
  const { status, error } = spawnSync(executable, args, {
    cwd: checkout,
    stdio: ["ignore", process.stderr, process.stderr],
  });
  if (status !== 0) fail(`failed: ${error?.message ?? args.slice(-2).join(" ")}`);
}

function run(args) {
  const child = spawn(node, args, { cwd: checkout, stdio: "inherit" });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  // npm passes a signal to the shell between us, which may die of it without passing it on.
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || child.kill("SIGTERM"), 500).unref();
  child.on("error", (error) => fail(error.message));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
