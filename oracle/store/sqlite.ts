import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { type Address, fromHex, toHex, writeUint } from "@link-rewards/core/encoding/bytes";
import {
  BYTES_OF,
  packFields,
  type ScalarField,
  sqlColumns,
  unpackFields,
} from "@link-rewards/core/encoding/fields";
import type { BlockMark } from "@link-rewards/core/law/block";
import { eventToJson } from "@link-rewards/core/law/events";
import type { Ranked } from "@link-rewards/core/law/order";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import {
  packSignedReceipt,
  RECEIPT_FIELDS,
  type Receipt,
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { VOUCHER_FIELDS, type Voucher } from "@link-rewards/core/signed/voucher";
import { openBatcher } from "@link-rewards/host/batcher";
import type { StoredTransaction } from "@link-rewards/host/transactions";
import { EQUIVOCATIONS_KEPT, type Meeting, meet } from "./head.ts";
import {
  GROUP_RECEIPTS,
  type Row,
  refuseNewerSchema,
  STATE_COLUMNS,
  stateValues,
  toEpoch,
  toEvent,
} from "./rows.ts";
import type { PutOutcome, Store } from "./store.ts";

const FILE = "oracle.sqlite";
/** Files of migrations/, each applied once and in this order. A released one is never edited. */
const MIGRATIONS = ["sqlite-1.sql"];

/** Other processes' writes take milliseconds: one that takes longer than this hangs. */
const LOCK_WAIT_MS = 5_000;
const LOCK_POLL_MS = 2;
/** SQLite waits inside the call, which stops the whole process: briefly therefore, and the longer wait is ours. */
const BUSY_TIMEOUT_MS = 10;
/** Rows read at a time: between pages nothing is held open, however slow the reader is. */
const PAGE_ROWS = 1_000;
/** Ids remembered, so that most receipts need no look-up of their addresses. */
const CACHED_IDS = 100_000;

export type SqliteOptions = {
  /** How long a write waits for those of other processes before it fails. */
  readonly lockWaitMs?: number;
};

type Database = {
  readonly file: string;
  readonly connection: DatabaseSync;
  /** Prepares each text once. */
  readonly sql: (text: string) => StatementSync;
  readonly devices: Ids;
  readonly customers: Ids;
};

/** A store in one file of `folder`, for one machine. Several processes may have it open at once. */
export async function openSqliteStore(
  folder: string,
  { lockWaitMs = LOCK_WAIT_MS }: SqliteOptions = {},
): Promise<Store> {
  await mkdir(folder, { recursive: true });
  const database = await openDatabase(join(folder, FILE), lockWaitMs);
  const writer = openWriter(database, lockWaitMs);
  return {
    ...receiptTable(database, writer),
    ...voucherTable(database, writer),
    ...eventTable(database, writer),
    ...epochTable(database, writer),
    ...leaseTable(database, writer),
    ...reportTable(database, writer),
    ...transactionTable(database, writer),
    close: async () => {
      await writer.finish();
      if (database.connection.isOpen) database.connection.close();
    },
  };
}

// Opening

async function openDatabase(file: string, lockWaitMs: number): Promise<Database> {
  let connection: DatabaseSync | undefined;
  try {
    connection = new DatabaseSync(file, {
      timeout: BUSY_TIMEOUT_MS,
      enableForeignKeyConstraints: true,
    });
    await configure(connection, lockWaitMs);
    await migrate(connection, lockWaitMs);
  } catch (cause) {
    connection?.close();
    throw new Error(`cannot open the store ${file}: ${explain(cause)}`, { cause });
  }
  const sql = prepareOnce(connection);
  return {
    file,
    connection,
    sql,
    devices: idTable(sql, "devices"),
    customers: idTable(sql, "customers"),
  };
}

async function configure(connection: DatabaseSync, lockWaitMs: number): Promise<void> {
  await whenFree(() => connection.exec("PRAGMA journal_mode = WAL"), lockWaitMs);
  // Without FULL, a power cut may take back what was acknowledged.
  connection.exec("PRAGMA synchronous = FULL");
}

function prepareOnce(connection: DatabaseSync): Database["sql"] {
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
  for (const [i, name] of MIGRATIONS.entries()) {
    const script = await readFile(new URL(`migrations/${name}`, import.meta.url), "utf8");
    await transaction(() => {
      // Asked under the lock: another process may just have done it.
      if (versionOf(connection) > i) return;
      connection.exec(script);
      connection.prepare("INSERT INTO migrations (version) VALUES (?)").run(i + 1);
    });
  }
  refuseNewerSchema(versionOf(connection), MIGRATIONS.length);
}

function versionOf(connection: DatabaseSync): number {
  const row = connection.prepare("SELECT MAX(version) AS version FROM migrations").get();
  return (row as { version: number | null }).version ?? 0;
}

// Writing

type Writer = {
  /**
   * Runs `change` in a transaction and resolves with its result after the commit. `change` is synchronous; when it
   * throws, nothing is kept. Changes with a `size` share a commit up to GROUP_RECEIPTS, others have one for themselves.
   */
  write<T>(change: () => T, size?: number): Promise<T>;
  /** Resolves when all that was asked for is settled. Nothing more is taken. */
  finish(): Promise<void>;
};

type Change = { readonly size: number; readonly change: () => unknown };

/** One transaction at a time: what arrives while the disk is busy shares the next. */
function openWriter(database: Database, lockWaitMs: number): Writer {
  const commits = openBatcher<Change, unknown>({
    sizeOf: ({ size }) => size,
    most: GROUP_RECEIPTS,
    runs: 1,
    run: (group) => commit(database, group, lockWaitMs),
  });
  let finished = false;
  return {
    write: async <T>(change: () => T, size = GROUP_RECEIPTS) => {
      if (finished) throw new Error(`the store ${database.file} is closed`);
      return (await commits.add({ size, change })) as T;
    },
    finish: async () => {
      finished = true;
      await commits.settled();
    },
  };
}

async function commit(
  database: Database,
  group: readonly Change[],
  lockWaitMs: number,
): Promise<readonly unknown[]> {
  const { file, connection } = database;
  try {
    await whenFree(() => connection.exec("BEGIN IMMEDIATE"), lockWaitMs);
    const results = group.map(({ change }) => change());
    connection.exec("COMMIT");
    return results;
  } catch (cause) {
    rollBack(database);
    throw isSqliteError(cause)
      ? new Error(`the store ${file} kept nothing of a write: ${explain(cause)}`, { cause })
      : cause;
  }
}

function rollBack({ connection, devices, customers }: Database): void {
  devices.forget();
  customers.forget();
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

// Receipts

type Column = { readonly name: string; readonly field: ScalarField; readonly isInteger: boolean };

/** Addresses are ids here, and have columns of their own. */
function valueColumns(fields: readonly ScalarField[]): readonly Column[] {
  const values = fields.filter(({ type }) => type !== "address");
  return sqlColumns(values).map(({ name, kind }, i) => ({
    name,
    field: values[i] as ScalarField,
    isInteger: kind === "integer",
  }));
}

const RECEIPT_VALUES = valueColumns(RECEIPT_FIELDS);
const SIGNED_COLUMNS = [
  ...RECEIPT_VALUES.map(({ name }) => name),
  "customer_signature",
  "device_signature",
];
const HEAD_COLUMNS = [...SIGNED_COLUMNS, "digest"];

const GET_HEAD = `
  SELECT ${HEAD_COLUMNS} FROM receipts WHERE epoch = ? AND device = ? AND customer = ?`;
const FIND_RECEIPT = `
  SELECT ${SIGNED_COLUMNS} FROM receipts
  JOIN devices ON devices.id = device JOIN customers ON customers.id = customer
  WHERE epoch = ? AND devices.address = ? AND customers.address = ?`;
const PUT_HEAD = `
  INSERT INTO receipts (${HEAD_COLUMNS}, device, customer)
  VALUES (${HEAD_COLUMNS.map(() => "?")}, ?, ?) ON CONFLICT (epoch, device, customer) DO UPDATE SET
  ${HEAD_COLUMNS.filter((name) => name !== "epoch").map((name) => `${name} = excluded.${name}`)}`;
// CROSS JOIN has SQLite walk the devices in their order; it would sort the whole epoch for every page.
const PAGE_OF_RECEIPTS = `
  SELECT ${SIGNED_COLUMNS}, devices.address AS device_address, customers.address AS customer_address
  FROM devices CROSS JOIN receipts CROSS JOIN customers
  WHERE devices.address >= ? AND (devices.address > ? OR customers.address > ?)
    AND epoch = ? AND device = devices.id AND customers.id = customer
  ORDER BY devices.address, customers.address LIMIT ${PAGE_ROWS}`;

const RECEIPT_INTEGERS = RECEIPT_VALUES.filter(({ isInteger }) => isInteger);
const RECEIPT_BYTES_COLUMNS = RECEIPT_VALUES.filter(({ isInteger }) => !isInteger);
// In the order of the key, and joined into two values: each value that crosses from SQLite to JavaScript costs as much
// as finding the row. CAST, because the operator makes text of the very same bytes.
const PAGE_OF_PACKED = `
  SELECT device, customer, ${RECEIPT_INTEGERS.map(({ name }) => name)},
    CAST(devices.address || customers.address AS BLOB) AS parties,
    CAST(${[...RECEIPT_BYTES_COLUMNS.map(({ name }) => name), "customer_signature", "device_signature"].join(" || ")} AS BLOB) AS tail
  FROM receipts CROSS JOIN devices CROSS JOIN customers
  WHERE epoch = ? AND (device, customer) > (?, ?) AND devices.id = device AND customers.id = customer
  ORDER BY device, customer LIMIT ${PAGE_ROWS}`;

const COUNT_EQUIVOCATIONS =
  "SELECT COUNT(*) AS kept FROM equivocations WHERE epoch = ? AND device = ? AND customer = ?";
const PUT_EQUIVOCATION = `
  INSERT INTO equivocations (epoch, device, customer, sequence, digest, counting, other)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (epoch, device, customer, sequence, digest) DO NOTHING`;
const GET_EQUIVOCATIONS = `
  SELECT counting, other FROM equivocations
  JOIN devices ON devices.id = device JOIN customers ON customers.id = customer
  WHERE epoch = ? ORDER BY devices.address, customers.address, sequence, digest`;

/** Epoch, device id, customer id. */
type Key = readonly [number, number, number];
type ReceiptTable = Pick<
  Store,
  "putReceipts" | "head" | "receipts" | "packedReceipts" | "equivocations"
>;

function receiptTable({ sql, devices, customers }: Database, { write }: Writer): ReceiptTable {
  function put(arrived: VerifiedReceipt): PutOutcome {
    const { epoch, device, customer } = arrived.receipt;
    const key = [epoch, devices.idOf(device), customers.idOf(customer)] as const;
    const row = sql(GET_HEAD).get(...key);
    const meeting = meet(row && toRanked(row, device, customer), arrived);
    if (meeting.head !== undefined)
      sql(PUT_HEAD).run(...toHeadColumns(meeting.head), ...key.slice(1));
    if (meeting.evidence !== undefined) keepEvidence(key, meeting.evidence);
    return meeting.outcome;
  }

  function keepEvidence(key: Key, { counting, other }: NonNullable<Meeting["evidence"]>): void {
    const { kept } = sql(COUNT_EQUIVOCATIONS).get(...key) as { kept: number };
    if (kept >= EQUIVOCATIONS_KEPT) return;
    const pair = [packSignedReceipt(counting), packSignedReceipt(other)];
    sql(PUT_EQUIVOCATION).run(...key, other.receipt.sequence, other.digest, ...pair);
  }

  function* pages(epoch: number): Iterable<readonly Row[]> {
    let device = new Uint8Array();
    let customer = new Uint8Array();
    for (;;) {
      const rows: readonly Row[] = sql(PAGE_OF_RECEIPTS).all(device, device, customer, epoch);
      yield rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE_ROWS) return;
      device = last.device_address as typeof device;
      customer = last.customer_address as typeof customer;
    }
  }

  return {
    putReceipts: async (receipts) => {
      if (receipts.length === 0) return [];
      return write(() => receipts.map(put), receipts.length);
    },

    head: async (epoch, device, customer) => {
      const row = sql(FIND_RECEIPT).get(epoch, fromHex(device), fromHex(customer));
      return row && toSignedReceipt(row, device, customer);
    },

    receipts: async function* (epoch) {
      for (const rows of pages(epoch)) {
        for (const row of rows) {
          const device = toHex(row.device_address as Uint8Array);
          yield toSignedReceipt(row, device, toHex(row.customer_address as Uint8Array));
        }
      }
    },

    packedReceipts: async function* (epoch) {
      let device = 0;
      let customer = 0;
      for (;;) {
        const rows = sql(PAGE_OF_PACKED).all(epoch, device, customer) as PackedRow[];
        const last = rows.at(-1);
        if (last === undefined) return;
        ({ device, customer } = last);
        yield packRows(rows);
        // A page is a few milliseconds of work: others have their turn between two.
        await nextTurn();
      }
    },

    equivocations: async (epoch) =>
      sql(GET_EQUIVOCATIONS)
        .all(epoch)
        .map(({ counting, other }) => ({
          counting: unpackSignedReceipt(counting as Uint8Array),
          other: unpackSignedReceipt(other as Uint8Array),
        })),
  };
}

type Ids = {
  /** Gives the address an id if it has none yet: only inside a transaction. */
  idOf(address: Address): number;
  /** After a rollback: the ids given in it were not. */
  forget(): void;
};

function idTable(sql: Database["sql"], table: "devices" | "customers"): Ids {
  const ids = new Map<Address, number>();
  const find = `SELECT id FROM ${table} WHERE address = ?`;
  const give = `INSERT INTO ${table} (address) VALUES (?) RETURNING id`;
  return {
    idOf: (address) => {
      const known = ids.get(address);
      if (known !== undefined) return known;
      const bytes = fromHex(address);
      const { id } = (sql(find).get(bytes) ?? sql(give).get(bytes)) as { id: number };
      if (ids.size >= CACHED_IDS) ids.clear();
      ids.set(address, id);
      return id;
    },
    forget: () => ids.clear(),
  };
}

function toHeadColumns({ receipt, ...head }: Ranked): SQLInputValue[] {
  const values = RECEIPT_VALUES.map((column) => toColumn(column, receipt));
  return [...values, head.customerSignature, head.deviceSignature, head.digest];
}

function toRanked(row: Row, device: Address, customer: Address): Ranked {
  return {
    ...toSignedReceipt(row, device, customer),
    digest: row.digest as Uint8Array,
  };
}

function toSignedReceipt(row: Row, device: Address, customer: Address): SignedReceipt {
  return {
    receipt: { device, customer, ...fromColumns(RECEIPT_VALUES, row) } as Receipt,
    customerSignature: row.customer_signature as Uint8Array,
    deviceSignature: row.device_signature as Uint8Array,
  };
}

type PackedRow = {
  readonly device: number;
  readonly customer: number;
  readonly parties: Uint8Array;
  readonly tail: Uint8Array;
};

/** Between the addresses and the rest stand the integers, which SQL has as numbers. */
function packRows(rows: readonly PackedRow[]): Uint8Array {
  const packed = new Uint8Array(rows.length * SIGNED_RECEIPT_BYTES);
  for (const [i, row] of rows.entries()) {
    let at = i * SIGNED_RECEIPT_BYTES;
    packed.set(row.parties, at);
    at += row.parties.length;
    for (const { name, field } of RECEIPT_INTEGERS) {
      writeUint(packed, at, BYTES_OF[field.type], (row as Row)[name] as number);
      at += BYTES_OF[field.type];
    }
    packed.set(row.tail, at);
  }
  return packed;
}

function toColumn({ field, isInteger }: Column, struct: object): SQLInputValue {
  const values = struct as Record<string, never>;
  return isInteger ? (values[field.name] ?? null) : packFields([field], values);
}

function fromColumns(columns: readonly Column[], row: Row): object {
  const struct: Record<string, unknown> = {};
  for (const { name, field, isInteger } of columns) {
    const value = row[name];
    if (isInteger) struct[field.name] = value;
    else Object.assign(struct, unpackFields([field], value as Uint8Array));
  }
  return struct;
}

// Vouchers

const VOUCHER_VALUES = valueColumns(VOUCHER_FIELDS);
const VOUCHER_COLUMNS = ["customer", ...VOUCHER_VALUES.map(({ name }) => name), "signature"];

const GET_AMOUNT = "SELECT amount FROM vouchers WHERE customer = ? AND epoch = ?";
const PUT_VOUCHER = `
  INSERT INTO vouchers (${VOUCHER_COLUMNS}) VALUES (${VOUCHER_COLUMNS.map(() => "?")})
  ON CONFLICT (customer, epoch) DO UPDATE SET
  amount = excluded.amount, signature = excluded.signature`;
const GET_VOUCHERS = `
  SELECT vouchers.*, address FROM vouchers JOIN customers ON customers.id = customer
  ORDER BY epoch, address`;
const DROP_VOUCHERS = "DELETE FROM vouchers WHERE epoch < ?";

type VoucherTable = Pick<Store, "putVoucher" | "vouchers" | "dropVouchersBefore">;

function voucherTable({ sql, customers }: Database, { write }: Writer): VoucherTable {
  return {
    putVoucher: ({ voucher, signature }) =>
      write(() => {
        const customer = customers.idOf(voucher.customer);
        const row = sql(GET_AMOUNT).get(customer, voucher.epoch);
        const stored = row && toVoucher({ ...row, epoch: voucher.epoch }, voucher.customer);
        if (stored?.amount === voucher.amount) return "known";
        if (stored !== undefined && stored.amount > voucher.amount) return "stale";
        const values = VOUCHER_VALUES.map((column) => toColumn(column, voucher));
        sql(PUT_VOUCHER).run(customer, ...values, signature);
        return "accepted";
      }),

    vouchers: async () =>
      sql(GET_VOUCHERS)
        .all()
        .map((row) => ({
          voucher: toVoucher(row, toHex(row.address as Uint8Array)),
          signature: row.signature as Uint8Array,
        })),

    dropVouchersBefore: (epoch) =>
      write(() => {
        sql(DROP_VOUCHERS).run(epoch);
      }),
  };
}

function toVoucher(row: Row, customer: Address): Voucher {
  return { customer, ...fromColumns(VOUCHER_VALUES, row) } as Voucher;
}

// Events

const GET_CURSOR = "SELECT number, hash FROM event_cursor";
const SET_CURSOR = `
  INSERT INTO event_cursor (id, number, hash) VALUES (1, ?, ?)
  ON CONFLICT (id) DO UPDATE SET number = excluded.number, hash = excluded.hash`;
const PUT_EVENT = "INSERT INTO events (block_number, log_index, name, args) VALUES (?, ?, ?, ?)";
const DROP_EVENTS = "DELETE FROM events WHERE block_number > ?";
const GET_EVENTS = "SELECT * FROM events WHERE block_number >= ? ORDER BY block_number, log_index";

type EventTable = Pick<Store, "cursor" | "appendEvents" | "rollback" | "events">;

function eventTable({ file, sql }: Database, { write }: Writer): EventTable {
  const getCursor = () => sql(GET_CURSOR).get() as BlockMark | undefined;
  const setCursor = ({ number, hash }: BlockMark) => sql(SET_CURSOR).run(number, hash);

  return {
    cursor: async () => getCursor(),

    appendEvents: (after, events, cursor) =>
      write(() => {
        const stored = getCursor();
        if (stored?.number !== after?.number || stored?.hash !== after?.hash) return false;
        for (const event of events) {
          const { args } = eventToJson(event);
          const { blockNumber, logIndex, name } = event;
          sql(PUT_EVENT).run(blockNumber, logIndex, name, JSON.stringify(args));
        }
        setCursor(cursor);
        return true;
      }),

    rollback: (cursor) =>
      write(() => {
        const stored = getCursor();
        if (stored === undefined || stored.number <= cursor.number) return;
        sql(DROP_EVENTS).run(cursor.number);
        setCursor(cursor);
      }),

    // From a connection of its own, which sees one moment throughout: pages might mix what was before a rollback with
    // what came after.
    events: async function* (fromBlock) {
      const reader = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
      try {
        for (const row of reader.prepare(GET_EVENTS).iterate(fromBlock)) yield toEvent(row);
      } finally {
        reader.close();
      }
    },
  };
}

// Epochs

const GET_EPOCH = "SELECT * FROM epochs WHERE epoch = ?";
const GET_EPOCHS = "SELECT * FROM epochs ORDER BY epoch";
const ADD_EPOCH = `
  INSERT INTO epochs (${STATE_COLUMNS}, epoch) VALUES (${STATE_COLUMNS.map(() => "?")}, ?)
  ON CONFLICT (epoch) DO NOTHING`;
const MOVE_EPOCH = `
  UPDATE epochs SET ${STATE_COLUMNS.map((name) => `${name} = COALESCE(?, ${name})`)}
  WHERE epoch = ? AND state = ?`;

type EpochTable = Pick<Store, "getEpoch" | "epochs" | "advance">;

function epochTable({ sql }: Database, { write }: Writer): EpochTable {
  return {
    getEpoch: async (epoch) => {
      const row = sql(GET_EPOCH).get(epoch);
      return row && toEpoch(row);
    },
    epochs: async () => sql(GET_EPOCHS).all().map(toEpoch),
    advance: (epoch, from, to, fields = {}) =>
      write(() => {
        const values = stateValues(to, fields);
        const { changes } =
          from === undefined
            ? sql(ADD_EPOCH).run(...values, epoch)
            : sql(MOVE_EPOCH).run(...values, epoch, from);
        return changes === 1;
      }),
  };
}

// Leases

const TAKE_LEASE = `
  INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?)
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
  WHERE leases.holder = excluded.holder OR leases.expires_at <= ?`;
const DROP_LEASE = "DELETE FROM leases WHERE name = ? AND holder = ?";

type LeaseTable = Pick<Store, "acquireLease" | "releaseLease">;

function leaseTable({ sql }: Database, { write }: Writer): LeaseTable {
  return {
    acquireLease: (name, holder, ttlSeconds, now) =>
      write(() => sql(TAKE_LEASE).run(name, holder, now + ttlSeconds, now).changes === 1),
    releaseLease: (name, holder) =>
      write(() => {
        sql(DROP_LEASE).run(name, holder);
      }),
  };
}

// Reports

const GET_REPORT = "SELECT digest FROM reports WHERE epoch = ? AND attempt = ?";
const ADD_REPORT = "INSERT INTO reports (epoch, attempt, digest) VALUES (?, ?, ?)";

const FORGO = `
  INSERT INTO forgone (id, epoch) VALUES (1, ?)
  ON CONFLICT (id) DO UPDATE SET epoch = MAX(epoch, excluded.epoch)`;
const IS_FORGONE = "SELECT 1 FROM forgone WHERE epoch >= ?";

type ReportTable = Pick<Store, "recordReport" | "forgoThrough">;

function reportTable({ sql }: Database, { write }: Writer): ReportTable {
  return {
    recordReport: (epoch, attempt, digest) =>
      write(() => {
        const row = sql(GET_REPORT).get(epoch, attempt);
        if (row !== undefined) return row.digest === digest ? "same" : "other";
        if (sql(IS_FORGONE).get(epoch) !== undefined) return "forgone";
        sql(ADD_REPORT).run(epoch, attempt, digest);
        return "recorded";
      }),
    forgoThrough: (epoch) => write(() => void sql(FORGO).run(epoch)),
  };
}

// Transactions

const PENDING_ELSEWHERE =
  "SELECT nonce FROM transactions WHERE sender = ? AND purpose = ? AND nonce <> ? AND outcome IS NULL";
// One that was given up and is sent after all has an unknown fate again.
const PUT_TRANSACTION = `
  INSERT INTO transactions (sender, purpose, nonce, raw, hash) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (hash) DO UPDATE SET outcome = NULL WHERE transactions.outcome = 'dropped'`;
const GET_PENDING = `
  SELECT sender, purpose, nonce, raw, hash FROM transactions
  WHERE sender = ? AND outcome IS NULL ORDER BY nonce, id`;
const SETTLE_TRANSACTION =
  "UPDATE transactions SET outcome = ? WHERE hash = ? RETURNING sender, nonce";
const DROP_RIVALS =
  "UPDATE transactions SET outcome = 'dropped' WHERE sender = ? AND nonce = ? AND outcome IS NULL";

type TransactionTable = Pick<
  Store,
  "saveTransaction" | "pendingTransactions" | "settleTransaction"
>;

function transactionTable({ sql }: Database, { write }: Writer): TransactionTable {
  return {
    saveTransaction: ({ sender, purpose, nonce, raw, hash }) =>
      write(() => {
        const pending = sql(PENDING_ELSEWHERE).get(sender, purpose, nonce);
        if (pending !== undefined) {
          throw new Error(`${purpose} is pending under nonce ${pending.nonce}, not ${nonce}`);
        }
        sql(PUT_TRANSACTION).run(sender, purpose, nonce, raw, hash);
      }),

    pendingTransactions: async (sender) =>
      sql(GET_PENDING).all(sender) as unknown as StoredTransaction[],

    settleTransaction: (hash, outcome) =>
      write(() => {
        const settled = sql(SETTLE_TRANSACTION).get(outcome, hash);
        if (settled === undefined) throw new Error(`transaction ${hash} was never stored`);
        sql(DROP_RIVALS).run(settled.sender as string, settled.nonce as number);
      }),
  };
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
