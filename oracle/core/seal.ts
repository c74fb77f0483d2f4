import { type Contributions, gatherUnordered } from "./contributions.ts";
import type { Law } from "./law.ts";
import { mergeReceipts } from "./merge.ts";
import { SIGNED_RECEIPT_BYTES, type SignedReceipt, unpackReceipt } from "./receipt.ts";
import { isRefused, type Refused } from "./refusal.ts";
import {
  lawfulAccount,
  type VerifiedReceipt,
  type VerifyContext,
  verifyReceipt,
} from "./verify.ts";

export type Sealed = {
  readonly contributions: readonly VerifiedReceipt[];
  /** What no longer counts, such as the receipts of a device that was revoked after it had sent them. */
  readonly refused: readonly { readonly signed: SignedReceipt; readonly refused: Refused }[];
};

/**
 * The contributions of an epoch from receipts of any origin. Verified before merged: an invalid receipt with a high
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

/** Seals the heads of a store page by page, so that only their packed bytes are ever held together. */
export type StoreSeal = {
  /** Packed signed receipts, one after the other. */
  take(page: Uint8Array, onRefused: (packed: Uint8Array, refused: Refused) => void): void;
  finish(): Contributions;
};

/**
 * A store has one head for each (device, customer) and takes verified receipts only. What may have changed since is the
 * law, and that is asked again; the signatures are not (docs/decisions/0021).
 */
export function sealStored(law: Law, epoch: number): StoreSeal {
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
