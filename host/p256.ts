import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { fromHex } from "@link-rewards/core/encoding/bytes";
import {
  isLowS,
  PUBLIC_KEY_BYTES,
  type VerifyP256,
  withLowS,
} from "@link-rewards/core/encoding/p256";
import { SIGNATURE_BYTES } from "@link-rewards/core/encoding/signature";

/** What stands before x ‖ y in a SubjectPublicKeyInfo (RFC 5480) of a P-256 key, with SEC 1's mark of an uncompressed point. */
const SPKI = fromHex("0x3059301306072a8648ce3d020106082a8648ce3d03010703420004");
/** Not the ASN.1 that OpenSSL writes by default. */
const ENCODING = { dsaEncoding: "ieee-p1363" } as const;

/** OpenSSL's: the same answers as core's, some twenty times faster. */
export const nativeVerifyP256: VerifyP256 = (digest, signature, publicKey) => {
  if (signature.length !== SIGNATURE_BYTES || !isLowS(signature)) return false;
  const key = keyIn(fromHex(publicKey));
  return key !== undefined && verify("sha256", digest, { key, ...ENCODING }, signature);
};

function keyIn(publicKey: Uint8Array): KeyObject | undefined {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return undefined;
  try {
    return createPublicKey({
      key: Buffer.concat([SPKI, publicKey]),
      format: "der",
      type: "spki",
    });
  } catch {
    // Not on the curve.
    return undefined;
  }
}

/** The last 64 bytes of how a public key is written: x ‖ y. */
export function publicKeyBytes(key: KeyObject): Uint8Array {
  return key.export({ format: "der", type: "spki" }).subarray(SPKI.length);
}

export function nativeSignP256(digest: Uint8Array, key: KeyObject): Uint8Array {
  return withLowS(sign("sha256", digest, { key, ...ENCODING }));
}
