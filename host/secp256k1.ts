import { createRequire } from "node:module";
import { compareBytes, fromHex, keccak256, toHex } from "@link-rewards/core/encoding/bytes";
import {
  type Recover,
  recover as recoverPure,
  SIGNATURE_BYTES,
  sign as signPure,
} from "@link-rewards/core/encoding/signature";

/** EIP-2098 with low s, deterministic (RFC 6979): of one digest and key, always the same bytes. */
export type Sign = (digest: Uint8Array, privateKey: Uint8Array) => Uint8Array;

/** Signatures by whichever library this machine can run. */
export type Secp256k1 = {
  readonly name: "native" | "pure";
  readonly recover: Recover;
  readonly sign: Sign;
  /** Why it is not the native one. */
  readonly reason?: string;
};

/** What is used of the secp256k1 package, which brings no types. */
type Bindings = {
  /** Throws when the bytes are not a signature; takes high s. */
  ecdsaRecover(
    signature: Uint8Array,
    parity: number,
    digest: Uint8Array,
    compressed: boolean,
    publicKey: Uint8Array,
  ): Uint8Array;
  ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recid: number };
};

const S_OFFSET = 32;
const HALF_ORDER = fromHex("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
const PUBLIC_KEY_BYTES = 65;

/** libsecp256k1 where its build for this platform loads, else the pure one: the same answers, some twenty times slower. */
export function loadSecp256k1(load: () => Bindings = loadBindings): Secp256k1 {
  try {
    const bindings = load();
    return { name: "native", recover: recoverBy(bindings), sign: signBy(bindings) };
  } catch (cause) {
    // The message goes on with a list of files on further lines.
    const [reason] = (cause as Error).message.split("\n");
    return { name: "pure", recover: recoverPure, sign: signPure, reason: reason as string };
  }
}

/** The bindings and not the package's main file, which would take another slow library without a word. */
function loadBindings(): Bindings {
  const require = createRequire(import.meta.url);
  return require("secp256k1/bindings.js") as Bindings;
}

function recoverBy(bindings: Bindings): Recover {
  const publicKey = new Uint8Array(PUBLIC_KEY_BYTES);
  const plain = new Uint8Array(SIGNATURE_BYTES);
  return (digest, signature) => {
    if (signature.length !== SIGNATURE_BYTES) return undefined;
    plain.set(signature);
    const parity = (plain[S_OFFSET] as number) >> 7;
    plain[S_OFFSET] = (plain[S_OFFSET] as number) & 0x7f;
    if (compareBytes(plain.subarray(S_OFFSET), HALF_ORDER) > 0) return undefined;
    try {
      bindings.ecdsaRecover(plain, parity, digest, false, publicKey);
    } catch {
      // r or s out of range, or an r that is on no point: not a signature.
      return undefined;
    }
    return toHex(keccak256(publicKey.subarray(1)).subarray(12));
  };
}

function signBy(bindings: Bindings): Sign {
  return (digest, privateKey) => {
    const { signature, recid } = bindings.ecdsaSign(digest, privateKey);
    signature[S_OFFSET] = (signature[S_OFFSET] as number) | (recid << 7);
    return signature;
  };
}
