import { equalBytes } from "../encoding/bytes.ts";
import { CONTRIBUTION_BYTES, CONTRIBUTION_INPUT_BYTES, recordAt } from "../epoch/records.ts";
import type { Row } from "../judge/rows.ts";
import { type CompareRows, rankIn } from "./order.ts";

/** The receipts that a reporter seems to have had, as records of contributions.bin in their order. */
export type Receipts = {
  readonly records: Uint8Array;
  /** Which of our own it is; undefined for one that was learnt. */
  readonly ownOf: (position: number) => number | undefined;
};

/**
 * Our own but for those that are missing there, and those that were learnt; of one device and customer only one.
 * `own` and `learnt` ascend.
 */
export function mergeReceipts(
  own: Uint8Array,
  missing: ReadonlySet<number>,
  learnt: readonly Row[],
  compare: CompareRows,
): Receipts {
  const count = own.length / CONTRIBUTION_BYTES;
  const records = new Uint8Array((count + learnt.length) * CONTRIBUTION_BYTES);
  const owns: (number | undefined)[] = [];
  let next = 0;
  const copyOwn = (end: number) => {
    for (; next < end; next++)
      if (!missing.has(next)) push(recordAt(own, CONTRIBUTION_BYTES, next), next);
  };
  const push = (row: Row, position: number | undefined) => {
    records.set(row, owns.push(position) * CONTRIBUTION_BYTES - CONTRIBUTION_BYTES);
  };
  for (const row of learnt) {
    const rank = rankIn(own, CONTRIBUTION_BYTES, row, compare);
    copyOwn(rank);
    push(row, undefined);
    const replaces = rank < count && compare(recordAt(own, CONTRIBUTION_BYTES, rank), row) === 0;
    if (replaces && next === rank) next += 1;
  }
  copyOwn(count);
  return {
    records: records.subarray(0, owns.length * CONTRIBUTION_BYTES),
    ownOf: (position) => owns[position],
  };
}

/** Whether this very receipt, for this account, is among records that ascend. */
export function hasReceipt(records: Uint8Array, row: Row, compare: CompareRows): boolean {
  const rank = rankIn(records, CONTRIBUTION_BYTES, row, compare);
  if (rank * CONTRIBUTION_BYTES === records.length) return false;
  const found = recordAt(records, CONTRIBUTION_BYTES, rank);
  return equalBytes(
    found.subarray(0, CONTRIBUTION_INPUT_BYTES),
    row.subarray(0, CONTRIBUTION_INPUT_BYTES),
  );
}

/** In their order; of one device and customer only one. */
export function ascending(rows: readonly Row[], compare: CompareRows): readonly Row[] {
  return rows
    .toSorted(compare)
    .filter((row, i, sorted) => i === 0 || compare(sorted[i - 1] as Row, row) !== 0);
}
