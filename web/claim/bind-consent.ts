import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { parseFields } from "@link-rewards/core/encoding/json";
import { isSignedBy, NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import {
  type DeviceSignature,
  parseSignature,
  toDeviceSignature,
} from "@link-rewards/core/encoding/signature";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import {
  type Bind,
  bindDigest,
  CONSENT_FIELDS,
  type Consent,
} from "@link-rewards/core/signed/bind";
import type { Chain } from "../sources/chain.ts";
import { INTERFACES } from "../sources/contracts.ts";
import type { Call } from "../sources/wallet.ts";

export type CheckedConsent = Consent & { readonly call: Call };

export type ConsentProblem =
  | "malformed"
  | "otherChain"
  | "otherAccount"
  | "expired"
  | "signature"
  | "used";

/**
 * Checked here before a wallet is asked for anything: for whom it is, until when, whether the device signed it, and that
 * none as fresh was used.
 */
export async function readConsent(
  chain: Chain,
  text: string,
  account: Address,
  now: number,
): Promise<CheckedConsent | { readonly problem: ConsentProblem; readonly account?: Address }> {
  const { signature: hex, ...rest } = parseJson(text);
  const consent = parseFields(CONSENT_FIELDS, { publicKey: NO_PUBLIC_KEY, ...rest }, "consent");
  const signature = parseSignature(hex, "signature");
  if (isRefused(consent) || isRefused(signature)) return { problem: "malformed" };
  const { chainId, contracts } = chain.config.deployment;
  const registry = contracts.DeviceRegistry.address;
  if (consent.chainId !== chainId || consent.registry !== registry)
    return { problem: "otherChain" };
  if (consent.account !== account) return { problem: "otherAccount", account: consent.account };
  if (consent.deadline < now) return { problem: "expired" };
  const { device, nonce, deadline, publicKey } = consent;
  const bind: Bind = { device, account, nonce: BigInt(nonce), deadline: BigInt(deadline) };
  const digest = bindDigest(domainSeparator(chainId, registry), bind);
  if (!isSignedBy(device, digest, signature, publicKey)) return { problem: "signature" };
  const latest = await chain.read<bigint>("DeviceRegistry", "nonceOf", device);
  if (bind.nonce <= latest) return { problem: "used" };
  return { ...consent, call: bindCall(registry, bind, toDeviceSignature(signature, publicKey)) };
}

function parseJson(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function bindCall(registry: Address, bind: Bind, signature: DeviceSignature): Call {
  const args = [[bind], [signature]];
  return { to: registry, data: INTERFACES.DeviceRegistry.encodeFunctionData("bind", args) as Hex };
}
