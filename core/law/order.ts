import { compareBytes } from "../encoding/bytes.ts";
import { receiptKey, type SignedReceipt } from "../signed/receipt.ts";

/** A signed receipt with its digest: what the order of receipts looks at. */
export type Ranked = SignedReceipt & { readonly digest: Uint8Array };

/**
 * Negative when `a` counts before `b`: the higher sequence, then the smaller digest, then the smaller customer and
 * device signature. Total over all spellings, so that every machine keeps the same one in whatever order they came.
 */
export function compareRank(a: Ranked, b: Ranked): number {
  return (
    b.receipt.sequence - a.receipt.sequence ||
    compareBytes(a.digest, b.digest) ||
    compareBytes(a.customerSignature, b.customerSignature) ||
    compareBytes(a.deviceSignature, b.deviceSignature)
  );
}

/** The one that counts of two receipts of one (epoch, device, customer). */
export function counts<R extends Ranked>(a: R, b: R): R {
  return compareRank(a, b) <= 0 ? a : b;
}

/** A device signed one sequence twice: evidence for the manufacturer. It changes nothing by itself. */
export function isEquivocation(a: Ranked, b: Ranked): boolean {
  return (
    a.receipt.epoch === b.receipt.epoch &&
    receiptKey(a.receipt) === receiptKey(b.receipt) &&
    a.receipt.sequence === b.receipt.sequence &&
    compareBytes(a.digest, b.digest) !== 0
  );
}

/** The receipt that counts of each (device, customer), out of all receipts of one epoch. */
export function mergeReceipts<R extends Ranked>(receipts: Iterable<R>): readonly R[] {
  const counting = new Map<string, R>();
  for (const receipt of receipts) {
    const key = receiptKey(receipt.receipt);
    const other = counting.get(key);
    counting.set(key, other === undefined ? receipt : counts(receipt, other));
  }
  return [...counting.values()];
}
