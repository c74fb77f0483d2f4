const YEAR_SECONDS = 365 * 24 * 60 * 60;
/** By then every share below 2^128 wei has halved to nothing. */
const LAST_YEAR = 128;

/** The twin of EpochLedger.emission: half of the share in the first year, half of the rest in each year after. */
export function emission(epoch: number, emissionShare: bigint, epochSeconds: number): bigint {
  if (epoch < 1) return 0n;
  const epochsPerYear = Math.floor(YEAR_SECONDS / epochSeconds);
  const year = Math.floor((epoch - 1) / epochsPerYear);
  if (year >= LAST_YEAR) return 0n;
  return (emissionShare >> BigInt(year + 1)) / BigInt(epochsPerYear);
}
