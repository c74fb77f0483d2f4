import { at } from "../encoding/at.ts";
import { toHex } from "../encoding/bytes.ts";
import { rootOver } from "../encoding/tree.ts";
import {
  accountsIn,
  type FinalEpoch,
  fund,
  type Law,
  paid,
  rulesAt,
  tariffAt,
} from "../law/law.ts";
import type { VerifiedReceipt } from "../law/verify.ts";
import type { Deployment } from "../signed/deployment.ts";
import { assembleBundle, type Bundle } from "./bundle.ts";
import { type Contributions, packContributions, withEarned } from "./contributions.ts";
import { invoice } from "./invoice.ts";
import type { Manifest, Sha256 } from "./manifest.ts";
import { encodeFence, REWARD_BYTES } from "./records.ts";
import { accumulate, sumByAccount, totalOf } from "./reward.ts";
import { RULES_HASH } from "./rules.ts";
import { compareText } from "./sort-by-rank.ts";
import { earnedOf, feeOf, MAX_AMOUNT, sumOf, valueAtTariff } from "./value.ts";

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

export type ComputedEpoch = Bundle & { readonly contributions: Contributions };

/** The whole arithmetic of an epoch: contributions → value → counted → earned → trees → bundle. */
export function computeEpoch(input: EpochInput): ComputedEpoch {
  const { law, epoch, deployment, sealBlock } = input;
  const lastFinal = lastFinalOf(input);
  const gathered = contributionsOf(input);
  const tariff = tariffAt(law, epoch);
  const values = gathered.deviceOf.map((_, i) => valueAtTariff(gathered.amountsOf(i), tariff));
  const invoices = invoice(gathered, values, (customer) => paid(law, customer, epoch));
  const earned = invoices.counted.map((counted) => earnedOf(counted, tariff.feeBps));
  const delta = sumOf(earned);
  const sums = {
    fund: fund(law, epoch),
    value: sumOf(values),
    counted: sumOf(invoices.counted),
    delta,
    fee: feeOf(delta, tariff.feeBps),
    total: lastFinal.total + delta,
  };
  requireCovered(epoch, sums);
  const contributions = withEarned(gathered, earned);
  const accounts = accountsIn(law, epoch);
  const earnedByAccount = sumByAccount(contributions, earned, accounts.length);
  const rewards = accumulate(accounts, input.previousRewards, earnedByAccount);
  requireTotal(rewards, sums.total);
  const terms = {
    ...deployment,
    ...sums,
    epoch,
    sealBlock,
    rulesHash: RULES_HASH,
    tariff,
    paid: payersOf(law, epoch),
    lastFinal: lastFinalTerms(lastFinal),
  };
  const { accountIndexes, deviceOf } = contributions;
  const content = {
    "contributions.bin": contributions.records,
    "contributions.fence": encodeFence(contributions.count, (i) =>
      at(accountIndexes, at(deviceOf, i)),
    ),
    "invoices.bin": invoices.records,
    "rewards.bin": rewards,
  };
  return { ...assembleBundle(terms, content, input.sha256), contributions };
}

type Sums = Pick<Manifest, "fund" | "delta" | "fee" | "total">;

/** Customers paid for all that an epoch releases; what the law says of payments would contradict itself otherwise. */
function requireCovered(epoch: number, { fund, delta, fee, total }: Sums): void {
  if (delta + fee > fund) {
    throw new Error(
      `epoch ${epoch} would release ${delta} wei and ${fee} wei of fees; customers paid ${fund}`,
    );
  }
  if (total > MAX_AMOUNT)
    throw new Error(`the total after epoch ${epoch} would be ${total} wei: more than 96 bits hold`);
}

/** No lawful epoch follows a final table that does not add up. */
function requireTotal(rewards: Uint8Array, total: bigint): void {
  const sum = totalOf(rewards);
  if (sum !== total)
    throw new Error(
      `the leaves add up to ${sum} wei; the last total and what was earned, to ${total}`,
    );
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
