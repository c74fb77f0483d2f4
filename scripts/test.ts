import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "@commander-js/extra-typings";
import packageJson from "../package.json" with { type: "json" };
import { byRunner, findTestFiles, longestFirst, selectFiles, shuffled } from "./test/files.ts";
import { lackFinder, runnableHere } from "./test/firmware.ts";
import { type Ended, endProgramsOnSignals, runToEnd } from "./test/programs.ts";
import type { FileReport } from "./test/reporter.ts";
import {
  type Counted,
  countSolidityTests,
  countTests,
  fileLines,
  minutes,
  progressLine,
  summaryLines,
  type Tally,
} from "./test/summary.ts";

const CHECKOUT = fileURLToPath(new URL("..", import.meta.url));
const HARDHAT = "node_modules/hardhat/dist/src/cli.js";
const BUILD_CONTRACTS = ["build", "--no-tests", "--quiet"];
const MOCHA = "node_modules/mocha/bin/mocha.js";
const REPORTER = "./scripts/test/reporter.ts";
const ENVIRONMENT = {
  ...process.env,
  // What package.json's scripts call by name.
  PATH: [join(CHECKOUT, "node_modules", ".bin"), process.env.PATH].join(delimiter),
  // They are there (scripts/toolchain.mjs), and the type check reads them beside the tests.
  HARDHAT_NO_TYPECHAIN: "true",
  // Most of the time a short program takes is the compiling of its modules.
  NODE_COMPILE_CACHE: join(CHECKOUT, "node_modules", ".cache", "compiled"),
};
const PROGRESS_MS = 1_000;
/** One more than cores: a test waits for disks, chains and other processes about as often as it computes. */
const DEFAULT_JOBS = availableParallelism() + 1;

const command = new Command("npm test --")
  .description("Every check and test, or the test files that match, and nothing else.")
  .argument("[patterns...]", "part of a test file's path, or a glob")
  .option("--shuffle [seed]", "in an order that the seed decides")
  .option("--jobs <n>", "mocha's processes, beside the one for the pages", Number, DEFAULT_JOBS)
  .parse();
const { args: patterns } = command;
const { shuffle, jobs } = command.opts();

process.chdir(CHECKOUT);
endProgramsOnSignals();
const started = performance.now();
const secondsSince = () => (performance.now() - started) / 1000;

const everything = patterns.length === 0;
const selected = selectFiles(findTestFiles(CHECKOUT), patterns);
if (selected.length === 0) fail(`no test file matches ${patterns.join(", ")}`);
const { files: runnable, unchecked } = runnableHere(selected, lackFinder());
if (!everything && unchecked.length > 0) fail(unchecked.join("\n"));
const seed = shuffle === true ? String(Date.now()) : shuffle;
const files = byRunner(seed === undefined ? longestFirst(runnable) : shuffled(runnable, seed));
if (seed !== undefined) print(`shuffled: --shuffle ${seed}`);

const reports: FileReport[] = [];
const troubles: string[] = [];
const ticker = process.stderr.isTTY ? setInterval(showProgress, PROGRESS_MS) : undefined;
const checked = everything ? runChecks() : undefined;
// Measuring coverage, for one, leaves other artifacts behind.
const build = await runToEnd(process.execPath, [HARDHAT, ...BUILD_CONTRACTS], inCheckout());
if (build.code !== 0) fail(build.said);
const tallies = await Promise.all([
  ...(files.solidity.length > 0 ? [runSolidity()] : []),
  ...(files.apart.length + files.together.length > 0 ? [runMocha()] : []),
]);
await checked;
clearInterval(ticker);

for (const trouble of troubles) print(`\n${trouble}`);
for (const line of summaryLines(tallies, reports)) print(line);
for (const line of unchecked) print(`\n${line}`);
print(`\n${troubles.length === 0 ? "all green" : "not green"} in ${minutes(secondsSince())}`);
process.exitCode = troubles.length === 0 ? 0 : 1;

/** One after the other, beside the tests: each of them keeps a core busy. */
async function runChecks(): Promise<void> {
  const checks = Object.entries(packageJson.scripts).filter(
    ([name]) => name.startsWith("check:") && name !== "check:all",
  );
  for (const [name, command] of checks) {
    const ended = await runToEnd(command, [], { ...inCheckout(), shell: true });
    print(`${ended.code === 0 ? "✔" : "✘"} npm run ${name}  ${ended.seconds.toFixed(1)} s`);
    notice(`npm run ${name}`, ended);
  }
}

async function runSolidity(): Promise<Tally> {
  const chosen = everything ? [] : files.solidity;
  const args = [HARDHAT, "test", "solidity", ...chosen];
  const ended = await runToEnd(process.execPath, args, inCheckout());
  const counted = countSolidityTests(ended.said);
  notice("hardhat test solidity", ended, counted);
  return { name: "Solidity tests", seconds: ended.seconds, ...counted };
}

async function runMocha(): Promise<Tally> {
  const begun = performance.now();
  const parallel = jobs > 1 ? ["--parallel", "--jobs", String(jobs)] : [];
  await Promise.all([
    runMochaOn(files.together, []),
    runMochaOn(files.apart, files.apart.length > 1 ? parallel : []),
  ]);
  const seconds = (performance.now() - begun) / 1000;
  return { name: "TypeScript tests", seconds, ...countTests(reports) };
}

async function runMochaOn(chosen: readonly string[], options: readonly string[]): Promise<void> {
  if (chosen.length === 0) return;
  const mine: FileReport[] = [];
  const args = [MOCHA, "--reporter", REPORTER, ...options, ...chosen];
  const ended = await runToEnd(process.execPath, args, {
    ...inCheckout(),
    onMessage(message) {
      const report = message as FileReport;
      mine.push(report);
      reports.push(report);
      for (const line of fileLines(report, !everything)) print(line);
    },
  });
  notice("mocha", ended, countTests(mine));
}

/** What did not end well is told in full at the end; and what ran no test has not tested. */
function notice(name: string, { code, said }: Ended, counted?: Counted): void {
  if (code !== 0) troubles.push(`${name} ended with ${code}:\n${said}`);
  else if (counted?.passed === 0) troubles.push(`${name} ran no test`);
  else if (counted !== undefined && counted.failed > 0) troubles.push(said);
}

function showProgress(): void {
  const of = files.apart.length + files.together.length;
  const { passed } = countTests(reports);
  process.stderr.write(`\r\u001b[K${progressLine(reports.length, of, passed, secondsSince())}`);
}

function print(line: string): void {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  process.stdout.write(`${line}\n`);
}

function inCheckout() {
  return { cwd: CHECKOUT, env: ENVIRONMENT };
}

function fail(why: string): never {
  print(why);
  process.exit(1);
}
