import { isRefused, type Refused } from "../encoding/refusal.ts";
import type { Law } from "../law/law.ts";
import { mergeReceipts } from "../law/order.ts";
import {
  lawfulAccount,
  type VerifiedReceipt,
  type VerifyContext,
  verifyReceipt,
} from "../law/verify.ts";
import { SIGNED_RECEIPT_BYTES, type SignedReceipt, unpackReceipt } from "../signed/receipt.ts";
import { type Contributions, gatherUnordered } from "./contributions.ts";

export type LawfulContributions = {
  readonly contributions: readonly VerifiedReceipt[];
  /** What no longer counts, such as the receipts of a device that was revoked after it had sent them. */
  readonly refused: readonly { readonly signed: SignedReceipt; readonly refused: Refused }[];
};

/**
 * The contributions of an epoch from receipts of any origin. Verified before merged: an invalid receipt with a high
 * sequence must not displace a valid one.
 */
export function lawfulContributions(
  receipts: Iterable<SignedReceipt>,
  context: VerifyContext,
): LawfulContributions {
  const valid: VerifiedReceipt[] = [];
  const refused: { signed: SignedReceipt; refused: Refused }[] = [];
  for (const signed of receipts) {
    const outcome = verifyReceipt(signed, context);
    if (isRefused(outcome)) refused.push({ signed, refused: outcome });
    else valid.push(outcome);
  }
  return { contributions: mergeReceipts(valid), refused };
}

/** Takes the heads of a store page by page, so that only their packed bytes are ever held together. */
export type LawfulGathering = {
  /** Packed signed receipts, one after the other. */
  take(page: Uint8Array, onRefused: (packed: Uint8Array, refused: Refused) => void): void;
  finish(): Contributions;
};

/**
 * A store has one head for each (device, customer) and takes verified receipts only. What may have changed since is the
 * law, and that is asked again; the signatures are not (docs/decisions/0021).
 */
export function lawfulStored(law: Law, epoch: number): LawfulGathering {
  const gathering = gatherUnordered(law, epoch);
  return {
    take(page, onRefused) {
      for (let at = 0; at < page.length; at += SIGNED_RECEIPT_BYTES) {
        const packed = page.subarray(at, at + SIGNED_RECEIPT_BYTES);
        const receipt = unpackReceipt(packed);
        const account = lawfulAccount(receipt, law);
        if (isRefused(account)) onRefused(packed, account);
        else gathering.add(packed, receipt, account);
      }
    },
    finish: () => gathering.sorted(),
  };
}
