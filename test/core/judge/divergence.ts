import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
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
} from "@link-rewards/core/epoch/records";
import { checkBundle, type Divergence } from "@link-rewards/core/judge/divergence";
import type { Report } from "@link-rewards/core/signed/report";
import { expect } from "chai";
import {
  address,
  collected,
  deployment,
  lawOf,
  receiptOf,
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
const honest = computeEpoch({
  ...input,
  contributions: [
    {},
    { customer: address("customer-2") },
    { device: address("device-3") },
    { device: address("device-3"), customer: address("customer-2") },
  ].map((fields) => verified(signReceipt(receiptOf(fields)), law)),
});
const report = reportOf(honest.manifest, honest.bundleHash, 2);
const fileOf = (name: DataFile | typeof MANIFEST_FILE) => honest.files.get(name) as Uint8Array;

type Change = {
  readonly files?: Partial<Record<DataFile, Uint8Array>>;
  readonly manifest?: Partial<Manifest>;
  readonly report?: Partial<Report>;
};

function check(change: Change = {}) {
  const files = new Map([...honest.files, ...Object.entries(change.files ?? {})]);
  const published = {
    manifest: encodeManifest({ ...honest.manifest, ...change.manifest }),
    files: files as unknown as ReadonlyMap<DataFile, Uint8Array>,
  };
  return checkBundle({ ...input, published, report: { ...report, ...change.report } });
}

function divergenceOf(change: Change): Divergence | undefined {
  const outcome = check(change);
  return outcome.agrees ? undefined : outcome.divergence;
}

/** The file with one byte changed. */
function flipped(name: DataFile, byte: number): Change {
  const bytes = fileOf(name).slice();
  bytes[byte] = 1 ^ (bytes[byte] as number);
  return { files: { [name]: bytes } };
}

describe("checkBundle", () => {
  it("agrees with an honest bundle and its report, and hands on what it computed", () => {
    const outcome = check();
    expect(outcome.agrees).to.equal(true);
    expect((outcome as { computed: ComputedEpoch }).computed.bundleHash).to.equal(
      honest.bundleHash,
    );
  });

  it("names the contribution whose signature, account or place is wrong", () => {
    const row = 2;
    const at = (byte: number) =>
      divergenceOf(flipped("contributions.bin", row * CONTRIBUTION_BYTES + byte));
    for (const [byte, message] of [
      [100, "record 2: "],
      [CONTRIBUTION_INPUT_BYTES - 1, "record 2: the device belongs to"],
    ] as const) {
      const found = at(byte);
      expect(found).to.include({ stage: "contributions", file: "contributions.bin", record: row });
      expect(found?.message).to.include(message);
    }
    const rows = fileOf("contributions.bin");
    const turned = new Uint8Array([
      ...rows.subarray(CONTRIBUTION_BYTES, 2 * CONTRIBUTION_BYTES),
      ...rows.subarray(0, CONTRIBUTION_BYTES),
      ...rows.subarray(2 * CONTRIBUTION_BYTES),
    ]);
    expect(divergenceOf({ files: { "contributions.bin": turned } })).to.deep.include({ record: 1 });
  });

  it("names the contribution that says it earned something else, or adds up to it", () => {
    for (const byte of [CONTRIBUTION_INPUT_BYTES + 11, CONTRIBUTION_BYTES - 1]) {
      const found = divergenceOf(flipped("contributions.bin", CONTRIBUTION_BYTES + byte));
      expect(found).to.include({ stage: "contributions", file: "contributions.bin", record: 1 });
      expect(found?.expected).to.not.equal(found?.found);
    }
  });

  it("names the line, the leaf, the fence's entry and the node that follow from something else", () => {
    for (const [name, stage, bytes] of [
      ["invoices.bin", "invoices", INVOICE_BYTES],
      ["rewards.bin", "rewards", REWARD_BYTES],
    ] as const)
      expect(divergenceOf(flipped(name, bytes + 3))).to.include({ stage, file: name, record: 1 });
    expect(divergenceOf(flipped("contributions.fence", 3))).to.include({
      stage: "contributions",
      file: "contributions.fence",
    });
    expect(divergenceOf(flipped("invoices.fence", 19))).to.include({
      stage: "invoices",
      file: "invoices.fence",
      record: 0,
    });
    for (const file of ["contributions.tree", "invoices.tree", "rewards.tree"] as const)
      expect(divergenceOf({ files: { [file]: new Uint8Array(32) } })).to.include({
        file,
        record: 0,
      });
  });

  it("names the first in the order in which an epoch is computed", () => {
    const lines = flipped("invoices.bin", 0).files;
    const both = { ...lines, ...flipped("rewards.bin", 0).files };
    expect(divergenceOf({ files: both })).to.include({ stage: "invoices" });
  });

  it("names a file that ends too early or too late", () => {
    const short = fileOf("invoices.bin").subarray(0, 3 * INVOICE_BYTES);
    expect(divergenceOf({ files: { "invoices.bin": short } })).to.include({ record: 3 });
    const cut = fileOf("contributions.bin").subarray(0, -1);
    expect(divergenceOf({ files: { "contributions.bin": cut } })?.message).to.include("cut off");
    const more = new Uint8Array([...fileOf("rewards.bin"), ...new Uint8Array(REWARD_BYTES)]);
    expect(divergenceOf({ files: { "rewards.bin": more } })).to.include({ record: 2 });
  });

  it("refuses more contributions than a bundle can hold, and says how many there are", () => {
    // Its length is all that is looked at: four gigabytes of zeros would do as well.
    const huge = { length: (MAX_CONTRIBUTIONS + 1) * CONTRIBUTION_BYTES } as Uint8Array;
    expect(divergenceOf({ files: { "contributions.bin": huge } })?.message).to.include(
      "16000001 contributions are more than 16000000",
    );
  });

  it("names the field of the manifest or the report that is not what the files come to", () => {
    expect(divergenceOf({ manifest: { fee: 1n } })).to.include({
      stage: "manifest",
      message: "fee is not what the chain and the contributions come to",
    });
    expect(divergenceOf({ report: { invoiceRoot: ZERO_HASH } })).to.include({
      stage: "report",
      message: "invoiceRoot of the report is not what the contributions come to",
    });
    expect(divergenceOf({ report: { bundleHash: ZERO_HASH } })).to.include({ stage: "manifest" });
  });
});
