import Table from "cli-table3";
import { minutes } from "../test/summary.ts";
import { isKilled, type Score, type Tally } from "./score.ts";
import type { Verdict } from "./verdicts.ts";

const HEAD = ["contract", "killed", "survived", "explained", "equivalent", "stillborn", "score"];

/** What a person reads at the end. */
export function reportLines(score: Score): readonly string[] {
  const table = new Table({
    head: HEAD,
    colAligns: ["left", ...HEAD.slice(1).map(() => "right" as const)],
    style: { head: [], border: [] },
  });
  for (const [contract, tally] of Object.entries(score.contracts)) table.push(row(contract, tally));
  table.push(row("all", score.all));
  const { survivors, explained, unclear, refuted } = score;
  return [
    ...table.toString().split("\n"),
    ...chapter("Survived", survivors.flatMap(mutantLines)),
    ...chapter(
      "Survived for a reason",
      explained.flatMap((mutant) => [...mutantLines(mutant), `    ${mutant.reason}`]),
    ),
    ...chapter(
      "Unclear: no test failed, and yet they did not pass",
      unclear.flatMap((mutant) => [
        ...mutantLines(mutant),
        ...(mutant.verdict === "unclear" ? [`    ${mutant.why}`] : []),
      ]),
    ),
    ...chapter("Have a reason to survive, and were killed", refuted),
  ];
}

export function progressLine(
  verdicts: readonly Verdict[],
  of: number,
  secondsSoFar: number,
): string {
  const killed = verdicts.filter(isKilled).length;
  const survived = verdicts.filter(({ verdict }) => verdict === "survived").length;
  const counts = `${killed} killed, ${survived} survived`;
  return `${verdicts.length} of ${of} mutants, ${counts}, ${minutes(secondsSoFar)}`;
}

function row(name: string, tally: Tally): string[] {
  const { killed, survived, explained, equivalent, stillborn } = tally;
  const counts = [killed, survived, explained, equivalent, stillborn].map(String);
  return [name, ...counts, tally.score === undefined ? "" : `${tally.score.toFixed(1)} %`];
}

function chapter(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];
}

function mutantLines({ file, line, id, before, after }: Verdict): readonly string[] {
  return [`${file}:${line}  ${id}`, `  - ${before}`, `  + ${after}`];
}
