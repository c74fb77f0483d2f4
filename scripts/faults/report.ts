import Table from "cli-table3";
import type { Verdict } from "./verdicts.ts";

const STYLE = { head: [], border: [] };
const WIDTHS = [8, 76, 9, 9];

/** What a person reads at the end: the tables, then what did not hold and how to see it again. */
export function reportLines(verdicts: readonly Verdict[], command: string): readonly string[] {
  const table = new Table({
    head: ["seed", "faults", "seconds", "verdict"],
    colWidths: WIDTHS,
    wordWrap: true,
    style: STYLE,
  });
  for (const { seed, faults, seconds, verdict } of verdicts) {
    const lines = faults.map(({ words, came }) => `${came ? "" : "- "}${words}`);
    table.push([String(seed), lines.join("\n") || "none", seconds.toFixed(1), verdict]);
  }
  const failed = verdicts.filter(({ verdict }) => verdict !== "held");
  const seconds = verdicts.reduce((sum, verdict) => sum + verdict.seconds, 0);
  return [
    ...table.toString().split("\n"),
    ...kindLines(verdicts),
    `${verdicts.length - failed.length} of ${verdicts.length} runs held, ${(seconds / Math.max(1, verdicts.length)).toFixed(1)} s each; a minus marks a fault whose moment did not come`,
    ...failed.flatMap(({ seed, kinds, broken, notes, folder }) => [
      "",
      `seed ${seed}: ${command} --seed ${seed} --runs 1 --kinds ${kinds.join(",")}`,
      ...broken.map((line) => `  ${line}`),
      ...notes.map((line) => `  (${line})`),
      ...(folder === undefined ? [] : [`  logs: ${folder}`]),
    ]),
  ];
}

/** Of each kind how many were drawn, how many came, in how many runs, and how many of these held. */
function kindLines(verdicts: readonly Verdict[]): readonly string[] {
  const kinds = [
    ...new Set(verdicts.flatMap(({ faults }) => faults.map(({ kind }) => kind))),
  ].sort();
  if (kinds.length === 0) return [];
  const table = new Table({ head: ["kind", "drawn", "came", "runs", "held"], style: STYLE });
  for (const kind of kinds) {
    const drawn = verdicts.flatMap(({ faults }) => faults.filter((fault) => fault.kind === kind));
    const came = drawn.filter((fault) => fault.came);
    const runs = verdicts.filter(({ faults }) =>
      faults.some((fault) => fault.kind === kind && fault.came),
    );
    const held = runs.filter(({ verdict }) => verdict === "held");
    table.push([kind, drawn.length, came.length, runs.length, held.length]);
  }
  return table.toString().split("\n");
}
