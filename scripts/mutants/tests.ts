import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { findTestFiles } from "../test/files.ts";
import { runToEnd } from "../test/programs.ts";
import type { FileReport } from "../test/reporter.ts";
import { countSolidityTests } from "../test/summary.ts";
import { ENVIRONMENT, HARDHAT } from "./project.ts";
import type { Killer } from "./verdicts.ts";

/** What the tests of a copy say of the contracts in it. */
export type TestRun =
  | { readonly ended: "passed"; readonly seconds: ReadonlyMap<string, number> }
  | { readonly ended: "failed"; readonly by: Killer }
  | { readonly ended: "late" }
  /** Neither: what it said instead. */
  | { readonly ended: "broken"; readonly said: string };

/** They compare bytes and gas, which a mutant may change without being wrong. */
const MEASURING = ["test/contracts/gas.ts", "test/contracts/sizes.ts"];
/** Whoever stands on these tests contracts. */
const WORLD = "worlds/contracts.ts";
export const SOLIDITY = "test/solidity";

const { resolve } = createRequire(import.meta.url);
const MOCHA = join(dirname(resolve("mocha/package.json")), "bin", "mocha.js");
const REPORTER = fileURLToPath(new URL("../test/reporter.ts", import.meta.url));
/** A few of the games that economics.ts plays: the long ones are for another day. */
const FEW_GAMES = { ECONOMICS_RUNS: "3" };
/** The first of those that `hardhat test solidity` ends with: "  1) LawTest#testX()". */
const FAILURE = /^ *1\) (.+)$/m;

/** What either says below it: "     AssertionError: expected 3 to equal 4". */
const ERROR = /^ +((?:[A-Z]\w*)?(?:Error|Exception)\b.{0,300})/m;

/** The mocha files that deploy contracts and measure none. */
export async function findContractTests(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const file of findTestFiles(folder)) {
    if (!/^test\/(contracts|core)\/.*\.ts$/.test(file) || MEASURING.includes(file)) continue;
    const isOfContracts =
      file.startsWith("test/contracts/") ||
      (await readFile(join(folder, file), "utf8")).includes(WORLD);
    if (isOfContracts) found.push(file);
  }
  return found;
}

export function hasSolidityTests(folder: string): boolean {
  return findTestFiles(folder).some((file) => file.endsWith(".t.sol"));
}

/** Those that carry the name of one of these contracts, and all others. */
export function byName(
  contracts: readonly string[],
  files: readonly string[],
): readonly [own: readonly string[], others: readonly string[]] {
  const isOwn = (file: string) => contracts.includes(basename(file).split(".")[0] ?? "");
  return [files.filter(isOwn), files.filter((file) => !isOwn(file))];
}

/** Runs them in this order, in one process, up to the first failure. */
export async function runMocha(
  folder: string,
  files: readonly string[],
  milliseconds: number,
): Promise<TestRun> {
  const reports: FileReport[] = [];
  // How long is too long is decided here: a busy machine kills no mutant.
  const args = [MOCHA, "--bail", "--timeout", "0", "--reporter", REPORTER, ...files];
  const started = performance.now();
  const { code, said } = await runToEnd(process.execPath, args, {
    cwd: folder,
    env: { ...ENVIRONMENT, ...FEW_GAMES },
    timeout: milliseconds,
    killSignal: "SIGKILL",
    onMessage: (message) => reports.push(message as FileReport),
  });
  for (const { file = "", tests } of reports) {
    const failed = tests.find(({ passed }) => !passed);
    if (failed !== undefined) {
      return { ended: "failed", by: { file, test: failed.title, error: errorIn(said) } };
    }
  }
  if (code === 0 && reports.length > 0) {
    const seconds = reports.map((r) => [r.file ?? "", r.milliseconds / 1000] as const);
    return { ended: "passed", seconds: new Map(seconds) };
  }
  return performance.now() - started >= milliseconds
    ? { ended: "late" }
    : { ended: "broken", said };
}

/** Runs all of them on what is compiled. */
export async function runSolidity(folder: string, milliseconds: number): Promise<TestRun> {
  const started = performance.now();
  const args = [HARDHAT, "test", "solidity", "--no-compile"];
  const { code, said, seconds } = await runToEnd(process.execPath, args, {
    cwd: folder,
    env: ENVIRONMENT,
    timeout: milliseconds,
    killSignal: "SIGKILL",
  });
  const { passed, failed } = countSolidityTests(said);
  if (failed > 0) {
    const test = FAILURE.exec(stripVTControlCharacters(said))?.[1] ?? "";
    return { ended: "failed", by: { file: SOLIDITY, test, error: errorIn(said) } };
  }
  if (code === 0 && passed > 0) return { ended: "passed", seconds: new Map([[SOLIDITY, seconds]]) };
  return performance.now() - started >= milliseconds
    ? { ended: "late" }
    : { ended: "broken", said };
}

function errorIn(said: string): string {
  return ERROR.exec(stripVTControlCharacters(said))?.[1] ?? "";
}
