import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { runToEnd } from "../test/programs.ts";
import type { CompilerInput } from "./compiler.ts";

/** A copy of the project in which mutants live. The checkout it is taken from stays as it is. */
export type Project = {
  readonly folder: string;
  /** Of all sources, tests included. */
  readonly input: CompilerInput;
};

/** Where Hardhat puts what it compiles, and where that stays as it was. */
export const ARTIFACTS = ["contracts/artifacts", "cache/test-artifacts"] as const;
export const UNTOUCHED = "untouched";

/** What runs and builds leave behind, and rooms that no test of a contract enters. */
const LEFT_OUT = new Set([
  "bench",
  "cache",
  "contracts/artifacts",
  "contracts/types",
  "coverage",
  "device",
  "dist",
  "docs",
  "scripts/mutants",
  "scripts/mutants.ts",
  "test/scripts",
  UNTOUCHED,
  "web",
]);
/** What a verdict rests on: while these stay, it holds. */
const DECIDING =
  /^(contracts|core|test\/(contracts|core|solidity|worlds)|hardhat\.config\.ts|package-lock\.json)\b/;
const STAMP = ".built";
const CONFIGURATION = "hardhat.config.ts";
const { resolve } = createRequire(import.meta.url);
export const HARDHAT = join(dirname(resolve("hardhat/package.json")), "dist", "src", "cli.js");
export const ENVIRONMENT = {
  ...process.env,
  HARDHAT_DISABLE_TELEMETRY_PROMPT: "true",
  // Only the type check reads them.
  HARDHAT_NO_TYPECHAIN: "true",
};

/** Copies `checkout` to `folder` and builds it there, unless it is there already. */
export async function copyProject(checkout: string, folder: string): Promise<Project> {
  const files = await filesIn(checkout);
  if ((await stampOf(folder)) !== (await hashOf(checkout, files))) {
    await rm(folder, { recursive: true, force: true });
    for (const file of files) await cp(join(checkout, file), join(folder, file));
    await linkPackages(checkout, folder);
    await build(folder, "--no-tests");
    await build(folder, "--no-contracts");
    for (const artifacts of ARTIFACTS) {
      await cp(join(folder, artifacts), join(folder, UNTOUCHED, artifacts), { recursive: true });
    }
    await writeFile(join(folder, STAMP), await hashOf(folder, files));
  }
  return { folder, input: await readInput(folder) };
}

/** Puts a second copy beside one that is built, which is faster than to build again. */
export async function copyBuilt({ folder: from }: Project, folder: string): Promise<void> {
  const [stamp, built] = await Promise.all([from, folder].map(stampOf));
  if (stamp === built) return;
  await rm(folder, { recursive: true, force: true });
  await cp(from, folder, { recursive: true, verbatimSymlinks: true });
  // Hardhat notes what it compiled by its path and its compiler's, which the configuration takes from its own.
  await rm(join(folder, CONFIGURATION));
  await symlink(join(from, CONFIGURATION), join(folder, CONFIGURATION));
  const cache = join(folder, "cache", "compile-cache.json");
  await writeFile(cache, (await readFile(cache, "utf8")).replaceAll(from, folder));
}

/** Another one when a verdict may no longer hold. */
export async function stateOf(checkout: string): Promise<string> {
  return hashOf(
    checkout,
    (await filesIn(checkout)).filter((file) => DECIDING.test(file)),
  );
}

async function stampOf(folder: string): Promise<string> {
  return readFile(join(folder, STAMP), "utf8").catch(() => "");
}

async function hashOf(checkout: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`\n${file}\n`).update(await readFile(join(checkout, file)));
  }
  return hash.digest("hex");
}

/** Relative to the checkout, with slashes. */
async function filesIn(checkout: string, under = ""): Promise<readonly string[]> {
  const entries = await readdir(join(checkout, under), { withFileTypes: true });
  const found = entries.map((entry) => {
    const path = `${under}${entry.name}`;
    const isHidden = entry.name.startsWith(".") && entry.name !== ".mocharc.json";
    if (isHidden || entry.name === "node_modules" || LEFT_OUT.has(path)) return [];
    return entry.isDirectory() ? filesIn(checkout, `${path}/`) : [path];
  });
  return (await Promise.all(found)).flat().sort();
}

/** The packages are the checkout's own; those of the project itself are the copies. */
async function linkPackages(checkout: string, folder: string): Promise<void> {
  const { name, workspaces = [] } = JSON.parse(
    await readFile(join(folder, "package.json"), "utf8"),
  ) as { name: string; workspaces?: readonly string[] };
  const scope = `@${name}`;
  const from = join(checkout, "node_modules");
  const to = join(folder, "node_modules");
  await mkdir(join(to, scope), { recursive: true });
  for (const entry of await readdir(from)) {
    if (entry !== scope && !entry.startsWith("."))
      await symlink(join(from, entry), join(to, entry));
  }
  for (const workspace of workspaces) {
    await symlink(join("..", "..", workspace), join(to, scope, workspace));
  }
}

async function build(folder: string, what: string): Promise<void> {
  const args = [HARDHAT, "build", "--quiet", what];
  const ended = await runToEnd(process.execPath, args, { cwd: folder, env: ENVIRONMENT });
  if (ended.code !== 0) throw new Error(`hardhat build ${what}: ${ended.said}`);
}

/** As Hardhat gathered and named the sources. */
export async function readInput(
  folder: string,
  rooms: readonly string[] = ARTIFACTS,
): Promise<CompilerInput> {
  const inputs: CompilerInput[] = [];
  for (const room of rooms) {
    const infos = join(folder, room, "build-info");
    for (const file of await readdir(infos)) {
      if (file.endsWith(".output.json")) continue;
      const { input } = JSON.parse(await readFile(join(infos, file), "utf8"));
      inputs.push(input);
    }
  }
  const settings = inputs[0]?.settings ?? {};
  return { settings, sources: Object.assign({}, ...inputs.map(({ sources }) => sources)) };
}
