import { availableParallelism } from "node:os";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { HASH_BYTES } from "@link-rewards/core/encoding/tree";
import type { PublishedBundle } from "@link-rewards/core/epoch/bundle";
import { CONTRIBUTION_BYTES } from "@link-rewards/core/epoch/records";
import { type Law, publicKeys } from "@link-rewards/core/law/law";
import { type Deployment, registryDomain } from "@link-rewards/core/signed/deployment";
import {
  publicKeysAmong,
  recoverSigners,
  SIGNERS_BYTES,
  type SignedRecords,
  type SignerRecovery,
} from "@link-rewards/core/signed/signers";
import { loadCurves } from "@link-rewards/host/curves";
import { move, Piscina } from "piscina";

/** Threads that recover signers. */
export type RecoverPool = {
  readonly recover: SignerRecovery;
  /** Of many digests, the address of the key that signed each. */
  readonly keysOf: (signed: readonly SignedDigest[]) => Promise<readonly (Address | undefined)[]>;
  close(): Promise<void>;
};

/** A digest, and a signature of it. */
export type SignedDigest = { readonly digest: Uint8Array; readonly signature: Uint8Array };

/** About 20 ms of work: with one receipt a task, handing it over takes what the second thread brings. */
const RECEIPTS_PER_TASK = 200;
/** Copied and queued ahead of each thread, and no more of a large file than that. */
const TASKS_AHEAD = 2;
const IDLE_MS = 5_000;

/** `kept` threads begin at once and stay; the others begin with the first task and end when there is nothing to do. */
export function openRecoverPool(threads: number = availableParallelism(), kept = 0): RecoverPool {
  const pool = new Piscina<SignedRecords, Uint8Array>({
    filename: import.meta.url,
    name: "recoverTask",
    minThreads: kept,
    maxThreads: threads,
    concurrentTasksPerWorker: TASKS_AHEAD,
    idleTimeout: IDLE_MS,
  });
  return {
    async recover(
      { records, recordBytes, domain, publicKeys, digests, deviceDecides },
      onProgress,
    ) {
      const total = Math.floor(records.length / recordBytes);
      const signers = new Uint8Array(total * SIGNERS_BYTES);
      let next = 0;
      let done = 0;
      const work = async () => {
        while (next < total) {
          const first = next;
          next = Math.min(total, first + RECEIPTS_PER_TASK);
          const own = records.slice(first * recordBytes, next * recordBytes);
          const task = {
            records: own,
            recordBytes,
            domain,
            deviceDecides,
            // A thread is not handed a million keys for a few hundred records.
            publicKeys: publicKeysAmong({ records: own, recordBytes, publicKeys }),
            digests: digests?.slice(first * HASH_BYTES, next * HASH_BYTES),
          };
          // Piscina's type for the list is that of another Node.
          const found = await pool.run(task, { transferList: [task.records.buffer] as never });
          signers.set(found, first * SIGNERS_BYTES);
          done += found.length / SIGNERS_BYTES;
          onProgress?.(done, total);
        }
      };
      await Promise.all(Array.from({ length: threads * TASKS_AHEAD }, work));
      return signers;
    },
    // Piscina's type of a task is that of the other function.
    keysOf: (signed) => pool.run(signed as never, { name: "keysTask" }) as never,
    close: () => pool.destroy(),
  };
}

/** What runs in each thread; Piscina finds it by its name. @public */
export function recoverTask(task: SignedRecords) {
  return move(recoverSigners(task, loadCurves()));
}

/** As {@link recoverTask}. @public */
export function keysTask(signed: readonly SignedDigest[]): readonly (Address | undefined)[] {
  const { recover } = loadCurves();
  return signed.map(({ digest, signature }) => recover(digest, signature));
}

let shared: RecoverPool | undefined;

/** Here when there is little to do, else in the process's own pool. */
export const recoverInPool: SignerRecovery = async (signed, onProgress) => {
  if (signed.records.length > RECEIPTS_PER_TASK * signed.recordBytes) {
    shared ??= openRecoverPool();
    return shared.recover(signed, onProgress);
  }
  return recoverSigners(signed, loadCurves());
};

/** The signers of a bundle's contributions: what takes the time in checking it. */
export function recoverContributions(
  deployment: Deployment,
  law: Law,
  { files }: PublishedBundle,
  onProgress?: (done: number, total: number) => void,
): Promise<Uint8Array> {
  const records = files.get("contributions.bin") ?? new Uint8Array();
  const domain = registryDomain(deployment);
  const recordBytes = CONTRIBUTION_BYTES;
  const signed = { records, recordBytes, domain, publicKeys: publicKeys(law) };
  return recoverInPool(signed, onProgress);
}
