import { readFileSync } from "node:fs";
import { type Address, fromHex, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { packFields, type ScalarField, type StructOf } from "@link-rewards/core/encoding/fields";
import { parseFields } from "@link-rewards/core/encoding/json";
import { verifyP256 } from "@link-rewards/core/encoding/p256";
import { isRefused, REFUSALS } from "@link-rewards/core/encoding/refusal";
import { addressOf, recover } from "@link-rewards/core/encoding/signature";
import { ACKNOWLEDGEMENT_FIELDS } from "@link-rewards/core/signed/acknowledgement";
import { BIND_FIELDS } from "@link-rewards/core/signed/bind";
import { parseSignedReceipt, receiptDigest } from "@link-rewards/core/signed/receipt";
import { VOUCHER_FIELDS } from "@link-rewards/core/signed/voucher";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { concat, getBytes, keccak256, sha256 } from "ethers";

/** Two blocks of keccak and five of SHA-256, and every length around their ends. */
const MOST_HASHED = 300;

type ReceiptJson = { [field: string]: string | number };
type Item = { receipt: ReceiptJson; customerSignature: Hex; deviceSignature: Hex };
type Vector = Item & { name: string; digest: Hex; sha256?: Hex; signedPacked: Hex };
type Refused = { refusal: string; name: string; item: unknown };
type Domain = { chainId: number; verifyingContract: Address; separator: Hex };
type ReceiptFile = { domain: Domain; customerKey: Hex; vectors: Vector[]; refused: Refused[] };
type Message = { key: Hex; message: Record<string, unknown>; digest: Hex; signature: Hex };
type MessageFile = { domain: Domain; vectors: Message[] };
type Curve = "LR_SECP256K1" | "LR_P256";

function golden<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../../vectors/${file}`, import.meta.url), "utf8")) as T;
}

/**
 * The golden vectors as the C tests include them, made anew for each run, so that nobody can forget to. What C has no
 * ECDSA for is worked out here: who signed what, and the other spellings of each signature.
 */
export function vectorsHeader(): string {
  const receipts = golden<ReceiptFile>("receipts.json");
  const p256Receipts = golden<ReceiptFile & { publicKey: Hex; device: Address }>("p256.json");
  const acknowledgements = golden<MessageFile>("acknowledgements.json");
  const packed = golden<{ receipts: Item[]; body: Hex }>("packed.json");
  const files = [
    { ...receipts, type: "LR_SECP256K1" },
    { ...p256Receipts, type: "LR_P256" },
  ] as const;
  const { domain } = receipts;
  const [acknowledgement] = acknowledgements.vectors as [Message];

  const typed: readonly (readonly [Curve, Hex])[] = [
    ...files.flatMap(({ type, vectors }) =>
      vectors.flatMap(
        (vector) =>
          [
            ["LR_SECP256K1", vector.customerSignature],
            [type, vector.deviceSignature],
          ] as const,
      ),
    ),
    ...acknowledgements.vectors.map(({ signature }) => ["LR_SECP256K1", signature] as const),
  ];

  return [
    '#include "link_rewards.h"',
    TYPES,
    `#define CHAIN_ID ${domain.chainId}u`,
    `#define MOST_HASHED ${MOST_HASHED}`,
    `#define ACKNOWLEDGEMENT_STORED_AT ${acknowledgement.message.storedAt}u`,
    array("REGISTRY", domain.verifyingContract),
    array("SEPARATOR", domain.separator),
    array("GATEWAY", addressOf(fromHex(receipts.customerKey))),
    array("MEMBER", addressOf(fromHex(acknowledgement.key))),
    array("ACKNOWLEDGEMENT_SIGNATURE", acknowledgement.signature),
    array("P256_PUBLIC_KEY", p256Receipts.publicKey),
    array("P256_DEVICE", p256Receipts.device),
    array("PACKED_BODY", packed.body),
    ...hashes(),
    table("static const char *const REFUSALS[]", Object.keys(REFUSALS).map(quoted)),
    table(
      "static const receipt_vector RECEIPTS[]",
      files.flatMap(({ type, vectors }) => vectors.map((vector) => receiptVector(type, vector))),
    ),
    `#define P256_RECEIPT (RECEIPTS + ${receipts.vectors.length})`,
    table(
      "static const refused_vector REFUSED[]",
      files.flatMap(({ type, refused }) =>
        refused.map(({ refusal, name, item }) =>
          braces(type, quoted(refusal), quoted(name), text(JSON.stringify(item))),
        ),
      ),
    ),
    table(
      "static const text PACKED_RECEIPTS[]",
      packed.receipts.map((item) => text(JSON.stringify(item))),
    ),
    table("static const digest_vector MESSAGES[]", [
      ...messages("lr_acknowledgement_digest", ACKNOWLEDGEMENT_FIELDS, "acknowledgements.json"),
      ...messages("lr_bind_digest", BIND_FIELDS, "bindings.json"),
      ...messages("lr_voucher_digest", VOUCHER_FIELDS, "vouchers.json"),
    ]),
    table(
      "static const signature_vector SIGNATURES[]",
      typed.map(([type, signature]) => signatureVector(type, signature)),
    ),
    table("static const edge_vector EDGES[]", edges()),
    table("static const signer_vector SIGNERS[]", [
      ...files.flatMap(({ type, vectors, refused, ...file }) =>
        [...vectors, ...refused.map(({ item }) => item)].flatMap((item) =>
          signersOf(type, domain, item, "publicKey" in file ? String(file.publicKey) : undefined),
        ),
      ),
      ...acknowledgements.vectors.map(({ key, digest, signature }) =>
        signer(digest, signature, addressOf(fromHex(key))),
      ),
    ]),
    table("static const answer_vector ANSWERS[]", answers(receipts, acknowledgements)),
    "",
  ].join("\n");
}

const TYPES = `
#define HASH_BYTES LR_HASH_BYTES
typedef struct { size_t length; const char *bytes; } text;
typedef struct {
  const char *name;
  lr_key_type type;
  lr_receipt receipt;
  uint8_t signed_packed[LR_SIGNED_RECEIPT_BYTES];
  uint8_t digest[HASH_BYTES], hash[HASH_BYTES];
  text json;
} receipt_vector;
typedef struct { lr_key_type type; const char *refusal, *name; text json; } refused_vector;
typedef struct {
  const char *name;
  uint64_t chain_id;
  uint8_t contract[LR_ADDRESS_BYTES];
  void (*digest_of)(uint8_t *, const uint8_t *, const uint8_t *);
  uint8_t packed[LR_BIND_BYTES], digest[HASH_BYTES];
} digest_vector;
typedef struct {
  lr_key_type type;
  uint8_t golden[LR_SIGNATURE_BYTES], high[LR_SIGNATURE_BYTES];
  int high_parity;
} signature_vector;
typedef struct {
  const char *name;
  lr_key_type type;
  int is_signature, is_compactable;
  uint8_t given[LR_SIGNATURE_BYTES], compacted[LR_SIGNATURE_BYTES];
} edge_vector;
typedef struct {
  uint8_t hash[HASH_BYTES], signature[LR_SIGNATURE_BYTES], who[LR_ADDRESS_BYTES];
} signer_vector;
typedef struct { const char *name; int is_good; text json; } answer_vector;
`;

function hashes(): readonly string[] {
  const pattern = Uint8Array.from({ length: MOST_HASHED }, (_, i) => i * 7 + 1);
  const overAll = (hash: (bytes: Uint8Array) => string) => {
    let all = `0x${"00".repeat(32)}`;
    for (let length = 0; length <= MOST_HASHED; length++)
      all = hash(getBytes(concat([all, hash(pattern.subarray(0, length))])));
    return all as Hex;
  };
  return [
    array("KECCAK_OF_ALL", overAll(keccak256)),
    array("SHA256_OF_ALL", overAll(sha256)),
    array("KECCAK_OF_NOTHING", keccak256("0x") as Hex),
    array("SHA256_OF_NOTHING", sha256("0x") as Hex),
  ];
}

function receiptVector(type: Curve, vector: Vector): string {
  const { name, receipt, customerSignature, deviceSignature, digest, signedPacked } = vector;
  const storage = BigInt(receipt.storageByteSeconds as string);
  const fields = braces(
    bytes(receipt.device as Hex),
    bytes(receipt.customer as Hex),
    `${receipt.epoch}u`,
    `${receipt.sequence}u`,
    `${receipt.egressBytes}u`,
    braces(`${storage >> 64n}u`, `${storage & (2n ** 64n - 1n)}u`),
    `${receipt.computeMilliseconds}u`,
  );
  const json = JSON.stringify({ receipt, customerSignature, deviceSignature });
  const hash = vector.sha256 ?? digest;
  return braces(
    ...[quoted(name), type, fields, bytes(signedPacked), bytes(digest), bytes(hash), text(json)],
  );
}

function messages<const F extends readonly ScalarField[]>(
  digestOf: string,
  fields: F,
  file: string,
): readonly string[] {
  const { domain, vectors } = golden<MessageFile>(file);
  return vectors.map(({ message, digest }, i) => {
    const parsed = parseFields(fields, message, file);
    if (isRefused(parsed)) throw new Error(parsed.message);
    const packed = packFields(fields, parsed as StructOf<F>);
    return braces(
      quoted(`${file} ${i}`),
      `${domain.chainId}u`,
      bytes(domain.verifyingContract),
      digestOf,
      bytes(toHex(packed)),
      bytes(digest),
    );
  });
}

const ORDERS = {
  LR_SECP256K1: secp256k1.Point.CURVE().n,
  LR_P256: p256.Point.CURVE().n,
} as const;
const PARITY_BIT = 1n << 255n;

/** The signature, and the other one with the same r, as a signer that knows nothing of low s may give it. */
function signatureVector(type: Curve, signature: Hex): string {
  const word = BigInt(`0x${signature.slice(66)}`);
  const s = type === "LR_P256" ? word : word & (PARITY_BIT - 1n);
  const parity = type === "LR_SECP256K1" && s !== word ? 1 : 0;
  const high = `${signature.slice(0, 66)}${hexWord(ORDERS[type] - s)}` as Hex;
  return braces(type, bytes(signature), bytes(high), `${1 - parity}`);
}

function edges(): readonly string[] {
  return Object.entries(ORDERS).flatMap(([type, order]) => {
    const half = order >> 1n;
    const edge = (name: string, r: bigint, s: bigint, lowered: bigint | undefined) => {
      const given = `0x${hexWord(r)}${hexWord(s)}` as Hex;
      const compacted = `0x${hexWord(r)}${hexWord(lowered ?? s)}` as Hex;
      // A secp256k1 signature's top bit is no part of s.
      const spelled = type === "LR_SECP256K1" ? s % PARITY_BIT : s;
      const is = 0n < r && r < order && 0n < spelled && spelled <= half;
      const flags = [`${Number(is)}`, `${Number(lowered !== undefined)}`];
      return braces(quoted(name), type, ...flags, bytes(given), bytes(compacted));
    };
    /** A parity of 0 becomes 1 when s is turned. */
    const turned = (s: bigint) => order - s + (type === "LR_SECP256K1" ? PARITY_BIT : 0n);
    return [
      edge("s is 0", 1n, 0n, undefined),
      edge("s is 1", 1n, 1n, 1n),
      edge("s is half the order", 1n, half, half),
      edge("s is one more than half", 1n, half + 1n, turned(half + 1n)),
      edge("s is one less than the order", 1n, order - 1n, turned(order - 1n)),
      edge("s is the order", 1n, order, undefined),
      edge("s is all ones", 1n, 2n ** 256n - 1n, undefined),
      edge("r is 0", 0n, 1n, undefined),
      edge("r is one less than the order", order - 1n, 1n, 1n),
      edge("r is the order", order, 1n, undefined),
      edge("r is all ones", 2n ** 256n - 1n, 1n, undefined),
    ];
  });
}

/** Who signed this item's hash, where anybody did. */
function signersOf(
  type: Curve,
  { separator }: Domain,
  item: unknown,
  publicKey: string | undefined,
): readonly string[] {
  const signed = parseSignedReceipt(item);
  if (isRefused(signed)) return [];
  const digest = receiptDigest(fromHex(separator), signed.receipt);
  const { customerSignature, deviceSignature } = signed;
  const signers: string[] = [];
  const customer = recover(digest, customerSignature);
  if (customer) signers.push(signer(toHex(digest), toHex(customerSignature), customer));
  if (type === "LR_SECP256K1") {
    const device = recover(digest, deviceSignature);
    if (device) signers.push(signer(toHex(digest), toHex(deviceSignature), device));
  } else if (verifyP256(digest, deviceSignature, publicKey as Hex)) {
    const hash = sha256(digest) as Hex;
    signers.push(signer(hash, toHex(deviceSignature), signed.receipt.device));
  }
  return signers;
}

function signer(hash: Hex, signature: Hex, who: Address): string {
  return braces(bytes(hash), bytes(signature), bytes(who));
}

/** What an oracle may say to the first golden receipt: all of it but the last is no acknowledgement. */
function answers(receipts: ReceiptFile, { vectors }: MessageFile): readonly string[] {
  const [{ digest }] = receipts.vectors as [Vector];
  const [alone, ofThree] = vectors as [Message, Message];
  const member = addressOf(fromHex(alone.key));
  const word = ({ message, signature }: Message, changes = {}) => ({
    ...{ ...message, signature, member },
    ...changes,
  });
  const results = [{ status: "accepted", digest, warnings: [] }];
  const answer = (name: string, value: unknown, isGood = 0) =>
    braces(quoted(name), `${isGood}`, text(JSON.stringify(value)));
  return [
    answer("of three", { results, acknowledgement: word(ofThree) }),
    answer("none", { results }),
    answer("no result", { results: [], acknowledgement: word(alone) }),
    answer("two results", { results: [...results, ...results], acknowledgement: word(alone) }),
    answer("another time", { results, acknowledgement: word(alone, { storedAt: "1700003601" }) }),
    answer("two receipts", { results, acknowledgement: word(alone, { receipts: 2 }) }),
    answer("by another", {
      results,
      acknowledgement: word(alone, { member: addressOf(fromHex(receipts.customerKey)) }),
    }),
    answer("another's signature", {
      results,
      acknowledgement: word(alone, { signature: ofThree.signature }),
    }),
    answer("time as a number", { results, acknowledgement: word(alone, { storedAt: 1700003600 }) }),
    answer("the member's word", { results, acknowledgement: word(alone) }, 1),
    // What was answered once is answered.
  ];
}

function hexWord(value: bigint): string {
  return value.toString(16).padStart(64, "0");
}

function bytes(hex: Hex): string {
  return `{${[...fromHex(hex)].join(",")}}`;
}

function array(name: string, hex: Hex): string {
  return `static const uint8_t ${name}[] = ${bytes(hex)};`;
}

function text(content: string): string {
  return braces(`${Buffer.byteLength(content)}`, quoted(content));
}

function quoted(content: string): string {
  return JSON.stringify(content);
}

function braces(...fields: readonly string[]): string {
  return `{${fields.join(", ")}}`;
}

function table(declaration: string, rows: readonly string[]): string {
  return `${declaration} = {\n  ${rows.join(",\n  ")}};`;
}
