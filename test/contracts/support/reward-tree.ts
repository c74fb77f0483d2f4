import { type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { buildTree, climb, depthOf, proofOf, rootOf } from "@link-rewards/core/encoding/tree";
import type { Evidence, Opening as Opened } from "@link-rewards/core/judge/evidence";
import { concat, getBytes, hexlify, id, keccak256, solidityPacked, ZeroHash } from "ethers";

export type Leaf = {
  readonly account: string;
  readonly cumulative: bigint;
  readonly prefix: bigint;
};
export type Opening = {
  readonly leaf: Leaf;
  readonly index: number;
  readonly proof: string[];
};
export type RewardTree = {
  readonly root: string;
  readonly total: bigint;
  readonly leaves: number;
  readonly openingAt: (index: number) => Opening;
};

/** What an honest oracle builds: every slice begins where the one before it ends. */
export function honestLeaves(
  accounts: readonly string[],
  cumulatives: readonly bigint[],
): readonly Leaf[] {
  let prefix = 0n;
  return accounts.map((account, i) => {
    const leaf = { account, cumulative: cumulatives[i] ?? 0n, prefix };
    prefix += leaf.cumulative;
    return leaf;
  });
}

export function honestTree(
  accounts: readonly string[],
  cumulatives: readonly bigint[],
): RewardTree {
  return treeOf(honestLeaves(accounts, cumulatives));
}

/** A tree over any leaves, honest or not; `undefined` leaves the zero hash in a leaf's place. */
export function treeOf(
  leaves: readonly (Leaf | undefined)[],
  hashes = leaves.map((leaf) => (leaf === undefined ? ZeroHash : leafHash(leaf))),
): RewardTree {
  const tree = buildTree(getBytes(concat(hashes)));
  return {
    root: hexlify(rootOf(tree)),
    total: leaves.reduce((sum, leaf) => sum + (leaf?.cumulative ?? 0n), 0n),
    leaves: leaves.length,
    openingAt: (index) => ({
      leaf: leaves[index] ?? NOBODY,
      index,
      proof: proofOf(tree, index).map((hash) => hexlify(hash)),
    }),
  };
}

const NOBODY: Leaf = { account: `0x${"00".repeat(20)}`, cumulative: 0n, prefix: 0n };

/**
 * A tree of 2^depth leaves of which only the first are known: above them stand arbitrary siblings. A proof costs in it
 * what it costs in a whole one.
 */
export function tallTree(leaves: readonly Leaf[], depth: number): RewardTree {
  const low = treeOf(leaves);
  const siblings = Array.from({ length: depth - depthOf(leaves.length) }, (_, i) =>
    id(`sibling ${i}`),
  );
  const root = climb(
    getBytes(low.root),
    0,
    siblings.map((sibling) => getBytes(sibling)),
  );
  return {
    root: hexlify(root),
    total: low.total,
    leaves: 2 ** depth,
    openingAt: (index) => {
      const opening = low.openingAt(index);
      return { ...opening, proof: [...opening.proof, ...siblings] };
    },
  };
}

export function leafHash(leaf: Leaf): string {
  return keccak256(rowOf(leaf));
}

export function claimOf(tree: RewardTree, epoch: number, index: number) {
  const { leaf, proof } = tree.openingAt(index);
  return { epoch, index, ...leaf, proof };
}

/** What shows that neighbours are not in order, at a boundary of a tree. */
export function orderEvidence(tree: RewardTree, boundary: number): Evidence {
  const positions = [boundary - 1, boundary].filter((at) => at >= 0 && at < tree.leaves);
  const openings = positions.map((position): Opened => {
    const { leaf, proof } = tree.openingAt(position);
    return { table: "rewards", position, row: lowercaseHex(rowOf(leaf)), proof: proof as Hex[] };
  });
  return { proof: "reward-order", position: boundary, openings, publicKey: "0x" };
}

function rowOf({ account, cumulative, prefix }: Leaf): string {
  return solidityPacked(["address", "uint96", "uint96"], [account, cumulative, prefix]);
}

export function nodeHash(left: string, right: string): string {
  return keccak256(`${left}${right.slice(2)}`);
}
