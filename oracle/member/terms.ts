import type { JsonRpcProvider } from "ethers";

/** LinkToken has as many wei as a coin. */
const WEI = 10n ** 18n;

/** What is worth a transaction. */
export type CollectTerms = {
  /** What a voucher must bring at least, in wei of LinkToken: what is less is left to whoever wants it. */
  readonly minimum: bigint;
  /** What one LinkToken is worth, in wei of the chain's coin. Without it nothing is compared with the price of gas. */
  readonly linkPrice?: bigint | undefined;
};

/** `amount` in wei of LinkToken, `cost` in wei of the chain's coin. */
export function isWorth({ linkPrice }: CollectTerms, amount: bigint, cost: bigint): boolean {
  return linkPrice === undefined || (amount * linkPrice) / WEI >= cost;
}

/** What so much gas costs now, in wei of the chain's coin. */
export async function costOf(provider: JsonRpcProvider, gas: bigint): Promise<bigint> {
  const { gasPrice, maxFeePerGas } = await provider.getFeeData();
  return gas * (gasPrice ?? maxFeePerGas ?? 0n);
}
