import { equalBytes, keccak256 } from "./bytes.ts";

/**
 * A positional Merkle tree over 32-byte leaf hashes, padded with zero hashes to a power of two. Each level is one flat
 * array without its padding: a node that is missing stands for the zero subtree of its level.
 * The twin of contracts/libraries/RewardTree.sol.
 */
export type Tree = {
  readonly leaves: number;
  /** Level k has ceil(leaves / 2^k) nodes; the last level is the root. */
  readonly levels: readonly Uint8Array[];
};

export const HASH_BYTES = 32;
const MAX_DEPTH = 32;

/** The root of an all-padding subtree, by its height. */
const ZERO_SUBTREES: readonly Uint8Array[] = zeroSubtrees();

function zeroSubtrees(): Uint8Array[] {
  const roots: Uint8Array[] = [new Uint8Array(HASH_BYTES)];
  for (let height = 1; height <= MAX_DEPTH; height++) {
    const below = roots[height - 1] as Uint8Array;
    roots.push(hashPair(below, below));
  }
  return roots;
}

function hashPair(left: Uint8Array, right: Uint8Array): Uint8Array {
  const pair = new Uint8Array(2 * HASH_BYTES);
  pair.set(left);
  pair.set(right, HASH_BYTES);
  return keccak256(pair);
}

/** ceil(log2(leaves)), and 0 for none. */
export function depthOf(leaves: number): number {
  return leaves < 2 ? 0 : 32 - Math.clz32(leaves - 1);
}

/** `records` are fixed-size leaf preimages, one after the other. */
export function hashRecords(records: Uint8Array, recordBytes: number): Uint8Array {
  const count = records.length / recordBytes;
  if (!Number.isInteger(count))
    throw new RangeError(`${records.length} bytes are no records of ${recordBytes}`);
  const hashes = new Uint8Array(count * HASH_BYTES);
  for (let i = 0; i < count; i++) {
    hashes.set(keccak256(records.subarray(i * recordBytes, (i + 1) * recordBytes)), i * HASH_BYTES);
  }
  return hashes;
}

export function buildTree(leafHashes: Uint8Array): Tree {
  const leaves = leafHashes.length / HASH_BYTES;
  return { leaves, levels: levelsFrom(leafHashes, 0, depthOf(leaves) + 1) };
}

/** `count` levels of which the lowest, at height `height`, is `nodes`. */
export function levelsFrom(
  nodes: Uint8Array,
  height: number,
  count: number,
): readonly Uint8Array[] {
  const levels: Uint8Array[] = [];
  for (let level = nodes, i = 0; i < count; i++) {
    levels.push(level);
    if (i + 1 < count) level = levelAbove(level, height + i);
  }
  return levels;
}

/** Nodes of level `level + 1` over the nodes of level `level`. */
function levelAbove(nodes: Uint8Array, level: number): Uint8Array {
  const count = nodes.length / HASH_BYTES;
  const above = new Uint8Array(Math.ceil(count / 2) * HASH_BYTES);
  for (let i = 0; i < count; i += 2) {
    above.set(hashPair(nodeAt(nodes, level, i), nodeAt(nodes, level, i + 1)), (i / 2) * HASH_BYTES);
  }
  return above;
}

function nodeAt(nodes: Uint8Array, level: number, position: number): Uint8Array {
  const offset = position * HASH_BYTES;
  return offset < nodes.length
    ? nodes.subarray(offset, offset + HASH_BYTES)
    : (ZERO_SUBTREES[level] as Uint8Array);
}

export function rootOf({ leaves, levels }: Tree): Uint8Array {
  return leaves === 0 ? new Uint8Array(HASH_BYTES) : (levels.at(-1) as Uint8Array).slice();
}

/** The siblings from the leaf's level upwards. */
export function proofOf(tree: Tree, index: number): readonly Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= tree.leaves) {
    throw new RangeError(`no leaf ${index} among ${tree.leaves}`);
  }
  return siblings(tree.levels.slice(0, -1), 0, index);
}

/** The siblings of `position` and of its parents in `levels`, the lowest of which is at height `height`. */
export function siblings(
  levels: readonly Uint8Array[],
  height: number,
  position: number,
): readonly Uint8Array[] {
  return levels.map((nodes, i) => {
    const above = position >>> i;
    return nodeAt(nodes, height + i, above % 2 === 0 ? above + 1 : above - 1).slice();
  });
}

/** The root that a leaf and its siblings lead to. */
export function climb(
  leafHash: Uint8Array,
  index: number,
  proof: readonly Uint8Array[],
): Uint8Array {
  return proof.reduce(
    (node, sibling, level) =>
      (index >>> level) % 2 === 0 ? hashPair(node, sibling) : hashPair(sibling, node),
    leafHash,
  );
}

/** Exact depth and an index below `leaves`: neither padding nor a node above the leaves can be proven. */
export function verifyProof(
  root: Uint8Array,
  leaves: number,
  index: number,
  leafHash: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isInteger(index) || index < 0 || index >= leaves) return false;
  if (proof.length !== depthOf(leaves)) return false;
  return equalBytes(climb(leafHash, index, proof), root);
}
