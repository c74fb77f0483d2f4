import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { InvoiceLine } from "@link-rewards/core/epoch/records";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import { findRefund, type Refund } from "@link-rewards/core/judge/refund";
import { type Law, paid } from "@link-rewards/core/law/law";

/** What a customer paid for one epoch, and what comes back of it. */
export type Refundable = Refund & {
  readonly epoch: number;
  readonly customer: Address;
  /** In wei. */
  readonly paid: bigint;
};

/** As CustomerEscrow.refund takes it. */
export type RefundArguments = [
  epoch: number,
  customer: Address,
  openings: { line: InvoiceLine; position: number; proof: Hex[] }[],
];

/** Final, or never going to be: only of such an epoch can something come back. */
export function isOver({ lastFinal, closedAfter }: Law, epoch: number): boolean {
  return epoch <= lastFinal.epoch || closedAfter !== undefined;
}

/** The epochs that are over and that the customer paid for, the first one first. */
export function paidEpochs(law: Law, customer: Address): readonly number[] {
  const payments = law.customers.get(customer)?.paid ?? new Map<number, bigint>();
  return [...payments.keys()].filter((epoch) => isOver(law, epoch)).sort((a, b) => a - b);
}

/** Of an epoch that is over, whether it was taken already or not; undefined when the files do not lead to the root on chain. */
export async function findRefundable(
  read: RangeReader,
  law: Law,
  customer: Address,
  epoch: number,
): Promise<Refundable | undefined> {
  const amount = paid(law, customer, epoch);
  const report = law.finals.get(epoch)?.proposal?.report;
  const refund =
    report === undefined
      ? { openings: [], counted: 0n, amount }
      : await findRefund(read, report, customer, amount);
  return refund && { epoch, customer, paid: amount, ...refund };
}

export function refundArguments({ epoch, customer, openings }: Refundable): RefundArguments {
  return [epoch, customer, openings.map(({ proof, ...rest }) => ({ ...rest, proof: [...proof] }))];
}
