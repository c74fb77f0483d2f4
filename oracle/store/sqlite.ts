import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { openBatcher } from "@link-rewards/host/batcher";
import { type Engine, GROUP_RECEIPTS, LOCK_WAIT_MS, type Query } from "./engine.ts";
import { readMigrations, refuseNewerSchema } from "./migrations.ts";
import { receiptTable } from "./sqlite-receipts.ts";
import type { Store } from "./store.ts";
import { tablesOn } from "./tables.ts";

/** Where the store of a data folder is. */
export function sqliteFileIn(folder: string): string {
  return join(folder, "oracle.sqlite");
}

const LOCK_POLL_MS = 2;
/** SQLite waits inside the call, which stops the whole process: briefly therefore, and the longer wait is ours. */
const BUSY_TIMEOUT_MS = 10;

export type SqliteOptions = {
  /** How long a write waits for those of other processes before it fails. */
  readonly lockWaitMs?: number;
};

/** Prepares each text once. */
export type Prepare = (text: string) => StatementSync;

type Database = {
  readonly file: string;
  /** What is written, and read while it is. */
  readonly writing: DatabaseSync;
  /** Sees what is committed, also while a change is under way. */
  readonly reading: DatabaseSync;
};

/** A store in one file of `folder`, for one machine. Several processes may have it open at once. */
export async function openSqliteStore(
  folder: string,
  { lockWaitMs = LOCK_WAIT_MS }: SqliteOptions = {},
): Promise<Store> {
  await mkdir(folder, { recursive: true });
  const database = await openDatabase(sqliteFileIn(folder), lockWaitMs);
  const { file, reading, writing } = database;
  const prepare = { reading: prepareOnce(reading), writing: prepareOnce(writing) };
  const receipts = receiptTable(prepare.reading, prepare.writing);
  const writer = openWriter(database, lockWaitMs, receipts.forget);
  const query = queryOn(prepare.writing);
  const engine: Engine = {
    now: "unixepoch()",
    query: queryOn(prepare.reading),
    write: (change) => writer.write(() => change(query)),
    snapshot: async () => {
      const connection = openReader(file);
      connection.exec("BEGIN");
      return { query: queryOn(prepareOnce(connection)), end: async () => connection.close() };
    },
  };
  return {
    ...receipts.tableOf(writer),
    ...tablesOn(engine),
    close: async () => {
      await writer.finish();
      for (const connection of [reading, writing]) if (connection.isOpen) connection.close();
    },
  };
}

function queryOn(prepare: Prepare): Query {
  return async (text, values = []) => prepare(text).all(...values);
}

// Opening

async function openDatabase(file: string, lockWaitMs: number): Promise<Database> {
  let writing: DatabaseSync | undefined;
  try {
    writing = new DatabaseSync(file, {
      timeout: BUSY_TIMEOUT_MS,
      enableForeignKeyConstraints: true,
    });
    await configure(writing, lockWaitMs);
    await migrate(writing, lockWaitMs);
    return { file, writing, reading: openReader(file) };
  } catch (cause) {
    writing?.close();
    throw sqliteError(`cannot open the store ${file}`, cause);
  }
}

function openReader(file: string): DatabaseSync {
  return new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
}

async function configure(connection: DatabaseSync, lockWaitMs: number): Promise<void> {
  await whenFree(() => connection.exec("PRAGMA journal_mode = WAL"), lockWaitMs);
  // Without FULL, a power cut may take back what was acknowledged.
  connection.exec("PRAGMA synchronous = FULL");
}

function prepareOnce(connection: DatabaseSync): Prepare {
  const prepared = new Map<string, StatementSync>();
  return (text) => {
    const statement = prepared.get(text) ?? connection.prepare(text);
    prepared.set(text, statement);
    return statement;
  };
}

async function migrate(connection: DatabaseSync, lockWaitMs: number): Promise<void> {
  const transaction = async (change: () => void) => {
    await whenFree(() => connection.exec("BEGIN IMMEDIATE"), lockWaitMs);
    change();
    connection.exec("COMMIT");
  };
  await transaction(() =>
    connection.exec("CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY)"),
  );
  for (const [i, script] of (await readMigrations("sqlite")).entries()) {
    await transaction(() => {
      // Asked under the lock: another process may just have done it.
      if (versionOf(connection) > i) return;
      connection.exec(script);
      connection.prepare("INSERT INTO migrations (version) VALUES (?)").run(i + 1);
    });
  }
  refuseNewerSchema(versionOf(connection));
}

function versionOf(connection: DatabaseSync): number {
  const row = connection.prepare("SELECT MAX(version) AS version FROM migrations").get();
  return (row as { version: number | null }).version ?? 0;
}

// Writing

export type Writer = {
  /**
   * Runs `change` in a transaction and resolves with its result after the commit; when it throws, nothing is kept.
   * Changes with a `size` share a commit up to GROUP_RECEIPTS, others have one for themselves. A change awaits nothing
   * but its own statements.
   */
  write<T>(change: () => T | Promise<T>, size?: number): Promise<T>;
  /** Resolves when all that was asked for is settled. Nothing more is taken. */
  finish(): Promise<void>;
};

type Change = { readonly size: number; readonly change: () => unknown };

/** One transaction at a time: what arrives while the disk is busy shares the next. */
function openWriter(database: Database, lockWaitMs: number, forget: () => void): Writer {
  const commits = openBatcher<Change, unknown>({
    sizeOf: ({ size }) => size,
    most: GROUP_RECEIPTS,
    runs: 1,
    run: (group) => commit(database, group, lockWaitMs, forget),
  });
  let finished = false;
  return {
    write: async <T>(change: () => T | Promise<T>, size = GROUP_RECEIPTS) => {
      if (finished) throw new Error(`the store ${database.file} is closed`);
      return (await commits.add({ size, change })) as T;
    },
    finish: async () => {
      finished = true;
      await commits.settled();
    },
  };
}

/** `forget`: what is remembered of the rows that are gone. */
async function commit(
  { file, writing }: Database,
  group: readonly Change[],
  lockWaitMs: number,
  forget: () => void,
): Promise<readonly unknown[]> {
  try {
    await whenFree(() => writing.exec("BEGIN IMMEDIATE"), lockWaitMs);
    const results: unknown[] = [];
    for (const { change } of group) results.push(await change());
    writing.exec("COMMIT");
    return results;
  } catch (cause) {
    rollBack(writing);
    forget();
    throw isSqliteError(cause)
      ? new Error(`the store ${file} kept nothing of a write: ${explain(cause)}`, { cause })
      : cause;
  }
}

function rollBack(connection: DatabaseSync): void {
  try {
    // After some failures SQLite has done so itself.
    if (connection.isTransaction) connection.exec("ROLLBACK");
  } catch (error) {
    // Nothing the connection says can be trusted any more: not for whoever waits to handle, it stops the process.
    setImmediate(() => {
      throw error;
    });
  }
}

// Failures

/** The primary result codes of SQLite that need their own words. */
const BUSY = 5;
const EXPLANATIONS: Readonly<Record<number, string>> = {
  [BUSY]: "another process keeps it locked; try again when that has ended",
  11: "it is damaged; restore the folder from a backup, or begin an empty one and copy the receipts from another member",
  13: "the disk is full; make room and try again",
  26: "it is not a SQLite database, or damaged; restore the folder from a backup, or name another one",
};

function resultCode(error: unknown): number | undefined {
  const { code, errcode } = Object(error) as { code?: string; errcode?: number };
  return code === "ERR_SQLITE_ERROR" && errcode !== undefined ? errcode & 0xff : undefined;
}

function isSqliteError(error: unknown): boolean {
  return resultCode(error) !== undefined;
}

/** With what SQLite's code means, and what to do. */
export function sqliteError(what: string, cause: unknown): Error {
  return new Error(`${what}: ${explain(cause)}`, { cause });
}

function explain(error: unknown): string {
  const { message } = error as Error;
  const explanation = EXPLANATIONS[resultCode(error) ?? 0];
  return explanation === undefined ? message : `${explanation} (${message})`;
}

async function whenFree(action: () => void, waitMs: number): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    try {
      action();
      return;
    } catch (error) {
      if (resultCode(error) !== BUSY || performance.now() > deadline) throw error;
    }
    await sleep(LOCK_POLL_MS);
  }
}
