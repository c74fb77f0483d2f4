import { writeFile } from "node:fs/promises";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import {
  type Address,
  concatBytes,
  fromHex,
  type Hex,
  readUint,
  toHex,
  writeUint,
  ZERO_HASH,
} from "@link-rewards/core/encoding/bytes";
import { BYTES_OF, type ScalarField, type StructOf } from "@link-rewards/core/encoding/fields";
import { fieldsToJson } from "@link-rewards/core/encoding/json";
import type { Refusal } from "@link-rewards/core/encoding/refusal";
import { sign } from "@link-rewards/core/encoding/signature";
import {
  buildTree,
  HASH_BYTES,
  hashRecords,
  proofOf,
  rootOf,
} from "@link-rewards/core/encoding/tree";
import {
  DOMAIN_NAME,
  DOMAIN_VERSION,
  domainSeparator,
  type TypedStruct,
  typedDigest,
} from "@link-rewards/core/encoding/typed";
import { computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { lawfulContributions } from "@link-rewards/core/epoch/lawful";
import { MANIFEST_FIELDS } from "@link-rewards/core/epoch/manifest";
import {
  encodeInvoices,
  encodeRewards,
  INVOICE_BYTES,
  INVOICE_FIELDS,
  type InvoiceLine,
  REWARD_BYTES,
  REWARD_FIELDS,
  type RewardLeaf,
  recordAt,
} from "@link-rewards/core/epoch/records";
import { totalOf } from "@link-rewards/core/epoch/reward";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { ceilingOf } from "@link-rewards/core/epoch/value";
import { eventToJson } from "@link-rewards/core/law/events";
import { replay } from "@link-rewards/core/law/replay";
import { ACKNOWLEDGEMENT, acknowledgedRoot } from "@link-rewards/core/signed/acknowledgement";
import { BIND, bindDigest } from "@link-rewards/core/signed/bind";
import {
  bodyHashOf,
  MEMBER_REQUEST,
  requestTarget,
} from "@link-rewards/core/signed/member-request";
import {
  packReceipt,
  packSignedReceipt,
  RECEIPT,
  type Receipt,
  receiptDigest,
  receiptToJson,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { REPORT } from "@link-rewards/core/signed/report";
import {
  PACKED_BATCH_TYPE,
  PACKED_HEADER_BYTES,
  PACKED_HEADER_FIELDS,
  PACKED_VERSION,
  packBatch,
} from "@link-rewards/core/signed/submission";
import { VOUCHER } from "@link-rewards/core/signed/voucher";
import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { DEVICE_CONNECTION, GATEWAY_CONNECTION } from "../device/link/proof.ts";
import {
  address,
  chain,
  collected,
  deployment,
  founding,
  keyOf,
  publicKey,
  receiptOf,
  registryDomain,
  signAs,
  signReceipt,
} from "../test/worlds/paper.ts";

/**
 * Golden vectors for this project's tests and for authors of firmware. All keys are throw-away keys of these files.
 * `node scripts/vectors.ts` writes them; test/core/vectors.ts checks them against ethers and merkletreejs.
 */
export function buildVectors(): { readonly [file: string]: unknown } {
  const { deviceRegistry, customerEscrow, epochLedger } = deployment.contracts;
  return {
    "receipts.json": receiptVectors(),
    "p256.json": p256Vectors(),
    "packed.json": packedVectors(),
    "vouchers.json": typedVectors(VOUCHER, customerEscrow, "gateway-1", [
      { customer: address("customer-1"), epoch: 1, amount: 123_456_789_000_000_000n },
      { customer: address("customer-1"), epoch: 2 ** 32 - 1, amount: 2n ** 96n - 1n },
    ]),
    "acknowledgements.json": acknowledgementVectors(),
    "bindings.json": typedVectors(BIND, deviceRegistry, "device-1", [
      {
        device: address("device-1"),
        account: address("alice"),
        nonce: 1_700_000_000n,
        deadline: 1_700_086_400n,
      },
      {
        device: address("device-1"),
        account: address("bob"),
        nonce: 2n ** 64n - 1n,
        deadline: 2n ** 256n - 1n,
      },
    ]),
    "gateway-connections.json": typedVectors(GATEWAY_CONNECTION, deviceRegistry, "gateway-1", [
      { customer: address("customer-1"), epoch: 1, channel: word(7) },
    ]),
    "device-connections.json": typedVectors(DEVICE_CONNECTION, deviceRegistry, "device-1", [
      {
        device: address("device-1"),
        customer: address("customer-1"),
        epoch: 1,
        channel: word(7),
      },
    ]),
    "member-requests.json": typedVectors(MEMBER_REQUEST, epochLedger, "member-1", [
      {
        version: 1,
        member: address("member-1"),
        recipient: address("member-2"),
        target: requestTarget("POST", "/v1/attestations"),
        bodyHash: bodyHashOf(Uint8Array.from([0x7b, 0x7d])),
        sentAt: 1_700_003_600n,
        nonce: word(6),
      },
    ]),
    "reports.json": typedVectors(REPORT, epochLedger, "member-1", [
      {
        epoch: 7,
        attempt: 1,
        prevRoot: word(1),
        root: word(2),
        contributionRoot: word(3),
        invoiceRoot: word(4),
        contributions: 2_000,
        total: 10n ** 24n,
        bundleHash: word(5),
        rulesHash: RULES_HASH,
      },
    ]),
    "rewards.json": rewardVectors(),
    "invoices.json": invoiceVectors(),
    "epoch.json": epochVector(),
  };
}

function word(last: number): Hex {
  return `0x${last.toString(16).padStart(64, "0")}`;
}

function domainOf(verifyingContract: Address) {
  const { chainId } = deployment;
  const separator = toHex(domainSeparator(chainId, verifyingContract));
  return { name: DOMAIN_NAME, version: DOMAIN_VERSION, chainId, verifyingContract, separator };
}

function typedVectors<F extends readonly ScalarField[]>(
  struct: TypedStruct<F>,
  verifyingContract: Address,
  signer: string,
  messages: readonly StructOf<F>[],
) {
  const domain = domainOf(verifyingContract);
  return {
    domain,
    type: struct.typeString,
    typeHash: toHex(struct.typeHash),
    vectors: messages.map((message) => {
      const digest = typedDigest(fromHex(domain.separator), struct, message);
      return {
        key: toHex(keyOf(signer)),
        message: fieldsToJson(struct.fields, message),
        digest: toHex(digest),
        signature: toHex(sign(digest, keyOf(signer))),
      };
    }),
  };
}

/** A request of one receipt, one of three, and one of the largest values there are. */
function acknowledgementVectors() {
  const receipts = ["device-1", "device-2", "device-3"].map((name) =>
    receiptOf({ device: address(name) }),
  );
  const leaves = concatBytes(...receipts.map((receipt) => receiptDigest(registryDomain, receipt)));
  const tree = buildTree(leaves);
  const storedAt = 1_700_003_600n;
  const wordOn = (digests: Uint8Array) => ({
    root: toHex(acknowledgedRoot(digests)),
    receipts: digests.length / HASH_BYTES,
    storedAt,
  });
  return {
    ...typedVectors(ACKNOWLEDGEMENT, deployment.contracts.deviceRegistry, "member-1", [
      wordOn(leaves.subarray(0, HASH_BYTES)),
      wordOn(leaves),
      { root: ZERO_HASH, receipts: 2 ** 32 - 1, storedAt: 2n ** 64n - 1n },
    ]),
    /** Those of the second. */
    receipts: receipts.map((receipt, index) => ({
      receipt: receiptToJson(receipt),
      digest: toHex(leaves.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)),
      index,
      proof: proofOf(tree, index).map(toHex),
    })),
  };
}

function receiptVectors() {
  const most = { egressBytes: 2n ** 64n - 1n, storageByteSeconds: 2n ** 96n - 1n };
  const nothing = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };
  const receipts: readonly (readonly [string, Receipt])[] = [
    ["an ordinary receipt", receiptOf()],
    ["its successor", receiptOf({ sequence: 2, egressBytes: 6_000_000_000n })],
    ["nothing served", receiptOf({ sequence: 0, ...nothing })],
    [
      "every field at its largest",
      receiptOf({
        ...most,
        epoch: 2 ** 32 - 1,
        sequence: 2 ** 32 - 1,
        computeMilliseconds: 2n ** 64n - 1n,
      }),
    ],
  ];
  return {
    domain: domainOf(deployment.contracts.deviceRegistry),
    type: RECEIPT.typeString,
    typeHash: toHex(RECEIPT.typeHash),
    customerKey: toHex(keyOf("gateway-1")),
    deviceKey: toHex(keyOf("device-1")),
    vectors: receipts.map(([name, receipt]) => receiptVector(name, receipt)),
    refused: refusedReceipts(),
  };
}

function receiptVector(name: string, receipt: Receipt) {
  const signed = signReceipt(receipt);
  return {
    name,
    ...signedReceiptToJson(signed),
    packed: toHex(packReceipt(receipt)),
    digest: toHex(receiptDigest(registryDomain, receipt)),
    signedPacked: toHex(packSignedReceipt(signed)),
  };
}

/** What a device with a P-256 key signs: two receipts and a consent. */
function p256Vectors() {
  const signer = "device-2";
  const device = address(signer);
  const domain = domainOf(deployment.contracts.deviceRegistry);
  const bind = { device, account: address("alice"), nonce: 1_700_000_000n };
  const consent = { ...bind, deadline: 1_700_086_400n };
  const digest = bindDigest(fromHex(domain.separator), consent);
  const receipts: readonly (readonly [string, Receipt])[] = [
    ["an ordinary receipt", receiptOf({ device })],
    ["its successor", receiptOf({ device, sequence: 2, egressBytes: 6_000_000_000n })],
  ];
  return {
    domain,
    customerKey: toHex(keyOf("gateway-1")),
    deviceKey: toHex(keyOf(signer)),
    publicKey: publicKey(signer),
    device,
    vectors: receipts.map(([name, receipt]) => {
      const vector = receiptVector(name, receipt);
      return { ...vector, sha256: toHex(sha256(fromHex(vector.digest))) };
    }),
    consent: {
      message: fieldsToJson(BIND.fields, consent),
      digest: toHex(digest),
      sha256: toHex(sha256(digest)),
      signature: toHex(signAs(signer, digest)),
    },
    refused: refusedP256Receipts(receiptOf({ device })),
  };
}

function refusedP256Receipts(receipt: Receipt) {
  const good = signReceipt(receipt);
  const digest = receiptDigest(registryDomain, receipt);
  const key = keyOf("device-2");
  const order = p256.Point.CURVE().n;
  const highS = good.deviceSignature.slice();
  writeUint(highS, 32, 32, order - readUint(highS, 32, 32));
  const signatures: readonly (readonly [string, Uint8Array])[] = [
    ["s above half the order", highS],
    ["over the digest itself", p256.sign(digest, key, { prehash: false, lowS: true })],
    ["by the same number on secp256k1", sign(digest, key)],
    ["by another device", signAs("device-5", digest)],
  ];
  return signatures.map(([name, deviceSignature]) => ({
    refusal: "device-signature-invalid" satisfies Refusal,
    name,
    item: signedReceiptToJson({ ...good, deviceSignature }),
  }));
}

/** Items of POST /v1/receipts and the refusal each one meets. */
function refusedReceipts() {
  const good = signReceipt(receiptOf());
  const json = signedReceiptToJson(good);
  const receipt = receiptToJson(good.receipt);
  const halfOrderAndOne: Hex = `0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1`;
  const highS = good.deviceSignature.slice();
  highS.set(fromHex(halfOrderAndOne), 32);
  const swapped: SignedReceipt = {
    ...good,
    customerSignature: good.deviceSignature,
    deviceSignature: good.customerSignature,
  };
  return [
    [
      "malformed",
      "a wide integer as a JSON number",
      { ...json, receipt: { ...receipt, egressBytes: 1 } },
    ],
    ["malformed", "a leading zero", { ...json, receipt: { ...receipt, egressBytes: "01" } }],
    ["malformed", "a field too many", { ...json, receipt: { ...receipt, uptime: 1 } }],
    [
      "malformed",
      "65 bytes of signature",
      { ...json, deviceSignature: `${toHex(good.deviceSignature)}1b` },
    ],
    [
      "customer-signature-invalid",
      "s above half the order",
      { ...json, customerSignature: toHex(highS) },
    ],
    [
      "device-signature-invalid",
      "s above half the order",
      { ...json, deviceSignature: toHex(highS) },
    ],
    [
      "device-signature-invalid",
      "signed by another device",
      signedReceiptToJson(signReceipt(receiptOf(), { device: "device-2" })),
    ],
    [
      "device-signature-invalid",
      "a field changed after signing",
      { ...json, receipt: { ...receipt, sequence: 2 } },
    ],
    ["device-signature-invalid", "the signatures swapped", signedReceiptToJson(swapped)],
  ].map(([refusal, name, item]) => ({ refusal, name, item }));
}

/** Bodies of POST /v1/receipts in their packed form, and the refusal of those that are refused as a whole. */
function packedVectors() {
  const { chainId, contracts } = deployment;
  const envelope = { chainId, registry: contracts.deviceRegistry };
  const receipts = [receiptOf(), receiptOf({ device: address("device-2") })].map((receipt) =>
    signReceipt(receipt),
  );
  const good = packBatch(envelope, receipts);
  const header = good.subarray(0, PACKED_HEADER_BYTES);
  const later = good.slice();
  later[3] = PACKED_VERSION + 1;
  const refused: readonly (readonly [Refusal, string, Uint8Array])[] = [
    ["malformed", "nothing at all", new Uint8Array()],
    ["malformed", "no receipt", header],
    ["malformed", "a byte too few", good.subarray(0, -1)],
    ["malformed", "a byte too many", concatBytes(good, Uint8Array.of(0))],
    ["malformed", "another version", later],
    ["wrong-chain", "another chain", packBatch({ ...envelope, chainId: 1 }, receipts)],
    [
      "wrong-chain",
      "another registry",
      packBatch({ ...envelope, registry: contracts.customerEscrow }, receipts),
    ],
  ];
  return {
    contentType: PACKED_BATCH_TYPE,
    header: PACKED_HEADER_FIELDS.map(({ name, type }) => ({ name, bytes: BYTES_OF[type] })),
    version: PACKED_VERSION,
    ...envelope,
    receipts: receipts.map(signedReceiptToJson),
    body: toHex(good),
    refused: refused.map(([refusal, name, body]) => ({ refusal, name, body: toHex(body) })),
  };
}

/** Leaf i of the generated trees: account i + 1, cumulative i² mod 1009, in wei. */
function generatedLeaves(count: number): readonly RewardLeaf[] {
  let prefix = 0n;
  return Array.from({ length: count }, (_, i) => {
    const account: Address = `0x${(i + 1).toString(16).padStart(40, "0")}`;
    const leaf = { account, cumulative: BigInt(i * i) % 1009n, prefix };
    prefix += leaf.cumulative;
    return leaf;
  });
}

function rewardVectors() {
  return {
    rule: "leaf i: account = i + 1, cumulative = i * i mod 1009, prefix = sum of earlier cumulatives",
    small: [0, 1, 2, 3, 4, 5, 8, 9].map(wholeTree),
    large: [256, 257, 1_000, 4_097].map(largeTree),
  };
}

function wholeTree(count: number) {
  const leaves = generatedLeaves(count);
  const packed = encodeRewards(leaves);
  const hashes = hashRecords(packed, REWARD_BYTES);
  const tree = buildTree(hashes);
  return {
    total: totalOf(packed).toString(),
    root: toHex(rootOf(tree)),
    leaves: leaves.map((leaf, i) => ({
      ...fieldsToJson(REWARD_FIELDS, leaf),
      packed: toHex(packed.subarray(i * REWARD_BYTES, (i + 1) * REWARD_BYTES)),
      hash: toHex(hashes.subarray(i * 32, (i + 1) * 32)),
      proof: proofOf(tree, i).map(toHex),
    })),
  };
}

function largeTree(count: number) {
  const leaves = generatedLeaves(count);
  const packed = encodeRewards(leaves);
  const tree = buildTree(hashRecords(packed, REWARD_BYTES));
  return {
    leaves: count,
    total: totalOf(packed).toString(),
    root: toHex(rootOf(tree)),
    proofs: [0, count >> 1, count - 1].map((index) => ({
      index,
      proof: proofOf(tree, index).map(toHex),
    })),
  };
}

/** Lines as they are hashed, and what payments cover: of values in wei the most that counts of any one. */
function invoiceVectors() {
  const MOST = 2n ** 96n - 1n;
  const [customer, device] = [address("customer-1"), address("device-1")];
  const ordinary = { value: 7n * 10n ** 15n, ceiling: 3n * 10n ** 15n, subtotal: 10n ** 16n };
  const lines: readonly InvoiceLine[] = [
    { customer, device, contribution: 0, ...ordinary, above: 1 },
    { customer, device, contribution: 5, value: 0n, ceiling: MOST, subtotal: 0n, above: 0 },
    {
      customer: `0x${"ff".repeat(20)}`,
      device: `0x${"ff".repeat(20)}`,
      contribution: 2 ** 32 - 1,
      ...{ value: MOST, ceiling: MOST, subtotal: MOST },
      above: 2 ** 32 - 1,
    },
  ];
  const packed = encodeInvoices(lines);
  const tree = buildTree(hashRecords(packed, INVOICE_BYTES));
  const bills: readonly (readonly [values: readonly bigint[], paid: bigint])[] = [
    [[3n, 4n], 7n],
    [[3n, 4n], 6n],
    [[100n, 1n, 2n, 50n], 44n],
    [[5n, 5n, 5n], 14n],
    [[0n, 5n], 0n],
    [[MOST, MOST], MOST],
  ];
  return {
    root: toHex(rootOf(tree)),
    lines: lines.map((line, i) => ({
      ...fieldsToJson(INVOICE_FIELDS, line),
      packed: toHex(recordAt(packed, INVOICE_BYTES, i)),
      hash: toHex(hashRecords(recordAt(packed, INVOICE_BYTES, i), INVOICE_BYTES)),
      proof: proofOf(tree, i).map(toHex),
    })),
    ceilings: bills.map(([values, paid]) => ({
      values: values.map(String),
      paid: paid.toString(),
      ceiling: ceilingOf(values, paid).toString(),
    })),
  };
}

/** One whole epoch: chain events and receipts in, the bundle's bytes out. */
function epochVector() {
  const events = chain([
    ...founding,
    collected("customer-1", 1, 10n ** 18n),
    collected("customer-2", 1, 10n ** 14n),
  ]);
  const receipts = [
    {},
    { customer: address("customer-2"), sequence: 3 },
    { device: address("device-2"), egressBytes: 10n ** 12n },
    { device: address("device-2"), customer: address("customer-2"), egressBytes: 1n },
    { device: address("device-3"), computeMilliseconds: 0n },
  ].map((fields) => signReceipt(receiptOf(fields)));
  const law = replay(events);
  const sealBlock = { number: law.position.blockNumber, hash: word(0xb10c) };
  const { contributions } = lawfulContributions(receipts, { law, domain: registryDomain });
  const epoch = computeEpoch({
    deployment,
    law,
    epoch: 1,
    sealBlock,
    contributions,
    previousRewards: new Uint8Array(),
  });
  return {
    events: events.map(eventToJson),
    receipts: receipts.map(signedReceiptToJson),
    manifest: fieldsToJson(MANIFEST_FIELDS, epoch.manifest),
    bundleHash: epoch.bundleHash,
    files: Object.fromEntries([...epoch.files].map(([name, bytes]) => [name, toHex(bytes)])),
  };
}

async function writeVectors(): Promise<void> {
  for (const [file, content] of Object.entries(buildVectors())) {
    const path = new URL(`../test/vectors/${file}`, import.meta.url);
    await writeFile(path, `${JSON.stringify(content, null, 2)}\n`);
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) await writeVectors();
