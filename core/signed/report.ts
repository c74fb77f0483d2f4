import { type Address, isHexOf, lowercaseHex, toHex } from "../encoding/bytes.ts";
import type { JsonOf, StructOf } from "../encoding/fields.ts";
import { fieldsToJson, parseFields } from "../encoding/json.ts";
import { isRefused, type Refused, refuse } from "../encoding/refusal.ts";
import { parseSignature } from "../encoding/signature.ts";
import { typedDigest, typedStruct } from "../encoding/typed.ts";

/** What oracle members sign about an epoch. */
export const REPORT_FIELDS = [
  { name: "epoch", type: "uint32" },
  { name: "attempt", type: "uint32" },
  { name: "prevRoot", type: "bytes32" },
  { name: "root", type: "bytes32" },
  { name: "contributionRoot", type: "bytes32" },
  { name: "invoiceRoot", type: "bytes32" },
  { name: "contributions", type: "uint32" },
  { name: "total", type: "uint96" },
  { name: "bundleHash", type: "bytes32" },
  { name: "rulesHash", type: "bytes32" },
] as const;

export type Report = StructOf<typeof REPORT_FIELDS>;

export const REPORT = typedStruct("Report", REPORT_FIELDS);

/** `domain` is the EpochLedger's. */
export function reportDigest(domain: Uint8Array, report: Report): Uint8Array {
  return typedDigest(domain, REPORT, report);
}

export function parseReport(input: unknown, where = "report"): Report | Refused {
  return parseFields(REPORT_FIELDS, input, where);
}

export function reportToJson(report: Report): JsonOf<typeof REPORT_FIELDS> {
  return fieldsToJson(REPORT_FIELDS, report);
}

/** A member's word that a report is true: its signature under the digest. */
export type Attestation = { readonly member: Address; readonly signature: Uint8Array };

/** Why a member does not give it. */
export type Declined = {
  readonly declined: string;
  /** It has signed another report of this epoch and attempt: only the next attempt can have its signature. */
  readonly signedOther?: boolean;
  /** It has receipts that are not in the bundle. */
  readonly incomplete?: boolean;
  /** It signs nothing of this epoch, in any attempt: what it acknowledged in it may be lost. */
  readonly forgone?: boolean;
};

/** A report with the attestations of enough members to propose it. */
export type SignedReport = {
  readonly report: Report;
  readonly signatures: readonly Attestation[];
};

export function signedReportToJson({ report, signatures }: SignedReport): string {
  return JSON.stringify({
    report: reportToJson(report),
    signatures: signatures.map(({ member, signature }) => ({
      member,
      signature: toHex(signature),
    })),
  });
}

export function parseSignedReport(json: string): SignedReport | Refused {
  let input: Record<string, unknown>;
  try {
    input = Object(JSON.parse(json)) as Record<string, unknown>;
  } catch (error) {
    return refuse("malformed", `a signed report is not JSON: ${(error as Error).message}`);
  }
  const report = parseReport(input.report);
  if (isRefused(report)) return report;
  const signatures: Attestation[] = [];
  for (const entry of Array.isArray(input.signatures) ? input.signatures : []) {
    const { member, signature: hex } = Object(entry) as Record<string, unknown>;
    const signature = parseSignature(hex, "signature");
    if (isRefused(signature)) return signature;
    if (!isHexOf(member, 20)) return refuse("malformed", "member must be an address");
    signatures.push({ member: lowercaseHex(member), signature });
  }
  return { report, signatures };
}
