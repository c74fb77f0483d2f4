import { type Address, toHex } from "../encoding/bytes.ts";
import { BYTES_OF, type ScalarField } from "../encoding/fields.ts";
import { EARNED_FIELDS, INVOICE_FIELDS, REWARD_FIELDS } from "../epoch/records.ts";
import { RECEIPT_FIELDS, SIGNED_RECEIPT_BYTES } from "../signed/receipt.ts";

/**
 * Rows as their bytes, read field by field: of a million of them, objects would take more than all the judging. Whatever
 * the bytes of a row are, each field has a value.
 */
export type Row = Uint8Array;

type Cell = { readonly from: number; readonly bytes: number };

function cellsOf<const F extends readonly ScalarField[]>(
  fields: F,
  start = 0,
): { readonly [name in F[number]["name"]]: Cell } {
  let from = start;
  const cells = fields.map(({ name, type }) => {
    const cell = { from, bytes: BYTES_OF[type] };
    from += cell.bytes;
    return [name, cell] as const;
  });
  return Object.fromEntries(cells) as { [name in F[number]["name"]]: Cell };
}

export const CONTRIBUTION = {
  ...cellsOf(RECEIPT_FIELDS),
  ...cellsOf(EARNED_FIELDS, SIGNED_RECEIPT_BYTES),
};
export const LINE = cellsOf(INVOICE_FIELDS);
export const LEAF = cellsOf(REWARD_FIELDS);

export function addressIn(row: Row, { from, bytes }: Cell): Address {
  return toHex(row.subarray(from, from + bytes));
}

/** A uint96 in wei, or a uint64 or uint96 in the unit of the field: in words, as readUint takes twice as long. */
export function amountIn(row: Row, { from, bytes }: Cell): bigint {
  const low = BigInt(wordAt(row, from + bytes - 4));
  const middle = wordAt(row, from + bytes - 8);
  const high = bytes > 8 ? wordAt(row, from) : 0;
  if (high >= 2 ** 21) return (BigInt(high) << 64n) | (BigInt(middle) << 32n) | low;
  return middle + high === 0 ? low : (BigInt(high * 2 ** 32 + middle) << 32n) | low;
}

function wordAt(row: Row, from: number): number {
  const high = ((row[from] as number) << 8) | (row[from + 1] as number);
  return ((high << 16) | ((row[from + 2] as number) << 8) | (row[from + 3] as number)) >>> 0;
}

/** An amount where it stands in a row. */
export type Amount = { readonly row: Row; readonly cell: Cell };

/** Whether `sum` is `a` and `b` together, byte by byte: as bigints the sums would take more than all else. */
export function isSum(sum: Row, cell: Cell, a: Amount | undefined, b: Amount): boolean {
  let carry = 0;
  for (let i = cell.bytes - 1; i >= 0; i--) {
    carry += b.row[b.cell.from + i] as number;
    if (a !== undefined) carry += a.row[a.cell.from + i] as number;
    if ((carry & 0xff) !== sum[cell.from + i]) return false;
    carry >>= 8;
  }
  // A sum that does not fit is none.
  return carry === 0;
}

/** A uint32. */
export function numberIn(row: Row, { from, bytes }: Cell): number {
  let value = 0;
  for (let i = from; i < from + bytes; i++) value = value * 256 + (row[i] as number);
  return value;
}

/** Compares addresses, or amounts, as their numbers compare on chain. */
export function compareIn(a: Row, cellOfA: Cell, b: Row, cellOfB: Cell): number {
  for (let i = 0; i < cellOfA.bytes; i++) {
    const difference = (a[cellOfA.from + i] as number) - (b[cellOfB.from + i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The rows before and after a boundary of a table; at its ends only one. */
export type Neighbours = { readonly before: Row | undefined; readonly after: Row | undefined };
