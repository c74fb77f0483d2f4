import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { matchesGlob } from "node:path";

/** What hands its set-up on from file to file, and so stays in one process: the pages' browser and chains. */
const TOGETHER = "test/web/";
/** Whichever of them run, this one puts the set-up away. */
export const CLOSING = "test/web/closing.ts";
/** Begun first, longest first, so that none of them is what everybody else waits for in the end. */
export const LONGEST: readonly string[] = [
  "/demo.members.ts",
  "/demo.ts",
  "/kill.ts",
  "/close.ts",
  "/watch.ts",
  "/close.held.ts",
  "/members.ts",
  "/audit.ts",
  "/postgres.ts",
  "/commands.ts",
  "/firmware/library.ts",
];

export type TestFiles = {
  /** For mocha, each in any process. */
  readonly apart: readonly string[];
  /** For mocha, all in one process. */
  readonly together: readonly string[];
  readonly solidity: readonly string[];
};

/** Every test file of the checkout, relative to it and with slashes. */
export function findTestFiles(checkout: string): readonly string[] {
  return readdirSync(`${checkout}/test`, { recursive: true, encoding: "utf8" })
    .map((name) => `test/${name.replaceAll("\\", "/")}`)
    .filter((path) => !/\/(support|worlds)\//.test(path) && /(\.t\.sol|\.ts)$/.test(path))
    .sort();
}

/** Those whose path contains one of the patterns, or matches it as a glob; all of them without a pattern. */
export function selectFiles(
  files: readonly string[],
  patterns: readonly string[],
): readonly string[] {
  if (patterns.length === 0) return files;
  const isWanted = (file: string) =>
    patterns.some((pattern) => file.includes(pattern) || matchesGlob(file, pattern));
  return files.filter(isWanted);
}

export function longestFirst(files: readonly string[]): readonly string[] {
  const rank = (file: string) => {
    const found = LONGEST.findIndex((name) => file.endsWith(name));
    return found === -1 ? LONGEST.length : found;
  };
  return files.toSorted((a, b) => rank(a) - rank(b));
}

/** An order that only the seed and the names decide. */
export function shuffled(files: readonly string[], seed: string): readonly string[] {
  const rank = (file: string) => createHash("sha256").update(`${seed}\n${file}`).digest("hex");
  return files
    .map((file) => ({ file, rank: rank(file) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ file }) => file);
}

export function byRunner(files: readonly string[]): TestFiles {
  const mocha = files.filter((file) => file.endsWith(".ts"));
  const together = mocha.filter((file) => file.startsWith(TOGETHER));
  return {
    apart: mocha.filter((file) => !file.startsWith(TOGETHER)),
    together: together.length === 0 ? [] : [...new Set([...together, CLOSING])],
    solidity: files.filter((file) => file.endsWith(".sol")),
  };
}
