import type { Address } from "@link-rewards/core/encoding/bytes";
import type { Manifest } from "@link-rewards/core/epoch/manifest";
import type { ContributionRecord, InvoiceLine } from "@link-rewards/core/epoch/records";
import {
  ceilingOf,
  countedOf,
  earnedOf,
  sumOf,
  valueAtTariff,
} from "@link-rewards/core/epoch/value";
import type { Receipt } from "@link-rewards/core/signed/receipt";

/** A contribution with its position in contributions.bin. */
export type ContributionRow = ContributionRecord & { readonly index: number };

/** The invoice lines that are known of one customer, by device; `isWhole` when none of its lines is missing. */
export type Bill = { readonly lines: ReadonlyMap<Address, InvoiceLine>; readonly isWhole: boolean };

export function billOf(lines: readonly InvoiceLine[], isWhole = true): Bill {
  return { lines: new Map(lines.map((line) => [line.device, line])), isWhole };
}

/** What a device earned from one customer: what it served → value → counted, the part that was paid → fee → earned. */
export type ExplainedLine = Omit<Receipt, "epoch"> & {
  readonly account: Address;
  readonly value: bigint;
  /** The most that the customer's payment covers of any one line. */
  readonly ceiling: bigint;
  readonly counted: bigint;
  /** What of `counted` the account does not get: `counted = fee + earned`. */
  readonly fee: bigint;
  readonly earned: bigint;
};

export type ExplainedDevice = {
  readonly device: Address;
  readonly account: Address;
  readonly lines: readonly ExplainedLine[];
  readonly value: bigint;
  readonly counted: bigint;
  readonly fee: bigint;
  readonly earned: bigint;
};

export type ExplainedCustomer = {
  readonly customer: Address;
  /** The value of all its lines in the epoch, of these devices and others; undefined when not all are known. */
  readonly owed: bigint | undefined;
  readonly paid: bigint;
  readonly ceiling: bigint;
  /** What counted of all its lines; undefined when not all are known. */
  readonly counted: bigint | undefined;
};

export type Explanation = {
  readonly devices: readonly ExplainedDevice[];
  readonly customers: readonly ExplainedCustomer[];
  readonly earned: bigint;
};

/** A device of an account that its manufacturer revoked: it earns nothing any more. */
export type RevokedDevice = {
  readonly device: Address;
  readonly fromEpoch: number;
  /** The manufacturer's. */
  readonly reason: string;
};

/** What in a bundle does not follow from the rest of it. */
export type Contradiction = { readonly contradiction: string };

/**
 * Why these rows earned what they say, from the lines of their customers: every step is computed again, so that what
 * comes back adds up to the wei. Says nothing of who signed, and nothing of rows that are not given.
 */
export function explainRows(
  rows: readonly ContributionRow[],
  bills: ReadonlyMap<Address, Bill>,
  { tariff, paid }: Pick<Manifest, "tariff" | "paid">,
): Explanation | Contradiction {
  const customers = new Map<Address, ExplainedCustomer>();
  const devices = new Map<Address, ExplainedLine[]>();
  for (const { index, receipt, account, earned } of rows) {
    const { epoch: _, ...served } = receipt;
    const { device, customer } = receipt;
    const bill = bills.get(customer);
    const line = bill?.lines.get(device);
    if (bill === undefined || line?.contribution !== index)
      return contradiction(`contribution ${index} has no invoice line`);
    const { value, ceiling } = line;
    const counted = countedOf(value, ceiling);
    if (value !== valueAtTariff(receipt, tariff))
      return contradiction(`the invoice line of contribution ${index} has another value`);
    if (earned !== earnedOf(counted, tariff.feeBps))
      return contradiction(`contribution ${index} earned something else`);
    const debtor = customers.get(customer) ?? explainCustomer(customer, bill, ceiling, paid);
    if (debtor.ceiling !== ceiling)
      return contradiction(`the invoice line of contribution ${index} has another ceiling`);
    customers.set(customer, debtor);
    const explained = {
      ...served,
      account,
      value,
      ceiling,
      counted,
      fee: counted - earned,
      earned,
    };
    const ofDevice = devices.get(device);
    if (ofDevice === undefined) devices.set(device, [explained]);
    else ofDevice.push(explained);
  }
  return {
    devices: [...devices.values()].map(sumUp),
    customers: [...customers.values()],
    earned: sumOf(rows.map(({ earned }) => earned)),
  };
}

function contradiction(text: string): Contradiction {
  return { contradiction: text };
}

/** With the ceiling that follows from the whole bill, or the one that a line of it says. */
function explainCustomer(
  customer: Address,
  { lines, isWhole }: Bill,
  said: bigint,
  payers: Manifest["paid"],
): ExplainedCustomer {
  const paid = payers.find((payer) => payer.customer === customer)?.amount ?? 0n;
  if (!isWhole) return { customer, owed: undefined, paid, ceiling: said, counted: undefined };
  const values = [...lines.values()].map(({ value }) => value);
  const ceiling = ceilingOf(values, paid);
  const counted = sumOf(values.map((value) => countedOf(value, ceiling)));
  return { customer, owed: sumOf(values), paid, ceiling, counted };
}

/** All lines of one device; a device has one account in an epoch. */
function sumUp(lines: readonly ExplainedLine[]): ExplainedDevice {
  const { device, account } = lines[0] as ExplainedLine;
  const sum = (name: "value" | "counted" | "fee" | "earned") =>
    sumOf(lines.map((line) => line[name]));
  return {
    device,
    account,
    lines,
    value: sum("value"),
    counted: sum("counted"),
    fee: sum("fee"),
    earned: sum("earned"),
  };
}
