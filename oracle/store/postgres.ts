import { readFile } from "node:fs/promises";
import { type Address, fromHex, toHex } from "@link-rewards/core/encoding/bytes";
import { BYTES_OF, packFields, unpackFields } from "@link-rewards/core/encoding/fields";
import type { BlockMark } from "@link-rewards/core/law/block";
import { eventToJson } from "@link-rewards/core/law/events";
import type { Ranked } from "@link-rewards/core/law/order";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import {
  packSignedReceipt,
  receiptKey,
  SIGNED_RECEIPT_BYTES,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import type { Voucher } from "@link-rewards/core/signed/voucher";
import { openBatcher } from "@link-rewards/host/batcher";
import type { StoredTransaction } from "@link-rewards/host/transactions";
import { Client, Pool, type PoolClient, type QueryResultRow } from "pg";
import { EQUIVOCATIONS_KEPT, type Meeting, meet } from "./head.ts";
import {
  GROUP_RECEIPTS,
  refuseNewerSchema,
  STATE_COLUMNS,
  stateValues,
  toEpoch,
  toEvent,
} from "./rows.ts";
import type { PutOutcome, Store } from "./store.ts";

/** Files of migrations/, each applied once and in this order. A released one is never edited. */
const MIGRATIONS = ["postgres-1.sql"];
/** The lock that lets one process at a time migrate a database. Any number no one else uses there. */
const MIGRATION_LOCK = 7_265_311;

/** Other clients' writes take milliseconds: one that takes longer than this hangs. */
const LOCK_WAIT_MS = 5_000;
const CONNECT_WAIT_MS = 5_000;
/** A client whose machine vanished must not keep its locks for as long as the network takes to notice. */
const IDLE_IN_TRANSACTION_MS = 30_000;
/** One for the receipts, the others for all else. */
const CONNECTIONS = 8;
const ADDRESS_BYTES = BYTES_OF.address;
/** Rows read at a time: between pages nothing is held open, however slow the reader is. */
const PAGE_ROWS = 1_000;

export type PostgresOptions = {
  /** How long a write waits for those of other clients before it fails. */
  readonly lockWaitMs?: number;
};

type Row = QueryResultRow;
type Query = (text: string, values?: readonly unknown[]) => Promise<readonly Row[]>;

type Database = {
  /** As it may be shown: without user and password. */
  readonly name: string;
  readonly url: string;
  readonly query: Query;
  /**
   * Runs `change` in a transaction and resolves with its result after the commit; when it throws, nothing is kept. It
   * is run again when another client was in its way.
   */
  readonly write: <T>(change: (query: Query) => Promise<T>, isolation?: Isolation) => Promise<T>;
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
  return {
    ...receipts.table,
    ...voucherTable(database),
    ...eventTable(database),
    ...epochTable(database),
    ...leaseTable(database),
    ...reportTable(database),
    ...transactionTable(database),
    close: async () => {
      await receipts.finish();
      await database.close();
    },
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
    change: (query: Query) => Promise<T>,
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

function queryOn(client: Pool | PoolClient | Client): Query {
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
async function refuseUnlessDurable(query: Query): Promise<void> {
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
  const known = MIGRATIONS.length;
  // Each asks under the lock: another process may just have done it.
  const underLock = (change: (query: Query) => Promise<unknown>) =>
    write(async (query) => {
      await query(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})::TEXT`);
      await query("CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY)");
      return change(query);
      // Each statement sees what was there when it began: the others' migrations, once it has the lock.
    }, "READ COMMITTED");
  for (const [i, name] of MIGRATIONS.entries()) {
    const script = await readFile(new URL(`migrations/${name}`, import.meta.url), "utf8");
    await underLock(async (query) => {
      if ((await versionOf(query)) > i) return;
      await query(`DO $$ BEGIN ${script} END $$`);
      await query("INSERT INTO migrations (version) VALUES ($1)", [i + 1]);
    });
  }
  await underLock(async (query) => refuseNewerSchema(await versionOf(query), known));
}

async function versionOf(query: Query): Promise<number> {
  const [row] = await query("SELECT MAX(version) AS version FROM migrations");
  return (row?.version as number | null) ?? 0;
}

// Receipts

const FIND_HEADS = `
  SELECT signed, digest FROM receipts
  JOIN unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[]) AS wanted (device, customer, epoch)
  USING (device, customer, epoch)`;
const PUT_HEADS = `
  INSERT INTO receipts (device, customer, epoch, signed, digest)
  SELECT * FROM unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[], $4::BYTEA[], $5::BYTEA[])
  ON CONFLICT (epoch, device, customer) DO UPDATE SET
  signed = excluded.signed, digest = excluded.digest`;
const FIND_RECEIPT =
  "SELECT signed FROM receipts WHERE epoch = $1 AND device = $2 AND customer = $3";
const PAGE_OF_RECEIPTS = `
  SELECT signed FROM receipts WHERE epoch = $1 AND (device, customer) > ($2, $3)
  ORDER BY device, customer LIMIT ${PAGE_ROWS}`;

const FIND_EQUIVOCATIONS = `
  SELECT device, customer, epoch, sequence, digest FROM equivocations
  JOIN unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[]) AS wanted (device, customer, epoch)
  USING (device, customer, epoch)`;
const PUT_EQUIVOCATIONS = `
  INSERT INTO equivocations (device, customer, epoch, sequence, digest, counting, other)
  SELECT * FROM unnest(
    $1::BYTEA[], $2::BYTEA[], $3::BIGINT[], $4::BIGINT[], $5::BYTEA[], $6::BYTEA[], $7::BYTEA[])`;
const GET_EQUIVOCATIONS = `
  SELECT counting, other FROM equivocations WHERE epoch = $1
  ORDER BY device, customer, sequence, digest`;

type ReceiptTable = Pick<
  Store,
  "putReceipts" | "head" | "receipts" | "packedReceipts" | "equivocations"
>;

function receiptTable({ name, query, write }: Database): {
  readonly table: ReceiptTable;
  readonly finish: () => Promise<void>;
} {
  /** One transaction at a time: what arrives while the disk is busy shares the next. */
  const commits = openBatcher<readonly VerifiedReceipt[], readonly PutOutcome[]>({
    sizeOf: ({ length }) => length,
    most: GROUP_RECEIPTS,
    runs: 1,
    run: (group) => write((q) => putGroup(q, group), "REPEATABLE READ"),
  });
  let finished = false;

  async function* pages(epoch: number): AsyncIterable<readonly Uint8Array[]> {
    let last: readonly [Uint8Array, Uint8Array] = [new Uint8Array(), new Uint8Array()];
    for (;;) {
      const rows = await query(PAGE_OF_RECEIPTS, [epoch, ...last]);
      const page = rows.map(({ signed }) => signed as Uint8Array);
      yield page;
      const end = page.at(-1);
      if (end === undefined || rows.length < PAGE_ROWS) return;
      last = [end.subarray(0, ADDRESS_BYTES), end.subarray(ADDRESS_BYTES, 2 * ADDRESS_BYTES)];
    }
  }

  const table: ReceiptTable = {
    putReceipts: async (receipts) => {
      if (receipts.length === 0) return [];
      if (finished) throw new Error(`the store ${name} is closed`);
      return commits.add(receipts);
    },

    head: async (epoch, device, customer) => {
      const [row] = await query(FIND_RECEIPT, [epoch, fromHex(device), fromHex(customer)]);
      return row && unpackSignedReceipt(row.signed);
    },

    receipts: async function* (epoch) {
      for await (const page of pages(epoch)) yield* page.map(unpackSignedReceipt);
    },

    packedReceipts: async function* (epoch) {
      for await (const page of pages(epoch)) {
        const packed = new Uint8Array(page.length * SIGNED_RECEIPT_BYTES);
        for (const [i, signed] of page.entries()) packed.set(signed, i * SIGNED_RECEIPT_BYTES);
        yield packed;
      }
    },

    equivocations: async (epoch) =>
      (await query(GET_EQUIVOCATIONS, [epoch])).map(({ counting, other }) => ({
        counting: unpackSignedReceipt(counting),
        other: unpackSignedReceipt(other),
      })),
  };
  return {
    table,
    finish: async () => {
      finished = true;
      await commits.settled();
    },
  };
}

type Key = { readonly epoch: number; readonly device: Address; readonly customer: Address };
type Evidence = NonNullable<Meeting["evidence"]>;

/** Reads the heads of a group, lets what arrived meet them, and writes those that moved. */
async function putGroup(
  query: Query,
  group: readonly (readonly VerifiedReceipt[])[],
): Promise<readonly (readonly PutOutcome[])[]> {
  const keys = distinctKeys(group.flat());
  const heads = new Map<string, Ranked>();
  for (const row of await query(FIND_HEADS, keyArrays([...keys.values()]))) {
    const signed = unpackSignedReceipt(row.signed);
    heads.set(keyOf(signed.receipt), { ...signed, digest: row.digest });
  }
  const moved = new Set<string>();
  const evidence: Evidence[] = [];
  const outcomes = group.map((receipts) =>
    receipts.map((arrived) => {
      const key = keyOf(arrived.receipt);
      const meeting = meet(heads.get(key), arrived);
      if (meeting.head !== undefined) {
        heads.set(key, meeting.head);
        moved.add(key);
      }
      if (meeting.evidence !== undefined) evidence.push(meeting.evidence);
      return meeting.outcome;
    }),
  );
  // In the order of the keys: two clients that both wait for a row of the other would wait for ever.
  const changed = [...keys.keys()].filter((key) => moved.has(key)).sort();
  if (changed.length > 0)
    await putHeads(
      query,
      changed.map((key) => heads.get(key) as Ranked),
    );
  if (evidence.length > 0) await keepEvidence(query, evidence);
  return outcomes;
}

async function putHeads(query: Query, heads: readonly Ranked[]): Promise<void> {
  await query(PUT_HEADS, [
    ...keyArrays(heads.map(({ receipt }) => receipt)),
    heads.map((head) => bytea(packSignedReceipt(head))),
    heads.map(({ digest }) => bytea(digest)),
  ]);
}

async function keepEvidence(query: Query, evidence: readonly Evidence[]): Promise<void> {
  const keys = distinctKeys(evidence.map(({ other }) => other));
  const kept = new Map([...keys.keys()].map((key) => [key, new Set<string>()]));
  for (const row of await query(FIND_EQUIVOCATIONS, keyArrays([...keys.values()]))) {
    const { epoch, sequence, digest } = row;
    const key = keyOf({ epoch, device: toHex(row.device), customer: toHex(row.customer) });
    kept.get(key)?.add(`${sequence}/${toHex(digest)}`);
  }
  const added = evidence.filter(({ other }) => {
    const known = kept.get(keyOf(other.receipt)) as Set<string>;
    const name = `${other.receipt.sequence}/${toHex(other.digest)}`;
    if (known.size >= EQUIVOCATIONS_KEPT || known.has(name)) return false;
    known.add(name);
    return true;
  });
  if (added.length === 0) return;
  await query(PUT_EQUIVOCATIONS, [
    ...keyArrays(added.map(({ other }) => other.receipt)),
    added.map(({ other }) => other.receipt.sequence),
    added.map(({ other }) => bytea(other.digest)),
    added.map(({ counting }) => bytea(packSignedReceipt(counting))),
    added.map(({ other }) => bytea(packSignedReceipt(other))),
  ]);
}

function distinctKeys(receipts: readonly { readonly receipt: Key }[]): Map<string, Key> {
  return new Map(receipts.map(({ receipt }) => [keyOf(receipt), receipt]));
}

function keyOf(key: Key): string {
  return `${key.epoch}/${receiptKey(key)}`;
}

function keyArrays(keys: readonly Key[]): readonly unknown[] {
  return [
    keys.map(({ device }) => byteaOfHex(device)),
    keys.map(({ customer }) => byteaOfHex(customer)),
    keys.map(({ epoch }) => epoch),
  ];
}

/** As an element of an array parameter, which the driver sends as text. */
function bytea(bytes: Uint8Array): string {
  return byteaOfHex(toHex(bytes));
}

function byteaOfHex(hex: string): string {
  return `\\x${hex.slice(2)}`;
}

// Vouchers

const AMOUNT = [{ name: "amount", type: "uint96" }] as const;

const GET_AMOUNT = "SELECT amount FROM vouchers WHERE customer = $1 AND epoch = $2";
const PUT_VOUCHER = `
  INSERT INTO vouchers (customer, epoch, amount, signature) VALUES ($1, $2, $3, $4)
  ON CONFLICT (customer, epoch) DO UPDATE SET
  amount = excluded.amount, signature = excluded.signature`;
const GET_VOUCHERS = "SELECT * FROM vouchers ORDER BY epoch, customer";
const DROP_VOUCHERS = "DELETE FROM vouchers WHERE epoch < $1";

type VoucherTable = Pick<Store, "putVoucher" | "vouchers" | "dropVouchersBefore">;

function voucherTable({ query, write }: Database): VoucherTable {
  return {
    putVoucher: ({ voucher, signature }) =>
      write(async (q) => {
        const { epoch, amount } = voucher;
        const customer = fromHex(voucher.customer);
        const [row] = await q(GET_AMOUNT, [customer, epoch]);
        const stored = row && toAmount(row.amount);
        if (stored === amount) return "known";
        if (stored !== undefined && stored > amount) return "stale";
        await q(PUT_VOUCHER, [customer, epoch, packFields(AMOUNT, { amount }), signature]);
        return "accepted";
      }),

    vouchers: async () =>
      (await query(GET_VOUCHERS)).map(({ customer, epoch, amount, signature }) => ({
        voucher: { customer: toHex(customer), epoch, amount: toAmount(amount) } satisfies Voucher,
        signature,
      })),

    dropVouchersBefore: (epoch) =>
      write(async (q) => {
        await q(DROP_VOUCHERS, [epoch]);
      }),
  };
}

function toAmount(packed: Uint8Array): bigint {
  return unpackFields(AMOUNT, packed).amount;
}

// Events

const GET_CURSOR = "SELECT number, hash FROM event_cursor";
const SET_CURSOR = `
  INSERT INTO event_cursor (id, number, hash) VALUES (1, $1, $2)
  ON CONFLICT (id) DO UPDATE SET number = excluded.number, hash = excluded.hash`;
const PUT_EVENTS = `
  INSERT INTO events (block_number, log_index, name, args)
  SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[])`;
const DROP_EVENTS = "DELETE FROM events WHERE block_number > $1";
const PAGE_OF_EVENTS = `
  SELECT * FROM events WHERE (block_number, log_index) > ($1, $2)
  ORDER BY block_number, log_index LIMIT ${PAGE_ROWS}`;

type EventTable = Pick<Store, "cursor" | "appendEvents" | "rollback" | "events">;

function eventTable({ url, query, write }: Database): EventTable {
  const cursorOf = async (q: Query) => (await q(GET_CURSOR))[0] as BlockMark | undefined;

  return {
    cursor: () => cursorOf(query),

    appendEvents: (after, events, cursor) =>
      write(async (q) => {
        const stored = await cursorOf(q);
        if (stored?.number !== after?.number || stored?.hash !== after?.hash) return false;
        const columns = [
          events.map(({ blockNumber }) => blockNumber),
          events.map(({ logIndex }) => logIndex),
          events.map(({ name }) => name),
          events.map((event) => JSON.stringify(eventToJson(event).args)),
        ];
        // First, so that another process with the same events waits here and then sees that it was slower.
        await q(SET_CURSOR, [cursor.number, cursor.hash]);
        await q(PUT_EVENTS, columns);
        return true;
      }),

    rollback: (cursor) =>
      write(async (q) => {
        const stored = await cursorOf(q);
        if (stored === undefined || stored.number <= cursor.number) return;
        await q(DROP_EVENTS, [cursor.number]);
        await q(SET_CURSOR, [cursor.number, cursor.hash]);
      }),

    // From a connection of its own, which sees one moment throughout: pages might mix what was before a rollback with
    // what came after.
    events: async function* (fromBlock) {
      const reader = new Client(connectionTo(url));
      reader.on("error", ignore);
      await reader.connect();
      try {
        await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        let last = [fromBlock - 1, Number.MAX_SAFE_INTEGER];
        for (;;) {
          const rows = await queryOn(reader)(PAGE_OF_EVENTS, last);
          yield* rows.map(toEvent);
          const end = rows.at(-1);
          if (end === undefined || rows.length < PAGE_ROWS) return;
          last = [end.block_number, end.log_index];
        }
      } finally {
        await reader.end();
      }
    },
  };
}

// Epochs

const STATE_PLACES = STATE_COLUMNS.map((_, i) => `$${i + 1}`);
const EPOCH_PLACE = `$${STATE_COLUMNS.length + 1}`;
const FROM_PLACE = `$${STATE_COLUMNS.length + 2}`;

const GET_EPOCH = "SELECT * FROM epochs WHERE epoch = $1";
const GET_EPOCHS = "SELECT * FROM epochs ORDER BY epoch";
const ADD_EPOCH = `
  INSERT INTO epochs (${STATE_COLUMNS}, epoch) VALUES (${STATE_PLACES}, ${EPOCH_PLACE})
  ON CONFLICT (epoch) DO NOTHING RETURNING epoch`;
const MOVE_EPOCH = `
  UPDATE epochs SET ${STATE_COLUMNS.map((name, i) => `${name} = COALESCE($${i + 1}, ${name})`)}
  WHERE epoch = ${EPOCH_PLACE} AND state = ${FROM_PLACE} RETURNING epoch`;

type EpochTable = Pick<Store, "getEpoch" | "epochs" | "advance">;

function epochTable({ query, write }: Database): EpochTable {
  return {
    getEpoch: async (epoch) => {
      const [row] = await query(GET_EPOCH, [epoch]);
      return row && toEpoch(row);
    },
    epochs: async () => (await query(GET_EPOCHS)).map(toEpoch),
    advance: (epoch, from, to, fields = {}) =>
      write(async (q) => {
        const values = stateValues(to, fields);
        const changed =
          from === undefined
            ? await q(ADD_EPOCH, [...values, epoch])
            : await q(MOVE_EPOCH, [...values, epoch, from]);
        return changed.length === 1;
      }),
  };
}

// Leases

const TAKE_LEASE = `
  INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3)
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
  WHERE leases.holder = excluded.holder OR leases.expires_at <= $4 RETURNING name`;
const DROP_LEASE = "DELETE FROM leases WHERE name = $1 AND holder = $2";

type LeaseTable = Pick<Store, "acquireLease" | "releaseLease">;

function leaseTable({ write }: Database): LeaseTable {
  return {
    acquireLease: (name, holder, ttlSeconds, now) =>
      write(async (q) => (await q(TAKE_LEASE, [name, holder, now + ttlSeconds, now])).length === 1),
    releaseLease: (name, holder) =>
      write(async (q) => {
        await q(DROP_LEASE, [name, holder]);
      }),
  };
}

// Reports

const GET_REPORT = "SELECT digest FROM reports WHERE epoch = $1 AND attempt = $2";
const ADD_REPORT = "INSERT INTO reports (epoch, attempt, digest) VALUES ($1, $2, $3)";

const FORGO = `
  INSERT INTO forgone (id, epoch) VALUES (1, $1)
  ON CONFLICT (id) DO UPDATE SET epoch = GREATEST(forgone.epoch, excluded.epoch)`;
const IS_FORGONE = "SELECT 1 FROM forgone WHERE epoch >= $1";

type ReportTable = Pick<Store, "recordReport" | "forgoThrough">;

function reportTable({ write }: Database): ReportTable {
  return {
    recordReport: (epoch, attempt, digest) =>
      write(async (q) => {
        const [row] = await q(GET_REPORT, [epoch, attempt]);
        if (row !== undefined) return row.digest === digest ? "same" : "other";
        if ((await q(IS_FORGONE, [epoch])).length > 0) return "forgone";
        await q(ADD_REPORT, [epoch, attempt, digest]);
        return "recorded";
      }),
    forgoThrough: (epoch) => write(async (q) => void (await q(FORGO, [epoch]))),
  };
}

// Transactions

const PENDING_ELSEWHERE = `
  SELECT nonce FROM transactions
  WHERE sender = $1 AND purpose = $2 AND nonce <> $3 AND outcome IS NULL`;
// One that was given up and is sent after all has an unknown fate again.
const PUT_TRANSACTION = `
  INSERT INTO transactions (sender, purpose, nonce, raw, hash) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (hash) DO UPDATE SET outcome = NULL WHERE transactions.outcome = 'dropped'`;
const GET_PENDING = `
  SELECT sender, purpose, nonce, raw, hash FROM transactions
  WHERE sender = $1 AND outcome IS NULL ORDER BY nonce, id`;
const SETTLE_TRANSACTION =
  "UPDATE transactions SET outcome = $1 WHERE hash = $2 RETURNING sender, nonce";
const DROP_RIVALS = `
  UPDATE transactions SET outcome = 'dropped'
  WHERE sender = $1 AND nonce = $2 AND outcome IS NULL`;

type TransactionTable = Pick<
  Store,
  "saveTransaction" | "pendingTransactions" | "settleTransaction"
>;

function transactionTable({ query, write }: Database): TransactionTable {
  return {
    saveTransaction: async ({ sender, purpose, nonce, raw, hash }) => {
      const elsewhere = await write(async (q) => {
        const [pending] = await q(PENDING_ELSEWHERE, [sender, purpose, nonce]);
        if (pending === undefined) await q(PUT_TRANSACTION, [sender, purpose, nonce, raw, hash]);
        return pending;
      });
      if (elsewhere !== undefined) {
        throw new Error(`${purpose} is pending under nonce ${elsewhere.nonce}, not ${nonce}`);
      }
    },

    pendingTransactions: async (sender) =>
      (await query(GET_PENDING, [sender])) as readonly StoredTransaction[],

    settleTransaction: async (hash, outcome) => {
      const isStored = await write(async (q) => {
        const [settled] = await q(SETTLE_TRANSACTION, [outcome, hash]);
        if (settled !== undefined) await q(DROP_RIVALS, [settled.sender, settled.nonce]);
        return settled !== undefined;
      });
      if (!isStored) throw new Error(`transaction ${hash} was never stored`);
    },
  };
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
