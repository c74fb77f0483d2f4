import { at } from "../encoding/at.ts";
import { toHex } from "../encoding/bytes.ts";
import { rootOver } from "../encoding/tree.ts";
import {
  accountsAt,
  deviceClass,
  type FinalEpoch,
  fund,
  type Law,
  limitAt,
  paid,
  rulesAt,
  tariffAt,
} from "../law/law.ts";
import type { VerifiedReceipt } from "../law/verify.ts";
import type { Deployment } from "../signed/deployment.ts";
import { assembleBundle, type Bundle } from "./bundle.ts";
import { type Contributions, packContributions } from "./contributions.ts";
import { emission } from "./emission.ts";
import type { Manifest, Sha256 } from "./manifest.ts";
import { encodeDevices, encodeFence, REWARD_BYTES } from "./records.ts";
import { accumulate, potOf, rewardDevices, sumByAccount } from "./reward.ts";
import { RULES_HASH } from "./rules.ts";
import { sumOf, type Valued, valueContributions } from "./value.ts";

export type EpochInput = {
  readonly deployment: Deployment;
  readonly law: Law;
  readonly epoch: number;
  /** The last block before the seal time. */
  readonly sealBlock: Manifest["sealBlock"];
  /** One for each (device, customer); as objects they may come in any order. */
  readonly contributions: Contributions | readonly VerifiedReceipt[];
  /** rewards.bin of the last final epoch; empty before the first. Checked against its final root. */
  readonly previousRewards: Uint8Array;
  /** A faster one than the pure one, if the caller has it. */
  readonly sha256?: Sha256;
};

export type ComputedEpoch = Bundle & {
  readonly contributions: Contributions;
  readonly valued: Valued;
};

/** The whole arithmetic of an epoch: contributions → value → reward → trees → bundle. */
export function computeEpoch(input: EpochInput): ComputedEpoch {
  const { law, epoch, deployment, sealBlock } = input;
  const lastFinal = lastFinalOf(input);
  const contributions = contributionsOf(input);
  const { devices, accountIndexes, deviceOf } = contributions;
  const tariff = tariffAt(law, epoch);
  const valued = valueContributions(contributions, {
    tariff,
    limitOf: (device) => limitAt(law, deviceClass(law, device) as number, epoch),
    paidBy: (customer) => paid(law, customer, epoch),
  });
  const counted = sumOf(valued.counted);
  const budget = {
    emission: emission(epoch, deployment.emissionShare, deployment.epochSeconds),
    carry: lastFinal.carry,
    fund: fund(law, epoch),
  };
  const pot = potOf(budget, tariff.rewardCapBps, counted);
  const rewards = rewardDevices(contributions, valued, pot);
  const accounts = law.accounts.slice(0, accountsAt(law, sealBlock.number));
  const { emissionShare: _, ...chain } = deployment;
  const terms = {
    ...chain,
    ...budget,
    epoch,
    sealBlock,
    rulesHash: RULES_HASH,
    tariff,
    paid: payersOf(law, epoch),
    value: sumOf(valued.values),
    counted,
    pot,
    lastFinal: lastFinalTerms(lastFinal),
  };
  const accountIndexOf = (i: number) => at(accountIndexes, at(deviceOf, i));
  const content = {
    "contributions.bin": contributions.records,
    "contributions.fence": encodeFence(contributions.count, accountIndexOf),
    "devices.bin": encodeDevices(devices.length, (i) => ({
      accountIndex: at(accountIndexes, i),
      device: at(devices, i),
      counted: at(rewards.counted, i),
      reward: at(rewards.rewards, i),
      reason: at(rewards.reasons, i),
    })),
    "rewards.bin": accumulate(
      accounts,
      input.previousRewards,
      sumByAccount(accountIndexes, rewards),
    ),
  };
  return { ...assembleBundle(terms, content, input.sha256), contributions, valued };
}

function contributionsOf({ law, epoch, contributions }: EpochInput): Contributions {
  if (!("records" in contributions)) return packContributions(law, epoch, contributions);
  if (contributions.epoch === epoch) return contributions;
  throw new Error(`the contributions are of epoch ${contributions.epoch}, not ${epoch}`);
}

/** Throws when the input is not of this epoch: a root over the wrong history must never come into being. */
function lastFinalOf({ law, epoch, previousRewards }: EpochInput): FinalEpoch {
  const rules = rulesAt(law, epoch);
  if (rules !== RULES_HASH) {
    throw new Error(`epoch ${epoch} is under rules ${rules}; this software has ${RULES_HASH}`);
  }
  const lastFinal = law.finals.get(epoch - 1);
  if (lastFinal === undefined) {
    throw new Error(`epoch ${epoch} cannot be computed: epoch ${epoch - 1} is not final`);
  }
  const root = toHex(rootOver(previousRewards, REWARD_BYTES));
  if (root !== lastFinal.root) {
    throw new Error(
      `rewards.bin has root ${root}; epoch ${epoch - 1} became final with ${lastFinal.root}`,
    );
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

function payersOf(law: Law, epoch: number): Manifest["paid"] {
  return [...law.customers]
    .map(([customer, state]) => ({ customer, amount: state.paid.get(epoch) ?? 0n }))
    .filter(({ amount }) => amount > 0n)
    .sort((a, b) => compareText(a.customer, b.customer));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
