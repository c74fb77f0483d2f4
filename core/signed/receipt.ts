import { type Address, concatBytes, toHex } from "../encoding/bytes.ts";
import { type JsonOf, packFields, type StructOf, unpackFields } from "../encoding/fields.ts";
import { fieldsToJson, parseFields } from "../encoding/json.ts";
import { isRefused, type Refused } from "../encoding/refusal.ts";
import { parseSignature, SIGNATURE_BYTES } from "../encoding/signature.ts";
import { typedDigest, typedDigests, typedStruct } from "../encoding/typed.ts";

export const AMOUNT_FIELDS = [
  { name: "egressBytes", type: "uint64" },
  { name: "storageByteSeconds", type: "uint96" },
  { name: "computeMilliseconds", type: "uint64" },
] as const;

/** The total one device delivered to one customer in one epoch. The twin of contracts/libraries/Receipts.sol. */
export const RECEIPT_FIELDS = [
  { name: "device", type: "address" },
  { name: "customer", type: "address" },
  { name: "epoch", type: "uint32" },
  { name: "sequence", type: "uint32" },
  ...AMOUNT_FIELDS,
] as const;

export type Receipt = StructOf<typeof RECEIPT_FIELDS>;

/** The customer signs first, the device last, both the same digest. */
export type SignedReceipt = {
  readonly receipt: Receipt;
  readonly customerSignature: Uint8Array;
  readonly deviceSignature: Uint8Array;
};

export const RECEIPT = typedStruct("Receipt", RECEIPT_FIELDS);
export const RECEIPT_BYTES = 76;
export const SIGNED_RECEIPT_BYTES = RECEIPT_BYTES + 2 * SIGNATURE_BYTES;

export const RESOURCES = ["egressBytes", "storageByteSeconds", "computeMilliseconds"] as const;
export type Amounts = { readonly [resource in (typeof RESOURCES)[number]]: bigint };

/** `domain` is the DeviceRegistry's. */
export function receiptDigest(domain: Uint8Array, receipt: Receipt): Uint8Array {
  return typedDigest(domain, RECEIPT, receipt);
}

/** The digests, 32 bytes each, of the receipts at the beginning of each record of `recordBytes`. */
export function receiptDigests(
  domain: Uint8Array,
  records: Uint8Array,
  recordBytes: number,
): Uint8Array {
  return typedDigests(domain, RECEIPT, records, recordBytes);
}

export function packReceipt(receipt: Receipt): Uint8Array {
  return packFields(RECEIPT_FIELDS, receipt);
}

/** The receipt in these bytes: packed alone, or at the beginning of a record. */
export function unpackReceipt(packed: Uint8Array): Receipt {
  return unpackFields(RECEIPT_FIELDS, packed.subarray(0, RECEIPT_BYTES));
}

export function packSignedReceipt(signed: SignedReceipt): Uint8Array {
  return concatBytes(packReceipt(signed.receipt), signed.customerSignature, signed.deviceSignature);
}

export function unpackSignedReceipt(packed: Uint8Array): SignedReceipt {
  if (packed.length !== SIGNED_RECEIPT_BYTES) {
    throw new RangeError(
      `a signed receipt has ${SIGNED_RECEIPT_BYTES} bytes, got ${packed.length}`,
    );
  }
  return {
    receipt: unpackReceipt(packed),
    customerSignature: packed.slice(RECEIPT_BYTES, RECEIPT_BYTES + SIGNATURE_BYTES),
    deviceSignature: packed.slice(RECEIPT_BYTES + SIGNATURE_BYTES),
  };
}

export function parseReceipt(input: unknown, where = "receipt"): Receipt | Refused {
  return parseFields(RECEIPT_FIELDS, input, where);
}

export function receiptToJson(receipt: Receipt): JsonOf<typeof RECEIPT_FIELDS> {
  return fieldsToJson(RECEIPT_FIELDS, receipt);
}

/** One item of POST /v1/receipts: `{receipt, customerSignature, deviceSignature}`. */
export function parseSignedReceipt(input: unknown, where = "item"): SignedReceipt | Refused {
  const item = Object(input) as { [name in keyof SignedReceipt]?: unknown };
  const receipt = parseReceipt(item.receipt, `${where}.receipt`);
  if (isRefused(receipt)) return receipt;
  const customerSignature = parseSignature(item.customerSignature, `${where}.customerSignature`);
  if (isRefused(customerSignature)) return customerSignature;
  const deviceSignature = parseSignature(item.deviceSignature, `${where}.deviceSignature`);
  if (isRefused(deviceSignature)) return deviceSignature;
  return { receipt, customerSignature, deviceSignature };
}

export function signedReceiptToJson(signed: SignedReceipt) {
  return {
    receipt: receiptToJson(signed.receipt),
    customerSignature: toHex(signed.customerSignature),
    deviceSignature: toHex(signed.deviceSignature),
  };
}

/** What a receipt is about: one is stored for each. */
export function receiptKey({ device, customer }: { device: Address; customer: Address }): string {
  return `${device}${customer}`;
}
