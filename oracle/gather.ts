import { concatBytes } from "./core/bytes.ts";
import { SIGNERS_BYTES } from "./core/signers.ts";
import type { RecoverSigners } from "./ingest.ts";

export type GatherOptions = {
  /** Calls at a time: as many as keep all threads busy, and no more, for what waits is gathered. */
  readonly calls: number;
  /** In one call: larger ones would make one request wait for another's. */
  readonly receipts: number;
};

type Waiter = {
  readonly records: Uint8Array;
  readonly resolve: (signers: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Has what came in many small requests recovered in few calls: handing a single receipt to another thread takes longer
 * than what it saves. The first goes at once; while it runs, the next are gathered. For records of one domain and size.
 */
export function gatherSigners(
  recoverSigners: RecoverSigners,
  { calls, receipts }: GatherOptions,
): RecoverSigners {
  const waiting: Waiter[] = [];
  let running = 0;

  async function run(domain: Uint8Array, recordBytes: number): Promise<void> {
    running++;
    // What arrives in this turn of the event loop goes together.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const group = takeUpTo(waiting, receipts * recordBytes);
      try {
        const records = concatBytes(...group.map((waiter) => waiter.records));
        const signers = await recoverSigners(domain, records, recordBytes);
        let from = 0;
        for (const waiter of group) {
          const to = from + (waiter.records.length / recordBytes) * SIGNERS_BYTES;
          waiter.resolve(signers.subarray(from, to));
          from = to;
        }
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    running--;
  }

  return async (domain, records, recordBytes) => {
    if (records.length === 0) return new Uint8Array();
    return new Promise((resolve, reject) => {
      waiting.push({ records, resolve, reject });
      if (running < calls) void run(domain, recordBytes);
    });
  };
}

/** The first, and as many of the next as fit. */
function takeUpTo(waiting: Waiter[], bytes: number): readonly Waiter[] {
  let size = 0;
  const tooMany = waiting.findIndex(({ records }, i) => {
    size += records.length;
    return i > 0 && size > bytes;
  });
  return waiting.splice(0, tooMany === -1 ? waiting.length : tooMany);
}
