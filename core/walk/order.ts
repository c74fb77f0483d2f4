import { recordAt } from "../epoch/records.ts";
import { indexIn } from "../judge/contribution-order.ts";
import type { JudgeLaw } from "../judge/judge-law.ts";
import { CONTRIBUTION, compareIn, LINE, type Row } from "../judge/rows.ts";

/** How two rows of a table stand to each other: below zero when the first comes before the second. */
export type CompareRows = (a: Row, b: Row) => number;

/** By account index, device, customer. */
export function contributionsBy(law: JudgeLaw): CompareRows {
  return (a, b) =>
    compareAccounts(a, b, law) ||
    compareIn(a, CONTRIBUTION.device, b, CONTRIBUTION.device) ||
    compareIn(a, CONTRIBUTION.customer, b, CONTRIBUTION.customer);
}

function compareAccounts(a: Row, b: Row, law: JudgeLaw): number {
  if (compareIn(a, CONTRIBUTION.account, b, CONTRIBUTION.account) === 0) return 0;
  const indexOfA = indexIn(a, law);
  const indexOfB = indexIn(b, law);
  // Two accounts without an index have the same one.
  return indexOfA === indexOfB ? 0 : indexOfA - indexOfB;
}

/** By customer, device. */
export const compareLines: CompareRows = (a, b) =>
  compareIn(a, LINE.customer, b, LINE.customer) || compareIn(a, LINE.device, b, LINE.device);

/** How many of these records, which ascend, come before a row. */
export function rankIn(
  records: Uint8Array,
  recordBytes: number,
  row: Row,
  compare: CompareRows,
): number {
  let low = 0;
  let high = records.length / recordBytes;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(recordAt(records, recordBytes, middle), row) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** At most `most` whole numbers from `from` to before `to`, at equal distances, the first and the last among them. */
export function spread(from: number, to: number, most: number): readonly number[] {
  const count = Math.min(most, to - from);
  if (count <= 0) return [];
  if (count === 1) return [from + Math.floor((to - from - 1) / 2)];
  return Array.from(
    { length: count },
    (_, i) => from + Math.floor((i * (to - from - 1)) / (count - 1)),
  );
}
