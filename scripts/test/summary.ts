import { stripVTControlCharacters } from "node:util";
import type { FileReport } from "./reporter.ts";

export type Counted = { readonly passed: number; readonly failed: number };

/** What one kind of tests came to. */
export type Tally = Counted & { readonly name: string; readonly seconds: number };

const SLOWEST = 10;

export function countTests(reports: readonly FileReport[]): Counted {
  const tests = reports.flatMap((report) => report.tests);
  const passed = tests.filter((test) => test.passed).length;
  return { passed, failed: tests.length - passed };
}

/** Counts what `hardhat test solidity` prints: "  41 passing", "  1 failing". */
export function countSolidityTests(said: string): Counted {
  const count = (word: string) =>
    Number(new RegExp(`^ *(\\d+) ${word}\\b`, "m").exec(stripVTControlCharacters(said))?.[1] ?? 0);
  // A test that was left out is as bad as one that failed.
  return { passed: count("passing"), failed: count("failing") + count("skipped") };
}

/** A file's line, with its failures below, or with each of its tests. */
export function fileLines(report: FileReport, eachTest: boolean): readonly string[] {
  const { file = "outside of any file", tests, milliseconds } = report;
  const failed = tests.some((test) => !test.passed);
  const shown = eachTest ? tests : tests.filter((test) => !test.passed);
  return [
    `${mark(!failed)} ${file}  ${tests.length} tests, ${secondsOf(milliseconds)}`,
    ...shown.map(
      (test) => `    ${mark(test.passed)} ${test.title}  ${secondsOf(test.milliseconds)}`,
    ),
  ];
}

/** The lines that .ci/run counts, and what to make faster next. */
export function summaryLines(
  tallies: readonly Tally[],
  reports: readonly FileReport[],
): readonly string[] {
  const slowest = reports.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, SLOWEST);
  return [
    ...tallies.flatMap(({ name, passed, failed, seconds }) => [
      "",
      name,
      `  ${passed} passing (${minutes(seconds)})`,
      ...(failed > 0 ? [`  ${failed} failing`] : []),
    ]),
    ...(slowest.length > 1 ? ["", "Slowest files"] : []),
    ...slowest.map(
      ({ file, milliseconds }) => `  ${secondsOf(milliseconds).padStart(6)}  ${file ?? ""}`,
    ),
  ];
}

export function progressLine(done: number, of: number, passed: number, seconds: number): string {
  return `${done} of ${of} files, ${passed} tests passed, ${minutes(seconds)}`;
}

export function minutes(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function secondsOf(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function mark(passed: boolean): string {
  return passed ? "✔" : "✘";
}
