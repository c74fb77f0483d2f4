import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { toHex } from "@link-rewards/core/encoding/bytes";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import { openPostgresStore } from "../../oracle/store/postgres.ts";
import { openSqliteStore } from "../../oracle/store/sqlite.ts";
import type { Store } from "../../oracle/store/store.ts";
import { runSql, startPostgres } from "../../scripts/local/postgres-server.ts";
import type { Case, Contestant } from "../case.ts";
import { keyOf, worldOf } from "../world.ts";

/** As under load, where what waits for the disk shares a commit. */
const BATCH = 2_000;

/** In bytes, of all receipts together: after each was stored, and after each was replaced by the next of its sequence. */
type Sizes = {
  readonly stored: number;
  readonly written: number;
  readonly replaced: number;
  readonly rewritten: number;
};

/** Of one engine. `written`: to the log ahead of the tables, since the beginning. */
type Scales = { stored(): Promise<number>; written(): Promise<number> };

async function weigh(store: Store, size: number, scales: Scales): Promise<Sizes> {
  const { receipts } = worldOf(size, { signed: false });
  // Devices come in no order, so that each finds its place somewhere in the index.
  const order = receipts.map((receipt, i) => [toHex(keyOf(`order ${i}`)), receipt] as const);
  const mixed = order.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, receipt]) => receipt);
  await put(store, mixed);
  const stored = await scales.stored();
  const written = await scales.written();
  await put(
    store,
    mixed.map((receipt) => ({ ...receipt, sequence: receipt.sequence + 1 })),
  );
  const rewritten = (await scales.written()) - written;
  return { stored, written, replaced: await scales.stored(), rewritten };
}

async function put(store: Store, receipts: readonly Receipt[]): Promise<void> {
  // No signature is looked at here, so any bytes will do that do not compress.
  const customerSignature = new Uint8Array([...keyOf("r"), ...keyOf("s")]);
  for (let i = 0; i < receipts.length; i += BATCH) {
    const batch = receipts.slice(i, i + BATCH).map((receipt, n) => ({
      receipt,
      digest: keyOf(`digest ${receipt.sequence} ${i + n}`),
      customerSignature,
      deviceSignature: customerSignature,
    }));
    await store.putReceipts(batch as unknown as VerifiedReceipt[]);
  }
}

async function inSqlite(size: number): Promise<Sizes> {
  const folder = await mkdtemp(join(tmpdir(), "link-rewards-bench-sizes-"));
  const file = join(folder, "oracle.sqlite");
  const store = await openSqliteStore(folder);
  // Whoever reads keeps the log from being begun anew: it ends as long as all that was written to it.
  const reader = new DatabaseSync(file, { readOnly: true });
  reader.exec("BEGIN");
  reader.prepare("SELECT COUNT(*) FROM receipts").get();
  const beside = new DatabaseSync(file, { readOnly: true });
  const sizes = await weigh(store, size, {
    stored: async () => {
      const sql = "SELECT SUM(pgsize) AS bytes FROM dbstat WHERE name NOT LIKE 'sqlite_s%'";
      return (beside.prepare(sql).get() as { bytes: number }).bytes;
    },
    written: async () => (await stat(`${file}-wal`)).size,
  });
  reader.close();
  beside.close();
  await store.close();
  await rm(folder, { recursive: true });
  return sizes;
}

async function inPostgres(size: number): Promise<Sizes> {
  const server = await startPostgres();
  try {
    const url = await server.createSchema();
    const store = await openPostgresStore(url);
    const asked = async (sql: string) => Number((await runSql(url, `SELECT ${sql} AS n`))[0]?.n);
    const began = await asked("pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')");
    const sizes = await weigh(store, size, {
      stored: () => asked("pg_total_relation_size('receipts')"),
      written: async () =>
        (await asked("pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")) - began,
    });
    await store.close();
    return sizes;
  } finally {
    await server.stop();
  }
}

/** All is done before the round: what it gives is bytes a receipt. */
const of =
  (weighed: (size: number) => Promise<Sizes>, figure: keyof Sizes): Contestant =>
  async (size) => {
    const sizes = await weighed(size);
    return () => sizes[figure] / size;
  };

const WHAT: Readonly<Record<keyof Sizes, string>> = {
  stored: "on disk, a receipt: table and indexes",
  written: "in the log (WAL), a receipt that is the first of its pair",
  replaced: "on disk, a pair, once each receipt was replaced",
  rewritten: "in the log (WAL), a receipt that replaces another",
};

export const cases: readonly Case[] = Object.entries(WHAT).map(([figure, what]) => ({
  what,
  unit: "bytes",
  sizes: { quick: [10_000], full: [1_000_000] },
  rounds: { quick: 1, full: 1 },
  ours: of(inSqlite, figure as keyof Sizes),
  peers: { "the same in PostgreSQL": { run: of(inPostgres, figure as keyof Sizes) } },
}));
