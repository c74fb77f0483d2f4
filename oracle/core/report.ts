import type { StructOf } from "./fields.ts";
import { fieldsToJson, parseFields } from "./json.ts";
import type { Refused } from "./refusal.ts";
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
