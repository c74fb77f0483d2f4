import { generateKeyPairSync, randomBytes } from "node:crypto";
import { toHex } from "@link-rewards/core/encoding/bytes";
import { p256KeyOf, type Signer, signerOf } from "@link-rewards/host/keys";

/** A device whose key is thrown away with its chain. */
export type LocalDevice = Omit<Signer, "wallet"> & {
  /** As a key file holds it: 64 hex digits, or the PEM of a P-256 key. */
  readonly privateKey: string;
};

export function newDevice(): LocalDevice {
  const privateKey = randomBytes(32);
  return { ...signerOf(privateKey), privateKey: toHex(privateKey) };
}

export function newP256Device(): LocalDevice {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  return { ...p256KeyOf(privateKey), privateKey: String(pem) };
}
