import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { fromHex, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import { computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { lawfulContributions } from "@link-rewards/core/epoch/lawful";
import { CONTRIBUTION_BYTES, INVOICE_BYTES, REWARD_BYTES } from "@link-rewards/core/epoch/records";
import { type LawEvent, parseEvent } from "@link-rewards/core/law/events";
import { replay } from "@link-rewards/core/law/replay";
import { verifyReceipt } from "@link-rewards/core/law/verify";
import {
  packSignedReceipt,
  parseSignedReceipt,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import {
  computeAddress,
  getBytes,
  id,
  keccak256,
  recoverAddress,
  Signature,
  SigningKey,
  sha256,
  solidityPacked,
  solidityPackedKeccak256,
  TypedDataEncoder,
  type TypedDataField,
} from "ethers";
import { MerkleTree } from "merkletreejs";
import { buildVectors } from "../../scripts/vectors.ts";
import { deployment, lawOf, registryDomain } from "../worlds/paper.ts";

const P256_ORDER =
  0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff_bce6_faad_a717_9e84_f3b9_cac2_fc63_2551n;

type Domain = {
  name: string;
  version: string;
  chainId: number;
  verifyingContract: string;
  separator: string;
};
type Message = Record<string, string | number>;
type Typed = { domain: Domain; type: string; typeHash: string };
type TypedVectors = Typed & {
  vectors: { key: string; message: Message; digest: string; signature: string }[];
};

function committed<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8")) as T;
}

const built = buildVectors();
const TYPED = [
  "vouchers.json",
  "acknowledgements.json",
  "bindings.json",
  "gateway-connections.json",
  "device-connections.json",
  "member-requests.json",
  "reports.json",
];

describe("golden vectors from our code", () => {
  for (const file of Object.keys(built)) {
    it(`are ${file}, byte for byte (else: node scripts/vectors.ts)`, () => {
      expect(JSON.parse(JSON.stringify(built[file]))).to.deep.equal(committed(file));
    });
  }
});

/** From here on only ethers and merkletreejs judge the files, and the files judge our code. */
describe("golden vectors under ethers", () => {
  for (const file of TYPED) {
    it(`hold in ${file}: type, digest and signature`, () => {
      const { vectors, ...typed } = committed<TypedVectors>(file);
      expect(vectors).to.have.length.above(0);
      for (const { key, message, digest, signature } of vectors) {
        expectDigest(typed, message, digest);
        expectSignature(key, digest, signature);
      }
    });
  }

  it("hold in receipts.json: type, digest, packed bytes and both signatures", () => {
    const { vectors, customerKey, deviceKey, ...typed } =
      committed<ReceiptVectors>("receipts.json");
    for (const {
      receipt,
      packed,
      digest,
      customerSignature,
      deviceSignature,
      signedPacked,
    } of vectors) {
      expectDigest(typed, receipt, digest);
      expectSignature(customerKey, digest, customerSignature);
      expectSignature(deviceKey, digest, deviceSignature);
      const fields = fieldsOf(typed.type);
      const types = fields.map(({ type }) => type);
      const values = fields.map(({ name }) => receipt[name]);
      expect(solidityPacked(types, values)).to.equal(packed);
      expect(computeAddress(deviceKey).toLowerCase()).to.equal(values[0]);
      const all = [packed, customerSignature, deviceSignature];
      expect(solidityPacked(["bytes", "bytes", "bytes"], all)).to.equal(signedPacked);
    }
  });

  it("hold in p256.json: digests, their SHA-256, the address, and OpenSSL takes each signature", () => {
    const { domain, customerKey, publicKey, device, vectors, consent, refused } =
      committed<P256Vectors>("p256.json");
    expect(`0x${keccak256(publicKey).slice(-40)}`).to.equal(device);
    const half = (from: number) => Buffer.from(publicKey.slice(from, from + 64), "hex");
    const [x, y] = [half(2).toString("base64url"), half(66).toString("base64url")];
    const jwk = { kty: "EC", crv: "P-256", x, y };
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const isSigned = (digest: string, signature: string) =>
      verify("sha256", getBytes(digest), { key, dsaEncoding: "ieee-p1363" }, getBytes(signature));
    const isLow = (signature: string) => BigInt(`0x${signature.slice(66)}`) <= P256_ORDER / 2n;
    const receipts = committed<ReceiptVectors>("receipts.json");
    for (const vector of vectors) {
      expectDigest({ ...receipts, domain }, vector.receipt, vector.digest);
      expectSignature(customerKey, vector.digest, vector.customerSignature);
      expect(vector.receipt.device).to.equal(device);
      expect(sha256(vector.digest)).to.equal(vector.sha256);
      expect(isSigned(vector.digest, vector.deviceSignature)).to.equal(true);
      expect(isLow(vector.deviceSignature)).to.equal(true);
    }
    const { message, digest, signature } = consent;
    expectDigest({ ...committed<Typed>("bindings.json"), domain }, message, digest);
    expect(sha256(digest)).to.equal(consent.sha256);
    expect([isSigned(digest, signature), isLow(signature)]).to.deep.equal([true, true]);
    const [receipt] = vectors;
    for (const { item } of refused) {
      const { deviceSignature } = item;
      expect(isSigned(String(receipt?.digest), deviceSignature) && isLow(deviceSignature)).to.equal(
        false,
      );
    }
  });

  it("hold in rewards.json: leaves, roots and proofs, with merkletreejs", () => {
    const { small, large } = committed<RewardVectors>("rewards.json");
    for (const { total, root, leaves } of small) {
      const tree = treeOf(leaves.map(({ hash }) => getBytes(hash)));
      if (leaves.length > 0) expect(`0x${tree.getRoot().toString("hex")}`).to.equal(root);
      let prefix = 0n;
      for (const [i, leaf] of leaves.entries()) {
        const values = [leaf.account, leaf.cumulative, leaf.prefix];
        expect(solidityPacked(LEAF_TYPES, values)).to.equal(leaf.packed);
        expect(solidityPackedKeccak256(LEAF_TYPES, values)).to.equal(leaf.hash);
        expect(BigInt(leaf.prefix)).to.equal(prefix);
        expect(proofIn(tree, leaf.hash, i)).to.deep.equal(leaf.proof);
        prefix += BigInt(leaf.cumulative);
      }
      expect(prefix.toString()).to.equal(total);
    }
    for (const { leaves, root, proofs } of large) {
      const hashes = generatedHashes(leaves);
      const tree = treeOf(hashes.map((hash) => getBytes(hash)));
      expect(`0x${tree.getRoot().toString("hex")}`).to.equal(root);
      for (const { index, proof } of proofs) {
        expect(proofIn(tree, hashes[index] as string, index)).to.deep.equal(proof);
      }
    }
  });

  it("hold in invoices.json: lines, root and proofs, with merkletreejs", () => {
    const { root, lines } = committed<InvoiceVectors>("invoices.json");
    const tree = treeOf(lines.map(({ hash }) => getBytes(hash)));
    expect(`0x${tree.getRoot().toString("hex")}`).to.equal(root);
    for (const [i, line] of lines.entries()) {
      const values = LINE_NAMES.map((name) => line[name]);
      expect(solidityPacked(LINE_TYPES, values)).to.equal(line.packed);
      expect(solidityPackedKeccak256(LINE_TYPES, values)).to.equal(line.hash);
      expect(proofIn(tree, line.hash, i)).to.deep.equal(line.proof);
    }
  });

  it("hold in invoices.json: no ceiling that is one higher is paid for", () => {
    const { ceilings } = committed<InvoiceVectors>("invoices.json");
    for (const { values, paid, ceiling } of ceilings) {
      const covered = (most: bigint) =>
        values.map(BigInt).reduce((sum, value) => sum + (value < most ? value : most), 0n);
      const isPaid = (most: bigint) => covered(most) <= BigInt(paid);
      expect(isPaid(BigInt(ceiling))).to.equal(true);
      if (BigInt(ceiling) < 2n ** 96n - 1n) expect(isPaid(BigInt(ceiling) + 1n)).to.equal(false);
    }
  });

  it("hold in epoch.json: file hashes, bundle hash and the three roots", () => {
    const { manifest, files, bundleHash } = committed<EpochVector>("epoch.json");
    expect(sha256(files["manifest.json"] as string)).to.equal(bundleHash);
    for (const [name, entry] of Object.entries(manifest.files)) {
      expect(sha256(files[name] as string)).to.equal(entry.sha256);
      expect(getBytes(files[name] as string)).to.have.length(entry.bytes);
    }
    expect(
      JSON.parse(new TextDecoder().decode(getBytes(files["manifest.json"] as string))),
    ).to.deep.equal(manifest);
    expect(rootOver(files["rewards.bin"] as string, REWARD_BYTES)).to.equal(manifest.root);
    expect(rootOver(files["invoices.bin"] as string, INVOICE_BYTES)).to.equal(manifest.invoiceRoot);
    expect(rootOver(files["contributions.bin"] as string, CONTRIBUTION_BYTES)).to.equal(
      manifest.contributionRoot,
    );
  });
});

describe("golden vectors under our code", () => {
  const { vectors, refused } = committed<ReceiptVectors>("receipts.json");
  const p256 = committed<P256Vectors>("p256.json");

  for (const { name, receipt, customerSignature, deviceSignature } of p256.vectors) {
    it(`verify with a P-256 key: ${name}`, () => {
      const parsed = taken(parseSignedReceipt({ receipt, customerSignature, deviceSignature }));
      const context = { law: lawOf(), domain: registryDomain };
      expect(isRefused(verifyReceipt(parsed, context))).to.equal(false);
    });
  }

  for (const vector of vectors) {
    it(`parse, pack and unpack: ${vector.name}`, () => {
      const { receipt, customerSignature, deviceSignature } = vector;
      const parsed = parseSignedReceipt({ receipt, customerSignature, deviceSignature });
      if (isRefused(parsed)) throw new Error(parsed.message);
      expect(toHex(packSignedReceipt(parsed))).to.equal(vector.signedPacked);
      expect(unpackSignedReceipt(fromHex(vector.signedPacked))).to.deep.equal(parsed);
    });
  }

  for (const { refusal, name, item } of [...refused, ...p256.refused]) {
    it(`refuse as ${refusal}: ${name}`, () => {
      const parsed = parseSignedReceipt(item);
      const context = { law: lawOf(), domain: registryDomain };
      const outcome = isRefused(parsed) ? parsed : verifyReceipt(parsed, context);
      expect((outcome as Refused).refusal).to.equal(refusal);
    });
  }

  it("compute the epoch from the events and receipts in the file, in any order of the receipts", () => {
    const { events, receipts, bundleHash, manifest } = committed<EpochVector>("epoch.json");
    const law = replay(events.map((event) => taken(parseEvent(event)) as LawEvent));
    const signed = receipts.toReversed().map((item) => taken(parseSignedReceipt(item)));
    const { contributions } = lawfulContributions(signed, { law, domain: registryDomain });
    const epoch = computeEpoch({
      deployment,
      law,
      epoch: 1,
      sealBlock: manifest.sealBlock,
      contributions,
      previousRewards: new Uint8Array(),
    });
    expect(epoch.bundleHash).to.equal(bundleHash);
  });
});

const LEAF_TYPES = ["address", "uint96", "uint96"];

type ReceiptVector = {
  name: string;
  receipt: Message;
  packed: string;
  digest: string;
  customerSignature: string;
  deviceSignature: string;
  signedPacked: Hex;
};
type P256Vectors = {
  domain: Domain;
  customerKey: string;
  publicKey: string;
  device: string;
  vectors: (ReceiptVector & { sha256: string })[];
  consent: { message: Message; digest: string; sha256: string; signature: string };
  refused: { refusal: string; name: string; item: { deviceSignature: string } }[];
};
type ReceiptVectors = Typed & {
  customerKey: string;
  deviceKey: string;
  vectors: ReceiptVector[];
  refused: { refusal: string; name: string; item: unknown }[];
};

type Leaf = {
  account: string;
  cumulative: string;
  prefix: string;
  packed: string;
  hash: string;
  proof: string[];
};
type RewardVectors = {
  small: { total: string; root: string; leaves: Leaf[] }[];
  large: { leaves: number; root: string; proofs: { index: number; proof: string[] }[] }[];
};

const LINE_NAMES = [
  "customer",
  "device",
  "contribution",
  "value",
  "ceiling",
  "subtotal",
  "above",
] as const;
const LINE_TYPES = ["address", "address", "uint32", "uint96", "uint96", "uint96", "uint32"];

type InvoiceVectors = {
  root: string;
  lines: (Record<(typeof LINE_NAMES)[number], string | number> & {
    packed: string;
    hash: string;
    proof: string[];
  })[];
  ceilings: { values: string[]; paid: string; ceiling: string }[];
};

type EpochVector = {
  events: unknown[];
  receipts: unknown[];
  bundleHash: string;
  manifest: {
    sealBlock: { number: number; hash: Hex };
    root: string;
    contributionRoot: string;
    invoiceRoot: string;
    files: Record<string, { bytes: number; sha256: string }>;
  };
  files: Record<string, string>;
};

/** The fields as the type string spells them: the EIP-712 type is read back, not taken from our table. */
function fieldsOf(type: string): TypedDataField[] {
  return type
    .slice(type.indexOf("(") + 1, -1)
    .split(",")
    .map((field) => {
      const [fieldType = "", name = ""] = field.split(" ");
      return { type: fieldType, name };
    });
}

function expectDigest({ domain, type, typeHash }: Typed, message: Message, digest: string): void {
  const { separator, ...own } = domain;
  expect(TypedDataEncoder.hashDomain(own)).to.equal(separator);
  expect(id(type)).to.equal(typeHash);
  const name = type.slice(0, type.indexOf("("));
  expect(TypedDataEncoder.hash(own, { [name]: fieldsOf(type) }, message)).to.equal(digest);
}

function expectSignature(key: string, digest: string, signature: string): void {
  expect(new SigningKey(key).sign(digest).compactSerialized).to.equal(signature);
  expect(recoverAddress(digest, Signature.from(signature))).to.equal(computeAddress(key));
}

function treeOf(hashes: Uint8Array[]): MerkleTree {
  const hash = (bytes: Buffer) => Buffer.from(getBytes(keccak256(bytes)));
  return new MerkleTree(
    hashes.map((leaf) => Buffer.from(leaf)),
    hash,
    {
      fillDefaultHash: Buffer.alloc(32),
      sort: false,
    },
  );
}

function proofIn(tree: MerkleTree, hash: string, index: number): string[] {
  return tree.getProof(Buffer.from(getBytes(hash)), index).map(({ data }) => toHex(data));
}

function rootOver(records: string, size: number): string {
  const bytes = getBytes(records);
  const hashes = Array.from({ length: bytes.length / size }, (_, i) =>
    getBytes(keccak256(bytes.subarray(i * size, (i + 1) * size))),
  );
  return `0x${treeOf(hashes).getRoot().toString("hex")}`;
}

/** The rule of rewards.json, written a second time. */
function generatedHashes(count: number): string[] {
  const hashes: string[] = [];
  for (let i = 0, prefix = 0; i < count; i++) {
    const account = `0x${(i + 1).toString(16).padStart(40, "0")}`;
    const cumulative = (i * i) % 1009;
    hashes.push(solidityPackedKeccak256(LEAF_TYPES, [account, cumulative, prefix]));
    prefix += cumulative;
  }
  return hashes;
}

function taken<T>(outcome: T | Refused): T {
  if (isRefused(outcome)) throw new Error(`${outcome.refusal}: ${outcome.message}`);
  return outcome;
}
