import type { ContributionRecord } from "@link-rewards/core/epoch/records";

/**
 * What an epoch pays, computed a second time, by the rules as docs/economics.md tells them and not by core's code. All
 * amounts in wei.
 */

export type Prices = {
  readonly egressPrice: bigint;
  readonly storagePrice: bigint;
  readonly computePrice: bigint;
  readonly feeBps: number;
};

type Served = Pick<
  ContributionRecord["receipt"],
  "egressBytes" | "storageByteSeconds" | "computeMilliseconds"
>;

export type Payouts = {
  readonly byAccount: ReadonlyMap<string, bigint>;
  readonly delta: bigint;
  readonly fee: bigint;
};

export function worthOf(served: Served, prices: Prices): bigint {
  const { egressBytes, storageByteSeconds, computeMilliseconds } = served;
  const { egressPrice, storagePrice, computePrice } = prices;
  const total =
    egressBytes * egressPrice +
    storageByteSeconds * storagePrice +
    computeMilliseconds * computePrice;
  return total / 10n ** 12n;
}

/** `paid`: of each customer, for the epoch. */
export function payoutsOf(
  rows: readonly ContributionRecord[],
  prices: Prices,
  paid: ReadonlyMap<string, bigint>,
): Payouts {
  const byAccount = new Map<string, bigint>();
  const kept = 10_000n - BigInt(prices.feeBps);
  let delta = 0n;
  for (const [customer, theirs] of Map.groupBy(rows, ({ receipt }) => receipt.customer)) {
    const limit = fairLimit(
      theirs.map(({ receipt }) => worthOf(receipt, prices)),
      paid.get(customer) ?? 0n,
    );
    for (const { receipt, account } of theirs) {
      const value = worthOf(receipt, prices);
      const counted = limit === undefined || value < limit ? value : limit;
      const earned = (counted * kept) / 10_000n;
      byAccount.set(account, (byAccount.get(account) ?? 0n) + earned);
      delta += earned;
    }
  }
  return { byAccount, delta, fee: (delta * BigInt(prices.feeBps)) / kept };
}

/** The most of each bill that a payment covers: the largest amount that all bills cut to it do not exceed. */
function fairLimit(bills: readonly bigint[], paid: bigint): bigint | undefined {
  const cost = (limit: bigint) =>
    bills.reduce((sum, bill) => sum + (bill < limit ? bill : limit), 0n);
  if (bills.reduce((sum, bill) => sum + bill, 0n) <= paid) return undefined;
  let low = 0n;
  let high = paid + 1n;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (cost(middle) <= paid) low = middle;
    else high = middle;
  }
  return low;
}
