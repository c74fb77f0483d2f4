import type { JsonOf, StructOf } from "../encoding/fields.ts";
import { fieldsToJson, parseFields } from "../encoding/json.ts";
import type { Refused } from "../encoding/refusal.ts";
import { typedDigest, typedStruct } from "../encoding/typed.ts";

/** A customer's promise for one epoch: what it owes for it in all so far, in wei. */
export const VOUCHER_FIELDS = [
  { name: "customer", type: "address" },
  { name: "epoch", type: "uint32" },
  { name: "amount", type: "uint96" },
] as const;

export type Voucher = StructOf<typeof VOUCHER_FIELDS>;
export type SignedVoucher = { readonly voucher: Voucher; readonly signature: Uint8Array };

export const VOUCHER = typedStruct("Voucher", VOUCHER_FIELDS);

/** `domain` is the CustomerEscrow's. */
export function voucherDigest(domain: Uint8Array, voucher: Voucher): Uint8Array {
  return typedDigest(domain, VOUCHER, voucher);
}

export function parseVoucher(input: unknown, where = "voucher"): Voucher | Refused {
  return parseFields(VOUCHER_FIELDS, input, where);
}

export function voucherToJson(voucher: Voucher): JsonOf<typeof VOUCHER_FIELDS> {
  return fieldsToJson(VOUCHER_FIELDS, voucher);
}
