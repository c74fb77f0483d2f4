import { fieldsToJson, parseFields } from "@link-rewards/core/encoding/json";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { type Amounts, RECEIPT_FIELDS, RESOURCES } from "@link-rewards/core/signed/receipt";

export const NOTHING: Amounts = {
  egressBytes: 0n,
  storageByteSeconds: 0n,
  computeMilliseconds: 0n,
};

export function plus(a: Amounts, b: Partial<Amounts>): Amounts {
  return amountsOf((resource) => a[resource] + (b[resource] ?? 0n));
}

export function largest(a: Amounts, b: Amounts): Amounts {
  return amountsOf((resource) => (a[resource] > b[resource] ? a[resource] : b[resource]));
}

/** The first resource of which `a` has less than `b`. */
export function shortOf(a: Amounts, b: Amounts): keyof Amounts | undefined {
  return RESOURCES.find((resource) => a[resource] < b[resource]);
}

export function amountsOf(of: (resource: keyof Amounts) => bigint): Amounts {
  return {
    egressBytes: of("egressBytes"),
    storageByteSeconds: of("storageByteSeconds"),
    computeMilliseconds: of("computeMilliseconds"),
  };
}

type AmountField = Extract<(typeof RECEIPT_FIELDS)[number], { name: keyof Amounts }>;
const AMOUNT_FIELDS = RECEIPT_FIELDS.filter((field): field is AmountField =>
  RESOURCES.some((resource) => resource === field.name),
);

export function amountsToJson(amounts: Amounts): Record<string, unknown> {
  return fieldsToJson(AMOUNT_FIELDS, amounts);
}

export function parseAmounts(json: unknown): Amounts {
  const amounts = parseFields(AMOUNT_FIELDS, json, "amounts");
  if (isRefused(amounts)) throw new Error(amounts.message);
  return amounts;
}
