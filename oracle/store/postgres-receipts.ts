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

const FIND_HEADS = `
  SELECT signed, digest FROM receipts
  JOIN unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[]) AS wanted (device, customer, epoch)
  USING (device, customer, epoch)`;
/**
 * Held from the numbering to the commit: else a lower arrival could be committed after a higher one that was read already.
 * Clients' commits come one after the other by it, each of many receipts. Any number no one else uses there.
 */
const NUMBERING_LOCK = 7_265_312;
const LOCK_NUMBERING = `SELECT pg_advisory_xact_lock(${NUMBERING_LOCK})::TEXT`;
const PUT_HEADS = `
  INSERT INTO receipts (device, customer, epoch, signed, digest, arrival)
  SELECT *, nextval('receipt_arrivals')
  FROM unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[], $4::BYTEA[], $5::BYTEA[])
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
  USING (device, customer, epoch)`;
const PUT_EQUIVOCATIONS = `
  INSERT INTO equivocations (device, customer, epoch, sequence, digest, counting, other)
  SELECT * FROM unnest(
    $1::BYTEA[], $2::BYTEA[], $3::BIGINT[], $4::BIGINT[], $5::BYTEA[], $6::BYTEA[], $7::BYTEA[])`;
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
  await query(PUT_HEADS, [
    ...keyArrays(heads.map(({ receipt }) => receipt)),
    heads.map((head) => bytea(packSignedReceipt(head))),
    heads.map(({ digest }) => bytea(digest)),
  ]);
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
