import { equalBytes, type Hex, keccak256, toHex } from "../encoding/bytes.ts";
import { buildTree, HASH_BYTES, proofOf, rootOf, type Tree } from "../encoding/tree.ts";
import {
  decodeRewards,
  firstRecords,
  REWARD_BYTES,
  type RewardLeaf,
  recordAt,
} from "../epoch/records.ts";
import type { Report } from "../signed/report.ts";

/** A leaf and its siblings, as the ledger's fraud proofs take it. */
export type Opening = {
  readonly leaf: RewardLeaf;
  readonly index: number;
  readonly proof: readonly Hex[];
};

/** A proof that a pending root is not honest, ready to be sent; the names are the ledger's functions. */
export type FraudProof =
  | { readonly name: "proveMisplaced"; readonly opening: Opening }
  /** The leaves before and after the boundary before `index`, those of them that there are. */
  | { readonly name: "proveGap"; readonly openings: readonly Opening[]; readonly index: number }
  | { readonly name: "proveEmptyLeaf"; readonly index: number; readonly proof: readonly Hex[] }
  | { readonly name: "proveRegression"; readonly old: Opening; readonly new_: Opening };

export type FraudInput = {
  readonly report: Report;
  /** How many the report's epoch has: accountsAt of the law. */
  readonly leaves: number;
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
  const { report, leaves } = input;
  const rewards = firstRecords(input.rewards, REWARD_BYTES, leaves);
  const pending = open(rewards, report.root);
  if (pending === undefined || pending.leaves.length !== leaves) return undefined;
  return (
    findEmptyLeaf(pending, rewards) ??
    findMisplaced(pending, input) ??
    findGap(pending, input) ??
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
    if (!isEmpty(rewards, i))
      hashes.set(keccak256(recordAt(rewards, REWARD_BYTES, i)), i * HASH_BYTES);
  }
  return hashes;
}

function isEmpty(rewards: Uint8Array, index: number): boolean {
  return equalBytes(recordAt(rewards, REWARD_BYTES, index), new Uint8Array(REWARD_BYTES));
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

function findMisplaced(pending: Opened, { indexOf }: FraudInput): FraudProof | undefined {
  const index = pending.leaves.findIndex(({ account }, i) => indexOf(account) !== i);
  return index < 0 ? undefined : { name: "proveMisplaced", opening: opening(pending, index) };
}

/** Each leaf begins where the one before it ends, the first at 0, and the total is where the last one ends. */
function findGap(pending: Opened, { report }: FraudInput): FraudProof | undefined {
  const { leaves } = pending;
  let end = 0n;
  for (let index = 0; index <= leaves.length; index++) {
    const leaf = leaves[index];
    if ((leaf?.prefix ?? report.total) !== end) {
      const neighbours = [index - 1, index].filter((i) => i in leaves);
      return { name: "proveGap", openings: neighbours.map((i) => opening(pending, i)), index };
    }
    end += leaf?.cumulative ?? 0n;
  }
  return undefined;
}

function findRegression(pending: Opened, input: FraudInput): FraudProof | undefined {
  const last = open(input.previousRewards, input.previousRoot);
  if (last === undefined) return undefined;
  const index = pending.leaves.findIndex(
    ({ cumulative }, i) => cumulative < (last.leaves[i]?.cumulative ?? 0n),
  );
  if (index < 0) return undefined;
  return { name: "proveRegression", old: opening(last, index), new_: opening(pending, index) };
}
