import { at } from "../encoding/at.ts";
import type { Address } from "../encoding/bytes.ts";
import type { Tariff } from "../law/events.ts";
import { type Amounts, RESOURCES } from "../signed/receipt.ts";

/** Prices are in wei per this many units, so that a single byte can cost less than a wei. */
const PRICE_UNITS = 10n ** 12n;

/** What the arithmetic of an epoch needs of its contributions: their amounts, and who to whom. */
export type Served = {
  readonly devices: readonly Address[];
  readonly customers: readonly Address[];
  /** The positions of each contribution's device and customer. */
  readonly deviceOf: readonly number[];
  readonly customerOf: readonly number[];
  readonly amountsOf: (contribution: number) => Amounts;
};

/** One entry for each contribution, in their order. */
export type Valued = {
  /** At the tariff, in wei. */
  readonly values: readonly bigint[];
  /** The part its customer has paid, in wei. */
  readonly counted: readonly bigint[];
  /** 1 where the device was over its class limit in sum over its customers. */
  readonly scaled: Uint8Array;
};

export type ValueTerms = {
  readonly tariff: Tariff;
  /** What a device can plausibly deliver in the epoch, to all its customers together. */
  readonly limitOf: (device: Address) => Amounts;
  /** What a customer paid for the epoch, in wei. */
  readonly paidBy: (customer: Address) => bigint;
};

/** The result for each contribution depends on no order. */
export function valueContributions(
  served: Served,
  { tariff, limitOf, paidBy }: ValueTerms,
): Valued {
  const { devices, customers, deviceOf, customerOf, amountsOf } = served;
  const sums = sumByDevice(served);
  const limits = devices.map(limitOf);
  const owed = customers.map(() => 0n);
  const scaled = new Uint8Array(deviceOf.length);
  const values = deviceOf.map((device, i) => {
    const delivered = amountsOf(i);
    const amounts = scale(delivered, at(sums, device), at(limits, device));
    if (amounts !== delivered) scaled[i] = 1;
    const value = valueAtTariff(amounts, tariff);
    const customer = at(customerOf, i);
    owed[customer] = at(owed, customer) + value;
    return value;
  });
  const paid = customers.map(paidBy);
  const counted = values.map((value, i) => {
    const customer = at(customerOf, i);
    return countedOf(value, at(owed, customer), at(paid, customer));
  });
  return { values, counted, scaled };
}

export function valueAtTariff(amounts: Amounts, tariff: Tariff): bigint {
  return (
    (amounts.egressBytes * tariff.egressPrice +
      amounts.storageByteSeconds * tariff.storagePrice +
      amounts.computeMilliseconds * tariff.computePrice) /
    PRICE_UNITS
  );
}

/** Only paid value counts: a customer who paid a part spreads it over all it was served. */
export function countedOf(value: bigint, owed: bigint, paid: bigint): bigint {
  return owed <= paid ? value : (value * paid) / owed;
}

/** The amounts themselves when no sum is over its limit. */
export function scale(amounts: Amounts, sum: Amounts, limit: Amounts): Amounts {
  if (RESOURCES.every((resource) => sum[resource] <= limit[resource])) return amounts;
  const part = (resource: keyof Amounts) =>
    sum[resource] <= limit[resource]
      ? amounts[resource]
      : (amounts[resource] * limit[resource]) / sum[resource];
  return {
    egressBytes: part("egressBytes"),
    storageByteSeconds: part("storageByteSeconds"),
    computeMilliseconds: part("computeMilliseconds"),
  };
}

/** By the devices' positions. */
function sumByDevice({ deviceOf, amountsOf }: Served): readonly Amounts[] {
  const sums: Amounts[] = [];
  for (const [i, device] of deviceOf.entries()) {
    const sum = sums[device];
    sums[device] = sum === undefined ? amountsOf(i) : add(sum, amountsOf(i));
  }
  return sums;
}

function add(a: Amounts, b: Amounts): Amounts {
  return {
    egressBytes: a.egressBytes + b.egressBytes,
    storageByteSeconds: a.storageByteSeconds + b.storageByteSeconds,
    computeMilliseconds: a.computeMilliseconds + b.computeMilliseconds,
  };
}

export function sumOf(amounts: readonly bigint[]): bigint {
  return amounts.reduce((sum, amount) => sum + amount, 0n);
}
