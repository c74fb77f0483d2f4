import { type Address, type Hex, toHex } from "./bytes.ts";
import type { OpenEpoch } from "./clock.ts";
import { parseFields } from "./json.ts";
import type { Contracts } from "./manifest.ts";
import { parseSignature, type SignedReceipt, signedReceiptToJson } from "./receipt.ts";
import { isRefused, type Refused, refuse } from "./refusal.ts";
import { parseVoucher, type SignedVoucher, voucherToJson } from "./voucher.ts";

/**
 * What goes to an oracle and comes back, as it stands in JSON: integers up to 53 bits as numbers, wider ones as decimal
 * strings.
 */

/** Two signature checks each: a batch of this size keeps a core busy for seconds, and its JSON stays under 1 MiB. */
export const MAX_BATCH_RECEIPTS = 1_000;

/** What a batch was signed for, so that a wrong chain is named instead of a key nobody knows. */
export const ENVELOPE_FIELDS = [
  { name: "chainId", type: "uint53" },
  { name: "registry", type: "address" },
] as const;

export type Envelope = { readonly chainId: number; readonly registry: Address };

/** The items as they came: each is parsed for itself, so that a bad one does not spoil the rest. */
export function parseBatch(body: unknown, served: Envelope): readonly unknown[] | Refused {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return refuse("malformed", "body must be an object");
  }
  const { receipts, ...rest } = body as Record<string, unknown>;
  const envelope = parseFields(ENVELOPE_FIELDS, rest, "body");
  if (isRefused(envelope)) return envelope;
  if (envelope.chainId !== served.chainId || envelope.registry !== served.registry) {
    return refuse(
      "wrong-chain",
      `served here: registry ${served.registry} on chain ${served.chainId}; sent: ${envelope.registry} on ${envelope.chainId}`,
    );
  }
  if (!Array.isArray(receipts) || receipts.length === 0) {
    return refuse("malformed", `body.receipts must be a list of 1 to ${MAX_BATCH_RECEIPTS}`);
  }
  if (receipts.length > MAX_BATCH_RECEIPTS) {
    return refuse(
      "too-large",
      `body.receipts has ${receipts.length} items, at most ${MAX_BATCH_RECEIPTS} are taken`,
    );
  }
  return receipts;
}

/** A receipt's answer, at the place of its item in the batch. */
export type ReceiptResult =
  | {
      /** "known": the very same receipt was stored before; nothing changed. */
      readonly status: "accepted" | "known";
      readonly digest: Hex;
      readonly acknowledgement: SignedAcknowledgement;
      readonly warnings: readonly Warning[];
    }
  | RefusedResult;

export type RefusedResult = Refused & {
  readonly status: "refused";
  /** With "stale": the receipt that counts. */
  readonly head?: HeadAnswer;
  /** With "epoch-closed". */
  readonly open?: readonly OpenEpoch[];
};

/** "total-fell": a total is lower than in the receipt this one replaced. Legal, as both signed it. */
export const WARNINGS = ["total-fell"] as const;
export type Warning = (typeof WARNINGS)[number];

/** The member's word that the receipt is stored; keep it until the epoch's bundle shows the receipt. */
export type SignedAcknowledgement = {
  readonly digest: Hex;
  readonly receivedAt: string;
  readonly epoch: number;
  readonly signature: Hex;
  readonly member: Address;
};

/** The receipt that counts for its (epoch, device, customer). */
export type HeadAnswer = { readonly digest: Hex } & Record<string, unknown>;

export function headToJson(head: SignedReceipt, digest: Uint8Array): HeadAnswer {
  return { digest: toHex(digest), ...signedReceiptToJson(head) };
}

export type VoucherResult = { readonly status: "accepted" | "known"; readonly digest: Hex };

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

/** What a device or a gateway needs to begin: where its signatures belong and which epochs are open. */
export type Terms = Envelope & {
  readonly contracts: Contracts;
  readonly member: Address;
  /** By which the epochs are open: unix seconds. */
  readonly now: number;
  readonly epochs: readonly OpenEpoch[];
};
