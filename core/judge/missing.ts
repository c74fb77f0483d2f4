import { at } from "../encoding/at.ts";
import { type Address, equalBytes } from "../encoding/bytes.ts";
import { isRefused } from "../encoding/refusal.ts";
import type { Contributions } from "../epoch/contributions.ts";
import { CONTRIBUTION_BYTES, recordAt } from "../epoch/records.ts";
import { compareRank, type Ranked } from "../law/order.ts";
import { type VerifyContext, verifyReceipt } from "../law/verify.ts";
import {
  receiptDigest,
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
  unpackSignedReceipt,
} from "../signed/receipt.ts";

/**
 * Finds what a member stored and is still valid, and is neither in the contributions nor replaced by what counts before
 * it. Takes pages of packed signed receipts; gives the first that is missing of each page.
 */
export function missingFrom(
  contributions: Contributions,
  context: VerifyContext,
): (page: Uint8Array) => SignedReceipt | undefined {
  const find = finder(contributions);
  const packedAt = (i: number) =>
    recordAt(contributions.records, CONTRIBUTION_BYTES, i).subarray(0, SIGNED_RECEIPT_BYTES);
  const ranked = (signed: SignedReceipt): Ranked => ({
    ...signed,
    digest: receiptDigest(context.domain, signed.receipt),
  });
  const isMissing = (packed: Uint8Array, signed: SignedReceipt): boolean => {
    const found = find(signed.receipt.device, signed.receipt.customer);
    // The very same bytes were verified with the bundle: nearly always, and then there is nothing left to check.
    if (found !== undefined && equalBytes(packed, packedAt(found))) return false;
    if (isRefused(verifyReceipt(signed, context))) return false;
    if (found === undefined) return true;
    return compareRank(ranked(signed), ranked(unpackSignedReceipt(packedAt(found)))) < 0;
  };
  return (page) => {
    for (let at = 0; at < page.length; at += SIGNED_RECEIPT_BYTES) {
      const packed = page.subarray(at, at + SIGNED_RECEIPT_BYTES);
      const signed = unpackSignedReceipt(packed);
      if (isMissing(packed, signed)) return signed;
    }
    return undefined;
  };
}

/** Where a device's contribution to a customer is: the device's stand together, in the order of their customers. */
function finder({ count, devices, customers, deviceOf, customerOf }: Contributions) {
  const positions = new Map(devices.map((device, position) => [device, position]));
  const starts = new Uint32Array(devices.length + 1).fill(count);
  for (let i = count - 1; i >= 0; i--) starts[at(deviceOf, i)] = i;
  return (device: Address, customer: Address): number | undefined => {
    const position = positions.get(device);
    if (position === undefined) return undefined;
    let low = at(starts, position);
    let high = at(starts, position + 1);
    const customerAt = (i: number) => at(customers, at(customerOf, i));
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (customerAt(middle) < customer) low = middle + 1;
      else high = middle;
    }
    return low < at(starts, position + 1) && customerAt(low) === customer ? low : undefined;
  };
}
