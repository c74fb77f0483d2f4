import { ACKNOWLEDGEMENT_FIELDS } from "./acknowledgement.ts";
import { BYTES_OF, type Field, isHexScalar, isNumberScalar, maxOf, type Scalar } from "./fields.ts";
import { CONTRACT_FIELDS } from "./manifest.ts";
import { RECEIPT_FIELDS } from "./receipt.ts";
import { REFUSALS } from "./refusal.ts";
import { REPORT_FIELDS } from "./report.ts";
import { SIGNATURE_BYTES } from "./signature.ts";
import { ENVELOPE_FIELDS, MAX_BATCH_RECEIPTS, WARNINGS } from "./submission.ts";
import { VOUCHER_FIELDS } from "./voucher.ts";

/** JSON Schema, as OpenAPI 3.1 has it. For readers and generators: parsing is done by json.ts, from the same tables. */
export type JsonSchema = { readonly [keyword: string]: unknown };

const HASH = { type: "string", pattern: "^0x[0-9a-f]{64}$" };
const ADDRESS = { type: "string", pattern: "^0x[0-9a-fA-F]{40}$" };
const SIGNATURE = {
  type: "string",
  pattern: `^0x[0-9a-fA-F]{${2 * SIGNATURE_BYTES}}$`,
  description: "EIP-2098 compact, low s: r, then s with the parity of y in its top bit.",
};
const SECONDS = { type: "integer", minimum: 0, description: "Unix seconds." };
const TEXT = { type: "string" };
const refTo = (name: string) => ({ $ref: `${name}#` });

/** By the name they have in the OpenAPI document. */
export const SCHEMAS = {
  Receipt: objectOf(RECEIPT_FIELDS),
  SignedReceipt: closed({
    receipt: refTo("Receipt"),
    customerSignature: SIGNATURE,
    deviceSignature: SIGNATURE,
  }),
  Head: closed({
    digest: HASH,
    receipt: refTo("Receipt"),
    customerSignature: SIGNATURE,
    deviceSignature: SIGNATURE,
  }),
  Batch: closed({
    ...propertiesOf(ENVELOPE_FIELDS),
    receipts: {
      type: "array",
      items: refTo("SignedReceipt"),
      minItems: 1,
      maxItems: MAX_BATCH_RECEIPTS,
    },
  }),
  Acknowledgement: {
    ...closed({
      ...propertiesOf(ACKNOWLEDGEMENT_FIELDS),
      signature: SIGNATURE,
      member: ADDRESS,
    }),
    description:
      "Of all receipts of the request that were accepted or known; absent when none was. " +
      "`root` is that of the tree over their digests in the order of the request, of one alone its digest.",
  },
  Taken: closed({
    status: { type: "string", enum: ["accepted", "known"] },
    digest: HASH,
    warnings: { type: "array", items: { type: "string", enum: [...WARNINGS] } },
  }),
  Refusal: {
    type: "string",
    enum: Object.keys(REFUSALS),
    description: Object.entries(REFUSALS)
      .map(([refusal, { meaning, remedy }]) => `\`${refusal}\`: ${meaning} ${remedy}`)
      .join("\n\n"),
  },
  Refused: closed({ refusal: refTo("Refusal"), message: TEXT }),
  RefusedReceipt: closed(
    {
      status: { type: "string", enum: ["refused"] },
      refusal: refTo("Refusal"),
      message: TEXT,
      head: refTo("Head"),
      open: { type: "array", items: refTo("OpenEpoch") },
    },
    ["head", "open"],
  ),
  Results: closed(
    {
      results: {
        type: "array",
        description: "In the order of the batch.",
        items: { oneOf: [refTo("Taken"), refTo("RefusedReceipt")] },
      },
      acknowledgement: refTo("Acknowledgement"),
    },
    ["acknowledgement"],
  ),
  OpenEpoch: closed({
    epoch: scalarOf("uint32"),
    endsAt: SECONDS,
    sealTime: SECONDS,
    closesAt: SECONDS,
  }),
  Terms: closed({
    ...propertiesOf(ENVELOPE_FIELDS),
    contracts: objectOf(CONTRACT_FIELDS),
    member: ADDRESS,
    now: SECONDS,
    epochs: { type: "array", items: refTo("OpenEpoch") },
  }),
  SignedVoucher: closed({ voucher: objectOf(VOUCHER_FIELDS), signature: SIGNATURE }),
  Vouchers: closed({ vouchers: { type: "array", items: refTo("SignedVoucher") } }),
  TakenVoucher: closed({
    status: { type: "string", enum: ["accepted", "known"] },
    digest: HASH,
  }),
  AttestationRequest: closed({ report: objectOf(REPORT_FIELDS) }),
  Attestation: closed({ member: ADDRESS, signature: SIGNATURE }),
  Problem: closed({ message: TEXT }),
  Live: closed({ live: { type: "boolean" } }),
  Readiness: closed({
    ready: { type: "boolean" },
    reasons: {
      type: "array",
      items: closed({ reason: TEXT, message: TEXT }),
    },
  }),
} as const satisfies Record<string, JsonSchema>;

function objectOf(fields: readonly Field[]): JsonSchema {
  return closed(propertiesOf(fields));
}

function propertiesOf(fields: readonly Field[]): Record<string, JsonSchema> {
  return Object.fromEntries(fields.map((field) => [field.name, schemaOf(field)]));
}

function schemaOf(field: Field): JsonSchema {
  if ("type" in field) return scalarOf(field.type);
  if ("fields" in field) return objectOf(field.fields);
  return { type: "array", items: objectOf(field.list), maxItems: field.max };
}

function scalarOf(type: Scalar): JsonSchema {
  if (isHexScalar(type)) {
    return { type: "string", pattern: `^0x[0-9a-fA-F]{${2 * BYTES_OF[type]}}$` };
  }
  const max = maxOf(type);
  if (isNumberScalar(type)) return { type: "integer", minimum: 0, maximum: Number(max) };
  const digits = max.toString().length - 1;
  return {
    type: "string",
    pattern: `^(0|[1-9][0-9]{0,${digits}})$`,
    description: `Decimal, "0" to "${max}".`,
  };
}

/** No other property may stand in it; all are required but the optional ones. */
function closed(
  properties: Record<string, JsonSchema>,
  optional: readonly string[] = [],
): JsonSchema {
  return {
    type: "object",
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    additionalProperties: false,
  };
}
