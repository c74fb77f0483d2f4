import { createRequire } from "node:module";
import { sign as signPure } from "../core/signature.ts";

/** EIP-2098 with low s, deterministic (RFC 6979): of one digest and key, always the same bytes. */
export type Sign = (digest: Uint8Array, privateKey: Uint8Array) => Uint8Array;

/** What is used of the secp256k1 package, which brings no types. */
type Bindings = {
  ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recid: number };
};

const S_OFFSET = 32;

/** libsecp256k1 where its build for this platform loads, else the pure one: the same bytes, some twenty times slower. */
export function loadSign(load: () => Bindings = loadBindings): Sign {
  try {
    return overBindings(load());
  } catch {
    // Who recovers with the same library says so once: see recover.ts.
    return signPure;
  }
}

function loadBindings(): Bindings {
  const require = createRequire(import.meta.url);
  return require("secp256k1/bindings.js") as Bindings;
}

function overBindings(bindings: Bindings): Sign {
  return (digest, privateKey) => {
    const { signature, recid } = bindings.ecdsaSign(digest, privateKey);
    signature[S_OFFSET] = (signature[S_OFFSET] as number) | (recid << 7);
    return signature;
  };
}
