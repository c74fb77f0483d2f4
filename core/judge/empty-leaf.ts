import { HASH_BYTES } from "../encoding/tree.ts";

/** The zero hash: padding beyond the rows, and nothing else. Below the number of rows it convicts by standing there. */
export const EMPTY_LEAF = new Uint8Array(HASH_BYTES);

export const IS_EMPTY = "the zero hash stands in its place";

/** Positions of hashes that are the zero hash. */
export function firstEmptyLeaf(leafHashes: Uint8Array, rows: number): number | undefined {
  for (let i = 0; i < rows; i++) {
    if (isEmptyAt(leafHashes, i)) return i;
  }
  return undefined;
}

function isEmptyAt(leafHashes: Uint8Array, i: number): boolean {
  for (let at = i * HASH_BYTES; at < (i + 1) * HASH_BYTES; at++) {
    if (leafHashes[at] !== 0) return false;
  }
  return true;
}
