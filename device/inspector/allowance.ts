import type { Tariff } from "@link-rewards/core/law/events";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import { amountsOf } from "../amounts.ts";
import { CHUNK_BYTES } from "../content.ts";
import type { Plan } from "../gateway/round.ts";
import { mostKept, type VisitParts } from "../gateway/visit.ts";

/** What a budget is cut from: what may be spent in the epoch, what things cost, and among how many. */
export type Purse = {
  /** In wei. */
  readonly amount: bigint;
  readonly tariff: Tariff;
  readonly devices: number;
  /** What a job is worth. */
  readonly jobMilliseconds: number;
};

/** Of as many resources, a third of the budget each. */
const RESOURCES_BOUGHT = 3n;
/** A price is for so many. */
const PRICED = 10n ** 12n;
/** Of what costs nothing; more than a receipt has room for. */
const BOUNDLESS = 2n ** 64n;

/**
 * The most that is bought in the epoch of the device at each place of the drawn order, connected or not: in whole chunks
 * and jobs, the same of each, and one more of the first ones as far as that goes. So no device can use up what is for
 * another; and where the budget is too small for all, the draw says who is left out.
 */
export function allowanceAt(
  { amount, tariff, devices, jobMilliseconds }: Purse,
  place: number,
): Amounts {
  const units: Record<keyof Amounts, readonly [unit: bigint, price: bigint]> = {
    egressBytes: [BigInt(CHUNK_BYTES), tariff.egressPrice],
    storageByteSeconds: [1n, tariff.storagePrice],
    computeMilliseconds: [BigInt(jobMilliseconds), tariff.computePrice],
  };
  const count = BigInt(devices);
  return amountsOf((resource) => {
    const [unit, price] = units[resource];
    if (price === 0n) return BOUNDLESS;
    const affordable = ((amount / RESOURCES_BOUGHT) * PRICED) / (unit * price);
    const more = BigInt(place) < affordable % count ? 1n : 0n;
    return unit * (affordable / count + more);
  });
}

/** What of a visit's work `left` is enough for; undefined when it is enough for nothing. */
export function planVisit(
  left: Amounts,
  {
    work,
    jobMilliseconds,
    ...parts
  }: Omit<VisitParts, "peer" | "authorization" | "challenged" | "lost"> & {
    readonly jobMilliseconds: number;
  },
): Plan | undefined {
  const chunks = Number(left.egressBytes / BigInt(CHUNK_BYTES));
  const chunksPerRange = Math.min(work.chunksPerRange, chunks);
  const ranges =
    chunksPerRange === 0 ? 0 : Math.min(work.ranges, Math.floor(chunks / chunksPerRange));
  const hasJob = left.computeMilliseconds >= BigInt(jobMilliseconds);
  const kept = mostKept({ ...parts, challenged: parts.files });
  const isKept = left.storageByteSeconds > 0n && kept <= left.storageByteSeconds;
  if (ranges === 0 && !hasJob && !isKept) return undefined;
  return {
    work: { ...work, ranges, chunksPerRange, jobPercent: hasJob ? work.jobPercent : 0 },
    files: parts.files,
    challenged: isKept ? parts.files : [],
    // Nobody else is told to keep it: whoever is visited is given it.
    lost: () => undefined,
  };
}
