import type { Address } from "./core/bytes.ts";
import type { Store } from "./core/store.ts";
import { domainSeparator } from "./core/typed.ts";
import type { VerifyContext } from "./core/verify.ts";
import type { BundleFolder } from "./edge/bundles.ts";
import type { Chain } from "./edge/chain.ts";
import type { Peers } from "./edge/peers.ts";
import { loadRecover } from "./edge/recover.ts";
import type { LawFollower } from "./follow.ts";

/** What one member's oracle is put together from. */
export type Oracle = {
  readonly chain: Chain;
  readonly store: Store;
  readonly follower: LawFollower;
  readonly bundles: BundleFolder;
  readonly peers: Peers;
  readonly member: { readonly address: Address; sign(digest: Uint8Array): Uint8Array };
  readonly log: (event: string, details: Record<string, unknown>) => void;
};

export function receiptContext({ chain, follower }: Oracle): VerifyContext {
  const { chainId, contracts } = chain.deployment;
  const domain = domainSeparator(chainId, contracts.deviceRegistry);
  return { law: follower.law(), domain, recover: loadRecover().recover };
}

export function ledgerDomain({ chain }: Oracle): Uint8Array {
  return domainSeparator(chain.deployment.chainId, chain.deployment.contracts.epochLedger);
}
