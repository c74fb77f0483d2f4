import { type Address, concatBytes, fromHex, toHex } from "@link-rewards/core/encoding/bytes";
import { BYTES_OF } from "@link-rewards/core/encoding/fields";
import type { Ranked } from "@link-rewards/core/law/order";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import {
  packSignedReceipt,
  receiptKey,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { openBatcher } from "@link-rewards/host/batcher";
import { GROUP_RECEIPTS, PAGE_ROWS } from "./engine.ts";
import { EQUIVOCATIONS_KEPT, type Evidence, meet } from "./head.ts";
import type { Database, PostgresQuery } from "./postgres.ts";
import type { PutOutcome, Store } from "./store.ts";

const ADDRESS_BYTES = BYTES_OF.address;

/**
 * Where the tables are spread by device, over shards or partitions, a group must touch those of its devices alone: look-ups
 * name them in a condition, and writes are rows of values, which are dealt out one by one. A SELECT to insert from is not.
 */
const FIND_HEADS = `
  SELECT signed, digest FROM receipts
  JOIN unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[]) AS wanted (device, customer, epoch)
  USING (device, customer, epoch) WHERE receipts.device = ANY($1)`;
/**
 * Held from the numbering to the commit: else a lower arrival could be committed after a higher one that was read already.
 * Clients' commits come one after the other by it, each of many receipts. Any number no one else uses there.
 */
const NUMBERING_LOCK = 7_265_312;
const LOCK_NUMBERING = `SELECT pg_advisory_xact_lock(${NUMBERING_LOCK})::TEXT`;
/** The last of so many numbers. Under the lock, nobody else takes one in between. */
const TAKE_ARRIVALS =
  "SELECT setval('receipt_arrivals', nextval('receipt_arrivals') + $1::BIGINT - 1) AS last";
const putHeadsOf = (count: number) => `
  INSERT INTO receipts (device, customer, epoch, signed, digest, arrival)
  VALUES ${placesOf(count, 6)}
  ON CONFLICT (epoch, device, customer) DO UPDATE SET
  signed = excluded.signed, digest = excluded.digest, arrival = excluded.arrival`;
const FIND_RECEIPT =
  "SELECT signed FROM receipts WHERE epoch = $1 AND device = $2 AND customer = $3";
const PAGE_OF_RECEIPTS = `
  SELECT signed FROM receipts WHERE epoch = $1 AND (device, customer) > ($2, $3)
  ORDER BY device, customer LIMIT ${PAGE_ROWS}`;

const FIND_EQUIVOCATIONS = `
  SELECT device, customer, epoch, sequence, digest FROM equivocations
  JOIN unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[]) AS wanted (device, customer, epoch)
  USING (device, customer, epoch) WHERE equivocations.device = ANY($1)`;
const putEquivocationsOf = (count: number) => `
  INSERT INTO equivocations (device, customer, epoch, sequence, digest, counting, other)
  VALUES ${placesOf(count, 7)}`;

type ReceiptTable = Pick<Store, "putReceipts" | "head" | "packedReceipts">;

export function receiptTable({ name, query, write }: Database): {
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

    packedReceipts: async function* (epoch) {
      for await (const page of pages(epoch)) {
        yield concatBytes(...page);
      }
    },
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

/** Reads the heads of a group, lets what arrived meet them, and writes those that moved. */
async function putGroup(
  query: PostgresQuery,
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

async function putHeads(query: PostgresQuery, heads: readonly Ranked[]): Promise<void> {
  await query(LOCK_NUMBERING);
  const [taken] = await query(TAKE_ARRIVALS, [heads.length]);
  const first = taken?.last - heads.length + 1;
  const rows = heads.map((head, i) => [
    ...keyValues(head.receipt),
    packSignedReceipt(head),
    head.digest,
    first + i,
  ]);
  await putRows(query, putHeadsOf, rows);
}

async function keepEvidence(query: PostgresQuery, evidence: readonly Evidence[]): Promise<void> {
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
  const rows = added.map(({ counting, other }) => [
    ...keyValues(other.receipt),
    other.receipt.sequence,
    other.digest,
    packSignedReceipt(counting),
    packSignedReceipt(other),
  ]);
  await putRows(query, putEquivocationsOf, rows);
}

/** In pieces: a statement has at most 65,535 values, and one call may bring more. */
async function putRows(
  query: PostgresQuery,
  statementOf: (count: number) => string,
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  for (let first = 0; first < rows.length; first += GROUP_RECEIPTS) {
    const some = rows.slice(first, first + GROUP_RECEIPTS);
    await query(statementOf(some.length), some.flat());
  }
}

/** ($1, $2), ($3, $4) and so on. */
function placesOf(rows: number, columns: number): string {
  const row = (i: number) => Array.from({ length: columns }, (_, j) => `$${i * columns + j + 1}`);
  return Array.from({ length: rows }, (_, i) => `(${row(i)})`).join(", ");
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

function keyValues({ device, customer, epoch }: Key): readonly unknown[] {
  return [fromHex(device), fromHex(customer), epoch];
}

/** As an element of an array parameter, which the driver sends as text. */
function byteaOfHex(hex: string): string {
  return `\\x${hex.slice(2)}`;
}
