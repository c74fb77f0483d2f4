import { keccak_256 } from "@noble/hashes/sha3.js";
import { KECCAK_KERNEL } from "./keccak-kernel.ts";

/**
 * Keccak-256 of one message, and of many records of one size that lie one after the other. Trees are nothing else, twice
 * for each leaf, and in plain JavaScript a hash of 64 bytes takes 5 µs; a native addon would not run in browsers. So
 * there is a kernel in WebAssembly, and @noble/hashes where that or its SIMD is missing or a page's policy forbids it.
 */
export type Keccak = {
  hash(message: Uint8Array): Uint8Array;
  /** The hashes, 32 bytes each, in the order of the records. */
  hashRecords(records: Uint8Array, recordBytes: number): Uint8Array;
};

const HASH_BYTES = 32;

export const pureKeccak: Keccak = {
  hash: (message) => keccak_256(message),
  hashRecords(records, recordBytes) {
    const count = countOf(records, recordBytes);
    const hashes = new Uint8Array(count * HASH_BYTES);
    for (let i = 0; i < count; i++) {
      const record = records.subarray(i * recordBytes, (i + 1) * recordBytes);
      hashes.set(keccak_256(record), i * HASH_BYTES);
    }
    return hashes;
  },
};

type Kernel = {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly INPUT_BYTES: { readonly value: number };
  input(): number;
  output(): number;
  hashRecords(size: number, count: number): void;
};

/** kernel/keccak.ts, which hashes a whole stretch of a tree's level in one call; undefined where WebAssembly has no SIMD or is forbidden. */
export function loadKernel(base64: string = KECCAK_KERNEL): Keccak | undefined {
  try {
    const code = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code));
    return overKernel(exports as unknown as Kernel);
  } catch {
    // An old engine, or a page whose policy has no wasm-unsafe-eval: slower, and the same hashes.
    return undefined;
  }
}

function overKernel(kernel: Kernel): Keccak {
  const inputBytes = kernel.INPUT_BYTES.value;
  const input = new Uint8Array(kernel.memory.buffer, kernel.input(), inputBytes);
  const output = new Uint8Array(kernel.memory.buffer, kernel.output(), inputBytes);
  // One hash per record comes out, so records shorter than a hash would fill the output first.
  const atOnce = (recordBytes: number) =>
    Math.floor(inputBytes / Math.max(recordBytes, HASH_BYTES));
  return {
    hash(message) {
      if (message.length > inputBytes) return pureKeccak.hash(message);
      input.set(message);
      kernel.hashRecords(message.length, 1);
      return output.slice(0, HASH_BYTES);
    },
    hashRecords(records, recordBytes) {
      const count = countOf(records, recordBytes);
      const step = atOnce(recordBytes);
      if (step === 0) return pureKeccak.hashRecords(records, recordBytes);
      const hashes = new Uint8Array(count * HASH_BYTES);
      for (let i = 0; i < count; i += step) {
        const taken = Math.min(step, count - i);
        input.set(records.subarray(i * recordBytes, (i + taken) * recordBytes));
        kernel.hashRecords(recordBytes, taken);
        hashes.set(output.subarray(0, taken * HASH_BYTES), i * HASH_BYTES);
      }
      return hashes;
    },
  };
}

function countOf(records: Uint8Array, recordBytes: number): number {
  const count = records.length / recordBytes;
  if (!Number.isInteger(count))
    throw new RangeError(`${records.length} bytes are not whole records of ${recordBytes}`);
  return count;
}

/** The fastest there is here. */
export const keccak: Keccak = loadKernel() ?? pureKeccak;
