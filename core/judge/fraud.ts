import { equalBytes, type Hex, keccak256, toHex } from "../encoding/bytes.ts";
import { buildTree, HASH_BYTES, proofOf, rootOf, type Tree } from "../encoding/tree.ts";
import { decodeRewards, firstRecords, REWARD_BYTES, type RewardLeaf } from "../epoch/records.ts";
import type { Report } from "../signed/report.ts";

/** A leaf and its siblings, as the ledger's fraud proofs take it. */
export type Opening = {
  readonly leaf: RewardLeaf;
  readonly index: number;
  readonly proof: readonly Hex[];
};

/** A proof that a pending root is not honest, ready to be sent; the names are the ledger's functions. */
export type FraudProof =
  | { readonly name: "proveOverlap"; readonly a: Opening; readonly b: Opening }
  | { readonly name: "proveMalformed"; readonly opening: Opening }
  | { readonly name: "proveEmptyLeaf"; readonly index: number; readonly proof: readonly Hex[] }
  | { readonly name: "proveRegression"; readonly old: Opening; readonly new_: Opening };

export type FraudInput = {
  readonly report: Report;
  /** The rewards.bin its proposer published. A record of zeros stands for the zero hash. */
  readonly rewards: Uint8Array;
  /** The last final epoch's rewards.bin and its root. */
  readonly previousRewards: Uint8Array;
  readonly previousRoot: Hex;
  readonly indexOf: (account: Hex) => number | undefined;
};

type Opened = { readonly leaves: readonly RewardLeaf[]; readonly tree: Tree };

/** The first thing the ledger convicts for; undefined when the published leaves are not the root's, or show nothing. */
export function findFraud(input: FraudInput): FraudProof | undefined {
  const { report } = input;
  const rewards = firstRecords(input.rewards, REWARD_BYTES, report.leaves);
  const pending = open(rewards, report.root);
  if (pending === undefined || pending.leaves.length !== report.leaves) return undefined;
  return (
    findEmptyLeaf(pending, rewards) ??
    findMalformed(pending, input) ??
    findOverlap(pending) ??
    findRegression(pending, input)
  );
}

function open(rewards: Uint8Array, root: Hex): Opened | undefined {
  if (rewards.length % REWARD_BYTES !== 0) return undefined;
  const tree = buildTree(leafHashes(rewards));
  return toHex(rootOf(tree)) === root ? { leaves: decodeRewards(rewards), tree } : undefined;
}

function leafHashes(rewards: Uint8Array): Uint8Array {
  const count = rewards.length / REWARD_BYTES;
  const hashes = new Uint8Array(count * HASH_BYTES);
  for (let i = 0; i < count; i++) {
    if (!isEmpty(rewards, i)) hashes.set(keccak256(recordAt(rewards, i)), i * HASH_BYTES);
  }
  return hashes;
}

function recordAt(rewards: Uint8Array, index: number): Uint8Array {
  return rewards.subarray(index * REWARD_BYTES, (index + 1) * REWARD_BYTES);
}

function isEmpty(rewards: Uint8Array, index: number): boolean {
  return equalBytes(recordAt(rewards, index), new Uint8Array(REWARD_BYTES));
}

function opening({ leaves, tree }: Opened, index: number): Opening {
  const leaf = leaves[index] as RewardLeaf;
  return { leaf, index, proof: proofOf(tree, index).map(toHex) };
}

function findEmptyLeaf(pending: Opened, rewards: Uint8Array): FraudProof | undefined {
  const index = pending.leaves.findIndex((_, i) => isEmpty(rewards, i));
  if (index < 0) return undefined;
  return { name: "proveEmptyLeaf", index, proof: proofOf(pending.tree, index).map(toHex) };
}

function findMalformed(pending: Opened, { report, indexOf }: FraudInput): FraudProof | undefined {
  const index = pending.leaves.findIndex(
    ({ account, cumulative, prefix }, i) =>
      prefix + cumulative > report.total || indexOf(account) !== i,
  );
  return index < 0 ? undefined : { name: "proveMalformed", opening: opening(pending, index) };
}

/** In the order of where they begin, overlapping slices stand next to each other. */
function findOverlap(pending: Opened): FraudProof | undefined {
  const slices = pending.leaves
    .map(({ prefix, cumulative }, index) => ({ prefix, end: prefix + cumulative, index }))
    .filter(({ prefix, end }) => end > prefix)
    .sort((a, b) => (a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : a.index - b.index));
  const i = slices.findIndex(({ prefix }, at) => at > 0 && prefix < (slices[at - 1]?.end ?? 0n));
  const [a, b] = [slices[i - 1], slices[i]];
  if (a === undefined || b === undefined) return undefined;
  return { name: "proveOverlap", a: opening(pending, a.index), b: opening(pending, b.index) };
}

function findRegression(pending: Opened, input: FraudInput): FraudProof | undefined {
  const last = open(input.previousRewards, input.previousRoot);
  if (last === undefined) return undefined;
  const index = last.leaves.findIndex(
    ({ cumulative }, i) => (pending.leaves[i]?.cumulative ?? 0n) < cumulative,
  );
  if (index < 0) return undefined;
  return { name: "proveRegression", old: opening(last, index), new_: opening(pending, index) };
}
