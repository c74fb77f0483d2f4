import { type Address, fromHex, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { hashRecords, verifyProof } from "@link-rewards/core/encoding/tree";
import { REWARD_BYTES, type RewardLeaf, rewardAt } from "@link-rewards/core/epoch/records";
import { proveFromFiles, type RangeReader } from "@link-rewards/core/judge/proof";

/** A root as the chain has it. */
export type Root = { readonly root: Hex; readonly leaves: number };

/** A leaf of the reward tree, proven against a root of the chain. */
export type ProvenLeaf = RewardLeaf & {
  readonly index: number;
  /** The siblings from the leaf's level upwards. */
  readonly proof: readonly Hex[];
};

/** The leaf of the account with this index, out of somebody's files; undefined when they do not lead to the root. */
export async function proveLeaf(
  read: RangeReader,
  { root, leaves }: Root,
  index: number,
  account: Address,
): Promise<ProvenLeaf | undefined> {
  const { row, proof } = await proveFromFiles(read, "rewards", leaves, index);
  const leaf = rewardAt(row, 0);
  const leafHash = hashRecords(row, REWARD_BYTES);
  const isProven =
    leaf.account === account && verifyProof(fromHex(root), leaves, index, leafHash, proof);
  return isProven ? { ...leaf, index, proof: proof.map(toHex) } : undefined;
}

/** What RewardDistributor.claim takes for one account. */
export type Claim = ProvenLeaf & { readonly epoch: number };

/** What can still be drawn of `cumulative`, in wei. */
export function claimableOf(cumulative: bigint, claimed: bigint): bigint {
  return cumulative > claimed ? cumulative - claimed : 0n;
}
