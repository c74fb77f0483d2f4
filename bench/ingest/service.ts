import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fromHex, type Hex, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import { sign as signPure } from "@link-rewards/core/encoding/signature";
import type { SignedRecords, SignerRecovery } from "@link-rewards/core/signed/signers";
import { createLog } from "@link-rewards/host/log";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import { SigningKey } from "ethers";
import { Piscina } from "piscina";
import { createHttpServer } from "../../oracle/edge/http/server.ts";
import { createMetrics } from "../../oracle/edge/metrics.ts";
import { openRecoverPool } from "../../oracle/edge/recover-pool.ts";
import { batchRecovery } from "../../oracle/member/batch-recovery.ts";
import { createIngest } from "../../oracle/member/ingest.ts";
import { openPostgresStore } from "../../oracle/store/postgres.ts";
import { openSqliteStore } from "../../oracle/store/sqlite.ts";
import type { Store } from "../../oracle/store/store.ts";
import { deployment } from "../../test/worlds/paper.ts";
import { keyOf, worldOf } from "../world.ts";

/** Who checks and makes signatures; all on as many threads, behind the same HTTP and the same store. */
export type Verifier = "native" | "@noble/curves" | "ethers";

export type Service = {
  readonly url: string;
  readonly store: Store;
};

export type ServiceOptions = {
  readonly size: number;
  readonly verifier: Verifier;
  /** The URL of a PostgreSQL database; a SQLite file in a folder of its own without it. */
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
    unready: () => ingest.troubles(),
    queueDepth: () => ingest.depth(),
    chainHead: () => undefined,
    epochs: async () => [],
    demands: () => ({ count: 0, firstDue: undefined }),
  });
  const ingest = createIngest({
    store,
    deployment,
    law: () => law,
    knownUntil: () => NOON,
    chainSeconds: () => NOON,
    clockSeconds: () => NOON,
    doubt: () => undefined,
    marginSeconds: 60,
    member: `0x${"ab".repeat(20)}`,
    sign: signerOf(verifier, key),
    recovery: batchRecovery(recoveryOf(verifier), { calls: 2 * THREADS, receipts: 200 }),
    ...(maxQueuedReceipts !== undefined && { maxQueuedReceipts }),
    meter: metrics.ingest,
    log,
  });
  const server = await createHttpServer({
    ingest,
    receipts: (epoch) => store.packedReceipts(epoch),
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
    const { sign } = loadSecp256k1();
    return (digest) => sign(digest, key);
  }
  if (verifier === "@noble/curves") return (digest) => signPure(digest, key);
  const signingKey = new SigningKey(toHex(key));
  return (digest) => fromHex(lowercaseHex(signingKey.sign(digest).compactSerialized as Hex));
}

function recoveryOf(verifier: Verifier): SignerRecovery {
  if (verifier === "native") return openRecoverPool(THREADS, THREADS).recover;
  const pool = new Piscina<SignedRecords, Uint8Array>({
    filename: new URL("./peer-signers.ts", import.meta.url).href,
    name: verifier === "ethers" ? "recoverWithEthers" : "recoverWithNoble",
    maxThreads: THREADS,
    minThreads: THREADS,
  });
  return (signed) => pool.run(signed);
}

/** In a process of its own: prints where it listens. */
if (import.meta.main) {
  const [size, database] = process.argv.slice(2);
  const { url } = await startService({ size: Number(size), verifier: "native", database });
  process.on("disconnect", () => process.exit());
  process.send?.(url);
}
