import type { JsonRpcProvider, Transaction } from "ethers";

/** What a transaction offers for each unit of gas, in wei. `legacy`: on a chain without a base fee. */
export type Price =
  | { readonly type: 0; readonly gasPrice: bigint }
  | {
      readonly type: 2;
      readonly maxFeePerGas: bigint;
      readonly maxPriorityFeePerGas: bigint;
    };

export const GWEI = 10n ** 9n;
/** Above what the busiest chains asked in their worst hours; a person who needs more says so. */
export const DEFAULT_FEE_CEILING = 500n * GWEI;
/** Nodes ask for at least ten percent more to replace a transaction. */
const BUMP_PERCENT = 113n;
const LEAST_BUMP_PERCENT = 110n;
/** A percentage of nothing is nothing: what is not mined at a fee of zero is offered this. */
const LEAST_REPLACEMENT = GWEI;
/** Two blocks' worth of the greatest rise and a half: a transaction stays good for some five full blocks. */
const BASE_FEE_FACTOR = 2n;

/** What the chain asks now, never above the ceiling. `legacy`: also where blocks name a base fee. */
export async function currentPrice(
  provider: JsonRpcProvider,
  ceiling: bigint,
  legacy = false,
): Promise<Price> {
  const block = await provider.getBlock("latest");
  const base = block?.baseFeePerGas ?? undefined;
  if (legacy || base === undefined)
    return { type: 0, gasPrice: least(BigInt(await provider.send("eth_gasPrice", [])), ceiling) };
  const tip = await suggestedTip(provider);
  const maxFeePerGas = least(base * BASE_FEE_FACTOR + tip, ceiling);
  return { type: 2, maxFeePerGas, maxPriorityFeePerGas: least(tip, maxFeePerGas) };
}

async function suggestedTip(provider: JsonRpcProvider): Promise<bigint> {
  try {
    return BigInt(await provider.send("eth_maxPriorityFeePerGas", []));
  } catch {
    // Not every node offers it; what Ethereum's wallets offer when nobody tells them better.
    return GWEI;
  }
}

/**
 * For a replacement: what the chain asks, or as much more as nodes want to see. Undefined when the ceiling leaves no room
 * for that.
 */
export function replacementPrice(
  now: Price,
  previous: Transaction,
  ceiling: bigint,
): Price | undefined {
  const before = offered(previous);
  const wanted = offeredBy(now);
  const fee = least(greatest(wanted.fee, bumped(before.fee)), ceiling);
  if (fee * 100n < before.fee * LEAST_BUMP_PERCENT || fee === 0n) return undefined;
  if (now.type === 0) return { type: 0, gasPrice: fee };
  const tip = least(greatest(wanted.tip, bumped(before.tip)), fee);
  if (tip * 100n < before.tip * LEAST_BUMP_PERCENT) return undefined;
  return { type: 2, maxFeePerGas: fee, maxPriorityFeePerGas: tip };
}

/** Whether what is offered does not suffice for a block that is mined now. */
export function isBelow(previous: Transaction, now: Price): boolean {
  return offered(previous).fee < offeredBy(now).fee;
}

function offered(transaction: Transaction): { readonly fee: bigint; readonly tip: bigint } {
  const { gasPrice, maxFeePerGas, maxPriorityFeePerGas } = transaction;
  const fee = maxFeePerGas ?? gasPrice ?? 0n;
  return { fee, tip: maxPriorityFeePerGas ?? fee };
}

function offeredBy(price: Price): { readonly fee: bigint; readonly tip: bigint } {
  return price.type === 0
    ? { fee: price.gasPrice, tip: price.gasPrice }
    : { fee: price.maxFeePerGas, tip: price.maxPriorityFeePerGas };
}

function bumped(fee: bigint): bigint {
  return greatest((fee * BUMP_PERCENT) / 100n + 1n, fee === 0n ? LEAST_REPLACEMENT : 0n);
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function greatest(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
