import { type Address, concatBytes, toHex } from "../encoding/bytes.ts";
import {
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

/** devices.bin: why an owner earned what it earned. */
export const DEVICE_FIELDS = [
  { name: "accountIndex", type: "uint32" },
  { name: "device", type: "address" },
  { name: "counted", type: "uint96" },
  { name: "reward", type: "uint96" },
  { name: "reason", type: "uint8" },
] as const;

export type DeviceRecord = StructOf<typeof DEVICE_FIELDS>;
export const DEVICE_BYTES = 49;

/** contributions.bin: a signed receipt and the account it earned for. */
export type ContributionRecord = SignedReceipt & { readonly account: Address };
export const CONTRIBUTION_BYTES = SIGNED_RECEIPT_BYTES + 20;

/** The amounts are the last fields of a receipt. */
const AMOUNTS_BYTES = byteLengthOf(AMOUNT_FIELDS);
const AMOUNTS_AT = RECEIPT_BYTES - AMOUNTS_BYTES;

/** Records of one page, nodes of one block: what a reader fetches in one range. */
export const PAGE_RECORDS = 256;
/** Levels of the tree that one page or block spans. */
export const PAGE_LEVELS = 8;

export function decodeContribution(record: Uint8Array): ContributionRecord {
  return {
    ...unpackSignedReceipt(record.subarray(0, SIGNED_RECEIPT_BYTES)),
    account: toHex(record.subarray(SIGNED_RECEIPT_BYTES)),
  };
}

/** What contribution `i` delivered. */
export function amountsOfRecord(contributions: Uint8Array, i: number): Amounts {
  const from = i * CONTRIBUTION_BYTES + AMOUNTS_AT;
  return unpackFields(AMOUNT_FIELDS, contributions.subarray(from, from + AMOUNTS_BYTES));
}

/** Record `i` of a contributions.bin, or of packed signed receipts, as its bytes. */
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

/** `recordOf` is asked for each of `count` devices in turn. */
export function encodeDevices(
  count: number,
  recordOf: (device: number) => DeviceRecord,
): Uint8Array {
  const devices = new Uint8Array(count * DEVICE_BYTES);
  for (let i = 0; i < count; i++)
    devices.set(packFields(DEVICE_FIELDS, recordOf(i)), i * DEVICE_BYTES);
  return devices;
}

/** Record `i` of a devices.bin. */
export function deviceAt(devices: Uint8Array, i: number): DeviceRecord {
  return unpackFields(DEVICE_FIELDS, recordAt(devices, DEVICE_BYTES, i));
}

export function decodeDevices(bytes: Uint8Array): readonly DeviceRecord[] {
  return decodeRecords(DEVICE_FIELDS, bytes);
}

/** The account index of every 256th of `count` records: an owner's rows are found with one more range. */
export function encodeFence(count: number, accountIndexOf: (record: number) => number): Uint8Array {
  const pages = Math.ceil(count / PAGE_RECORDS);
  const first = Array.from({ length: pages }, (_, page) => accountIndexOf(page * PAGE_RECORDS));
  return encodeRecords(
    [{ name: "index", type: "uint32" }],
    first.map((index) => ({ index })),
  );
}

export function decodeFence(bytes: Uint8Array): readonly number[] {
  return decodeRecords([{ name: "index", type: "uint32" }] as const, bytes).map(
    ({ index }) => index,
  );
}

/** The heights of the levels kept in rewards.tree, each with its number of nodes. */
export function storedLevels(leaves: number): readonly { height: number; nodes: number }[] {
  const levels = [];
  for (let height = PAGE_LEVELS; height < depthOf(leaves); height += PAGE_LEVELS) {
    levels.push({ height, nodes: Math.ceil(leaves / 2 ** height) });
  }
  return levels;
}

/** rewards.tree: the stored levels, lowest first. */
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
