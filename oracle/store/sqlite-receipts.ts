import { setImmediate as nextTurn } from "node:timers/promises";
import { type Address, concatBytes, fromHex } from "@link-rewards/core/encoding/bytes";
import type { Ranked } from "@link-rewards/core/law/order";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import { packSignedReceipt, unpackSignedReceipt } from "@link-rewards/core/signed/receipt";
import { PAGE_ROWS, type Row } from "./engine.ts";
import { EQUIVOCATIONS_KEPT, type Evidence, meet } from "./head.ts";
import type { Prepare, Writer } from "./sqlite.ts";
import type { PutOutcome, Store } from "./store.ts";

/** Ids remembered, so that most receipts need no look-up of their addresses. */
const CACHED_IDS = 100_000;

const GET_HEAD =
  "SELECT signed, digest FROM receipts WHERE epoch = ? AND device = ? AND customer = ?";
const FIND_RECEIPT = `
  SELECT signed FROM receipts
  JOIN devices ON devices.id = device JOIN customers ON customers.id = customer
  WHERE epoch = ? AND devices.address = ? AND customers.address = ?`;
// The new row has the next arrival: commits come one after the other, so no later one has a lower.
const PUT_HEAD = `
  INSERT OR REPLACE INTO receipts (epoch, device, customer, signed, digest)
  VALUES (?, ?, ?, ?, ?)`;
const PAGE_OF_RECEIPTS = `
  SELECT device, customer, signed FROM receipts
  WHERE epoch = ? AND (device, customer) > (?, ?) ORDER BY device, customer LIMIT ${PAGE_ROWS}`;

const COUNT_EQUIVOCATIONS =
  "SELECT COUNT(*) AS kept FROM equivocations WHERE epoch = ? AND device = ? AND customer = ?";
const PUT_EQUIVOCATION = `
  INSERT INTO equivocations (epoch, device, customer, sequence, digest, counting, other)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (epoch, device, customer, sequence, digest) DO NOTHING`;

type ReceiptTable = Pick<Store, "putReceipts" | "head" | "packedReceipts">;

/** Epoch, device id, customer id. */
type Key = readonly [number, number, number];

type PageRow = {
  readonly device: number;
  readonly customer: number;
  readonly signed: Uint8Array;
};

export function receiptTable(
  reading: Prepare,
  writing: Prepare,
): {
  tableOf(writer: Writer): ReceiptTable;
  /** After a rollback: what was given an id in it has none. */
  forget(): void;
} {
  const devices = idTable(writing, "devices");
  const customers = idTable(writing, "customers");

  function put(arrived: VerifiedReceipt): PutOutcome {
    const { epoch, device, customer } = arrived.receipt;
    const key: Key = [epoch, devices.idOf(device), customers.idOf(customer)];
    const row = writing(GET_HEAD).get(...key);
    const { outcome, head, evidence } = meet(row && toRanked(row), arrived);
    if (head !== undefined) writing(PUT_HEAD).run(...key, packSignedReceipt(head), head.digest);
    if (evidence !== undefined) keepEvidence(evidence);
    return outcome;
  }

  function keepEvidence({ counting, other }: Evidence): void {
    const { epoch, device, customer, sequence } = other.receipt;
    const key = [epoch, fromHex(device), fromHex(customer)] as const;
    const { kept } = writing(COUNT_EQUIVOCATIONS).get(...key) as { kept: number };
    if (kept >= EQUIVOCATIONS_KEPT) return;
    const pair = [packSignedReceipt(counting), packSignedReceipt(other)];
    writing(PUT_EQUIVOCATION).run(...key, sequence, other.digest, ...pair);
  }

  return {
    tableOf: ({ write }) => ({
      putReceipts: async (receipts) => {
        if (receipts.length === 0) return [];
        return write(() => receipts.map(put), receipts.length);
      },

      head: async (epoch, device, customer) => {
        const row = reading(FIND_RECEIPT).get(epoch, fromHex(device), fromHex(customer));
        return row && unpackSignedReceipt(row.signed as Uint8Array);
      },

      packedReceipts: async function* (epoch) {
        let device = 0;
        let customer = 0;
        for (;;) {
          const rows = reading(PAGE_OF_RECEIPTS).all(epoch, device, customer) as PageRow[];
          const last = rows.at(-1);
          if (last === undefined) return;
          ({ device, customer } = last);
          yield concatBytes(...rows.map(({ signed }) => signed));
          // A page is a few milliseconds of work: others have their turn between two.
          await nextTurn();
        }
      },
    }),
    forget() {
      devices.forget();
      customers.forget();
    },
  };
}

function toRanked({ signed, digest }: Row): Ranked {
  return { ...unpackSignedReceipt(signed as Uint8Array), digest: digest as Uint8Array };
}

type Ids = {
  /** Gives the address an id if it has none yet: only inside a transaction. */
  idOf(address: Address): number;
  forget(): void;
};

function idTable(sql: Prepare, table: "devices" | "customers"): Ids {
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
