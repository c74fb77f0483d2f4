import {
  findRefundable,
  paidEpochs,
  type Refundable,
  refundArguments,
} from "@link-rewards/client/refund";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { isInspectorAt, paid } from "@link-rewards/core/law/law";
import { reasonOf, revertReason } from "@link-rewards/host/chain/errors";
import type { Sender } from "@link-rewards/host/transactions";
import { costOf, isWorth, worthOf } from "@link-rewards/host/worth";
import type { Oracle } from "./oracle.ts";
import type { CollectTerms } from "./terms.ts";

/**
 * Who pays far more for an epoch than it owes has parked its balance there: the next epoch's voucher finds nothing, and
 * is void before somebody brings the rest back. So members bring it back themselves.
 */

/** A run's: each is a transaction of its own that waits to be mined, and the grace is short. */
const MAX_REFUNDS = 20;
/** A customer's newest. A balance is parked in the epoch before; the others are for a ledger that stood for a while. */
const MAX_EPOCHS = 32;

export type RefundAction = {
  readonly action: "refund";
  readonly customer: Address;
  readonly epoch: number;
  readonly amount: bigint;
  /** Absent where it is only planned. */
  readonly transaction?: string;
};

/** How much of what a customer promised its balance does not cover, in wei. */
export type Shortfall = { readonly customer: Address; readonly missing: bigint };

/** `brings`: how much of it the voucher gets, in wei. */
export type PlannedRefund = { readonly refund: Refundable; readonly brings: bigint };

/** The refunds that are worth their transactions to what is missing, those that bring most first. */
export async function planRefunds(
  oracle: Oracle,
  shortfalls: readonly Shortfall[],
  terms: CollectTerms,
): Promise<readonly PlannedRefund[]> {
  const found: PlannedRefund[] = [];
  for (const shortfall of shortfalls) found.push(...(await refundsFor(oracle, shortfall, terms)));
  found.sort((a, b) => Number(b.brings > a.brings) - Number(b.brings < a.brings));
  const planned: PlannedRefund[] = [];
  for (const one of found) {
    if (planned.length === MAX_REFUNDS) break;
    if (await isWorthItsGas(oracle, one, terms)) planned.push(one);
  }
  return planned;
}

/** Of one customer, the largest first, until nothing is missing. */
async function refundsFor(
  oracle: Oracle,
  { customer, missing }: Shortfall,
  { minimum }: CollectTerms,
): Promise<readonly PlannedRefund[]> {
  const law = oracle.follower.law();
  // The law is that of a finalized block. An inspector's refund goes to the programme, and brings its voucher nothing.
  const epochs = paidEpochs(law, customer)
    .filter(
      (epoch) => !isInspectorAt(law, customer, epoch) && paid(law, customer, epoch) >= minimum,
    )
    .slice(-MAX_EPOCHS);
  const refunds = await Promise.all(epochs.map((epoch) => openRefund(oracle, customer, epoch)));
  const largestFirst = refunds
    .filter((refund) => refund !== undefined)
    .sort((a, b) => Number(b.amount > a.amount) - Number(b.amount < a.amount));
  const planned: PlannedRefund[] = [];
  let left = missing;
  for (const refund of largestFirst) {
    const brings = refund.amount < left ? refund.amount : left;
    if (brings === 0n || brings < minimum) break;
    planned.push({ refund, brings });
    left -= brings;
  }
  return planned;
}

/** Undefined when it was taken before, or our files do not show it: that must not keep vouchers from being collected. */
async function openRefund(
  { chain, bundles, follower, log }: Oracle,
  customer: Address,
  epoch: number,
): Promise<Refundable | undefined> {
  if (await chain.suite.escrow.isRefunded(customer, epoch)) return undefined;
  try {
    const refund = await findRefundable(
      (file, from, length) => bundles.range(epoch, file, from, length),
      follower.law(),
      customer,
      epoch,
    );
    if (refund !== undefined) return refund;
    log("refund not found", { customer, epoch, reason: "our files do not lead to the root" });
  } catch (error) {
    log("refund not found", { customer, epoch, reason: reasonOf(error) });
  }
  return undefined;
}

async function isWorthItsGas(
  { chain: { provider, suite }, log }: Oracle,
  { refund, brings }: PlannedRefund,
  { linkPrice }: CollectTerms,
): Promise<boolean> {
  if (linkPrice === undefined) return true;
  try {
    const gas = await suite.escrow.refund.estimateGas(...refundArguments(refund));
    return isWorth(linkPrice, brings, await costOf(provider, gas));
  } catch (error) {
    logReverted(log, refund, error);
    return false;
  }
}

/** Undefined when it reverted: somebody else was faster. */
export async function sendRefund(
  { chain, log }: Oracle,
  sender: Sender,
  { refund, brings }: PlannedRefund,
  { linkPrice }: CollectTerms,
): Promise<RefundAction | undefined> {
  const { customer, epoch, amount } = refund;
  try {
    const call = await chain.suite.escrow.refund.populateTransaction(...refundArguments(refund));
    const { hash, outcome } = await sender.send(`refund/${epoch}/${customer}`, {
      ...call,
      brings: worthOf(linkPrice, brings),
    });
    if (outcome === "reverted") {
      log("refund reverted", { customer, epoch, transaction: hash });
      return undefined;
    }
    log("refund brought back", { customer, epoch, amount: String(amount), transaction: hash });
    return { action: "refund", customer, epoch, amount, transaction: hash };
  } catch (error) {
    logReverted(log, refund, error);
    return undefined;
  }
}

/** What is no revert is thrown on. */
function logReverted(log: Oracle["log"], { customer, epoch }: Refundable, error: unknown): void {
  const reason = revertReason(error);
  if (reason === undefined) throw error;
  log("refund reverted", { customer, epoch, reason });
}
