import { mergeReceipts } from "./merge.ts";
import type { SignedReceipt } from "./receipt.ts";
import { isRefused, type Refused } from "./refusal.ts";
import { type VerifiedReceipt, type VerifyContext, verifyReceipt } from "./verify.ts";

export type Sealed = {
  readonly contributions: readonly VerifiedReceipt[];
  /** What no longer counts, such as the receipts of a device that was revoked after it had sent them. */
  readonly refused: readonly { readonly signed: SignedReceipt; readonly refused: Refused }[];
};

/**
 * The contributions of an epoch from its stored receipts. Verified before merged: an invalid receipt with a high
 * sequence must not displace a valid one.
 */
export function sealContributions(
  receipts: Iterable<SignedReceipt>,
  context: VerifyContext,
): Sealed {
  const valid: VerifiedReceipt[] = [];
  const refused: { signed: SignedReceipt; refused: Refused }[] = [];
  for (const signed of receipts) {
    const outcome = verifyReceipt(signed, context);
    if (isRefused(outcome)) refused.push({ signed, refused: outcome });
    else valid.push(outcome);
  }
  return { contributions: mergeReceipts(valid), refused };
}
