import { CONTRIBUTION_BYTES, INVOICE_BYTES, PAGE_RECORDS, recordAt } from "../epoch/records.ts";
import type { DemandNode } from "../judge/answer.ts";
import { addressIn, CONTRIBUTION, LINE, type Row } from "../judge/rows.ts";
import { type Alignment, questionsOf } from "./align.ts";
import { type Guess, linesOf } from "./guess.ts";
import { type Court, hear } from "./hear.ts";
import { strifeIn, whereToLook } from "./lines.ts";
import { compareLines, rankIn, spread } from "./order.ts";
import { demand, MAX_DEMANDS_A_ROUND, type Walk } from "./result.ts";
import { pagesTo, type Sight } from "./sight.ts";

/** What to demand as long as the hidden contributions are not all explained. */
export function explainContributions(guessed: Guess, alignment: Alignment, court: Court): Walk {
  const { contributions, invoices } = court.sights;
  const [strife] = alignment.strife;
  if (strife !== undefined) return demand(between(contributions, "contributions", strife));
  const quarrel = strifeIn(invoices, guessed.invoices, false);
  if (quarrel !== undefined) return demand(between(invoices, "invoices", quarrel));

  const sought = guessed.unexplained.map((i) => lineOf(guessed, i));
  const reasons = firstOfCustomers(sought).flatMap((line) => reasonFor(line, guessed, court));
  // Of a customer with lines on every page nothing else can be compared before.
  const pages = contributions.rows / PAGE_RECORDS;
  const isEverywhere = sought.some((line) => linesBeside(line, guessed) > pages);
  if (isEverywhere && reasons.length > 0) return demand(reasons);
  const gaps = alignment.gaps.toSorted((a, b) => compareSizes(b.unexplained, a.unexplained));
  return demand([
    ...reasons,
    ...gaps.flatMap((gap) => demandsFor(contributions, questionsOf(gap))),
  ]);
}

/** Rows between two that contradict each other: two neighbours among them do, too. */
export function between(
  sight: Sight,
  table: DemandNode["table"],
  [before, after]: readonly [number, number],
): readonly DemandNode[] {
  const rows = spread(before + 1, after, MAX_DEMANDS_A_ROUND);
  return hiddenRows(sight, table, rows);
}

function demandsFor(
  sight: Sight,
  { nodes, rows }: ReturnType<typeof questionsOf>,
): readonly DemandNode[] {
  const table = "contributions";
  const pages = nodes.flatMap(({ level, position }) => pagesTo(table, sight, level, position));
  return [...pages, ...hiddenRows(sight, table, rows)];
}

function hiddenRows(
  sight: Sight,
  table: DemandNode["table"],
  rows: readonly number[],
): readonly DemandNode[] {
  return rows
    .filter((position) => sight.rowAt(position) === undefined)
    .map((position) => ({ table, level: 0, position }));
}

/** The guessed line of a contribution. */
function lineOf({ contributions, invoices }: Guess, position: number): Row {
  const row = recordAt(contributions, CONTRIBUTION_BYTES, position);
  const key = new Uint8Array(INVOICE_BYTES);
  const { customer, device } = CONTRIBUTION;
  key.set(row.subarray(customer.from, customer.from + customer.bytes), LINE.customer.from);
  key.set(row.subarray(device.from, device.from + device.bytes), LINE.device.from);
  return recordAt(invoices, INVOICE_BYTES, rankIn(invoices, INVOICE_BYTES, key, compareLines));
}

/** One says what the ceiling is for all lines of its customer. */
function firstOfCustomers(lines: readonly Row[]): readonly Row[] {
  return [...new Map(lines.map((line) => [addressIn(line, LINE.customer), line])).values()];
}

/** What shows why a contribution earned what it did: its line, and when that names another row, this one. */
function reasonFor(line: Row, guessed: Guess, court: Court): readonly DemandNode[] {
  const sight = court.sights.invoices;
  const shown = sight.shown.find(
    (position) => compareLines(sight.rowAt(position) as Row, line) === 0,
  );
  if (shown !== undefined) {
    const heard = hear({ proof: "pair", table: "invoices", position: shown }, court);
    return heard.kind === "unknown" ? heard.nodes : [];
  }
  const places = whereToLook(sight, guessed.invoices, line, linesBeside(line, guessed));
  return hiddenRows(sight, "invoices", places);
}

/** How many lines its customer has. */
function linesBeside(line: Row, { invoices }: Guess): number {
  return linesOf(invoices, addressIn(line, LINE.customer)).length;
}

function compareSizes(a: bigint, b: bigint): number {
  const sizeOf = (amount: bigint) => (amount < 0n ? -amount : amount);
  return sizeOf(a) < sizeOf(b) ? -1 : sizeOf(a) > sizeOf(b) ? 1 : 0;
}
