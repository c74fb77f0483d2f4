import { depthOf, HASH_BYTES, hashRecords, levelsFrom, siblings } from "../encoding/tree.ts";
import type { DataFile } from "../epoch/manifest.ts";
import {
  PAGE_LEVELS,
  PAGE_RECORDS,
  ROW_BYTES,
  recordAt,
  storedLevels,
  type Table,
} from "../epoch/records.ts";

/** Exactly `length` bytes from `from` on of a file of a bundle: one HTTP range. */
export type RangeReader = (file: DataFile, from: number, length: number) => Promise<Uint8Array>;

export type RowProof = {
  readonly position: number;
  readonly row: Uint8Array;
  /** The siblings from the row's level upwards. */
  readonly proof: readonly Uint8Array[];
};

/**
 * A row and its proof from one page of rows and one block of nodes for each stored level: a few ranges of static files,
 * whatever the size of the table. What comes from a mirror is checked by `verifyProof` against the final root.
 */
export async function proveFromFiles(
  read: RangeReader,
  table: Table,
  rows: number,
  position: number,
): Promise<RowProof> {
  if (!Number.isInteger(position) || position < 0 || position >= rows) {
    throw new RangeError(`no row ${position} among ${rows}`);
  }
  const depth = depthOf(rows);
  const rowBytes = ROW_BYTES[table];
  const range = pageOf(position, rows, rowBytes);
  const page = await read(`${table}.bin`, range.from, range.length);
  const proof = [...siblingsInPage(hashRecords(page, rowBytes), 0, position, depth)];
  let levelStart = 0;
  for (const { height, nodes } of storedLevels(rows)) {
    const above = Math.floor(position / 2 ** height);
    const block = pageOf(above, nodes, HASH_BYTES);
    const hashes = await read(`${table}.tree`, levelStart + block.from, block.length);
    proof.push(...siblingsInPage(hashes, height, above, depth));
    levelStart += nodes * HASH_BYTES;
  }
  return { position, row: recordAt(page, rowBytes, position % PAGE_RECORDS), proof };
}

/** The range of the page with `position` among `count` items of `size` bytes. */
export function pageOf(
  position: number,
  count: number,
  size: number,
): { from: number; length: number } {
  const first = position - (position % PAGE_RECORDS);
  return { from: first * size, length: Math.min(PAGE_RECORDS, count - first) * size };
}

function siblingsInPage(
  nodes: Uint8Array,
  height: number,
  position: number,
  depth: number,
): readonly Uint8Array[] {
  const levels = levelsFrom(nodes, height, Math.min(PAGE_LEVELS, depth - height));
  return siblings(levels, height, position % PAGE_RECORDS);
}
