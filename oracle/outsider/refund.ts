import {
  findRefundable,
  isOver,
  paidEpochs,
  type Refundable,
  refundArguments,
} from "@link-rewards/client/refund";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { Law } from "@link-rewards/core/law/law";
import type { Chain } from "@link-rewards/host/chain/chain";
import { reasonOf } from "@link-rewards/host/chain/errors";
import { type BundleSource, provenFrom } from "../edge/bundles.ts";
import { readLaw } from "./read-law.ts";

/** With the call that brings it. */
export type RefundCall = Refundable & { readonly to: Address; readonly calldata: Hex };

export type RefundFailure = { readonly epoch: number; readonly reason: string };

/**
 * Of one epoch, or of all. An epoch whose files cannot be read, or do not lead to the root on chain, is a failure of its
 * own: nothing unproven is sent, and the others' refunds are.
 */
export async function refundsOf(
  chain: Chain,
  mirrors: readonly BundleSource[],
  customer: Address,
  epoch: number | undefined,
): Promise<{ readonly refunds: readonly RefundCall[]; readonly failed: readonly RefundFailure[] }> {
  const law = await readLaw(chain);
  const refunds: RefundCall[] = [];
  const failed: RefundFailure[] = [];
  for (const wanted of epoch === undefined ? paidEpochs(law, customer) : [epoch]) {
    try {
      const refund = await refundOf(chain, mirrors, law, customer, wanted);
      if (refund !== undefined && refund.amount > 0n) refunds.push(refund);
      else if (epoch !== undefined)
        throw new Error(`nothing of what ${customer} paid for epoch ${epoch} comes back`);
    } catch (error) {
      failed.push({ epoch: wanted, reason: reasonOf(error) });
    }
  }
  return { refunds, failed };
}

/** Undefined when it was taken before. */
async function refundOf(
  { suite: { escrow }, deployment }: Chain,
  mirrors: readonly BundleSource[],
  law: Law,
  customer: Address,
  epoch: number,
): Promise<RefundCall | undefined> {
  if (!isOver(law, epoch))
    throw new Error(`epoch ${epoch} is not final; the last final epoch is ${law.lastFinal.epoch}`);
  if (await escrow.isRefunded(customer, epoch)) return undefined;
  const refund = await provenFrom(mirrors, epoch, (read) =>
    findRefundable(read, law, customer, epoch),
  );
  return {
    ...refund,
    to: deployment.contracts.customerEscrow,
    calldata: escrow.interface.encodeFunctionData("refund", refundArguments(refund)) as Hex,
  };
}
