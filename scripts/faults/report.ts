import Table from "cli-table3";
import type { Verdict } from "./verdicts.ts";

const WIDTHS = [8, 76, 9, 9];

/** What a person reads at the end: the table, then what did not hold and how to see it again. */
export function reportLines(verdicts: readonly Verdict[], command: string): readonly string[] {
  const table = new Table({
    head: ["seed", "faults", "seconds", "verdict"],
    colWidths: WIDTHS,
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const { seed, faults, seconds, verdict } of verdicts)
    table.push([String(seed), faults.join("\n") || "none", seconds.toFixed(1), verdict]);
  const failed = verdicts.filter(({ verdict }) => verdict !== "held");
  const seconds = verdicts.reduce((sum, verdict) => sum + verdict.seconds, 0);
  return [
    ...table.toString().split("\n"),
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
