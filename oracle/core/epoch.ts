import { type Bundle, sealBundle } from "./bundle.ts";
import { type Address, toHex } from "./bytes.ts";
import { emission } from "./emission.ts";
import {
  accountsAt,
  deviceClass,
  type FinalEpoch,
  fund,
  indexOf,
  type Law,
  limitAt,
  paid,
  rulesAt,
  tariffAt,
} from "./law.ts";
import type { Contracts, Manifest } from "./manifest.ts";
import { decodeRewards, REWARD_BYTES, type RewardLeaf } from "./records.ts";
import { accumulate, potOf, rewardDevices } from "./reward.ts";
import { RULES_HASH } from "./rules.ts";
import { buildTree, hashRecords, rootOf } from "./tree.ts";
import { type Valued, valueContributions } from "./value.ts";
import type { VerifiedReceipt } from "./verify.ts";

/** What never changes in a deployment: read once from the contracts. */
export type Deployment = {
  readonly chainId: number;
  readonly contracts: Contracts;
  readonly genesis: number;
  readonly epochSeconds: number;
  readonly graceSeconds: number;
  readonly emissionShare: bigint;
};

export type EpochInput = {
  readonly deployment: Deployment;
  readonly law: Law;
  readonly epoch: number;
  /** The last block before the seal time. */
  readonly sealBlock: Manifest["sealBlock"];
  /** One for each (device, customer), in any order. */
  readonly contributions: readonly VerifiedReceipt[];
  /** rewards.bin of the last final epoch; empty before the first. Checked against its final root. */
  readonly previousRewards: Uint8Array;
};

export type ComputedEpoch = Bundle & {
  readonly valued: readonly Valued<VerifiedReceipt>[];
  readonly leaves: readonly RewardLeaf[];
};

/** The whole arithmetic of an epoch: contributions → value → reward → trees → bundle. */
export function computeEpoch(input: EpochInput): ComputedEpoch {
  const { law, epoch, deployment, sealBlock } = input;
  const lastFinal = lastFinalOf(input);
  const tariff = tariffAt(law, epoch);
  const valued = valueContributions(sortContributions(law, input.contributions), {
    tariff,
    limitOf: (device) => limitAt(law, deviceClass(law, device) as number, epoch),
    paidBy: (customer) => paid(law, customer, epoch),
  });
  const counted = valued.reduce((sum, item) => sum + item.counted, 0n);
  const budget = {
    emission: emission(epoch, deployment.emissionShare, deployment.epochSeconds),
    carry: lastFinal.carry,
    fund: fund(law, epoch),
  };
  const pot = potOf(budget, tariff.rewardCapBps, counted);
  const rewards = rewardDevices(valued, pot);
  const accounts = law.accounts.slice(0, accountsAt(law, sealBlock.number));
  const leaves = accumulate(accounts, decodeRewards(input.previousRewards), rewards);
  const { emissionShare: _, ...chain } = deployment;
  const terms = {
    ...chain,
    ...budget,
    epoch,
    sealBlock,
    rulesHash: RULES_HASH,
    tariff,
    paid: payersOf(law, epoch),
    value: valued.reduce((sum, { value }) => sum + value, 0n),
    counted,
    pot,
    lastFinal: lastFinalTerms(lastFinal),
  };
  const bundle = sealBundle(terms, {
    contributions: valued.map(({ contribution }) => ({
      ...contribution,
      accountIndex: accountIndex(law, contribution.account),
    })),
    devices: rewards.map((reward) => ({
      ...reward,
      accountIndex: accountIndex(law, reward.account),
    })),
    leaves,
  });
  return { ...bundle, valued, leaves };
}

/** Throws when the input is not of this epoch: a root over the wrong history must never come into being. */
function lastFinalOf({ law, epoch, contributions, previousRewards }: EpochInput): FinalEpoch {
  const rules = rulesAt(law, epoch);
  if (rules !== RULES_HASH) {
    throw new Error(`epoch ${epoch} is under rules ${rules}; this software has ${RULES_HASH}`);
  }
  const lastFinal = law.finals.get(epoch - 1);
  if (lastFinal === undefined) {
    throw new Error(`epoch ${epoch} cannot be computed: epoch ${epoch - 1} is not final`);
  }
  const root = toHex(rootOf(buildTree(hashRecords(previousRewards, REWARD_BYTES))));
  if (root !== lastFinal.root) {
    throw new Error(
      `rewards.bin has root ${root}; epoch ${epoch - 1} became final with ${lastFinal.root}`,
    );
  }
  const stranger = contributions.find(({ receipt }) => receipt.epoch !== epoch);
  if (stranger !== undefined) {
    throw new Error(`a contribution is of epoch ${stranger.receipt.epoch}, not ${epoch}`);
  }
  return lastFinal;
}

function lastFinalTerms({
  epoch,
  root,
  total,
  leaves,
  bundleHash,
}: FinalEpoch): Manifest["lastFinal"] {
  return { epoch, root, total, leaves, bundleHash };
}

/** By (account index, device, customer): lowercase hex sorts as its bytes do. Strict, or a receipt would count twice. */
function sortContributions(
  law: Law,
  contributions: readonly VerifiedReceipt[],
): readonly VerifiedReceipt[] {
  const sorted = contributions
    .map((contribution) => ({ contribution, index: accountIndex(law, contribution.account) }))
    .sort(
      (a, b) =>
        a.index - b.index ||
        compareText(a.contribution.receipt.device, b.contribution.receipt.device) ||
        compareText(a.contribution.receipt.customer, b.contribution.receipt.customer),
    )
    .map(({ contribution }) => contribution);
  for (const [i, { receipt }] of sorted.entries()) {
    const before = sorted[i - 1]?.receipt;
    if (before?.device === receipt.device && before.customer === receipt.customer) {
      throw new Error(
        `two contributions of device ${receipt.device} to customer ${receipt.customer}`,
      );
    }
  }
  return sorted;
}

function payersOf(law: Law, epoch: number): Manifest["paid"] {
  return [...law.customers]
    .map(([customer, state]) => ({ customer, amount: state.paid.get(epoch) ?? 0n }))
    .filter(({ amount }) => amount > 0n)
    .sort((a, b) => compareText(a.customer, b.customer));
}

function accountIndex(law: Law, account: Address): number {
  const index = indexOf(law, account);
  if (index === undefined) throw new Error(`account ${account} has no index`);
  return index;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
