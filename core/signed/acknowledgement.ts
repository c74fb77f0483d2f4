import { type Address, fromHex } from "../encoding/bytes.ts";
import type { StructOf } from "../encoding/fields.ts";
import { parseFields } from "../encoding/json.ts";
import type { Refused } from "../encoding/refusal.ts";
import { type Recover, recover as recoverPure } from "../encoding/signature.ts";
import { buildTree, rootOf, verifyProof } from "../encoding/tree.ts";
import { typedDigest, typedStruct } from "../encoding/typed.ts";

/**
 * An oracle member's word that it has stored the receipts of one request: with it, one that was left out can be shown.
 * `root` is over the digests of those it accepted or knew, in the order of the request, `receipts` how many they are,
 * `storedAt` the member's clock after the commit, unix seconds: it is before the seal time of each.
 */
export const ACKNOWLEDGEMENT_FIELDS = [
  { name: "root", type: "bytes32" },
  { name: "receipts", type: "uint32" },
  { name: "storedAt", type: "uint64" },
] as const;

export type Acknowledgement = StructOf<typeof ACKNOWLEDGEMENT_FIELDS>;

export const ACKNOWLEDGEMENT = typedStruct("Acknowledgement", ACKNOWLEDGEMENT_FIELDS);

/** `domain` is the DeviceRegistry's, as for the receipts it is about. */
export function acknowledgementDigest(
  domain: Uint8Array,
  acknowledgement: Acknowledgement,
): Uint8Array {
  return typedDigest(domain, ACKNOWLEDGEMENT, acknowledgement);
}

/** The root over receipts' digests, given one after the other. One alone is its own root. */
export function acknowledgedRoot(digests: Uint8Array): Uint8Array {
  return rootOf(buildTree(digests));
}

/** A receipt's place under the root, and the siblings from it upwards. One that was alone has index 0 and no siblings. */
export type AcknowledgedReceipt = {
  readonly digest: Uint8Array;
  readonly index: number;
  readonly proof: readonly Uint8Array[];
};

/** Who gave its word for this receipt; undefined when the word is not about it, or signed by nobody. */
export function acknowledgedBy(
  domain: Uint8Array,
  word: Acknowledgement,
  signature: Uint8Array,
  { digest, index, proof }: AcknowledgedReceipt,
  recover: Recover = recoverPure,
): Address | undefined {
  if (!verifyProof(fromHex(word.root), word.receipts, index, digest, proof)) return undefined;
  return recover(acknowledgementDigest(domain, word), signature);
}

export function parseAcknowledgement(
  input: unknown,
  where = "acknowledgement",
): Acknowledgement | Refused {
  return parseFields(ACKNOWLEDGEMENT_FIELDS, input, where);
}
