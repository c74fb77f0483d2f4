import { at } from "../encoding/at.ts";
import type { Address } from "../encoding/bytes.ts";
import { packFields } from "../encoding/fields.ts";
import { REWARD_BYTES, REWARD_FIELDS, rewardAt } from "./records.ts";
import { type Served, sumOf, type Valued } from "./value.ts";

const BPS = 10_000n;

/** Bits of a device's reason byte: why it earned what it earned. Zero: all it delivered was paid in full. */
export const REASONS = { "unpaid-in-part": 1, scaled: 2 } as const;

/** One entry for each device, by its position. */
export type DeviceRewards = {
  readonly counted: readonly bigint[];
  readonly rewards: readonly bigint[];
  readonly reasons: Uint8Array;
};

export type Budget = { readonly emission: bigint; readonly carry: bigint; readonly fund: bigint };

/** What an epoch pays out: no more than its budget, no more than the cap over what customers paid. */
export function potOf(
  { emission, carry, fund }: Budget,
  rewardCapBps: number,
  counted: bigint,
): bigint {
  const budget = emission + carry + fund;
  const cap = (BigInt(rewardCapBps) * counted) / BPS;
  return cap < budget ? cap : budget;
}

/** Each device's share of the pot, by what counted of all it delivered. */
export function rewardDevices(
  { devices, deviceOf }: Pick<Served, "devices" | "deviceOf">,
  { values, counted, scaled }: Valued,
  pot: bigint,
): DeviceRewards {
  const countedOf = devices.map(() => 0n);
  const reasons = new Uint8Array(devices.length);
  for (const [i, device] of deviceOf.entries()) {
    const amount = at(counted, i);
    countedOf[device] = at(countedOf, device) + amount;
    const unpaid = amount < at(values, i) ? REASONS["unpaid-in-part"] : 0;
    reasons[device] = at(reasons, device) | unpaid | (scaled[i] === 1 ? REASONS.scaled : 0);
  }
  const sum = sumOf(countedOf);
  const rewards = countedOf.map((amount) => (sum === 0n ? 0n : (pot * amount) / sum));
  return { counted: countedOf, rewards, reasons };
}

/** What the devices of each account earned together, by the account's index. */
export function sumByAccount(
  accountIndexes: readonly number[],
  { rewards }: Pick<DeviceRewards, "rewards">,
): ReadonlyMap<number, bigint> {
  const earned = new Map<number, bigint>();
  for (const [device, index] of accountIndexes.entries()) {
    earned.set(index, (earned.get(index) ?? 0n) + at(rewards, device));
  }
  return earned;
}

/**
 * rewards.bin: the leaf of every account in index order: what it had, and what it earned on top. `previous` is the last
 * final epoch's; accounts that came since then start from zero.
 */
export function accumulate(
  accounts: readonly Address[],
  previous: Uint8Array,
  earned: ReadonlyMap<number, bigint>,
): Uint8Array {
  const known = previous.length / REWARD_BYTES;
  if (known > accounts.length) {
    throw new Error(`${known} accounts had leaves, only ${accounts.length} are indexed`);
  }
  const rewards = new Uint8Array(accounts.length * REWARD_BYTES);
  let prefix = 0n;
  for (const [index, account] of accounts.entries()) {
    const before = index < known ? rewardAt(previous, index) : undefined;
    if (before !== undefined && before.account !== account) {
      throw new Error(`leaf ${index} was of ${before.account}, the registry has ${account}`);
    }
    const cumulative = (before?.cumulative ?? 0n) + (earned.get(index) ?? 0n);
    rewards.set(packFields(REWARD_FIELDS, { account, cumulative, prefix }), index * REWARD_BYTES);
    prefix += cumulative;
  }
  return rewards;
}

/** What all leaves of a rewards.bin add up to. */
export function totalOf(rewards: Uint8Array): bigint {
  if (rewards.length === 0) return 0n;
  const { prefix, cumulative } = rewardAt(rewards, rewards.length / REWARD_BYTES - 1);
  return prefix + cumulative;
}
