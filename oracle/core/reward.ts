import type { Address } from "./bytes.ts";
import type { RewardLeaf } from "./records.ts";
import type { Valued } from "./value.ts";

const BPS = 10_000n;

/** Bits of a device's reason byte: why it earned what it earned. Zero: all it delivered was paid in full. */
export const REASONS = { "unpaid-in-part": 1, scaled: 2 } as const;

export type DeviceReward = {
  readonly account: Address;
  readonly device: Address;
  readonly counted: bigint;
  readonly reward: bigint;
  readonly reason: number;
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

/** In the order in which the devices first appear. */
export function rewardDevices(valued: readonly Valued[], pot: bigint): readonly DeviceReward[] {
  const devices = new Map<Address, Omit<DeviceReward, "reward">>();
  let sum = 0n;
  for (const { contribution, scaled, value, counted } of valued) {
    const { device } = contribution.receipt;
    const earlier = devices.get(device) ?? {
      account: contribution.account,
      device,
      counted: 0n,
      reason: 0,
    };
    const reason =
      (counted < value ? REASONS["unpaid-in-part"] : 0) | (scaled ? REASONS.scaled : 0);
    devices.set(device, {
      ...earlier,
      counted: earlier.counted + counted,
      reason: earlier.reason | reason,
    });
    sum += counted;
  }
  return [...devices.values()].map((device) => ({
    ...device,
    reward: sum === 0n ? 0n : (pot * device.counted) / sum,
  }));
}

/**
 * The leaf of every account in index order: what it had, and the rewards of its devices on top.
 * `previous` is the last final epoch's leaves; accounts that came since then start from zero.
 */
export function accumulate(
  accounts: readonly Address[],
  previous: readonly RewardLeaf[],
  rewards: readonly DeviceReward[],
): readonly RewardLeaf[] {
  if (previous.length > accounts.length) {
    throw new Error(`${previous.length} accounts had leaves, only ${accounts.length} are indexed`);
  }
  const earned = new Map<Address, bigint>();
  for (const { account, reward } of rewards)
    earned.set(account, (earned.get(account) ?? 0n) + reward);
  let prefix = 0n;
  return accounts.map((account, index) => {
    const before = previous[index];
    if (before !== undefined && before.account !== account) {
      throw new Error(`leaf ${index} was of ${before.account}, the registry has ${account}`);
    }
    const leaf = {
      account,
      cumulative: (before?.cumulative ?? 0n) + (earned.get(account) ?? 0n),
      prefix,
    };
    prefix += leaf.cumulative;
    return leaf;
  });
}

export function totalOf(leaves: readonly RewardLeaf[]): bigint {
  const last = leaves.at(-1);
  return last === undefined ? 0n : last.prefix + last.cumulative;
}
