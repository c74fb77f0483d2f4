import {
  type Address,
  fromHex,
  type Hex,
  isHexOf,
  lowercaseHex,
  toHex,
} from "../encoding/bytes.ts";
import { BYTES_OF } from "../encoding/fields.ts";
import { fieldsToJson, parseFields } from "../encoding/json.ts";
import { isRefused, type Refused, refuse } from "../encoding/refusal.ts";
import { parseSignature } from "../encoding/signature.ts";
import { depthOf, HASH_BYTES } from "../encoding/tree.ts";
import {
  ACKNOWLEDGEMENT_FIELDS,
  type Acknowledgement,
  acknowledgedBy,
  parseAcknowledgement,
} from "./acknowledgement.ts";
import {
  parseSignedReceipt,
  receiptDigest,
  type SignedReceipt,
  signedReceiptToJson,
} from "./receipt.ts";
import { ENVELOPE_FIELDS, type Envelope, MAX_BATCH_RECEIPTS } from "./submission.ts";

/** A member's word for a receipt, as whoever submitted it keeps both: what shows that the receipt was left out, if it is. */
export type KeptWord = {
  readonly signed: SignedReceipt;
  readonly word: Acknowledgement;
  /** The member's, over the word. */
  readonly signature: Uint8Array;
  /** As the answer named it; who signed, {@link memberOfWord} says. */
  readonly member: Address;
  /** Where the receipt stands under the word's root. */
  readonly index: number;
  readonly proof: readonly Uint8Array[];
};

/** No acknowledgement is of more receipts than a request has, so no proof is longer. */
export const MAX_WORD_PROOF = depthOf(MAX_BATCH_RECEIPTS);

/** Who signed it; undefined when it is not about the receipt, or signed by nobody. */
export function memberOfWord(
  domain: Uint8Array,
  { signed, word, signature, index, proof }: KeptWord,
): Address | undefined {
  const digest = receiptDigest(domain, signed.receipt);
  return acknowledgedBy(domain, word, signature, { digest, index, proof });
}

/** A file of them: `{chainId, registry, words}`, where each word is a signed receipt and beside it the acknowledgement. */
export function keptWordsToJson({ chainId, registry }: Envelope, words: readonly KeptWord[]) {
  return { chainId, registry, words: words.map(keptWordToJson) };
}

function keptWordToJson({ signed, word, signature, member, index, proof }: KeptWord) {
  return {
    ...signedReceiptToJson(signed),
    acknowledgement: {
      ...fieldsToJson(ACKNOWLEDGEMENT_FIELDS, word),
      signature: toHex(signature),
      member,
      index,
      proof: proof.map(toHex),
    },
  };
}

export function parseKeptWords(input: unknown, served: Envelope): readonly KeptWord[] | Refused {
  const { words, ...rest } = Object(input) as Record<string, unknown>;
  const envelope = parseFields(ENVELOPE_FIELDS, rest, "file");
  if (isRefused(envelope)) return envelope;
  if (envelope.chainId !== served.chainId || envelope.registry !== served.registry) {
    const { chainId, registry } = envelope;
    return refuse(
      "wrong-chain",
      `these words are about registry ${registry} on chain ${chainId}, not ${served.registry} on ${served.chainId}`,
    );
  }
  if (!Array.isArray(words)) return refuse("malformed", "file.words must be a list");
  const parsed: KeptWord[] = [];
  for (const [i, item] of words.entries()) {
    const word = parseKeptWord(item, `words[${i}]`);
    if (isRefused(word)) return word;
    parsed.push(word);
  }
  return parsed;
}

function parseKeptWord(input: unknown, where: string): KeptWord | Refused {
  const signed = parseSignedReceipt(input, where);
  if (isRefused(signed)) return signed;
  const { acknowledgement } = Object(input) as Record<string, unknown>;
  const {
    signature: hex,
    member,
    index,
    proof: siblings,
    ...fields
  } = Object(acknowledgement) as Record<string, unknown>;
  const word = parseAcknowledgement(fields, `${where}.acknowledgement`);
  if (isRefused(word)) return word;
  const signature = parseSignature(hex, `${where}.acknowledgement.signature`);
  if (isRefused(signature)) return signature;
  const proof = parseProof(siblings, `${where}.acknowledgement.proof`);
  if (isRefused(proof)) return proof;
  if (!isHexOf(member, BYTES_OF.address))
    return refuse("malformed", `${where}.acknowledgement.member must be an address`);
  if (!Number.isInteger(index) || (index as number) < 0)
    return refuse("malformed", `${where}.acknowledgement.index must be a whole number`);
  const said = { word, signature, member: lowercaseHex(member) };
  return { signed, ...said, index: index as number, proof };
}

function parseProof(input: unknown, where: string): readonly Uint8Array[] | Refused {
  const isProof =
    Array.isArray(input) &&
    input.length <= MAX_WORD_PROOF &&
    input.every((sibling): sibling is Hex => isHexOf(sibling, HASH_BYTES));
  if (isProof) return (input as readonly Hex[]).map((sibling) => fromHex(lowercaseHex(sibling)));
  return refuse("malformed", `${where} must be a list of at most ${MAX_WORD_PROOF} hashes`);
}
