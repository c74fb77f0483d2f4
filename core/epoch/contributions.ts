import { at } from "../encoding/at.ts";
import { type Address, fromHex } from "../encoding/bytes.ts";
import { indexOf, type Law } from "../law/law.ts";
import type { VerifiedReceipt } from "../law/verify.ts";
import {
  type Amounts,
  packSignedReceipt,
  type Receipt,
  SIGNED_RECEIPT_BYTES,
} from "../signed/receipt.ts";
import { amountsOfRecord, CONTRIBUTION_BYTES } from "./records.ts";

declare const verified: unique symbol;

/**
 * The contributions of one epoch in the bytes and the order of contributions.bin: by (account index, device, customer),
 * strictly ascending. Only verified receipts come in. Devices and customers have positions here, so that a million
 * contributions are a few flat arrays from the store to the bundle: as objects they would take about a kilobyte each.
 * A counting sort by customer and then by device brings them in order. Who wants one record decodes one.
 */
export type Contributions = {
  readonly epoch: number;
  readonly count: number;
  readonly records: Uint8Array;
  /** In the order in which they first contribute; `accountIndexes` has their accounts. */
  readonly devices: readonly Address[];
  readonly accountIndexes: readonly number[];
  readonly customers: readonly Address[];
  /** The positions of each contribution's device and customer. */
  readonly deviceOf: readonly number[];
  readonly customerOf: readonly number[];
  readonly amountsOf: (contribution: number) => Amounts;
  readonly [verified]: "contributions";
};

type Columns = Pick<
  Contributions,
  "devices" | "accountIndexes" | "customers" | "deviceOf" | "customerOf"
>;

type Parties = Pick<Receipt, "device" | "customer" | "epoch">;

/** Takes contributions in one after the other; what is taken has been verified by the caller. */
export type Gathering = {
  /** False when it does not stand after the one before it in the order of contributions.bin. */
  add(receipt: Parties, account: Address): boolean;
  /** Over the records of all that was added, when they came in order. */
  inPlace(records: Uint8Array): Contributions;
  readonly columns: Columns;
};

export function gather(law: Law, epoch: number): Gathering {
  const devices = positions();
  const customers = positions();
  const accountIndexes: number[] = [];
  const deviceOf: number[] = [];
  const customerOf: number[] = [];
  let last: { index: number; device: Address; customer: Address } | undefined;
  const columns = {
    devices: devices.addresses,
    accountIndexes,
    customers: customers.addresses,
    deviceOf,
    customerOf,
  };
  return {
    columns,
    add({ device, customer, epoch: found }, account) {
      if (found !== epoch) throw new Error(`a contribution is of epoch ${found}, not ${epoch}`);
      const position = devices.of(device);
      const index = accountIndexes[position] ?? accountIndex(law, account);
      accountIndexes[position] = index;
      deviceOf.push(position);
      customerOf.push(customers.of(customer));
      const before = last;
      last = { index, device, customer };
      return before === undefined || isBefore(before, last);
    },
    inPlace: (records) => contributionsOver(epoch, columns, records),
  };
}

/** Contributions that come in any order, by their packed signed receipts. */
export type UnorderedGathering = {
  add(signedReceipt: Uint8Array, receipt: Receipt, account: Address): void;
  sorted(): Contributions;
};

export function gatherUnordered(law: Law, epoch: number): UnorderedGathering {
  const gathering = gather(law, epoch);
  const list = recordList();
  return {
    add(signedReceipt, receipt, account) {
      gathering.add(receipt, account);
      const record = list.next();
      record.set(signedReceipt);
      record.set(fromHex(account), SIGNED_RECEIPT_BYTES);
    },
    sorted: () => sort(law, epoch, gathering.columns, list.at),
  };
}

/** For the few that are at hand as objects, in any order. */
export function packContributions(
  law: Law,
  epoch: number,
  receipts: readonly VerifiedReceipt[],
): Contributions {
  const gathering = gatherUnordered(law, epoch);
  for (const receipt of receipts) {
    gathering.add(packSignedReceipt(receipt), receipt.receipt, receipt.account);
  }
  return gathering.sorted();
}

function contributionsOver(epoch: number, columns: Columns, records: Uint8Array): Contributions {
  const amountsOf = (i: number) => amountsOfRecord(records, i);
  const count = columns.deviceOf.length;
  return { epoch, count, records, ...columns, amountsOf } as Contributions;
}

/** Twice a counting sort, by customer and then by device: linear, and stable, so that the first order stays within the second. */
function sort(
  law: Law,
  epoch: number,
  { devices, accountIndexes, customers, deviceOf, customerOf }: Columns,
  recordAt: (i: number) => Uint8Array,
): Contributions {
  const byText = (addresses: readonly Address[]) => (a: number, b: number) =>
    compareText(at(addresses, a), at(addresses, b));
  const deviceText = byText(devices);
  const deviceRanks = ranks(
    devices.length,
    (a, b) => at(accountIndexes, a) - at(accountIndexes, b) || deviceText(a, b),
  );
  const customerRanks = ranks(customers.length, byText(customers));
  let order: Uint32Array = Uint32Array.from(deviceOf.keys());
  order = sortByRank(order, (i) => at(customerRanks, at(customerOf, i)), customers);
  order = sortByRank(order, (i) => at(deviceRanks, at(deviceOf, i)), devices);
  const records = new Uint8Array(order.length * CONTRIBUTION_BYTES);
  const sorted = gather(law, epoch);
  order.forEach((from, to) => {
    records.set(recordAt(from), to * CONTRIBUTION_BYTES);
    const device = at(devices, at(deviceOf, from));
    const customer = at(customers, at(customerOf, from));
    const index = at(accountIndexes, at(deviceOf, from));
    // Strict, or a receipt would count twice.
    if (!sorted.add({ device, customer, epoch }, at(law.accounts, index)))
      throw new Error(`two contributions of device ${device} to customer ${customer}`);
  });
  return sorted.inPlace(records);
}

/** The place of each of `count` things among them all. */
function ranks(count: number, compare: (a: number, b: number) => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i).sort(compare);
  const places = new Uint32Array(count);
  order.forEach((thing, place) => {
    places[thing] = place;
  });
  return places;
}

function sortByRank(
  order: Uint32Array,
  rankOf: (i: number) => number,
  { length: rankCount }: { readonly length: number },
): Uint32Array {
  const starts = new Uint32Array(rankCount + 1);
  for (const i of order) starts[rankOf(i) + 1] = at(starts, rankOf(i) + 1) + 1;
  for (let rank = 1; rank <= rankCount; rank++)
    starts[rank] = at(starts, rank) + at(starts, rank - 1);
  const sorted = new Uint32Array(order.length);
  for (const i of order) {
    const rank = rankOf(i);
    const place = at(starts, rank);
    sorted[place] = i;
    starts[rank] = place + 1;
  }
  return sorted;
}

/** Gives each address the next free position when it is first seen. */
function positions() {
  const known = new Map<Address, number>();
  const addresses: Address[] = [];
  return {
    addresses,
    of(address: Address): number {
      const position = known.get(address);
      if (position !== undefined) return position;
      known.set(address, addresses.length);
      return addresses.push(address) - 1;
    },
  };
}

const CHUNK_RECORDS = 65_536;

/** Grows in pieces: a single array would have to be copied, and be there twice, each time it grows. */
function recordList() {
  const chunks: Uint8Array[] = [];
  let count = 0;
  const at = (i: number) => {
    const chunk = chunks[Math.floor(i / CHUNK_RECORDS)] as Uint8Array;
    const from = (i % CHUNK_RECORDS) * CONTRIBUTION_BYTES;
    return chunk.subarray(from, from + CONTRIBUTION_BYTES);
  };
  return {
    at,
    next(): Uint8Array {
      if (count % CHUNK_RECORDS === 0)
        chunks.push(new Uint8Array(CHUNK_RECORDS * CONTRIBUTION_BYTES));
      count += 1;
      return at(count - 1);
    },
  };
}

type Place = { readonly index: number; readonly device: Address; readonly customer: Address };

/** Lowercase hex sorts as its bytes do. */
function isBefore(a: Place, b: Place): boolean {
  if (a.index !== b.index) return a.index < b.index;
  if (a.device !== b.device) return a.device < b.device;
  return a.customer < b.customer;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function accountIndex(law: Law, account: Address): number {
  const index = indexOf(law, account);
  if (index === undefined) throw new Error(`account ${account} has no index`);
  return index;
}
