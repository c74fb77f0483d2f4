import { secp256k1 } from "@noble/curves/secp256k1.js";
import {
  type Address,
  fromHex,
  type Hex,
  isHexOf,
  keccak256,
  lowercaseHex,
  readUint,
  toHex,
} from "./bytes.ts";
import { type Refused, refuse } from "./refusal.ts";

/** EIP-2098: 64 bytes r ‖ yParityAndS, where the top bit of s says which of the two points. Of P-256 keys: r ‖ s. */
export const SIGNATURE_BYTES = 64;

/** Recovers the signer's address, or undefined when the bytes are not a signature. An edge may bring a faster one. */
export type Recover = (digest: Uint8Array, signature: Uint8Array) => Address | undefined;

const HALF_ORDER = secp256k1.Point.CURVE().n >> 1n;
const S_OFFSET = 32;

export function sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const recovered = secp256k1.sign(digest, privateKey, {
    prehash: false,
    lowS: true,
    format: "recovered",
  });
  const compact = recovered.slice(1);
  if (recovered[0] === 1) compact[S_OFFSET] = (compact[S_OFFSET] as number) | 0x80;
  return compact;
}

/** Low s only: with high s accepted, every signature would have a twin and a receipt more than one spelling. */
export function recover(digest: Uint8Array, signature: Uint8Array): Address | undefined {
  if (signature.length !== SIGNATURE_BYTES) return undefined;
  const yParity = (signature[S_OFFSET] as number) >> 7;
  const recovered = new Uint8Array(1 + SIGNATURE_BYTES);
  recovered[0] = yParity;
  recovered.set(signature, 1);
  recovered[1 + S_OFFSET] = (signature[S_OFFSET] as number) & 0x7f;
  if (readUint(recovered, 1 + S_OFFSET, 32) > HALF_ORDER) return undefined;
  return addressOfRecovered(digest, recovered);
}

function addressOfRecovered(digest: Uint8Array, recovered: Uint8Array): Address | undefined {
  try {
    const point = secp256k1.Signature.fromBytes(recovered, "recovered").recoverPublicKey(digest);
    return addressOfPublicKey(point.toBytes(false).subarray(1));
  } catch {
    // noble throws for r or s out of range and for an r that is on no point: not a signature.
    return undefined;
  }
}

export function parseSignature(input: unknown, where: string): Uint8Array | Refused {
  if (isHexOf(input, SIGNATURE_BYTES)) return fromHex(lowercaseHex(input));
  return refuse(
    "malformed",
    `${where} must be 0x and ${2 * SIGNATURE_BYTES} hex digits (EIP-2098 compact; of a P-256 key r and s)`,
  );
}

/** As the contracts take it. */
export type CompactSignature = { readonly r: Hex; readonly vs: Hex };
/** `publicKey` is that of a P-256 key, whose s is in `vs`; of a secp256k1 key it is empty. */
export type DeviceSignature = CompactSignature & { readonly publicKey: Hex };

export function toCompact(signature: Uint8Array): CompactSignature {
  return { r: toHex(signature.subarray(0, S_OFFSET)), vs: toHex(signature.subarray(S_OFFSET)) };
}

export function toDeviceSignature(signature: Uint8Array, publicKey: Hex): DeviceSignature {
  return { ...toCompact(signature), publicKey };
}

export function addressOf(privateKey: Uint8Array): Address {
  return addressOfPublicKey(secp256k1.getPublicKey(privateKey, false).subarray(1));
}

/** `publicKey` is x ‖ y, whichever the curve. */
export function addressOfPublicKey(publicKey: Uint8Array): Address {
  return toHex(keccak256(publicKey).subarray(12));
}
