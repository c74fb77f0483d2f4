import type { StructOf } from "./fields.ts";
import { parseFields } from "./json.ts";
import type { Refused } from "./refusal.ts";
import { typedDigest, typedStruct } from "./typed.ts";

/** An oracle member's word that it has stored a receipt: with it, one that was left out can be shown. */
export const ACKNOWLEDGEMENT_FIELDS = [
  { name: "digest", type: "bytes32" },
  { name: "receivedAt", type: "uint64" },
  { name: "epoch", type: "uint32" },
] as const;

export type Acknowledgement = StructOf<typeof ACKNOWLEDGEMENT_FIELDS>;

export const ACKNOWLEDGEMENT = typedStruct("Acknowledgement", ACKNOWLEDGEMENT_FIELDS);

/** `domain` is the DeviceRegistry's, as for the receipt it is about. */
export function acknowledgementDigest(
  domain: Uint8Array,
  acknowledgement: Acknowledgement,
): Uint8Array {
  return typedDigest(domain, ACKNOWLEDGEMENT, acknowledgement);
}

export function parseAcknowledgement(
  input: unknown,
  where = "acknowledgement",
): Acknowledgement | Refused {
  return parseFields(ACKNOWLEDGEMENT_FIELDS, input, where);
}
