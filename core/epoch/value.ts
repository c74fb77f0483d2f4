import { maxOf } from "../encoding/fields.ts";
import type { Tariff } from "../law/events.ts";
import type { Amounts } from "../signed/receipt.ts";

/** Prices are in wei per this many units, so that a single byte can cost less than a wei. */
const PRICE_UNITS = 10n ** 12n;
const BPS = 10_000n;

/** The largest amount that a row can hold, in wei. As a ceiling: all that a customer was served is paid. */
export const MAX_AMOUNT = maxOf("uint96");

/** In wei. More than a row can hold is no more than that: nobody can have paid it. */
export function valueAtTariff(amounts: Amounts, tariff: Tariff): bigint {
  const value =
    (amounts.egressBytes * tariff.egressPrice +
      amounts.storageByteSeconds * tariff.storagePrice +
      amounts.computeMilliseconds * tariff.computePrice) /
    PRICE_UNITS;
  return value < MAX_AMOUNT ? value : MAX_AMOUNT;
}

/**
 * The most that a payment covers of any one of these values, in wei: the smallest bills are paid first, so that who signs
 * too much to one device takes nothing from those it owes little.
 */
export function ceilingOf(values: readonly bigint[], paid: bigint): bigint {
  if (sumOf(values) <= paid) return MAX_AMOUNT;
  let left = paid;
  const ascending = values.toSorted(compareAmounts);
  for (const [i, value] of ascending.entries()) {
    const share = left / BigInt(ascending.length - i);
    if (share < value) return share;
    left -= value;
  }
  throw new Error("values that are not covered have one that is over its share");
}

/** The part of a value that its customer's payment covers. */
export function countedOf(value: bigint, ceiling: bigint): bigint {
  return value < ceiling ? value : ceiling;
}

/** What counted less the fee. */
export function earnedOf(counted: bigint, feeBps: number): bigint {
  return (counted * (BPS - BigInt(feeBps))) / BPS;
}

/** The members' share, of what all rows of an epoch earned. The twin of EpochLedger.feeOf. */
export function feeOf(delta: bigint, feeBps: number): bigint {
  return (delta * BigInt(feeBps)) / (BPS - BigInt(feeBps));
}

export function sumOf(amounts: readonly bigint[]): bigint {
  return amounts.reduce((sum, amount) => sum + amount, 0n);
}

function compareAmounts(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
