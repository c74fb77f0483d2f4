import type { Address } from "@link-rewards/core/encoding/bytes";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import { findRefund } from "@link-rewards/core/judge/refund";
import type { Report } from "@link-rewards/core/signed/report";

/** How an epoch that is final ended for a customer. Amounts are in wei. */
export type Settlement = {
  readonly epoch: number;
  readonly paid: bigint;
  /** What that covered of all its lines. */
  readonly counted: bigint;
  /** The most that it covered of any one line: 2^96 − 1 when it covered all of each. */
  readonly ceiling: bigint;
};

/**
 * What one customer's payment covered of what it was served, by its last line: `none` when it was served nothing, undefined
 * when the files do not lead to the report's root. What it `paid` is the chain's word.
 */
export async function settlementOf(
  read: RangeReader,
  report: Pick<Report, "epoch" | "invoiceRoot" | "contributions">,
  customer: Address,
  paid: bigint,
): Promise<Settlement | "none" | undefined> {
  const found = await findRefund(read, report, customer, paid);
  if (found === undefined) return undefined;
  const last = found.openings.find(({ line }) => line.customer === customer)?.line;
  if (last === undefined) return "none";
  return { epoch: report.epoch, paid, counted: last.subtotal, ceiling: last.ceiling };
}
