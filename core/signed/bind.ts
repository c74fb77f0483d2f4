import type { StructOf } from "../encoding/fields.ts";
import { PUBLIC_KEY_BYTES } from "../encoding/p256.ts";
import { typedDigest, typedStruct } from "../encoding/typed.ts";

/**
 * A device's consent to earn for an account: signed by the device, sent by anyone. `nonce` must be higher than in every
 * consent of the device that was used before: the seconds since 1970 are.
 */
export const BIND_FIELDS = [
  { name: "device", type: "address" },
  { name: "account", type: "address" },
  { name: "nonce", type: "uint64" },
  { name: "deadline", type: "uint256" },
] as const;

export type Bind = StructOf<typeof BIND_FIELDS>;

export const BIND = typedStruct("Bind", BIND_FIELDS);

/** A consent as a device shows it and a page reads it: these, and `signature`. `publicKey` may be left out for "0x". */
export const CONSENT_FIELDS = [
  { name: "chainId", type: "uint53" },
  { name: "registry", type: "address" },
  { name: "device", type: "address" },
  { name: "account", type: "address" },
  { name: "nonce", type: "uint53" },
  { name: "deadline", type: "uint53" },
  // Of a P-256 key; empty for a secp256k1 one.
  { name: "publicKey", bytes: PUBLIC_KEY_BYTES },
] as const;

export type Consent = StructOf<typeof CONSENT_FIELDS>;

/** `domain` is the DeviceRegistry's. */
export function bindDigest(domain: Uint8Array, bind: Bind): Uint8Array {
  return typedDigest(domain, BIND, bind);
}
