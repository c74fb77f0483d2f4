import { type Address, fromHex, type Hex, toHex } from "./core/bytes.ts";
import { proveFromFiles } from "./core/proof.ts";
import { encodeRewards } from "./core/records.ts";
import { hashRecords, verifyProof } from "./core/tree.ts";
import type { BundleSource } from "./edge/bundles.ts";
import type { Chain } from "./edge/chain.ts";
import type { Call } from "./edge/transactions.ts";

/** What an account can draw now: one leaf covers every epoch up to its own. */
export type Claimable = {
  readonly account: Address;
  readonly payee: Address;
  readonly epoch: number;
  readonly index: number;
  readonly cumulative: bigint;
  readonly prefix: bigint;
  readonly proof: readonly Hex[];
  readonly claimed: bigint;
  readonly claimable: bigint;
  readonly to: Address;
  readonly calldata: Hex;
};

/** Throws when the account has no index or the files do not lead to the root on chain: nothing unproven is offered. */
export async function claimOf(
  chain: Chain,
  source: BundleSource,
  account: Address,
): Promise<Claimable> {
  const { distributor, registry } = chain.suite;
  const epoch = Number(await distributor.latestEpoch());
  if (epoch === 0) throw new Error("no epoch is final yet: there is nothing to claim");
  const [published, index, noIndex, claimed, payee] = await Promise.all([
    distributor.rootOf(epoch),
    registry.indexOf(account),
    registry.NO_INDEX(),
    distributor.claimed(account),
    distributor.payeeOf(account),
  ]);
  const leaves = Number(published.leaves);
  if (index === noIndex) throw new Error(`${account} was never bound to a device`);
  if (index >= published.leaves) {
    throw new Error(
      `${account} joined after epoch ${epoch}, the last final one; its first rewards come later`,
    );
  }
  const read = (file: string, from: number, length: number) =>
    source.range(epoch, file, from, length);
  const { leaf, proof } = await proveFromFiles(read, leaves, Number(index));
  const record = encodeRewards([leaf]);
  const leafHash = hashRecords(record, record.length);
  if (
    leaf.account !== account ||
    !verifyProof(fromHex(published.root as Hex), leaves, Number(index), leafHash, proof)
  ) {
    throw new Error(
      `the files of epoch ${epoch} at ${source.location} do not lead to the root on chain; use another mirror`,
    );
  }
  const claim = {
    epoch,
    index: Number(index),
    account,
    cumulative: leaf.cumulative,
    prefix: leaf.prefix,
    proof: proof.map(toHex),
  };
  return {
    ...claim,
    payee: payee.toLowerCase() as Address,
    claimed,
    claimable: leaf.cumulative > claimed ? leaf.cumulative - claimed : 0n,
    to: chain.deployment.contracts.rewardDistributor,
    calldata: distributor.interface.encodeFunctionData("claim", [[claim]]) as Hex,
  };
}

/** One transaction for many accounts. */
export async function claimCall(chain: Chain, claims: readonly Claimable[]): Promise<Call> {
  return chain.suite.distributor.claim.populateTransaction(
    claims.map(({ epoch, index, account, cumulative, prefix, proof }) => ({
      epoch,
      index,
      account,
      cumulative,
      prefix,
      proof: [...proof],
    })),
  );
}
