import { depthOf, HASH_BYTES, hashRecords, levelsFrom, siblings } from "../encoding/tree.ts";
import {
  decodeRewards,
  PAGE_LEVELS,
  PAGE_RECORDS,
  REWARD_BYTES,
  type RewardLeaf,
  storedLevels,
} from "../epoch/records.ts";

/** Exactly `length` bytes from `from` on of a file of a bundle: one HTTP range. */
export type RangeReader = (
  file: "rewards.bin" | "rewards.tree",
  from: number,
  length: number,
) => Promise<Uint8Array>;

export type RewardProof = {
  readonly index: number;
  readonly leaf: RewardLeaf;
  /** The siblings from the leaf's level upwards. */
  readonly proof: readonly Uint8Array[];
};

/**
 * A leaf and its proof from one page of records and one block of nodes for each stored level: a few ranges of static
 * files, whatever the size of the tree. What comes from a mirror is checked by `verifyProof` against the final root.
 */
export async function proveFromFiles(
  read: RangeReader,
  leaves: number,
  index: number,
): Promise<RewardProof> {
  if (!Number.isInteger(index) || index < 0 || index >= leaves) {
    throw new RangeError(`no leaf ${index} among ${leaves}`);
  }
  const depth = depthOf(leaves);
  const records = pageOf(index, leaves, REWARD_BYTES);
  const page = await read("rewards.bin", records.from, records.length);
  const proof = [...siblingsInPage(hashRecords(page, REWARD_BYTES), 0, index, depth)];
  let levelStart = 0;
  for (const { height, nodes } of storedLevels(leaves)) {
    const position = Math.floor(index / 2 ** height);
    const block = pageOf(position, nodes, HASH_BYTES);
    const hashes = await read("rewards.tree", levelStart + block.from, block.length);
    proof.push(...siblingsInPage(hashes, height, position, depth));
    levelStart += nodes * HASH_BYTES;
  }
  const leaf = decodeRewards(page)[index % PAGE_RECORDS];
  if (leaf === undefined)
    throw new Error(`the page of rewards.bin has no record for leaf ${index}`);
  return { index, leaf, proof };
}

/** The range of the page with `position` among `count` items of `size` bytes. */
function pageOf(position: number, count: number, size: number): { from: number; length: number } {
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
