import type { Address } from "./bytes.ts";
import type { Tariff } from "./events.ts";
import { type Amounts, RESOURCES, type Receipt } from "./receipt.ts";

/** Prices are in wei per this many units, so that a single byte can cost less than a wei. */
const PRICE_UNITS = 10n ** 12n;

/** What the arithmetic of an epoch needs of a contribution. */
export type Served = { readonly receipt: Receipt; readonly account: Address };

export type Valued<S extends Served = Served> = {
  readonly contribution: S;
  /** The device was over its class limit in sum over its customers. */
  readonly scaled: boolean;
  /** At the tariff, in wei. */
  readonly value: bigint;
  /** The part its customer has paid, in wei. */
  readonly counted: bigint;
};

export type ValueTerms = {
  readonly tariff: Tariff;
  /** What a device can plausibly deliver in the epoch, to all its customers together. */
  readonly limitOf: (device: Address) => Amounts;
  /** What a customer paid for the epoch, in wei. */
  readonly paidBy: (customer: Address) => bigint;
};

/** In the order of the contributions; the result for each depends on no order. */
export function valueContributions<S extends Served>(
  contributions: readonly S[],
  { tariff, limitOf, paidBy }: ValueTerms,
): readonly Valued<S>[] {
  const sums = sumBy(contributions, ({ receipt }) => receipt.device);
  const valued = contributions.map((contribution) => {
    const { device } = contribution.receipt;
    const amounts = scale(contribution.receipt, sums.get(device) as Amounts, limitOf(device));
    return {
      contribution,
      scaled: amounts !== contribution.receipt,
      value: valueAtTariff(amounts, tariff),
    };
  });
  const owed = new Map<Address, bigint>();
  for (const { contribution, value } of valued) {
    const { customer } = contribution.receipt;
    owed.set(customer, (owed.get(customer) ?? 0n) + value);
  }
  return valued.map((item) => {
    const { customer } = item.contribution.receipt;
    return {
      ...item,
      counted: countedOf(item.value, owed.get(customer) as bigint, paidBy(customer)),
    };
  });
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

function sumBy<S extends Served>(contributions: readonly S[], keyOf: (served: S) => Address) {
  const sums = new Map<Address, Amounts>();
  for (const contribution of contributions) {
    const key = keyOf(contribution);
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? contribution.receipt : add(sum, contribution.receipt));
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
