import { type Address, isHexOf, lowercaseHex, toHex } from "./bytes.ts";
import type { StructOf } from "./fields.ts";
import { fieldsToJson, parseFields } from "./json.ts";
import { parseSignature } from "./receipt.ts";
import { isRefused, type Refused, refuse } from "./refusal.ts";
import { typedDigest, typedStruct } from "./typed.ts";

/** What oracle members sign about an epoch. */
export const REPORT_FIELDS = [
  { name: "epoch", type: "uint32" },
  { name: "attempt", type: "uint16" },
  { name: "prevRoot", type: "bytes32" },
  { name: "root", type: "bytes32" },
  { name: "contributionRoot", type: "bytes32" },
  { name: "bundleHash", type: "bytes32" },
  { name: "total", type: "uint96" },
  { name: "leaves", type: "uint32" },
  { name: "contributions", type: "uint32" },
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

export function reportToJson(report: Report): Record<string, unknown> {
  return fieldsToJson(REPORT_FIELDS, report);
}

/** A report with the signatures of enough members to propose it. */
export type SignedReport = {
  readonly report: Report;
  readonly signatures: readonly { readonly member: Address; readonly signature: Uint8Array }[];
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
    return refuse("malformed", `a signed report is no JSON: ${(error as Error).message}`);
  }
  const report = parseReport(input.report);
  if (isRefused(report)) return report;
  const signatures: { member: Address; signature: Uint8Array }[] = [];
  for (const entry of Array.isArray(input.signatures) ? input.signatures : []) {
    const { member, signature: hex } = Object(entry) as Record<string, unknown>;
    const signature = parseSignature(hex, "signature");
    if (isRefused(signature)) return signature;
    if (!isHexOf(member, 20)) return refuse("malformed", "member must be an address");
    signatures.push({ member: lowercaseHex(member), signature });
  }
  return { report, signatures };
}
