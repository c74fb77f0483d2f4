import { p256 } from "@noble/curves/nist.js";
import { type Address, fromHex, type Hex, readUint, writeUint } from "./bytes.ts";
import { addressOfPublicKey, recover, SIGNATURE_BYTES } from "./signature.ts";

/**
 * The keys of secure elements, TPMs and phones. A signature is r ‖ s, 64 bytes, over the SHA-256 of a digest, as their
 * own interfaces make it. Nothing can be recovered from it, so the key comes from the law.
 */

/** x ‖ y. The last 20 bytes of its keccak256 are the address. */
export const PUBLIC_KEY_BYTES = 64;
/** What stands in place of a public key where the key is secp256k1. */
export const NO_PUBLIC_KEY: Hex = "0x";

/** Of devices whose key is P-256, by their addresses. Who is not in it has a secp256k1 key. */
export type PublicKeys = Pick<ReadonlyMap<Address, Hex>, "get" | "size">;

/** Whether the key signed: false for whatever is malformed, be it the signature or the key. An edge may bring a faster one. */
export type VerifyP256 = (digest: Uint8Array, signature: Uint8Array, publicKey: Hex) => boolean;

const ORDER = p256.Point.CURVE().n;
const HALF_ORDER = ORDER >> 1n;
const S_OFFSET = 32;
const S_BYTES = 32;
/** SEC 1: what follows are both coordinates. */
const UNCOMPRESSED = 4;
const OPTIONS = { prehash: true, lowS: true, format: "compact" } as const;

/** Low s only: with high s accepted, every signature would have a twin. */
export function verifyP256(digest: Uint8Array, signature: Uint8Array, publicKey: Hex): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const key = fromHex(publicKey);
  return key.length === PUBLIC_KEY_BYTES && p256.verify(signature, digest, sec1(key), OPTIONS);
}

/**
 * Whether the device signed, by the key it shows: an address is of one key on one curve, so a device that shows another
 * public key than its own shows none. NO_PUBLIC_KEY is shown for a secp256k1 key. As DeviceRegistry.isSignedBy says it.
 */
export function isSignedBy(
  device: Address,
  digest: Uint8Array,
  signature: Uint8Array,
  publicKey: Hex,
): boolean {
  if (publicKey === NO_PUBLIC_KEY) return recover(digest, signature) === device;
  return isPublicKeyOf(publicKey, device) && verifyP256(digest, signature, publicKey);
}

export function isPublicKeyOf(publicKey: Hex, device: Address): boolean {
  const key = fromHex(publicKey);
  return key.length === PUBLIC_KEY_BYTES && addressOfPublicKey(key) === device;
}

/** Deterministic (RFC 6979): of one digest and key, always the same bytes. */
export function signP256(digest: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return p256.sign(digest, privateKey, OPTIONS);
}

export function publicKeyOfP256(privateKey: Uint8Array): Uint8Array {
  return p256.getPublicKey(privateKey, false).slice(1);
}

export function addressOfP256(privateKey: Uint8Array): Address {
  return addressOfPublicKey(publicKeyOfP256(privateKey));
}

export function isLowS(signature: Uint8Array): boolean {
  return readUint(signature, S_OFFSET, S_BYTES) <= HALF_ORDER;
}

/** Of the two signatures that differ in the sign of s alone, the one that counts: what makes them takes either. */
export function withLowS(signature: Uint8Array): Uint8Array {
  if (isLowS(signature)) return signature;
  const lowered = signature.slice();
  writeUint(lowered, S_OFFSET, S_BYTES, ORDER - readUint(signature, S_OFFSET, S_BYTES));
  return lowered;
}

function sec1(publicKey: Uint8Array): Uint8Array {
  const uncompressed = new Uint8Array(1 + PUBLIC_KEY_BYTES);
  uncompressed[0] = UNCOMPRESSED;
  uncompressed.set(publicKey, 1);
  return uncompressed;
}
