import { type Address, concatBytes, toHex } from "../encoding/bytes.ts";
import { byteLengthOf, packFields, unpackFields } from "../encoding/fields.ts";
import { parseFields } from "../encoding/json.ts";
import { isRefused, type Refused, refuse } from "../encoding/refusal.ts";
import { parseSignature } from "../encoding/signature.ts";
import {
  packSignedReceipt,
  parseSignedReceipt,
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
  unpackSignedReceipt,
} from "./receipt.ts";
import { parseVoucher, type SignedVoucher, voucherToJson } from "./voucher.ts";

/**
 * What goes to an oracle and comes back, as it stands in JSON: integers up to 53 bits as numbers, wider ones as decimal
 * strings.
 */

/** Two signature checks each: a batch of this size keeps a core busy for seconds, and its JSON stays under 1 MiB. */
export const MAX_BATCH_RECEIPTS = 1_000;

/** A sender that spells so many items wrong spells them all wrong: the rest is not looked at, nor answered one by one. */
export const MAX_MALFORMED_ITEMS = 16;

/** What a batch was signed for, so that a wrong chain is named instead of a key nobody knows. */
export const ENVELOPE_FIELDS = [
  { name: "chainId", type: "uint53" },
  { name: "registry", type: "address" },
] as const;

export type Envelope = { readonly chainId: number; readonly registry: Address };

/** What was sent in one request: each item stands for itself, so that a bad one does not spoil the rest. */
export type Batch = readonly (Arrived | Refused)[];

/** A receipt and its bytes: packed once, or not at all where it came so. */
export type Arrived = { readonly signed: SignedReceipt; readonly packed: Uint8Array };

/** Body of POST /v1/receipts: the envelope and `receipts`, a list of signed receipts. */
export function parseBatch(body: unknown, served: Envelope): Batch | Refused {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return refuse("malformed", "body must be an object");
  }
  const { receipts, ...rest } = body as Record<string, unknown>;
  const envelope = parseFields(ENVELOPE_FIELDS, rest, "body");
  if (isRefused(envelope)) return envelope;
  const elsewhere = refuseUnlessServed(envelope, served);
  if (elsewhere !== undefined) return elsewhere;
  if (!Array.isArray(receipts)) {
    return refuse("malformed", `body.receipts must be a list of 1 to ${MAX_BATCH_RECEIPTS}`);
  }
  return refuseUnlessCounted(receipts.length) ?? parseItems(receipts);
}

function parseItems(items: readonly unknown[]): Batch | Refused {
  const batch: (Arrived | Refused)[] = [];
  let malformed = 0;
  for (const [i, item] of items.entries()) {
    const signed = parseSignedReceipt(item, `receipts[${i}]`);
    if (!isRefused(signed)) batch.push({ signed, packed: packSignedReceipt(signed) });
    else if (++malformed <= MAX_MALFORMED_ITEMS) batch.push(signed);
    else {
      const message = `more than ${MAX_MALFORMED_ITEMS} items are malformed; nothing of this request was stored; ${signed.message}`;
      return refuse("malformed", message);
    }
  }
  return batch;
}

/** The other body of POST /v1/receipts: this header, then signed receipts as in the bundle, back to back. */
export const PACKED_BATCH_TYPE = "application/vnd.link-rewards.receipts";
export const PACKED_HEADER_FIELDS = [
  { name: "version", type: "uint32" },
  ...ENVELOPE_FIELDS,
] as const;
export const PACKED_HEADER_BYTES = byteLengthOf(PACKED_HEADER_FIELDS);
export const PACKED_VERSION = 1;

export function packBatch(envelope: Envelope, receipts: readonly SignedReceipt[]): Uint8Array {
  const header = packFields(PACKED_HEADER_FIELDS, { version: PACKED_VERSION, ...envelope });
  return concatBytes(header, ...receipts.map(packSignedReceipt));
}

/** Any bytes are fields: what is wrong with a record shows when it is verified. */
export function parsePackedBatch(body: Uint8Array, served: Envelope): Batch | Refused {
  const count = (body.length - PACKED_HEADER_BYTES) / SIGNED_RECEIPT_BYTES;
  if (!Number.isInteger(count) || count < 0) {
    return refuse(
      "malformed",
      `body must be ${PACKED_HEADER_BYTES} bytes and ${SIGNED_RECEIPT_BYTES} for each receipt, not ${body.length}`,
    );
  }
  const { version, ...envelope } = unpackFields(
    PACKED_HEADER_FIELDS,
    body.subarray(0, PACKED_HEADER_BYTES),
  );
  if (version !== PACKED_VERSION) {
    return refuse("malformed", `body.version must be ${PACKED_VERSION}, not ${version}`);
  }
  return (
    refuseUnlessServed(envelope, served) ??
    refuseUnlessCounted(count) ??
    Array.from({ length: count }, (_, i) => {
      const at = PACKED_HEADER_BYTES + i * SIGNED_RECEIPT_BYTES;
      const packed = body.subarray(at, at + SIGNED_RECEIPT_BYTES);
      return { signed: unpackSignedReceipt(packed), packed };
    })
  );
}

function refuseUnlessServed(sent: Envelope, served: Envelope): Refused | undefined {
  if (sent.chainId === served.chainId && sent.registry === served.registry) return undefined;
  return refuse(
    "wrong-chain",
    `served here: registry ${served.registry} on chain ${served.chainId}; sent: ${sent.registry} on ${sent.chainId}`,
  );
}

function refuseUnlessCounted(receipts: number): Refused | undefined {
  if (receipts === 0) {
    return refuse("malformed", `body.receipts must be a list of 1 to ${MAX_BATCH_RECEIPTS}`);
  }
  if (receipts <= MAX_BATCH_RECEIPTS) return undefined;
  return refuse(
    "too-large",
    `body.receipts has ${receipts} items, at most ${MAX_BATCH_RECEIPTS} are taken`,
  );
}

/** Body of POST /v1/vouchers: `{voucher, signature}`. */
export function parseSignedVoucher(body: unknown): SignedVoucher | Refused {
  const { voucher: fields, signature: hex } = Object(body) as Record<string, unknown>;
  const voucher = parseVoucher(fields);
  if (isRefused(voucher)) return voucher;
  const signature = parseSignature(hex, "signature");
  return isRefused(signature) ? signature : { voucher, signature };
}

export function signedVoucherToJson({ voucher, signature }: SignedVoucher) {
  return { voucher: voucherToJson(voucher), signature: toHex(signature) };
}
