import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { SigningKey } from "ethers";
import { Piscina } from "piscina";
import { fromHex, type Hex, lowercaseHex, toHex } from "../../oracle/core/bytes.ts";
import { sign as signPure } from "../../oracle/core/signature.ts";
import type { Store } from "../../oracle/core/store.ts";
import { createHttpServer } from "../../oracle/edge/http.ts";
import { createLog } from "../../oracle/edge/log.ts";
import { createMetrics } from "../../oracle/edge/metrics.ts";
import { openPostgresStore } from "../../oracle/edge/postgres.ts";
import { openSigners } from "../../oracle/edge/recover.ts";
import { loadSign } from "../../oracle/edge/sign.ts";
import { openSqliteStore } from "../../oracle/edge/sqlite.ts";
import { gatherSigners } from "../../oracle/gather.ts";
import { createIngest, type RecoverSigners } from "../../oracle/ingest.ts";
import { deployment, keyOf, worldOf } from "../world.ts";

/** Who checks and makes signatures; all on as many threads, behind the same HTTP and the same store. */
export type Verifier = "native" | "@noble/curves" | "ethers";

export type Service = {
  readonly url: string;
  readonly store: Store;
};

export type ServiceOptions = {
  readonly size: number;
  readonly verifier: Verifier;
  /** Of a PostgreSQL database; a SQLite file in a folder of its own without it. */
  readonly database?: string | undefined;
  readonly maxQueuedReceipts?: number | undefined;
};

const THREADS = availableParallelism();
const NOON = deployment.genesis + deployment.epochSeconds / 2;

/** The ingest as `serve` runs it, over a law that is made up instead of read from a chain. */
export async function startService({
  size,
  verifier,
  database,
  maxQueuedReceipts,
}: ServiceOptions): Promise<Service> {
  const { law } = worldOf(size, { signed: true });
  const store =
    database === undefined ? await openSqliteStore(folder()) : await openPostgresStore(database);
  const key = keyOf("member");
  const log = createLog({ level: "error" });
  const metrics = createMetrics({
    queueDepth: () => ingest.depth(),
    chainHead: () => undefined,
    epochs: async () => [],
  });
  const ingest = createIngest({
    store,
    deployment,
    law: () => law,
    now: () => NOON,
    marginSeconds: 60,
    member: `0x${"ab".repeat(20)}`,
    sign: signerOf(verifier, key),
    recoverSigners: gatherSigners(signersOf(verifier), { calls: 2 * THREADS, receipts: 200 }),
    ...(maxQueuedReceipts !== undefined && { maxQueuedReceipts }),
    meter: metrics.ingest,
    log,
  });
  const server = await createHttpServer({
    ingest,
    receipts: (epoch) => store.receipts(epoch),
    readiness: async () => [],
    metrics,
    log,
  });
  const { url } = await server.listen();
  return { url, store };
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "link-rewards-bench-"));
  process.once("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}

function signerOf(verifier: Verifier, key: Uint8Array): (digest: Uint8Array) => Uint8Array {
  if (verifier === "native") {
    const sign = loadSign();
    return (digest) => sign(digest, key);
  }
  if (verifier === "@noble/curves") return (digest) => signPure(digest, key);
  const signingKey = new SigningKey(toHex(key));
  return (digest) => fromHex(lowercaseHex(signingKey.sign(digest).compactSerialized as Hex));
}

function signersOf(verifier: Verifier): RecoverSigners {
  if (verifier === "native") return openSigners(THREADS, THREADS).recoverSigners;
  const pool = new Piscina<PeerTask, Uint8Array>({
    filename: new URL("./peer-signers.ts", import.meta.url).href,
    name: verifier === "ethers" ? "recoverWithEthers" : "recoverWithNoble",
    maxThreads: THREADS,
    minThreads: THREADS,
  });
  return (domain, records, recordBytes) => pool.run({ domain, records, recordBytes });
}

export type PeerTask = {
  readonly domain: Uint8Array;
  readonly records: Uint8Array;
  readonly recordBytes: number;
};

/** In a process of its own: prints where it listens. */
if (import.meta.main) {
  const [size, database] = process.argv.slice(2);
  const { url } = await startService({ size: Number(size), verifier: "native", database });
  process.on("disconnect", () => process.exit());
  process.send?.(url);
}
