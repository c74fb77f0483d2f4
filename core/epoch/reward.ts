import { at } from "../encoding/at.ts";
import type { Address } from "../encoding/bytes.ts";
import { packFields } from "../encoding/fields.ts";
import type { Contributions } from "./contributions.ts";
import { REWARD_BYTES, REWARD_FIELDS, rewardAt } from "./records.ts";

/** What the contributions of each account earned together, by the account's index. */
export function sumByAccount(
  { deviceOf, accountIndexes }: Pick<Contributions, "deviceOf" | "accountIndexes">,
  earned: readonly bigint[],
  accounts: number,
): readonly bigint[] {
  const sums = Array.from({ length: accounts }, () => 0n);
  for (const [i, device] of deviceOf.entries()) {
    const index = at(accountIndexes, device);
    sums[index] = at(sums, index) + at(earned, i);
  }
  return sums;
}

/**
 * rewards.bin: the leaf of every account in index order: what it had, and what it earned on top. `previous` is the last
 * final epoch's; accounts that came since then start from zero.
 */
export function accumulate(
  accounts: readonly Address[],
  previous: Uint8Array,
  earned: readonly bigint[],
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
    const cumulative = (before?.cumulative ?? 0n) + at(earned, index);
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
