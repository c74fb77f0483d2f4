import { concatBytes } from "../encoding/bytes.ts";
import {
  byteLengthOf,
  type JsonOf,
  packFields,
  type StructOf,
  unpackFields,
} from "../encoding/fields.ts";
import { fieldsToJson, parseFields } from "../encoding/json.ts";
import type { Refused } from "../encoding/refusal.ts";
import { SIGNATURE_BYTES } from "../encoding/signature.ts";
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

/** A voucher packed, then its signature. */
const VOUCHER_BYTES = byteLengthOf(VOUCHER_FIELDS);
export const SIGNED_VOUCHER_BYTES = VOUCHER_BYTES + SIGNATURE_BYTES;

export function packSignedVoucher({ voucher, signature }: SignedVoucher): Uint8Array {
  return concatBytes(packFields(VOUCHER_FIELDS, voucher), signature);
}

export function unpackSignedVoucher(packed: Uint8Array): SignedVoucher {
  return {
    voucher: unpackFields(VOUCHER_FIELDS, packed.subarray(0, VOUCHER_BYTES)),
    signature: packed.slice(VOUCHER_BYTES),
  };
}

export function parseVoucher(input: unknown, where = "voucher"): Voucher | Refused {
  return parseFields(VOUCHER_FIELDS, input, where);
}

export function voucherToJson(voucher: Voucher): JsonOf<typeof VOUCHER_FIELDS> {
  return fieldsToJson(VOUCHER_FIELDS, voucher);
}
