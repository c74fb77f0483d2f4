import { type Claim, claimableOf, proveLeaf } from "@link-rewards/client/leaf";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Chain } from "@link-rewards/host/chain/chain";
import type { Call } from "@link-rewards/host/transactions";
import { type BundleSource, provenFrom } from "../edge/bundles.ts";

/** What an account can draw now: one leaf covers every epoch up to its own. */
export type Claimable = Claim & {
  readonly payee: Address;
  readonly claimed: bigint;
  readonly claimable: bigint;
  readonly to: Address;
  readonly calldata: Hex;
};

/** Throws when the account has no index or the files do not lead to the root on chain: nothing unproven is offered. */
export async function claimOf(
  chain: Chain,
  mirrors: readonly BundleSource[],
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
  if (index === noIndex) throw new Error(`${account} was never bound to a device`);
  if (index >= published.leaves) {
    throw new Error(
      `${account} joined after epoch ${epoch}, the last final one; its first rewards come later`,
    );
  }
  const final = { root: published.root as Hex, leaves: Number(published.leaves) };
  const leaf = await provenFrom(mirrors, epoch, (read) =>
    proveLeaf(read, final, Number(index), account),
  );
  // In this order, which is that of the claim's JSON.
  const { index: position, cumulative, prefix, proof } = leaf;
  const claim = { epoch, index: position, account, cumulative, prefix, proof };
  return {
    ...claim,
    payee: lowercaseHex(payee),
    claimed,
    claimable: claimableOf(cumulative, claimed),
    to: chain.deployment.contracts.rewardDistributor,
    calldata: distributor.interface.encodeFunctionData("claim", [[argumentOf(claim)]]) as Hex,
  };
}

/** Those that were not drawn meanwhile, by whomever. */
export async function stillDue(
  { suite: { distributor } }: Chain,
  claims: readonly Claimable[],
): Promise<readonly Claimable[]> {
  const claimed = await Promise.all(claims.map(({ account }) => distributor.claimed(account)));
  return claims.filter(({ cumulative }, i) => (claimed[i] ?? 0n) < cumulative);
}

/** One transaction for many accounts. */
export async function claimCall(chain: Chain, claims: readonly Claim[]): Promise<Call> {
  return chain.suite.distributor.claim.populateTransaction(claims.map(argumentOf));
}

/** As the distributor takes it. */
function argumentOf({ epoch, index, account, cumulative, prefix, proof }: Claim) {
  return { epoch, index, account, cumulative, prefix, proof: [...proof] };
}
