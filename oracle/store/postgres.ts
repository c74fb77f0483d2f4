import { setTimeout } from "node:timers/promises";
import type { Client, PoolClient, QueryResultRow } from "pg";
import { type Engine, LOCK_WAIT_MS, type Query } from "./engine.ts";
import { readMigrations, refuseNewerSchema } from "./migrations.ts";
import { codeOf, explain, type Hosts, isLost, openHosts } from "./postgres-hosts.ts";
import { receiptTable } from "./postgres-receipts.ts";
import type { Store } from "./store.ts";
import { tablesOn } from "./tables.ts";

/** The lock that lets one process at a time migrate a database. Any number no one else uses there. */
const MIGRATION_LOCK = 7_265_311;

/** For one statement: longer than it may wait for a lock, and for a page of rows from a slow disk. */
const ANSWER_WAIT_MS = 10_000;
/** Between two tries of a write that another process was in the way of, at most: two would meet again and again. */
const MAX_PAUSE_MS = 20;
/** A client whose machine vanished must not keep its locks for as long as the network takes to notice. */
const IDLE_IN_TRANSACTION_MS = 30_000;

export type PostgresOptions = {
  /** How long a write waits for those of other clients before it fails. */
  readonly lockWaitMs?: number;
  /** How long a statement waits for its answer before the server is taken for gone. */
  readonly answerWaitMs?: number;
};

/** Values as the driver takes them: arrays too. */
export type PostgresQuery = (
  text: string,
  values?: readonly unknown[],
) => Promise<readonly QueryResultRow[]>;

export type Database = {
  readonly name: string;
  readonly query: PostgresQuery;
  /**
   * Runs `change` in a transaction and resolves with its result after the commit; when it throws, nothing is kept, or
   * the connection broke at the commit and it is not known. It is run again when another client was in its way.
   */
  readonly write: <T>(
    change: (query: PostgresQuery) => Promise<T>,
    isolation?: Isolation,
  ) => Promise<T>;
  /** A connection of its own, to be ended by who asked for it. */
  readonly connect: () => Promise<Client>;
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
  { lockWaitMs = LOCK_WAIT_MS, answerWaitMs = ANSWER_WAIT_MS }: PostgresOptions = {},
): Promise<Store> {
  const database = openDatabase(openHosts(url, { answerWaitMs }), lockWaitMs);
  try {
    await migrate(database);
  } catch (cause) {
    await database.close();
    throw new Error(`cannot open the store ${database.name}: ${explain(cause)}`, { cause });
  }
  const receipts = receiptTable(database);
  const engine = engineOn(database);
  return {
    ...receipts.table,
    ...tablesOn(engine),
    close: async () => {
      await receipts.finish();
      await database.close();
    },
  };
}

function engineOn({ connect, query, write }: Database): Engine {
  return {
    // Not of the transaction's beginning: it may have waited for another.
    now: "FLOOR(EXTRACT(EPOCH FROM clock_timestamp()))::BIGINT",
    query: numbering(query),
    write: (change) => write((q) => change(numbering(q))),
    snapshot: async () => {
      const client = await connect();
      try {
        await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      } catch (error) {
        await client.end();
        throw error;
      }
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

function openDatabase(hosts: Hosts, lockWaitMs: number): Database {
  const { name } = hosts;
  const running = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  let lastOfQueue: Promise<unknown> = Promise.resolve();

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

  function attempt<T>(
    change: (query: PostgresQuery) => Promise<T>,
    isolation: Isolation,
  ): Promise<T> {
    return hosts.use(async (client) => {
      try {
        await client.query(`
          BEGIN ISOLATION LEVEL ${isolation};
          SET LOCAL lock_timeout = ${lockWaitMs};
          SET LOCAL client_min_messages = warning;
          SET LOCAL idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`);
        const result = await change(queryOn(client));
        await commit(client);
        return result;
      } catch (cause) {
        // Who cannot even do this is broken: the server rolls back when it notices.
        if (!isLost(cause)) await client.query("ROLLBACK");
        throw cause;
      }
    });
  }

  async function untilKept<T>(
    change: (query: PostgresQuery) => Promise<T>,
    isolation: Isolation,
  ): Promise<T> {
    const deadline = performance.now() + lockWaitMs;
    for (;;) {
      try {
        return await attempt(change, isolation);
      } catch (cause) {
        if (isRetryable(cause) && performance.now() < deadline) {
          await setTimeout(Math.random() * MAX_PAUSE_MS);
          continue;
        }
        const kept =
          cause instanceof UnknownCommit
            ? `it is not known whether the store ${name} kept a write; make it again`
            : `the store ${name} kept nothing of a write`;
        throw new Error(`${kept}: ${explain(cause)}`, { cause });
      }
    }
  }

  /** Runs after all that came before, however they ended. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = lastOfQueue.then(work);
    lastOfQueue = run.catch(() => undefined);
    return run;
  }

  return {
    name,
    query: (text, values) => whileOpen(() => hosts.use((client) => queryOn(client)(text, values))),
    connect: hosts.connect,
    write: (change, isolation = "SERIALIZABLE") => {
      const work = () => untilKept(change, isolation);
      // Of those that all count arrivals, one at a time is kept anyhow: at once, they would undo each other.
      return whileOpen(isolation === "SERIALIZABLE" ? () => inTurn(work) : work);
    },
    close: () => {
      closing ??= Promise.allSettled(running).then(hosts.close);
      return closing;
    },
  };
}

/** The connection broke, or the server gave up waiting for its standby: it may be there, and may be lost yet. */
class UnknownCommit extends Error {
  override name = "UnknownCommit";
}

/**
 * Writes something in any case: a transaction that only read would not wait for the standby, though what it read, and
 * what is answered for it ("known", "same"), may be on this server alone since that was restarted. Whoever cancels the
 * wait, or a statement_timeout, turns it into a warning and a success.
 */
const COMMIT = `SELECT pg_logical_emit_message(TRUE, 'link-oracle', ''); COMMIT`;

async function commit(client: PoolClient): Promise<void> {
  const warnings: string[] = [];
  const note = ({ message }: { message?: string | undefined }) => warnings.push(message ?? "");
  client.on("notice", note);
  try {
    await client.query(COMMIT);
  } catch (cause) {
    if (!isLost(cause)) throw cause;
    throw new UnknownCommit(explain(cause), { cause });
  } finally {
    client.off("notice", note);
  }
  if (warnings.length > 0) throw new UnknownCommit(warnings.join("; "));
}

function queryOn(client: PoolClient | Client): PostgresQuery {
  return async (text, values = []) => (await client.query(text, [...values])).rows;
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

function isRetryable(error: unknown): boolean {
  return RETRYABLE.includes(codeOf(error));
}
