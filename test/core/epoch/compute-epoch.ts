import { createHash } from "node:crypto";
import {
  type Address,
  fromHex,
  keccak256,
  toHex,
  utf8,
  ZERO_HASH,
} from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { buildTree, hashRecords, rootOf } from "@link-rewards/core/encoding/tree";
import { type ComputedEpoch, computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { type Contributions, packContributions } from "@link-rewards/core/epoch/contributions";
import { lawfulContributions } from "@link-rewards/core/epoch/lawful";
import { MANIFEST_FILE, parseManifest, reportOf } from "@link-rewards/core/epoch/manifest";
import {
  decodeContributions,
  decodeFence,
  decodeInvoiceFence,
  decodeInvoices,
  decodeRewards,
} from "@link-rewards/core/epoch/records";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { MAX_AMOUNT } from "@link-rewards/core/epoch/value";
import { emptyLaw, indexOf, type Law } from "@link-rewards/core/law/law";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import fc from "fast-check";
import {
  address,
  bound,
  collected,
  deployment,
  enrolled,
  happen,
  keySet,
  lawOf,
  receiptOf,
  registryDomain,
  rulesSet,
  signReceipt,
  tariff,
  verified,
} from "../../worlds/paper.ts";

const TOKEN = 10n ** 18n;
const sealBlockOf = (law: Law) => ({ number: law.position.blockNumber, hash: ZERO_HASH });
const GIGABYTE = { egressBytes: 10n ** 9n, storageByteSeconds: 0n, computeMilliseconds: 0n };

function served(law: Law, ...receipts: Partial<Receipt>[]): VerifiedReceipt[] {
  return receipts.map((fields) =>
    verified(signReceipt(receiptOf({ ...GIGABYTE, ...fields })), law),
  );
}

const toBoth = (epoch = 1): Partial<Receipt>[] => [
  { epoch },
  { epoch, customer: address("customer-2") },
  { epoch, device: address("device-2"), sequence: 9 },
  { epoch, device: address("device-3") },
];

function compute(law: Law, contributions: VerifiedReceipt[], epoch = 1, previous?: ComputedEpoch) {
  return computeFrom(law, contributions, epoch, previous);
}

function computeFrom(
  law: Law,
  contributions: Contributions | VerifiedReceipt[],
  epoch = 1,
  previous?: ComputedEpoch,
) {
  return computeEpoch({
    deployment,
    law,
    epoch,
    sealBlock: sealBlockOf(law),
    contributions,
    previousRewards: previous?.files.get("rewards.bin") ?? new Uint8Array(),
  });
}

/** Lets an epoch become final as the ledger would. */
function finalize(law: Law, { manifest, bundleHash }: ComputedEpoch): void {
  const report = reportOf(manifest, bundleHash, 0);
  const { epoch, root, total, delta, fee } = manifest;
  happen(
    law,
    [
      "RootProposed",
      { epoch, attempt: 0, digest: ZERO_HASH, report, signers: 1n, finalizableAt: 0n },
    ],
    ["RootFinalized", { epoch, root, total, delta, fee }],
  );
}

const fileOf = (epoch: ComputedEpoch, name: Parameters<ComputedEpoch["files"]["get"]>[0]) => {
  const bytes = epoch.files.get(name);
  if (bytes === undefined) throw new Error(`no file ${name}`);
  return bytes;
};

const leavesOf = (epoch: ComputedEpoch) => decodeRewards(fileOf(epoch, "rewards.bin"));

describe("computeEpoch", () => {
  // At the tariff a gigabyte is worth 0.001 token; the fee is a tenth.
  const milli = TOKEN / 1_000n;
  const law = lawOf(
    collected("customer-1", 1, 10n * TOKEN),
    collected("customer-2", 1, milli / 2n),
  );
  const epoch = compute(law, served(law, ...toBoth()));

  it("gives each device what counted of its service, less the fee", () => {
    const { manifest } = epoch;
    expect(manifest).to.deep.include({
      fund: 10n * TOKEN + milli / 2n,
      value: 4n * milli,
      counted: (35n * milli) / 10n,
      delta: (315n * milli) / 100n,
      fee: (35n * milli) / 100n,
      total: (315n * milli) / 100n,
    });
    const rows = decodeContributions(fileOf(epoch, "contributions.bin"));
    const inFull = (9n * milli) / 10n;
    for (const { receipt, earned } of rows)
      expect(earned).to.equal(receipt.customer === address("customer-2") ? inFull / 2n : inFull);
    expect(rows.at(-1)?.subtotal).to.equal(manifest.delta);
    expect(leavesOf(epoch)).to.deep.equal([
      { account: address("alice"), cumulative: (5n * inFull) / 2n, prefix: 0n },
      { account: address("bob"), cumulative: inFull, prefix: (5n * inFull) / 2n },
    ]);
  });

  it("bills each customer for its lines, and says what its payment covers", () => {
    const lines = decodeInvoices(fileOf(epoch, "invoices.bin"));
    const of = (customer: string) => lines.filter((line) => line.customer === address(customer));
    expect(of("customer-1").map(({ value, ceiling }) => [value, ceiling])).to.deep.equal(
      [milli, milli, milli].map((value) => [value, MAX_AMOUNT]),
    );
    expect(of("customer-2")).to.have.length(1);
    expect(of("customer-2")[0]).to.deep.include({
      value: milli,
      ceiling: milli / 2n,
      subtotal: milli / 2n,
      above: 1,
    });
  });

  it("gives the same bytes for the contributions in any order", () => {
    const contributions = served(law, ...toBoth());
    const shuffles = fc.shuffledSubarray(contributions, { minLength: contributions.length });
    fc.assert(
      fc.property(shuffles, (shuffled) => {
        expect(compute(law, shuffled).bundleHash).to.equal(epoch.bundleHash);
      }),
      { numRuns: 20 },
    );
  });

  it("sorts contributions by account index, device, customer", () => {
    const records = decodeContributions(fileOf(epoch, "contributions.bin"));
    const rank = ({ account, receipt }: (typeof records)[number]) =>
      `${indexOf(law, account)}${receipt.device}${receipt.customer}`;
    expect(records.map(rank)).to.deep.equal(records.map(rank).sort());
    expect(records).to.have.length(4);
  });

  it("vouches for every file by SHA-256 and size, and for itself by the bundle hash", () => {
    const sha256 = (bytes: Uint8Array) => `0x${createHash("sha256").update(bytes).digest("hex")}`;
    for (const [name, entry] of Object.entries(epoch.manifest.files)) {
      const bytes = fileOf(epoch, name as keyof typeof epoch.manifest.files);
      expect(entry).to.deep.equal({ bytes: bytes.length, sha256: sha256(bytes) });
    }
    expect(epoch.bundleHash).to.equal(sha256(fileOf(epoch, MANIFEST_FILE)));
    expect([...epoch.files.keys()]).to.have.members([
      MANIFEST_FILE,
      ...Object.keys(epoch.manifest.files),
    ]);
  });

  it("writes a canonical manifest that reads back to itself", () => {
    const bytes = fileOf(epoch, MANIFEST_FILE);
    expect(parseManifest(bytes)).to.deep.equal(epoch.manifest);
    const text = new TextDecoder().decode(bytes);
    const keys = Object.keys(JSON.parse(text));
    expect(keys).to.deep.equal([...keys].sort());
    expect(text).to.not.match(/\s/);
    expect(keys).to.not.include("attempt");
    expect(parseManifest(utf8("{"))).to.have.property("refusal", "malformed");
    expect(parseManifest(utf8("{}"))).to.have.property("refusal", "malformed");
    expect(parseManifest(Uint8Array.of(0xff, 0xfe))).to.have.property("refusal", "malformed");
  });

  it("has all three roots over its files, in the report too", () => {
    const { manifest, bundleHash } = epoch;
    expect(manifest.root).to.equal(rootOfRecords(fileOf(epoch, "rewards.bin"), 44));
    expect(manifest.invoiceRoot).to.equal(rootOfRecords(fileOf(epoch, "invoices.bin"), 84));
    expect(manifest.contributionRoot).to.equal(
      rootOfRecords(fileOf(epoch, "contributions.bin"), 248),
    );
    const { root, contributionRoot, invoiceRoot, total, contributions } = manifest;
    expect(reportOf(manifest, bundleHash, 3)).to.deep.equal({
      epoch: 1,
      attempt: 3,
      prevRoot: ZERO_HASH,
      root,
      contributionRoot,
      invoiceRoot,
      contributions,
      total,
      bundleHash,
      rulesHash: RULES_HASH,
    });
  });

  it("does not change when the law goes on", () => {
    const ahead = lawOf(
      collected("customer-1", 1, 10n * TOKEN),
      collected("customer-2", 1, milli / 2n),
      collected("customer-2", 2, TOKEN),
      ["AccountIndexed", { account: address("carol"), index: 2, fromEpoch: 2 }],
      ["DeviceTransferred", transfer("device-3", "bob", "carol", 2)],
      ["CustomerDismissed", { customer: address("customer-1"), fromEpoch: 2 }],
      keySet("customer-2", "gateway-2", 0n, 2),
      ["DeviceRevoked", { device: address("device-1"), fromEpoch: 2, reason: "cloned" }],
      ["TariffSet", { fromEpoch: 2, tariff: { ...tariff, feeBps: 0 } }],
      rulesSet(2, ZERO_HASH),
    );
    const again = computeEpoch({
      deployment,
      law: ahead,
      epoch: 1,
      sealBlock: sealBlockOf(law),
      contributions: served(ahead, ...toBoth()),
      previousRewards: new Uint8Array(),
    });
    expect(again.bundleHash).to.equal(epoch.bundleHash);
  });

  it("computes an empty epoch (staking-modules PR 326)", () => {
    const quiet = lawOf();
    const { manifest, files } = compute(quiet, []);
    expect(manifest).to.deep.include({
      delta: 0n,
      fee: 0n,
      total: 0n,
      contributions: 0,
      leaves: 2,
      contributionRoot: ZERO_HASH,
      invoiceRoot: ZERO_HASH,
    });
    expect(manifest.root).to.not.equal(ZERO_HASH);
    for (const [name, bytes] of files)
      if (/^(contributions|invoices)/.test(name)) expect(bytes, name).to.have.length(0);
  });

  it("computes an epoch in which nobody has a leaf yet", () => {
    const early = happen(emptyLaw(), rulesSet(1), [
      "AccountIndexed",
      { account: address("alice"), index: 0, fromEpoch: 2 },
    ]);
    expect(compute(early, []).manifest).to.deep.include({ leaves: 0, root: ZERO_HASH, total: 0n });
  });

  it("keeps history, adds to it and lets newcomers in at its end", () => {
    const going = lawOf(collected("customer-1", 1, 10n * TOKEN), [
      "AccountIndexed",
      { account: address("carol"), index: 2, fromEpoch: 1 },
    ]);
    const first = compute(going, served(going, {}));
    finalize(going, first);
    happen(
      going,
      ["AccountIndexed", { account: address("dave"), index: 3, fromEpoch: 2 }],
      ["AccountIndexed", { account: address("erin"), index: 4, fromEpoch: 3 }],
      enrolled("device-4"),
      bound("device-4", "dave", 2),
      collected("customer-1", 2, TOKEN),
    );
    const device = address("device-4");
    const receipt = signReceipt(receiptOf({ ...GIGABYTE, epoch: 2, device }), {
      device: "device-4",
    });
    const second = compute(going, [verified(receipt, going)], 2, first);
    const earned = (9n * milli) / 10n;
    expect(leavesOf(second).map(({ cumulative }) => cumulative)).to.deep.equal([
      earned,
      0n,
      0n,
      earned,
    ]);
    expect(second.manifest).to.deep.include({ fund: TOKEN, delta: earned, total: 2n * earned });
    expect(second.manifest.lastFinal).to.deep.equal({
      epoch: 1,
      root: first.manifest.root,
      total: earned,
      leaves: 3,
      bundleHash: first.bundleHash,
    });
  });

  it("writes what each row earned over what stood there from another law", () => {
    const contributions = packContributions(law, 1, served(law, ...toBoth()));
    const free = lawOf(
      ["TariffSet", { fromEpoch: 1, tariff: { ...tariff, feeBps: 0 } }],
      collected("customer-1", 1, TOKEN),
    );
    const { records } = computeFrom(free, contributions).contributions;
    expect(decodeContributions(records).map(({ earned }) => earned)).to.deep.include(milli);
    const again = computeFrom(law, contributions);
    expect(again.bundleHash).to.equal(epoch.bundleHash);
  });

  it("throws when the law says of its money what cannot be", () => {
    const poor = lawOf(collected("customer-1", 1, TOKEN));
    poor.funds.set(1, milli - 1n);
    expect(() => compute(poor, served(poor, {}))).to.throw(
      `would release ${(9n * milli) / 10n} wei and ${milli / 10n} wei of fees; customers paid ${milli - 1n}`,
    );
    const full = lawOf(collected("customer-1", 1, TOKEN));
    const last = { ...full.lastFinal, total: MAX_AMOUNT };
    full.finals.set(0, last);
    expect(() => compute(full, served(full, {}))).to.throw("more than 96 bits hold");
    full.finals.set(0, { ...last, total: 5n });
    expect(() => compute(full, served(full, {}))).to.throw("the leaves add up to");
  });

  it("throws over the wrong rules, history, epoch, or a contribution twice", () => {
    const otherRules = lawOf(rulesSet(1, ZERO_HASH));
    expect(() => compute(otherRules, [])).to.throw("under rules 0x0000");
    expect(() => compute(law, [], 2)).to.throw("epoch 1 is not final");
    expect(() => compute(law, served(law, { epoch: 2 }))).to.throw(
      "a contribution is of epoch 2, not 1",
    );
    expect(() => compute(law, served(law, {}, { sequence: 2 }))).to.throw(
      "two contributions of device",
    );
    expect(() => compute(law, [], 1, epoch)).to.throw("rewards.bin has root");
  });

  it("names the first account of every 256th record in the fences", () => {
    const { law: crowd, contributions } = crowded(300);
    const many = compute(crowd, contributions);
    expect(decodeFence(fileOf(many, "contributions.fence"))).to.deep.equal([0, 257]);
    expect(leavesOf(many)).to.have.length(302);
    expect(many.manifest.leaves).to.equal(302);
  });

  it("names the customer of every 256th line in the other fence", () => {
    const { law: crowd, contributions } = crowded(300);
    const many = compute(crowd, contributions);
    const lines = decodeInvoices(fileOf(many, "invoices.bin"));
    expect(decodeInvoiceFence(fileOf(many, "invoices.fence"))).to.deep.equal([
      lines[0]?.customer,
      lines[256]?.customer,
    ]);
  });

  it("keeps of each tree the levels that prove a row with a few ranges", () => {
    const { law: crowd, contributions } = crowded(300);
    const many = compute(crowd, contributions);
    for (const [table, size] of [
      ["contributions", 248],
      ["invoices", 84],
      ["rewards", 44],
    ] as const) {
      const tree = buildTree(hashRecords(fileOf(many, `${table}.bin`), size));
      expect(toHex(fileOf(many, `${table}.tree`))).to.equal(toHex(tree.levels[8] as Uint8Array));
    }
  });
});

describe("lawfulContributions", () => {
  const context = (law: Law) => ({ law, domain: registryDomain });

  it("keeps of each device and customer the receipt that counts", () => {
    const receipts = [1, 3, 2].map((sequence) => signReceipt(receiptOf({ sequence })));
    const { contributions, refused } = lawfulContributions(receipts, context(lawOf()));
    expect(contributions.map(({ receipt }) => receipt.sequence)).to.deep.equal([3]);
    expect(refused).to.deep.equal([]);
  });

  it("does not let an invalid receipt displace a valid one", () => {
    const forged = signReceipt(receiptOf({ sequence: 9 }), { gateway: "customer-1" });
    const valid = signReceipt(receiptOf({ sequence: 1 }));
    const { contributions, refused } = lawfulContributions([valid, forged], context(lawOf()));
    expect(contributions.map(({ receipt }) => receipt.sequence)).to.deep.equal([1]);
    expect(refused.map((item) => item.refused.refusal)).to.deep.equal(["key-unknown"]);
  });

  it("drops what a revocation voided after it was stored", () => {
    const law = lawOf(["DeviceRevoked", { device: address("device-1"), fromEpoch: 1, reason: "" }]);
    const receipts = [{}, { device: address("device-2") }].map((fields) =>
      signReceipt(receiptOf(fields)),
    );
    const { contributions, refused } = lawfulContributions(receipts, context(law));
    expect(contributions.map(({ receipt }) => receipt.device)).to.deep.equal([address("device-2")]);
    expect(refused.map((item) => item.refused.refusal)).to.deep.equal(["device-revoked"]);
    expect(refused.every((item) => isRefused(item.refused))).to.equal(true);
  });
});

function transfer(device: string, from: string, to: string, fromEpoch: number) {
  return { device: address(device), from: address(from), to: address(to), fromEpoch };
}

function rootOfRecords(records: Uint8Array, size: number): string {
  return toHex(rootOf(buildTree(hashRecords(records, size))));
}

/** Many accounts with one device each. Arithmetic only: nobody checks a signature here. */
function crowded(count: number): { law: Law; contributions: VerifiedReceipt[] } {
  const names = Array.from({ length: count }, (_, i) =>
    toHex(keccak256(utf8(`crowd ${i}`)).subarray(12)),
  );
  const law = lawOf(
    collected("customer-1", 1, TOKEN),
    ...names.flatMap(
      (name: Address, i) =>
        [
          ["DeviceEnrolled", { device: name, deviceClass: 1, publicKey: "0x" }],
          ["AccountIndexed", { account: name, index: i + 2, fromEpoch: 1 }],
          ["DeviceBound", { device: name, account: name, fromEpoch: 1 }],
        ] as const,
    ),
  );
  const signatures = {
    customerSignature: fromHex(`0x${"11".repeat(64)}`),
    deviceSignature: new Uint8Array(64),
  };
  const own = served(law, ...toBoth().slice(0, 1));
  const others = names.map((device) => {
    const receipt = receiptOf({ ...GIGABYTE, device });
    return { ...signatures, receipt, account: device, key: device, digest: new Uint8Array(32) };
  });
  return { law, contributions: [...own, ...others] as VerifiedReceipt[] };
}
