import { z } from "zod";
import { type Hex, toHex } from "../encoding/bytes.ts";
import {
  BYTES_OF,
  type Field,
  isHexScalar,
  isNumberScalar,
  type JsonOf,
  maxOf,
  type Scalar,
} from "../encoding/fields.ts";
import { REFUSALS, type Refusal } from "../encoding/refusal.ts";
import { SIGNATURE_BYTES } from "../encoding/signature.ts";
import { ACKNOWLEDGEMENT_FIELDS } from "./acknowledgement.ts";
import { CONTRACT_FIELDS } from "./deployment.ts";
import { RECEIPT_FIELDS, type SignedReceipt, signedReceiptToJson } from "./receipt.ts";
import { REPORT_FIELDS } from "./report.ts";
import { ENVELOPE_FIELDS, MAX_BATCH_RECEIPTS } from "./submission.ts";
import { VOUCHER_FIELDS } from "./voucher.ts";

/**
 * What goes over HTTP to an oracle and back, as it stands in JSON. Each shape is written once: its type, its schema in the
 * OpenAPI document and what a client checks an answer with follow from it. (What an oracle is sent is parsed by json.ts
 * from the same tables, because a refusal has to name the field.)
 */

/** As the values are once they are known to be there; nobody changes an answer. */
type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

const HEX = "[0-9a-fA-F]";
const hexOf = (bytes: number, digits = HEX) =>
  z.string().regex(new RegExp(`^0x${digits}{${2 * bytes}}$`)) as unknown as z.ZodType<Hex, Hex>;
const bytesUpTo = (most: number) => z.string().regex(new RegExp(`^0x(${HEX}{2}){0,${most}}$`));
/** What an oracle worked out itself, in the one spelling it uses. */
const hash = hexOf(32, "[0-9a-f]");
const address = hexOf(BYTES_OF.address);
const signature = hexOf(SIGNATURE_BYTES).describe(
  "EIP-2098 compact, low s: r, then s with the parity of y in its top bit; of a device whose key is P-256: r, then s.",
);
/** Without the bound that zod names for every integer: it says nothing about a time. */
const seconds = z.int().min(0).meta({ description: "Unix seconds.", maximum: undefined });
const text = z.string();

/** The JSON of a field table. */
function tableOf<const F extends readonly Field[]>(fields: F): z.ZodObject<Shape<F>> {
  return z.object(shapeOf(fields));
}

type Shape<F extends readonly Field[]> = {
  [K in keyof JsonOf<F>]: z.ZodType<JsonOf<F>[K], JsonOf<F>[K]>;
};

function shapeOf<const F extends readonly Field[]>(fields: F): Shape<F> {
  const entries = fields.map((field) => [field.name, schemaOf(field)] as const);
  return Object.fromEntries(entries) as unknown as Shape<F>;
}

function schemaOf(field: Field): z.ZodType {
  if ("type" in field) return scalarOf(field.type);
  if ("text" in field) return text.max(field.text);
  if ("bytes" in field) return bytesUpTo(field.bytes);
  if ("fields" in field) return tableOf(field.fields);
  return z.array(tableOf(field.list)).max(field.max);
}

/** Integers up to 53 bits are numbers, wider ones decimal strings. */
function scalarOf(type: Scalar): z.ZodType {
  if (isHexScalar(type)) return hexOf(BYTES_OF[type]);
  const max = maxOf(type);
  if (isNumberScalar(type)) return z.int().min(0).max(Number(max));
  const digits = max.toString().length - 1;
  return z
    .string()
    .regex(new RegExp(`^(0|[1-9][0-9]{0,${digits}})$`))
    .describe(`Decimal, "0" to "${max}".`);
}

const receipt = tableOf(RECEIPT_FIELDS);
const signedReceipt = z.object({
  receipt,
  customerSignature: signature,
  deviceSignature: signature,
});
const head = z.object({ digest: hash, ...signedReceipt.shape });
const batch = z.object({
  ...shapeOf(ENVELOPE_FIELDS),
  receipts: z.array(signedReceipt).min(1).max(MAX_BATCH_RECEIPTS),
});

const acknowledgement = z
  .object({ ...shapeOf(ACKNOWLEDGEMENT_FIELDS), signature, member: address })
  .describe(
    "Of all receipts of the request that were accepted or known; absent when none was. " +
      "`root` is that of the tree over their digests in the order of the request, of one alone its digest.",
  );

/** "total-fell": a total is lower than in the receipt this one replaced. Legal, as both signed it. */
const warning = z.enum(["total-fell"]);
/** "known": the very same receipt was stored before; nothing changed. */
const taken = z.object({
  status: z.enum(["accepted", "known"]),
  digest: hash,
  warnings: z.array(warning),
});

const refusal = z.enum(Object.keys(REFUSALS) as [Refusal, ...Refusal[]]).describe(
  Object.entries(REFUSALS)
    .map(([word, { meaning, remedy }]) => `\`${word}\`: ${meaning} ${remedy}`)
    .join("\n\n"),
);
const refused = z.object({ refusal, message: text });
const openEpoch = z.object({
  epoch: scalarOf("uint32") as z.ZodType<number, number>,
  endsAt: seconds,
  sealTime: seconds,
  closesAt: seconds,
});
const refusedReceipt = z.object({
  status: z.enum(["refused"]),
  ...refused.shape,
  /** With "stale": the receipt that counts. */
  head: head.optional(),
});
const results = z.object({
  results: z
    .array(z.discriminatedUnion("status", [taken, refusedReceipt]))
    .describe("In the order of the batch."),
  acknowledgement: acknowledgement.optional(),
  open: z.array(openEpoch).optional().describe("With any that is `epoch-closed`: which are not."),
});

const terms = z.object({
  ...shapeOf(ENVELOPE_FIELDS),
  contracts: tableOf(CONTRACT_FIELDS),
  member: address,
  /** By which the epochs are open. */
  now: seconds,
  epochs: z.array(openEpoch),
});

const signedVoucher = z.object({ voucher: tableOf(VOUCHER_FIELDS), signature });
const vouchers = z.object({ vouchers: z.array(signedVoucher) });
const takenVoucher = z.object({ status: z.enum(["accepted", "known"]), digest: hash });
const introduction = z.object({
  member: address,
  chainId: scalarOf("uint53") as z.ZodType<number, number>,
  ledger: address,
  /** What it speaks with other members: member-request.ts. */
  versions: z.object({ oldest: z.int().min(1), newest: z.int().min(1) }),
  /** Its own clock. */
  now: seconds,
});
const amount = scalarOf("uint96") as z.ZodType<string, string>;
const customer = z.object({
  customer: address,
  endpoint: text.describe(
    "Where its gateways are; a device dials it, and believes no certificate.",
  ),
  inspector: z.boolean().describe("The programme pays for it, whatever its balance."),
  balance: amount.describe("In the escrow, in wei, with what thaws."),
  thawing: amount.describe("Of it, what is on its way out."),
  keys: z
    .array(z.object({ key: address, cap: amount }))
    .describe(
      "Those that sign in this epoch, of more than 32 the newest, each with the most that it may promise for it.",
    ),
});
const settled = z
  .object({
    epoch: scalarOf("uint32") as z.ZodType<number, number>,
    paid: amount,
    counted: amount.describe("What that covered of all its lines."),
    ceiling: amount.describe(
      "What it covered of any one line at most; 2^96 - 1 when of all in full.",
    ),
  })
  .describe("Of an epoch that is final, as this member's own bundle has it.");
const problem = z.object({ message: text });

/** By the name they have in the OpenAPI document. */
export const ANSWERS = {
  Receipt: receipt,
  SignedReceipt: signedReceipt,
  Head: head,
  Batch: batch,
  Acknowledgement: acknowledgement,
  Taken: taken,
  Refusal: refusal,
  Refused: refused,
  RefusedReceipt: refusedReceipt,
  Results: results,
  OpenEpoch: openEpoch,
  Terms: terms,
  SignedVoucher: signedVoucher,
  Vouchers: vouchers,
  TakenVoucher: takenVoucher,
  Customer: customer,
  Customers: z.object({
    epoch: scalarOf("uint32") as z.ZodType<number, number>,
    customers: z.array(customer),
  }),
  Standing: z.object({
    epoch: scalarOf("uint32") as z.ZodType<number, number>,
    ...customer.shape,
    settled: z.array(settled).describe("The last epochs in which it was served, the newest first."),
  }),
  AttestationRequest: z.object({ report: tableOf(REPORT_FIELDS) }),
  Attestation: z.object({ member: address, signature }),
  Review: z.object({ agrees: z.literal(true) }),
  Introduction: introduction,
  Problem: problem,
  Live: z.object({ live: z.boolean() }),
  Readiness: z.object({
    ready: z.boolean(),
    reasons: z.array(z.object({ reason: text, message: text })),
  }),
} as const;

export type AnswerName = keyof typeof ANSWERS;
/** An answer's JSON. */
export type Answer<N extends AnswerName> = Frozen<z.infer<(typeof ANSWERS)[N]>>;

export type HeadAnswer = Answer<"Head">;
/** The member's word as in acknowledgement.ts; keep it until the epoch's bundle shows the receipts. */
export type SignedAcknowledgement = Answer<"Acknowledgement">;
export type TakenResult = Answer<"Taken">;
export type RefusedResult = Answer<"RefusedReceipt">;
export type ReceiptResult = TakenResult | RefusedResult;
/** Answer to a batch: the results are in its order. */
export type Results = Answer<"Results">;
/** What a device or a gateway needs to begin: where its signatures belong and which epochs are open. */
export type Terms = Answer<"Terms">;
/** How a member presents itself to others. */
export type Introduction = Answer<"Introduction">;
export type Reviewed = Answer<"Review">;
/** A customer that may be served now, as far as the chain says it: whoever is told so can check it there. */
export type CustomerAnswer = Answer<"Customer">;
export type CustomersAnswer = Answer<"Customers">;
/** The same of one, and how the last epochs in which it was served ended. */
export type StandingAnswer = Answer<"Standing">;
export type VoucherResult = Answer<"TakenVoucher">;

export function headToJson(counting: SignedReceipt, digest: Uint8Array): HeadAnswer {
  return { digest: toHex(digest), ...signedReceiptToJson(counting) };
}
