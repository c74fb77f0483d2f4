import { SIGNED_RECEIPT_BYTES, unpackReceipt } from "@link-rewards/core/signed/receipt";
import { openRecoverPool } from "../../oracle/edge/recover-pool.ts";
import type { Case, Contestant } from "../case.ts";
import { type Setting, startSender, startServices } from "../ingest/processes.ts";
import type { Sent } from "../ingest/sender.ts";
import type { Service } from "../ingest/service.ts";
import { domain, EPOCH, signReceipts, worldOf } from "../world.ts";

/**
 * HTTP in, two signatures verified, durable commit, signed acknowledgement out. The sender runs on the same cores, so
 * its work is in every figure; raw verification has the cores for itself.
 */
const BATCHES = { form: "packed", batch: 100, connections: 12 } as const;
const SINGLES = { form: "packed", batch: 1, connections: 64 } as const;

/** With `--clock cpu`, a rate is that of this process's own threads, without sender, other processes and server. */
const COUNTS_CPU = process.argv.at(-1) === "cpu";

/** A short queue, so that it is full within a short run: what is accepted waits for this many at most. */
const QUEUED = 1_000;

/** What a round of one setting comes to; `figure` picks what is asked for. */
function measured(setting: Setting, figure: (sent: Sent) => number): Contestant {
  return async (size) => {
    const { urls } = await startServices(size, setting);
    const sender = await startSender(size, { ...setting.load, urls });
    await sender.round();
    return async () => {
      const sent = await sender.round();
      return figure === milliseconds && COUNTS_CPU ? undefined : figure(sent);
    };
  };
}

const milliseconds = (sent: Sent) => sent.milliseconds;

const raw: Contestant = async (size) => {
  const packed = signReceipts(worldOf(size, { signed: true }));
  const { recover } = openRecoverPool();
  const recordBytes = SIGNED_RECEIPT_BYTES;
  const run = () => recover({ domain, records: packed, recordBytes, publicKeys: new Map() });
  await run();
  return async () => void (await run());
};

/**
 * Sends for some seconds at twice the rate it measured, and gives the 99th percentile of what was accepted. Fails when
 * nothing was refused, and when anything that was acknowledged is not in the store.
 */
const overloaded: Contestant = async (size) => {
  const { urls, service } = await startServices(size, { load: BATCHES, maxQueuedReceipts: QUEUED });
  const calm = await startSender(size, { ...BATCHES, urls });
  await calm.round();
  const { milliseconds: taken } = await calm.round();
  const requestsPerSecond = (2 * (size / BATCHES.batch) * 1000) / taken;
  const load = { ...BATCHES, connections: 400, requestsPerSecond, urls, firstSequence: 10_000 };
  const sender = await startSender(size, load);
  return async () => {
    const { p99, busy, acknowledged } = await sender.round();
    if (busy === 0) throw new Error("nothing was refused under twice the load");
    await expectStored(service, size, acknowledged);
    return p99;
  };
};

async function expectStored(
  { store }: Service,
  size: number,
  acknowledged: readonly number[],
): Promise<void> {
  const { receipts } = worldOf(size, { signed: true });
  const stored = new Map<string, number>();
  for await (const page of store.packedReceipts(EPOCH)) {
    for (let at = 0; at < page.length; at += SIGNED_RECEIPT_BYTES) {
      const { device, customer, sequence } = unpackReceipt(page.subarray(at));
      stored.set(device + customer, sequence);
    }
  }
  for (const [i, sequence] of acknowledged.entries()) {
    const { device, customer } = receipts[i] as { device: string; customer: string };
    if ((stored.get(device + customer) ?? 0) < sequence) {
      throw new Error(`receipt ${i} was acknowledged with sequence ${sequence} and is lost`);
    }
  }
}

const rate = {
  unit: "receipts/s",
  sizes: { quick: [1_000], full: [20_000] },
  rounds: { quick: 1, full: 5 },
} as const;
const latency = {
  unit: "ms",
  sizes: { quick: [1_000], full: [20_000] },
  rounds: { quick: 1, full: 5 },
  peers: {},
} as const;
const onSqlite = measured({ load: BATCHES }, milliseconds);
const onPostgres = (processes: number) =>
  measured({ database: "PostgreSQL", processes, load: BATCHES }, milliseconds);

export const cases: readonly Case[] = [
  {
    ...rate,
    what: "batches of 100",
    // The slowest of them takes 3 seconds for a thousand, and as long to warm up.
    sizes: { quick: [500], full: [5_000] },
    ours: onSqlite,
    peers: {
      "secp256k1 alone": { run: raw },
      "@noble/curves": {
        run: measured({ verifier: "@noble/curves", load: BATCHES }, milliseconds),
      },
      ethers: { run: measured({ verifier: "ethers", load: BATCHES }, milliseconds) },
    },
  },
  {
    ...rate,
    what: "batches of 100, JSON",
    ours: measured({ load: { ...BATCHES, form: "JSON" } }, milliseconds),
    peers: {},
  },
  {
    ...rate,
    what: "batches of 100, PostgreSQL",
    ours: onPostgres(1),
    peers: { "node:sqlite": { run: onSqlite } },
  },
  {
    ...rate,
    what: "batches of 100, PostgreSQL, 2 processes",
    sizes: { ...rate.sizes, quick: [] },
    ours: onPostgres(2),
    peers: { "1 process": { run: onPostgres(1) } },
  },
  { ...rate, what: "one a request", ours: measured({ load: SINGLES }, milliseconds), peers: {} },
  { ...latency, what: "one a request, p50", ours: measured({ load: SINGLES }, ({ p50 }) => p50) },
  { ...latency, what: "one a request, p99", ours: measured({ load: SINGLES }, ({ p99 }) => p99) },
  {
    ...latency,
    what: "twice the load, p99 of accepted",
    sizes: { quick: [4_000], full: [40_000] },
    rounds: { quick: 1, full: 3 },
    ours: overloaded,
  },
];
