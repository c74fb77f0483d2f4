import { concatBytes, equalBytes, keccak256 } from "./bytes.ts";
import { keccak } from "./keccak.ts";

/**
 * A positional Merkle tree over 32-byte leaf hashes, padded with zero hashes to a power of two. Each level is one flat
 * array without its padding: a node that is missing stands for the zero subtree of its level.
 * The twin of contracts/libraries/Tree.sol.
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
  return keccak.hashRecords(records, recordBytes);
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

/** Nodes of level `level + 1` over the nodes of level `level`: pairs lie side by side, so a level is a file of records. */
function levelAbove(nodes: Uint8Array, level: number): Uint8Array {
  const isOdd = (nodes.length / HASH_BYTES) % 2 === 1;
  const paired = isOdd ? concatBytes(nodes, ZERO_SUBTREES[level] as Uint8Array) : nodes;
  return hashRecords(paired, 2 * HASH_BYTES);
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

/** The root alone over fixed-size records: no level is kept longer than the next one needs it. */
export function rootOver(records: Uint8Array, recordBytes: number): Uint8Array {
  let nodes = hashRecords(records, recordBytes);
  if (nodes.length === 0) return new Uint8Array(HASH_BYTES);
  const depth = depthOf(nodes.length / HASH_BYTES);
  for (let level = 0; level < depth; level++) nodes = levelAbove(nodes, level);
  return nodes;
}

/** The siblings from the leaf's level upwards. */
export function proofOf(tree: Tree, index: number): readonly Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= tree.leaves) {
    throw new RangeError(`no leaf ${index} among ${tree.leaves}`);
  }
  return siblings(tree.levels.slice(0, -1), 0, index);
}

/**
 * The proofs of `count` leaves from `first` on, each `depthOf(leaves)` hashes from the leaf's level upwards, one after the
 * other: for whoever hands out or claims them all. Copied word by word, because a view for each of twenty hashes would
 * cost several times the copying.
 */
export function packProofs({ leaves, levels }: Tree, first: number, count: number): Uint8Array {
  if (first < 0 || count < 0 || first + count > leaves)
    throw new RangeError(`no leaves ${first} to ${first + count - 1} among ${leaves}`);
  const depth = depthOf(leaves);
  const words = levels.map(wordsOf);
  const zeros = ZERO_SUBTREES.map(wordsOf);
  const proofs = new Int32Array(count * depth * HASH_WORDS);
  let to = 0;
  for (let index = first; index < first + count; index++) {
    for (let level = 0; level < depth; level++) {
      const nodes = words[level] as Int32Array;
      const sibling = ((index >>> level) ^ 1) * HASH_WORDS;
      const isThere = sibling < nodes.length;
      const from = isThere ? nodes : (zeros[level] as Int32Array);
      const at = isThere ? sibling : 0;
      for (let word = 0; word < HASH_WORDS; word++) proofs[to++] = from[at + word] as number;
    }
  }
  return new Uint8Array(proofs.buffer);
}

const HASH_WORDS = HASH_BYTES / Int32Array.BYTES_PER_ELEMENT;

function wordsOf(hashes: Uint8Array): Int32Array {
  const isAligned = hashes.byteOffset % Int32Array.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset, length } = isAligned ? hashes : hashes.slice();
  return new Int32Array(buffer, byteOffset, length / Int32Array.BYTES_PER_ELEMENT);
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

/** Exact depth, an index below `leaves` and whole hashes: neither padding nor a node above the leaves can be proven. */
export function verifyProof(
  root: Uint8Array,
  leaves: number,
  index: number,
  leafHash: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isInteger(index) || index < 0 || index >= leaves) return false;
  if (proof.length !== depthOf(leaves)) return false;
  if ([leafHash, ...proof].some(({ length }) => length !== HASH_BYTES)) return false;
  return equalBytes(climb(leafHash, index, proof), root);
}
