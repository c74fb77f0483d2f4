import { Client, Pool, type PoolClient, type QueryResultRow } from "pg";
import { arrivalTable } from "./arrivals.ts";
import { type Engine, LOCK_WAIT_MS, type Query } from "./engine.ts";
import { epochTable } from "./epochs.ts";
import { equivocationTable } from "./equivocations.ts";
import { eventTable } from "./events.ts";
import { leaseTable } from "./leases.ts";
import { readMigrations, refuseNewerSchema } from "./migrations.ts";
import { receiptTable } from "./postgres-receipts.ts";
import { reportTable } from "./reports.ts";
import type { Store } from "./store.ts";
import { transactionTable } from "./transactions.ts";
import { voucherTable } from "./vouchers.ts";

/** The lock that lets one process at a time migrate a database. Any number no one else uses there. */
const MIGRATION_LOCK = 7_265_311;

const CONNECT_WAIT_MS = 5_000;
/** A client whose machine vanished must not keep its locks for as long as the network takes to notice. */
const IDLE_IN_TRANSACTION_MS = 30_000;
/** One for the receipts, the others for all else. */
const CONNECTIONS = 8;

export type PostgresOptions = {
  /** How long a write waits for those of other clients before it fails. */
  readonly lockWaitMs?: number;
};

/** Values as the driver takes them: arrays too. */
export type PostgresQuery = (
  text: string,
  values?: readonly unknown[],
) => Promise<readonly QueryResultRow[]>;

export type Database = {
  /** As it may be shown: without user and password. */
  readonly name: string;
  readonly url: string;
  readonly query: PostgresQuery;
  /**
   * Runs `change` in a transaction and resolves with its result after the commit; when it throws, nothing is kept. It
   * is run again when another client was in its way.
   */
  readonly write: <T>(
    change: (query: PostgresQuery) => Promise<T>,
    isolation?: Isolation,
  ) => Promise<T>;
  readonly close: () => Promise<void>;
};

/**
 * Receipts are read, met and written against one moment; a head that another client moved meanwhile fails the write.
 * Everything else is rare, and as if there were no other client.
 */
type Isolation = "READ COMMITTED" | "REPEATABLE READ" | "SERIALIZABLE";

/** A store in a PostgreSQL database, for any number of processes on any number of machines. */
export async function openPostgresStore(
  url: string,
  { lockWaitMs = LOCK_WAIT_MS }: PostgresOptions = {},
): Promise<Store> {
  const database = openDatabase(url, lockWaitMs);
  try {
    await refuseUnlessDurable(database.query);
    await migrate(database);
  } catch (cause) {
    await database.close();
    throw new Error(`cannot open the store ${database.name}: ${explain(cause)}`, { cause });
  }
  const receipts = receiptTable(database);
  const engine = engineOn(database);
  return {
    ...receipts.table,
    ...equivocationTable(engine),
    ...voucherTable(engine),
    ...arrivalTable(engine),
    ...eventTable(engine),
    ...epochTable(engine),
    ...leaseTable(engine),
    ...reportTable(engine),
    ...transactionTable(engine),
    close: async () => {
      await receipts.finish();
      await database.close();
    },
  };
}

function engineOn({ url, query, write }: Database): Engine {
  return {
    query: numbering(query),
    write: (change) => write((q) => change(numbering(q))),
    snapshot: async () => {
      const client = new Client(connectionTo(url));
      client.on("error", ignore);
      await client.connect();
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      return { query: numbering(queryOn(client)), end: () => client.end() };
    },
  };
}

/** Every `?` as $1, $2 and so on. */
function numbering(query: PostgresQuery): Query {
  return (text, values) => {
    let place = 0;
    return query(
      text.replaceAll("?", () => `$${++place}`),
      values,
    );
  };
}

// Opening

function openDatabase(url: string, lockWaitMs: number): Database {
  const name = nameOf(url);
  const pool = new Pool({ ...connectionTo(url), max: CONNECTIONS });
  // A connection that breaks fails the query that runs on it; an idle one is replaced by the next query. Without
  // listeners either would end the process.
  pool.on("connect", (client) => client.on("error", ignore));
  pool.on("error", ignore);
  const running = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  async function whileOpen<T>(work: () => Promise<T>): Promise<T> {
    if (closing !== undefined) throw new Error(`the store ${name} is closed`);
    const run = work();
    running.add(run);
    try {
      return await run;
    } finally {
      running.delete(run);
    }
  }

  async function attempt<T>(
    change: (query: PostgresQuery) => Promise<T>,
    isolation: Isolation,
  ): Promise<T> {
    const client = await pool.connect();
    try {
      await client.query(`
        BEGIN ISOLATION LEVEL ${isolation};
        SET LOCAL lock_timeout = ${lockWaitMs};
        SET LOCAL idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`);
      const result = await change(queryOn(client));
      await client.query("COMMIT");
      client.release();
      return result;
    } catch (cause) {
      await rollBack(client);
      throw cause;
    }
  }

  return {
    name,
    url,
    query: (text, values) => whileOpen(() => queryOn(pool)(text, values)),
    write: (change, isolation = "SERIALIZABLE") =>
      whileOpen(async () => {
        const deadline = performance.now() + lockWaitMs;
        for (;;) {
          try {
            return await attempt(change, isolation);
          } catch (cause) {
            if (isRetryable(cause) && performance.now() < deadline) continue;
            throw new Error(`the store ${name} kept nothing of a write: ${explain(cause)}`, {
              cause,
            });
          }
        }
      }),
    close: () => {
      closing ??= Promise.allSettled(running).then(() => pool.end());
      return closing;
    },
  };
}

/** A connection that cannot even do this is broken: the server rolls back when it notices, and the pool makes another. */
async function rollBack(client: PoolClient): Promise<void> {
  try {
    await client.query("ROLLBACK");
    client.release();
  } catch (error) {
    client.release(error as Error);
  }
}

function queryOn(client: Pool | PoolClient | Client): PostgresQuery {
  return async (text, values = []) => (await client.query(text, [...values])).rows;
}

function connectionTo(url: string) {
  return {
    connectionString: url,
    application_name: "link-oracle",
    connectionTimeoutMillis: CONNECT_WAIT_MS,
    keepAlive: true,
    types: { getTypeParser: parserOf },
  };
}

const BYTEA = 17;
const INT8 = 20;

function parserOf(type: number): (text: string) => unknown {
  if (type === BYTEA) return bytesOf;
  // Epochs, times, blocks and nonces: all far below 2^53.
  return type === INT8 ? Number : String;
}

/** A copy of its own: small buffers share the memory of others, which would stay as long as the last of them. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.slice(2), "hex"));
}

/** What the URL says beside user and password. Whatever is wrong with it, it is not repeated: it holds a password. */
function nameOf(url: string): string {
  try {
    const { host, port, database } = new Client({ connectionString: url });
    return `${host}:${port}/${database}`;
  } catch {
    throw new Error(
      "the database URL cannot be read; it must be postgresql://user:password@host:port/database",
    );
  }
}

/** Either off, a power cut may take back what was acknowledged. */
async function refuseUnlessDurable(query: PostgresQuery): Promise<void> {
  for (const setting of ["fsync", "synchronous_commit"]) {
    const [row] = await query(`SELECT current_setting('${setting}') AS value`);
    if (row?.value === "off") {
      throw new Error(
        `its ${setting} is off, so a power cut may take back what was acknowledged; switch it on`,
      );
    }
  }
}

async function migrate({ write }: Database): Promise<void> {
  // Each asks under the lock: another process may just have done it.
  const underLock = (change: (query: PostgresQuery) => Promise<unknown>) =>
    write(async (query) => {
      await query(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})::TEXT`);
      await query("CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY)");
      return change(query);
      // Each statement sees what was there when it began: the others' migrations, once it has the lock.
    }, "READ COMMITTED");
  for (const [i, script] of (await readMigrations("postgres")).entries()) {
    await underLock(async (query) => {
      if ((await versionOf(query)) > i) return;
      await query(`DO $$ BEGIN ${script} END $$`);
      await query("INSERT INTO migrations (version) VALUES ($1)", [i + 1]);
    });
  }
  await underLock(async (query) => refuseNewerSchema(await versionOf(query)));
}

async function versionOf(query: PostgresQuery): Promise<number> {
  const [row] = await query("SELECT MAX(version) AS version FROM migrations");
  return (row?.version as number | null) ?? 0;
}

// Failures

/** Another client was in the way, in one way or another: the same may succeed now. */
const RETRYABLE = ["40001", "40P01"];
const EXPLANATIONS: Readonly<Record<string, string>> = {
  "28P01": "it takes neither this user nor this password",
  "3D000": "there is no such database; create it first",
  "42501": "this user may not do that; make it the owner of its database",
  "53100": "the disk of the server is full; make room and try again",
  "55P03": "another client keeps it locked; try again when that has ended",
  ECONNREFUSED: "no server listens there; start it, or correct the database URL",
};

function ignore(): void {
  // Whoever it concerns is told by a rejected promise.
}

function codeOf(error: unknown): string {
  return String((Object(error) as { code?: unknown }).code ?? "");
}

function isRetryable(error: unknown): boolean {
  return RETRYABLE.includes(codeOf(error));
}

function explain(error: unknown): string {
  const { message } = error as Error;
  const explanation = EXPLANATIONS[codeOf(error)];
  return explanation === undefined ? message : `${explanation} (${message})`;
}
