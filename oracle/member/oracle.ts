import type { VerifyContext } from "@link-rewards/core/law/verify";
import { registryDomain } from "@link-rewards/core/signed/deployment";
import type { Chain } from "@link-rewards/host/chain/chain";
import { loadCurves } from "@link-rewards/host/curves";
import type { Signer } from "@link-rewards/host/keys";
import type { BundleFolder } from "../edge/bundles.ts";
import type { Peers } from "../edge/peers.ts";
import type { Store } from "../store/store.ts";
import type { LawFollower } from "./follow.ts";

/** What one member's oracle is put together from. */
export type Oracle = {
  readonly chain: Chain;
  readonly store: Store;
  readonly follower: LawFollower;
  readonly bundles: BundleFolder;
  readonly peers: Peers;
  readonly member: Pick<Signer, "address" | "sign">;
  readonly log: (event: string, details: Record<string, unknown>) => void;
};

export function receiptContext({ chain, follower }: Oracle): VerifyContext {
  const domain = registryDomain(chain.deployment);
  return { law: follower.law(), domain, curves: loadCurves() };
}
