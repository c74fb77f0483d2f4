import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { move, Piscina } from "piscina";
import { compareBytes, fromHex, keccak256, toHex } from "../core/bytes.ts";
import { type Recover, recover as recoverPure, SIGNATURE_BYTES } from "../core/signature.ts";
import { recoverSigners as recoverHere, SIGNERS_BYTES } from "../core/signers.ts";

/** Which recover this machine can run, and why not the faster one. */
export type LoadedRecover = {
  readonly recover: Recover;
  readonly name: "native" | "pure";
  readonly reason?: string;
};

/** What is used of the secp256k1 package, which brings no types. Throws when the bytes are no signature; takes high s. */
type Bindings = {
  ecdsaRecover(
    signature: Uint8Array,
    parity: number,
    digest: Uint8Array,
    compressed: boolean,
    publicKey: Uint8Array,
  ): Uint8Array;
};

const S_OFFSET = 32;
const HALF_ORDER = fromHex("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
const PUBLIC_KEY_BYTES = 65;

/** libsecp256k1 where its build for this platform loads, else the pure one: the same answers, some twenty times slower. */
export function loadRecover(load: () => Bindings = loadBindings): LoadedRecover {
  try {
    return { recover: overBindings(load()), name: "native" };
  } catch (cause) {
    // The message goes on with a list of files on further lines.
    const [reason] = (cause as Error).message.split("\n");
    return { recover: recoverPure, name: "pure", reason: reason as string };
  }
}

/** The bindings and not the package's main file, which would take another slow library without a word. */
function loadBindings(): Bindings {
  const require = createRequire(import.meta.url);
  return require("secp256k1/bindings.js") as Bindings;
}

function overBindings(bindings: Bindings): Recover {
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

/** The signers of packed receipts, as core/signers.ts finds them. */
export type RecoverSigners = (
  domain: Uint8Array,
  records: Uint8Array,
  recordBytes: number,
  onProgress?: (done: number, total: number) => void,
) => Promise<Uint8Array>;

export type SignerPool = {
  readonly recoverSigners: RecoverSigners;
  close(): Promise<void>;
};

/** About 20 ms of work: with one receipt a task, handing it over takes what the second thread brings. */
const RECEIPTS_PER_TASK = 200;
/** Copied and queued ahead of each thread, and no more of a large file than that. */
const TASKS_AHEAD = 2;
const IDLE_MS = 5_000;

/**
 * Threads that recover signers. `kept` of them begin at once and stay; the others begin with the first task and end when
 * there is nothing to do.
 */
export function openSigners(threads: number = availableParallelism(), kept = 0): SignerPool {
  const pool = new Piscina<SignersTask, Uint8Array>({
    filename: import.meta.url,
    name: "recoverTask",
    minThreads: kept,
    maxThreads: threads,
    concurrentTasksPerWorker: TASKS_AHEAD,
    idleTimeout: IDLE_MS,
  });
  return {
    async recoverSigners(domain, records, recordBytes, onProgress) {
      const total = Math.floor(records.length / recordBytes);
      const signers = new Uint8Array(total * SIGNERS_BYTES);
      let next = 0;
      let done = 0;
      const work = async () => {
        while (next < total) {
          const first = next;
          next = Math.min(total, first + RECEIPTS_PER_TASK);
          const part = records.slice(first * recordBytes, next * recordBytes);
          const task = { domain, records: part, recordBytes };
          // Piscina's type for the list is that of another Node.
          const found = await pool.run(task, { transferList: [part.buffer] as never });
          signers.set(found, first * SIGNERS_BYTES);
          done += found.length / SIGNERS_BYTES;
          onProgress?.(done, total);
        }
      };
      await Promise.all(Array.from({ length: threads * TASKS_AHEAD }, work));
      return signers;
    },
    close: () => pool.destroy(),
  };
}

type SignersTask = {
  readonly domain: Uint8Array;
  readonly records: Uint8Array;
  readonly recordBytes: number;
};

/** What runs in each thread; Piscina finds it by its name. @public */
export function recoverTask({ domain, records, recordBytes }: SignersTask) {
  return move(recoverHere(domain, records, recordBytes, loadRecover().recover));
}

let shared: SignerPool | undefined;

/** Here when there is little to do, else in the process's own pool. */
export const recoverSigners: RecoverSigners = async (domain, records, recordBytes, onProgress) => {
  if (records.length > RECEIPTS_PER_TASK * recordBytes) {
    shared ??= openSigners();
    return shared.recoverSigners(domain, records, recordBytes, onProgress);
  }
  return recoverHere(domain, records, recordBytes, loadRecover().recover);
};
