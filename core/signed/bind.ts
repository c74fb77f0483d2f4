import type { StructOf } from "../encoding/fields.ts";
import { typedDigest, typedStruct } from "../encoding/typed.ts";

/** A device's consent to belong to an account: signed by the device, sent by the account. */
export const BIND_FIELDS = [
  { name: "device", type: "address" },
  { name: "account", type: "address" },
  { name: "nonce", type: "uint256" },
  { name: "deadline", type: "uint256" },
] as const;

export type Bind = StructOf<typeof BIND_FIELDS>;

export const BIND = typedStruct("Bind", BIND_FIELDS);

/** A consent as a device shows it and a page reads it: these, and `signature`. The nonce is the chain's to say. */
export const CONSENT_FIELDS = [
  { name: "chainId", type: "uint53" },
  { name: "registry", type: "address" },
  { name: "device", type: "address" },
  { name: "account", type: "address" },
  { name: "deadline", type: "uint53" },
] as const;

export type Consent = StructOf<typeof CONSENT_FIELDS>;

/** `domain` is the DeviceRegistry's. */
export function bindDigest(domain: Uint8Array, bind: Bind): Uint8Array {
  return typedDigest(domain, BIND, bind);
}
