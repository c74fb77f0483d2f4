import { type Address, concatBytes, toHex } from "../encoding/bytes.ts";
import {
  BYTES_OF,
  byteLengthOf,
  packFields,
  type ScalarField,
  type StructOf,
  unpackFields,
} from "../encoding/fields.ts";
import { depthOf, type Tree } from "../encoding/tree.ts";
import {
  AMOUNT_FIELDS,
  type Amounts,
  RECEIPT_BYTES,
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
  unpackSignedReceipt,
} from "../signed/receipt.ts";

/** The fixed-size records of a bundle's files. */

/** rewards.bin: one leaf of the reward tree; its position is the account's registry index. */
export const REWARD_FIELDS = [
  { name: "account", type: "address" },
  { name: "cumulative", type: "uint96" },
  /** The sum of all earlier leaves' cumulatives: the leaf owns [prefix, prefix + cumulative) of [0, total). */
  { name: "prefix", type: "uint96" },
] as const;

export type RewardLeaf = StructOf<typeof REWARD_FIELDS>;
export const REWARD_BYTES = 44;

/** invoices.bin: what one contribution costs its customer. The twin of contracts/libraries/InvoiceLine.sol. */
export const INVOICE_FIELDS = [
  { name: "customer", type: "address" },
  { name: "device", type: "address" },
  /** The row of contributions.bin that it pays for. */
  { name: "contribution", type: "uint32" },
  { name: "value", type: "uint96" },
  { name: "ceiling", type: "uint96" },
  /** What counted of the customer's lines so far, this one included. */
  { name: "subtotal", type: "uint96" },
  /** How many of them are worth more than the ceiling. */
  { name: "above", type: "uint32" },
] as const;

export type InvoiceLine = StructOf<typeof INVOICE_FIELDS>;
export const INVOICE_BYTES = 84;

/** contributions.bin: a signed receipt, the account it earned for, what it earned, and what all rows earned so far. */
export type ContributionRecord = SignedReceipt & {
  readonly account: Address;
  readonly earned: bigint;
  readonly subtotal: bigint;
};

export const EARNED_FIELDS = [
  { name: "account", type: "address" },
  { name: "earned", type: "uint96" },
  { name: "subtotal", type: "uint96" },
] as const;

/** The part of a row that an epoch is computed from: all else in a bundle follows from it. */
export const CONTRIBUTION_INPUT_BYTES = SIGNED_RECEIPT_BYTES + BYTES_OF.address;
export const CONTRIBUTION_BYTES = SIGNED_RECEIPT_BYTES + byteLengthOf(EARNED_FIELDS);

/** More rows than an epoch may have are refused: up to here a table stays below 2^32 bytes and a map below 2^24 entries. */
export const MAX_CONTRIBUTIONS = 16_000_000;

/** The files of a bundle whose rows stand under a root, each with a `.bin` and a `.tree`. */
export type Table = "contributions" | "invoices" | "rewards";
export const ROW_BYTES: Readonly<Record<Table, number>> = {
  contributions: CONTRIBUTION_BYTES,
  invoices: INVOICE_BYTES,
  rewards: REWARD_BYTES,
};

/** The amounts are the last fields of a receipt. */
const AMOUNTS_BYTES = byteLengthOf(AMOUNT_FIELDS);
const AMOUNTS_AT = RECEIPT_BYTES - AMOUNTS_BYTES;

const FENCE_FIELDS = [{ name: "index", type: "uint32" }] as const;
export const FENCE_BYTES = byteLengthOf(FENCE_FIELDS);
export const INVOICE_FENCE_BYTES = BYTES_OF.address;

/** Records of one page, nodes of one block: what a reader fetches in one range. */
export const PAGE_RECORDS = 256;
/** Levels of the tree that one page or block spans. */
export const PAGE_LEVELS = 8;

export function decodeContribution(record: Uint8Array): ContributionRecord {
  return {
    ...unpackSignedReceipt(record.subarray(0, SIGNED_RECEIPT_BYTES)),
    ...unpackFields(EARNED_FIELDS, record.subarray(SIGNED_RECEIPT_BYTES)),
  };
}

/** What contribution `i` delivered. */
export function amountsOfRecord(contributions: Uint8Array, i: number): Amounts {
  const from = i * CONTRIBUTION_BYTES + AMOUNTS_AT;
  return unpackFields(AMOUNT_FIELDS, contributions.subarray(from, from + AMOUNTS_BYTES));
}

/** Record `i` of a file of fixed-size records, as its bytes. */
export function recordAt(records: Uint8Array, recordBytes: number, i: number): Uint8Array {
  return records.subarray(i * recordBytes, (i + 1) * recordBytes);
}

/**
 * As many records as a report counts: what a file has beyond them is under no root, and it can be of any length. Shorter
 * files stay as they are.
 */
export function firstRecords(file: Uint8Array, recordBytes: number, count: number): Uint8Array {
  return file.subarray(0, count * recordBytes);
}

export function decodeContributions(bytes: Uint8Array): readonly ContributionRecord[] {
  return splitRecords(bytes, CONTRIBUTION_BYTES).map(decodeContribution);
}

export function encodeRewards(leaves: readonly RewardLeaf[]): Uint8Array {
  return encodeRecords(REWARD_FIELDS, leaves);
}

/** Leaf `index` of a rewards.bin. */
export function rewardAt(rewards: Uint8Array, index: number): RewardLeaf {
  return unpackFields(REWARD_FIELDS, recordAt(rewards, REWARD_BYTES, index));
}

export function decodeRewards(bytes: Uint8Array): readonly RewardLeaf[] {
  return decodeRecords(REWARD_FIELDS, bytes);
}

export function encodeInvoices(lines: readonly InvoiceLine[]): Uint8Array {
  return encodeRecords(INVOICE_FIELDS, lines);
}

/** Line `position` of an invoices.bin. */
export function invoiceAt(invoices: Uint8Array, position: number): InvoiceLine {
  return unpackFields(INVOICE_FIELDS, recordAt(invoices, INVOICE_BYTES, position));
}

export function decodeInvoices(bytes: Uint8Array): readonly InvoiceLine[] {
  return decodeRecords(INVOICE_FIELDS, bytes);
}

/** contributions.fence: the account index of every 256th row. An owner's rows are found with one more range. */
export function encodeFence(count: number, accountIndexOf: (row: number) => number): Uint8Array {
  return encodeRecords(
    FENCE_FIELDS,
    pageStarts(count, (row) => ({ index: accountIndexOf(row) })),
  );
}

export function decodeFence(bytes: Uint8Array): readonly number[] {
  return decodeRecords(FENCE_FIELDS, bytes).map(({ index }) => index);
}

/** invoices.fence: the customer of every 256th line. */
export function encodeInvoiceFence(invoices: Uint8Array): Uint8Array {
  const customerAt = (line: number) =>
    invoices.subarray(line * INVOICE_BYTES).subarray(0, INVOICE_FENCE_BYTES);
  return concatBytes(...pageStarts(invoices.length / INVOICE_BYTES, customerAt));
}

export function decodeInvoiceFence(bytes: Uint8Array): readonly Address[] {
  return splitRecords(bytes, INVOICE_FENCE_BYTES).map(toHex);
}

function pageStarts<T>(count: number, of: (record: number) => T): readonly T[] {
  const pages = Math.ceil(count / PAGE_RECORDS);
  return Array.from({ length: pages }, (_, page) => of(page * PAGE_RECORDS));
}

/** The heights of the levels kept in a `.tree`, each with its number of nodes. */
export function storedLevels(rows: number): readonly { height: number; nodes: number }[] {
  const levels = [];
  for (let height = PAGE_LEVELS; height < depthOf(rows); height += PAGE_LEVELS) {
    levels.push({ height, nodes: Math.ceil(rows / 2 ** height) });
  }
  return levels;
}

/** A `.tree`: the stored levels, lowest first. */
export function encodeTree({ leaves, levels }: Tree): Uint8Array {
  return concatBytes(...storedLevels(leaves).map(({ height }) => levels[height] as Uint8Array));
}

function encodeRecords<F extends readonly ScalarField[]>(
  fields: F,
  records: readonly StructOf<F>[],
): Uint8Array {
  return joinRecords(records, byteLengthOf(fields), (record) => packFields(fields, record));
}

function decodeRecords<F extends readonly ScalarField[]>(
  fields: F,
  bytes: Uint8Array,
): readonly StructOf<F>[] {
  return splitRecords(bytes, byteLengthOf(fields)).map((record) => unpackFields(fields, record));
}

function joinRecords<T>(
  records: readonly T[],
  size: number,
  encode: (record: T) => Uint8Array,
): Uint8Array {
  const joined = new Uint8Array(records.length * size);
  records.forEach((record, i) => {
    joined.set(encode(record), i * size);
  });
  return joined;
}

function splitRecords(bytes: Uint8Array, size: number): readonly Uint8Array[] {
  if (bytes.length % size !== 0)
    throw new RangeError(`${bytes.length} bytes are not whole records of ${size}`);
  return Array.from({ length: bytes.length / size }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
}
