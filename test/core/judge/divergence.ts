import { fromHex, toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { rootOver } from "@link-rewards/core/encoding/tree";
import type { ComputedEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import {
  type DataFile,
  encodeManifest,
  type MANIFEST_FILE,
  type Manifest,
  reportOf,
} from "@link-rewards/core/epoch/manifest";
import {
  CONTRIBUTION_BYTES,
  CONTRIBUTION_INPUT_BYTES,
  INVOICE_BYTES,
  MAX_CONTRIBUTIONS,
  REWARD_BYTES,
  ROW_BYTES,
  type Table,
} from "@link-rewards/core/epoch/records";
import { caseOf } from "@link-rewards/core/judge/case";
import { checkBundle, type Divergence } from "@link-rewards/core/judge/divergence";
import { judge } from "@link-rewards/core/judge/judge";
import { judgeLawOf } from "@link-rewards/core/judge/judge-law";
import { publicKeys } from "@link-rewards/core/law/law";
import type { Report } from "@link-rewards/core/signed/report";
import { recoverSigners, signersAt } from "@link-rewards/core/signed/signers";
import { expect } from "chai";
import {
  address,
  collected,
  deployment,
  lawOf,
  receiptOf,
  registryDomain,
  signReceipt,
  verified,
} from "../../worlds/paper.ts";

const law = lawOf(collected("customer-1", 1, 10n ** 18n), collected("customer-2", 1, 5n));
const input = {
  deployment,
  law,
  epoch: 1,
  sealBlock: { number: 9, hash: ZERO_HASH },
  previousRewards: new Uint8Array(),
};
const contributions = [
  {},
  { customer: address("customer-2") },
  { device: address("device-3") },
  { device: address("device-3"), customer: address("customer-2") },
].map((fields) => verified(signReceipt(receiptOf(fields)), law));
const honest = computeEpoch({ ...input, contributions });
const report = reportOf(honest.manifest, honest.bundleHash, 2);
const fileOf = (name: DataFile | typeof MANIFEST_FILE) => honest.files.get(name) as Uint8Array;

type Files = Partial<Record<DataFile, Uint8Array>>;
type Change = {
  readonly files?: Files;
  readonly manifest?: Partial<Manifest> | Uint8Array;
  readonly report?: Partial<Report>;
};

function check({ files = {}, manifest = {}, report: reported }: Change = {}) {
  const published = {
    manifest:
      manifest instanceof Uint8Array
        ? manifest
        : encodeManifest({ ...honest.manifest, ...manifest }),
    files: new Map([...honest.files, ...Object.entries(files)]) as unknown as ReadonlyMap<
      DataFile,
      Uint8Array
    >,
  };
  return checkBundle({ ...input, published, report: { ...report, ...reported } });
}

function divergenceOf(change: Change): Divergence | undefined {
  const outcome = check(change);
  return outcome.agrees ? undefined : outcome.divergence;
}

/** The files as a corrupt quorum would sign them: its report leads to them. */
function signed(files: Files): Change {
  const rootOf = (table: Table) =>
    toHex(rootOver(files[`${table}.bin`] ?? fileOf(`${table}.bin`), ROW_BYTES[table]));
  return {
    files,
    report: {
      contributionRoot: rootOf("contributions"),
      invoiceRoot: rootOf("invoices"),
      root: rootOf("rewards"),
    },
  };
}

/** The file with one byte changed. */
function flipped(name: DataFile, byte: number): Files {
  const bytes = fileOf(name).slice();
  bytes[byte] = 1 ^ (bytes[byte] as number);
  return { [name]: bytes };
}

function swapped(name: DataFile, rowBytes: number): Files {
  const rows = fileOf(name);
  const [first, second] = [rows.subarray(0, rowBytes), rows.subarray(rowBytes, 2 * rowBytes)];
  return { [name]: new Uint8Array([...second, ...first, ...rows.subarray(2 * rowBytes)]) };
}

/** What the judge says to the evidence of a divergence. */
function judgedOf(divergence: Divergence | undefined, { files, report: reported }: Change) {
  if (divergence?.kind !== "unlawful") return undefined;
  const records = files?.["contributions.bin"] ?? fileOf("contributions.bin");
  const signers = recoverSigners({
    records,
    recordBytes: CONTRIBUTION_BYTES,
    domain: registryDomain,
    publicKeys: publicKeys(law),
  });
  return judge(caseOf({ ...report, ...reported }, law), divergence.evidence, {
    law: judgeLawOf(law),
    signersOfRow: (_, position) => signersAt(signers, position),
  });
}

describe("checkBundle", () => {
  it("agrees with an honest bundle and its report, and hands on what it computed", () => {
    const outcome = check();
    expect(outcome.agrees).to.equal(true);
    expect((outcome as { computed: ComputedEpoch }).computed.bundleHash).to.equal(
      honest.bundleHash,
    );
  });

  describe("names table, row and proof of what a quorum signed, with the evidence:", () => {
    const row = (bytes: number, byte: number) => bytes + byte;
    const unlawful: readonly [string, Table, number, string, Files][] = [
      [
        "a signature",
        "contributions",
        1,
        "contribution",
        flipped("contributions.bin", row(CONTRIBUTION_BYTES, 100)),
      ],
      [
        "an account",
        "contributions",
        1,
        "contribution",
        flipped("contributions.bin", row(CONTRIBUTION_BYTES, CONTRIBUTION_INPUT_BYTES - 1)),
      ],
      [
        "an order",
        "contributions",
        0,
        "contribution-order",
        swapped("contributions.bin", CONTRIBUTION_BYTES),
      ],
      [
        "what a row earned",
        "contributions",
        1,
        "contribution-order",
        flipped("contributions.bin", row(CONTRIBUTION_BYTES, CONTRIBUTION_INPUT_BYTES + 11)),
      ],
      ["a value", "invoices", 1, "pair", flipped("invoices.bin", row(INVOICE_BYTES, 55))],
      [
        "a ceiling",
        "invoices",
        3,
        "invoice-order",
        flipped("invoices.bin", row(3 * INVOICE_BYTES, 67)),
      ],
      [
        "a subtotal",
        "invoices",
        1,
        "invoice-order",
        flipped("invoices.bin", row(INVOICE_BYTES, 79)),
      ],
      ["a leaf's place", "rewards", 0, "reward-order", swapped("rewards.bin", REWARD_BYTES)],
      ["a cumulative", "rewards", 1, "reward-order", flipped("rewards.bin", row(REWARD_BYTES, 31))],
    ];
    for (const [what, table, record, proof, files] of unlawful) {
      it(what, () => {
        const change = signed(files);
        const divergence = divergenceOf(change);
        const file = `${table}.bin`;
        expect(divergence).to.deep.include({ kind: "unlawful", file, table, record, proof });
        expect(judgedOf(divergence, change)).to.equal("unlawful");
        expect(divergence?.message).to.include(`record ${record} of the ${table}: `);
      });
    }

    it("a total, which no file shows", () => {
      const change = { report: { total: report.total + 1n } };
      const divergence = divergenceOf(change);
      expect(divergence).to.deep.include({ kind: "unlawful", proof: "contribution-order" });
      expect(judgedOf(divergence, change)).to.equal("unlawful");
    });

    it("with what the row must be, as far as it can be computed", () => {
      const { expected, found } =
        divergenceOf(signed(flipped("rewards.bin", REWARD_BYTES + 31))) ?? {};
      const leaf = fileOf("rewards.bin").subarray(REWARD_BYTES, 2 * REWARD_BYTES);
      expect(expected).to.equal(toHex(leaf));
      expect(found).to.not.equal(expected);
    });

    it("before all else that differs, as a manifest that is none", () => {
      const change = signed({
        ...flipped("rewards.bin", 31),
        "invoices.fence": new Uint8Array(1),
        "contributions.tree": new Uint8Array(32),
      });
      const manifest = new Uint8Array([123]);
      expect(divergenceOf({ ...change, manifest })).to.include({ kind: "unlawful" });
      expect(divergenceOf({ manifest })).to.include({ kind: "manifest" });
    });
  });

  describe("calls a copy what the report did not sign, and names the record:", () => {
    const copies: readonly [string, DataFile, number | undefined, Files][] = [
      [
        "a signature",
        "contributions.bin",
        2,
        flipped("contributions.bin", 2 * CONTRIBUTION_BYTES + 100),
      ],
      [
        "an account",
        "contributions.bin",
        2,
        flipped("contributions.bin", 2 * CONTRIBUTION_BYTES + CONTRIBUTION_INPUT_BYTES - 1),
      ],
      ["an order", "contributions.bin", 1, swapped("contributions.bin", CONTRIBUTION_BYTES)],
      [
        "a subtotal",
        "contributions.bin",
        1,
        flipped("contributions.bin", 2 * CONTRIBUTION_BYTES - 1),
      ],
      ["a line", "invoices.bin", 1, flipped("invoices.bin", INVOICE_BYTES + 3)],
      ["a leaf", "rewards.bin", 1, flipped("rewards.bin", REWARD_BYTES + 3)],
      [
        "an end that is cut off",
        "contributions.bin",
        3,
        { "contributions.bin": fileOf("contributions.bin").subarray(0, -1) },
      ],
      [
        "lines that end too early",
        "invoices.bin",
        3,
        { "invoices.bin": fileOf("invoices.bin").subarray(0, 3 * INVOICE_BYTES) },
      ],
      [
        "a file that ends too late",
        "rewards.bin",
        2,
        {
          "rewards.bin": new Uint8Array([
            ...fileOf("rewards.bin"),
            ...new Uint8Array(REWARD_BYTES),
          ]),
        },
      ],
      ["no file at all", "rewards.bin", 0, { "rewards.bin": new Uint8Array() }],
    ];
    for (const [what, file, record, files] of copies) {
      it(what, () => {
        expect(divergenceOf({ files })).to.include({ kind: "copy", file, record });
      });
    }

    it("of two, the one that is computed first", () => {
      const files = { ...flipped("invoices.bin", 0), ...flipped("rewards.bin", 0) };
      expect(divergenceOf({ files })).to.include({ kind: "copy", file: "invoices.bin" });
    });

    it("of a whole other epoch's contributions no record", () => {
      const found = divergenceOf({ report: { contributionRoot: ZERO_HASH } });
      expect(found).to.include({ kind: "copy", file: "contributions.bin" });
      expect(found).to.not.have.property("record");
    });
  });

  it("names fences and trees for what they are: nothing is paid out of them", () => {
    for (const [file, byte] of [
      ["contributions.fence", 3],
      ["invoices.fence", 19],
    ] as const)
      expect(divergenceOf({ files: flipped(file, byte) })).to.include({
        kind: "derived",
        file,
        record: 0,
      });
    for (const file of ["contributions.tree", "invoices.tree", "rewards.tree"] as const)
      expect(divergenceOf({ files: { [file]: new Uint8Array(32) } })).to.include({
        kind: "derived",
        file,
        record: 0,
      });
  });

  it("names the root of a table that is hidden, when the contributions come to another", () => {
    for (const [file, root] of [
      ["invoices.bin", "invoiceRoot"],
      ["rewards.bin", "root"],
    ] as const) {
      const found = divergenceOf({ report: { [root]: `0x${"11".repeat(32)}` } });
      expect(found).to.include({ kind: "report", file, expected: report[root] });
      expect(found?.message).to.include(`${root} of the report is not`);
    }
  });

  it("refuses more contributions than a bundle can hold, and says how many there are", () => {
    const found = divergenceOf({ report: { contributions: MAX_CONTRIBUTIONS + 1 } });
    expect(found).to.include({ kind: "report" });
    expect(found?.message).to.include("16000001 contributions are more than 16000000");
  });

  it("names the field of the manifest or the report that is not what the files come to", () => {
    expect(divergenceOf({ manifest: { fee: 1n } })).to.include({
      kind: "manifest",
      message: "fee is not what the chain and the contributions come to",
    });
    expect(divergenceOf({ report: { bundleHash: ZERO_HASH } })).to.include({ kind: "manifest" });
    for (const field of ["prevRoot", "rulesHash"] as const)
      expect(divergenceOf({ report: { [field]: `0x${"22".repeat(32)}` } })).to.include({
        kind: "report",
        message: `${field} of the report is not what the contributions come to`,
      });
  });

  it("calls it a fault, and nobody's fraud, when the judge finds nothing and the recomputation does", () => {
    // A law that contradicts itself: it spells an account otherwise than it knows it. The judge asks for the one alone, of an
    // account without devices, and the recomputation for the other.
    const idle = address("idle");
    const more = lawOf(collected("customer-1", 1, 10n ** 18n), collected("customer-2", 1, 5n), [
      "AccountIndexed",
      { account: idle, index: 2, fromEpoch: 1 },
    ]);
    const lawful = computeEpoch({ ...input, law: more, contributions });
    const addresses = { ...more.accounts.addresses };
    const bytes = new Uint8Array(addresses.bytes);
    addresses.bytes = bytes;
    bytes.subarray = (from, to) =>
      from === 2 * 20 ? new Uint8Array(fromHex(address("stranger"))) : bytes.slice(from, to);
    const torn = { ...more, accounts: { ...more.accounts, addresses } };
    const published = {
      manifest: lawful.files.get("manifest.json") as Uint8Array,
      files: lawful.files as never,
    };
    const reported = reportOf(lawful.manifest, lawful.bundleHash, 2);
    const outcome = checkBundle({ ...input, law: torn, published, report: reported });
    expect(outcome.agrees ? undefined : outcome.divergence).to.include({
      kind: "fault",
      file: "rewards.bin",
      record: 2,
    });
  });

  it("throws what keeps it from computing, when the judge finds nothing", () => {
    const unpaid = { ...law, funds: new Map() };
    const manifest = fileOf("manifest.json");
    const checked = (files: Files = {}, change: Change = {}) =>
      checkBundle({
        ...input,
        law: unpaid,
        published: {
          manifest,
          files: new Map([...honest.files, ...Object.entries(files)]) as never,
        },
        report: { ...report, ...change.report },
      });
    expect(() => checked()).to.throw("customers paid 0");
    const bent = signed(flipped("rewards.bin", 31));
    expect(checked(bent.files, bent)).to.have.nested.property("divergence.kind", "unlawful");
  });

  it("throws for an epoch under other rules, which have another judge, and after one that is not final", () => {
    const other = { ...law, rules: [] };
    expect(() => caseOf(report, other)).to.throw(`epoch 1 is under rules ${ZERO_HASH}`);
    expect(() => caseOf({ ...report, epoch: 3 }, law)).to.throw("epoch 2 is not final");
  });
});
