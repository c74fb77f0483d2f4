import { at } from "../encoding/at.ts";
import { type Address, equalBytes, fromHex, writeUint } from "../encoding/bytes.ts";
import { BYTES_OF } from "../encoding/fields.ts";
import { accountAt, indexOf, type Law } from "../law/law.ts";
import type { VerifiedReceipt } from "../law/verify.ts";
import {
  type Amounts,
  packSignedReceipt,
  type Receipt,
  SIGNED_RECEIPT_BYTES,
} from "../signed/receipt.ts";
import {
  amountsOfRecord,
  CONTRIBUTION_BYTES,
  CONTRIBUTION_INPUT_BYTES,
  MAX_CONTRIBUTIONS,
} from "./records.ts";
import { byText, ranksOf, sortByRank } from "./sort-by-rank.ts";

declare const verified: unique symbol;

/**
 * The contributions of one epoch in the bytes and the order of contributions.bin: by (account index, device, customer),
 * strictly ascending. Only verified receipts come in. Devices and customers have positions here, so that a million
 * contributions are a few flat arrays from the store to the bundle: as objects they would take about a kilobyte each.
 * A counting sort by customer and then by device brings them in order. Who wants one record decodes one. What each row
 * earned is known last, and written into it.
 */
export type Contributions = {
  readonly epoch: number;
  readonly count: number;
  readonly records: Uint8Array;
  /** Somebody's file, which is not ours to write to. */
  readonly published: boolean;
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
  /** Over the file that has all that was added, when they came in order. */
  inPlace(file: Uint8Array): Contributions;
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
      if (deviceOf.length === MAX_CONTRIBUTIONS)
        throw new Error(`epoch ${epoch} has more than ${MAX_CONTRIBUTIONS} contributions`);
      const position = devices.of(device);
      const index = accountIndexes[position] ?? accountIndex(law, account);
      accountIndexes[position] = index;
      deviceOf.push(position);
      customerOf.push(customers.of(customer));
      const before = last;
      last = { index, device, customer };
      return before === undefined || isBefore(before, last);
    },
    inPlace: (file) => contributionsOver(epoch, columns, file, true),
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

/** With what each row earned, and all rows up to it. A published file that says just that is left as it is. */
export function withEarned(contributions: Contributions, earned: readonly bigint[]): Contributions {
  let { records, published } = contributions;
  const amounts = new Uint8Array(2 * BYTES_OF.uint96);
  let subtotal = 0n;
  for (const [i, amount] of earned.entries()) {
    subtotal += amount;
    writeUint(amounts, 0, BYTES_OF.uint96, amount);
    writeUint(amounts, BYTES_OF.uint96, BYTES_OF.uint96, subtotal);
    const end = (i + 1) * CONTRIBUTION_BYTES;
    const from = end - amounts.length;
    if (published) {
      if (equalBytes(records.subarray(from, end), amounts)) continue;
      records = records.slice();
      published = false;
    }
    records.set(amounts, from);
  }
  return contributionsOver(contributions.epoch, contributions, records, published);
}

function contributionsOver(
  epoch: number,
  { devices, accountIndexes, customers, deviceOf, customerOf }: Columns,
  records: Uint8Array,
  published: boolean,
): Contributions {
  const columns = { devices, accountIndexes, customers, deviceOf, customerOf };
  const amountsOf = (i: number) => amountsOfRecord(records, i);
  const count = deviceOf.length;
  return { epoch, count, records, published, ...columns, amountsOf } as Contributions;
}

/** Twice a counting sort, by customer and then by device. */
function sort(
  law: Law,
  epoch: number,
  { devices, accountIndexes, customers, deviceOf, customerOf }: Columns,
  recordAt: (i: number) => Uint8Array,
): Contributions {
  const byDevice = byText(devices);
  const deviceRanks = ranksOf(
    devices.length,
    (a, b) => at(accountIndexes, a) - at(accountIndexes, b) || byDevice(a, b),
  );
  const customerRanks = ranksOf(customers.length, byText(customers));
  let order: Uint32Array = Uint32Array.from(deviceOf.keys());
  order = sortByRank(order, customerRanks, customerOf);
  order = sortByRank(order, deviceRanks, deviceOf);
  const records = new Uint8Array(order.length * CONTRIBUTION_BYTES);
  const sorted = gather(law, epoch);
  order.forEach((from, to) => {
    records.set(recordAt(from), to * CONTRIBUTION_BYTES);
    const device = at(devices, at(deviceOf, from));
    const customer = at(customers, at(customerOf, from));
    const index = at(accountIndexes, at(deviceOf, from));
    // Strict, or a receipt would count twice.
    if (!sorted.add({ device, customer, epoch }, accountAt(law, index)))
      throw new Error(`two contributions of device ${device} to customer ${customer}`);
  });
  return contributionsOver(epoch, sorted.columns, records, false);
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
    const from = (i % CHUNK_RECORDS) * CONTRIBUTION_INPUT_BYTES;
    return chunk.subarray(from, from + CONTRIBUTION_INPUT_BYTES);
  };
  return {
    at,
    next(): Uint8Array {
      if (count % CHUNK_RECORDS === 0)
        chunks.push(new Uint8Array(CHUNK_RECORDS * CONTRIBUTION_INPUT_BYTES));
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

function accountIndex(law: Law, account: Address): number {
  const index = indexOf(law, account);
  if (index === undefined) throw new Error(`account ${account} has no index`);
  return index;
}
