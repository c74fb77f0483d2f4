import { INVOICE_BYTES } from "../epoch/records.ts";
import { amountIn, compareIn, LINE, type Row } from "../judge/rows.ts";
import { compareLines, rankIn, spread } from "./order.ts";
import type { Sight } from "./sight.ts";

/** A line that was shown, and how many of the guessed ones come before it. */
type Place = { readonly at: number; readonly rank: number; readonly line: Row | undefined };

function placesOf(sight: Sight, guessed: Uint8Array): readonly Place[] {
  const shown = sight.shown.map((at) => {
    const line = sight.rowAt(at) as Row;
    return { at, rank: rankIn(guessed, INVOICE_BYTES, line, compareLines), line };
  });
  return [
    { at: -1, rank: -1, line: undefined },
    ...shown,
    { at: sight.rows, rank: guessed.length / INVOICE_BYTES, line: undefined },
  ];
}

/**
 * Two lines that were shown and cannot both be lawful, whatever stands between them: somewhere there two neighbours are
 * not. `isWhole`: the guess has all lines that there can be, so that there must be room for those between.
 */
export function strifeIn(
  sight: Sight,
  guessed: Uint8Array,
  isWhole: boolean,
): readonly [number, number] | undefined {
  const places = placesOf(sight, guessed);
  for (const [i, after] of places.entries()) {
    const before = places[i - 1];
    if (before === undefined || after.at - before.at < 2) continue;
    const isFull = isWhole && after.rank - before.rank < after.at - before.at;
    if (isFull || contradict(before.line, after.line)) return [before.at, after.at];
  }
  return undefined;
}

function contradict(before: Row | undefined, after: Row | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  if (compareLines(before, after) >= 0) return true;
  return (
    compareIn(before, LINE.customer, after, LINE.customer) === 0 &&
    amountIn(before, LINE.ceiling) !== amountIn(after, LINE.ceiling)
  );
}

/** Lines that are asked for at once to find one. */
const PROBES = 8;

/**
 * Where to look for the line like `sought` (its customer and device) in the hidden table; nowhere when it was shown, or
 * when the two were that it would stand between. Lines are moved there by as many as came in or are missing before them.
 * Close enough together that one of so many lines of its customer is met.
 */
export function whereToLook(
  sight: Sight,
  guessed: Uint8Array,
  sought: Row,
  lines: number,
): readonly number[] {
  const places = placesOf(sight, guessed);
  const found = places.findIndex(
    ({ line }) => line !== undefined && compareLines(line, sought) >= 0,
  );
  const next = found < 0 ? places.length - 1 : found;
  const [left, right] = [places[next - 1], places[next]] as [Place, Place];
  if (right.line !== undefined && compareLines(right.line, sought) === 0) return [];
  const rank = rankIn(guessed, INVOICE_BYTES, sought, compareLines);
  const moves = [left.at - left.rank, right.at - right.rank];
  const from = Math.max(left.at + 1, rank + Math.min(...moves));
  const to = Math.min(right.at, rank + Math.max(...moves) + 1);
  if (from >= to) return spread(left.at + 1, right.at, PROBES);
  return spread(from, to, Math.min(PROBES, 1 + Math.ceil((to - from - 1) / lines)));
}
