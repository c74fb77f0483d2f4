import type { JsonRpcProvider } from "ethers";

/** LinkToken has as many wei as a coin. */
const WEI = 10n ** 18n;

/**
 * Whether what a transaction brings, in wei of LinkToken, is no less than what it costs, in wei of the chain's coin.
 * `linkPrice`: what one LinkToken is worth, in wei of that coin; without it nothing is compared.
 */
export function isWorth(linkPrice: bigint | undefined, amount: bigint, cost: bigint): boolean {
  const worth = worthOf(linkPrice, amount);
  return worth === undefined || worth >= cost;
}

/** What an amount of LinkToken is worth, in wei of the chain's coin; undefined where nobody said. */
export function worthOf(linkPrice: bigint | undefined, amount: bigint): bigint | undefined {
  return linkPrice === undefined ? undefined : (amount * linkPrice) / WEI;
}

/** What so much gas costs now, in wei of the chain's coin. */
export async function costOf(provider: JsonRpcProvider, gas: bigint): Promise<bigint> {
  const { gasPrice, maxFeePerGas } = await provider.getFeeData();
  return gas * (gasPrice ?? maxFeePerGas ?? 0n);
}

/**
 * Leaves out what brings less than its share of the gas of one transaction: the others' shares grow by that, so they are
 * looked at again. `share` is that of the last look.
 */
export async function worthSending<T extends { readonly amount: bigint }>(
  all: readonly T[],
  linkPrice: bigint | undefined,
  costFor: (due: readonly T[]) => Promise<bigint>,
): Promise<{ readonly due: readonly T[]; readonly left: readonly Left<T>[] }> {
  if (linkPrice === undefined) return { due: all, left: [] };
  const left: Left<T>[] = [];
  let due = all;
  while (due.length > 0) {
    const share = (await costFor(due)) / BigInt(due.length);
    const isDue = ({ amount }: T) => isWorth(linkPrice, amount, share);
    const unworthy = due.filter((one) => !isDue(one));
    if (unworthy.length === 0) break;
    left.push(...unworthy.map((one) => ({ one, share })));
    due = due.filter(isDue);
  }
  return { due, left };
}

type Left<T> = { readonly one: T; readonly share: bigint };
