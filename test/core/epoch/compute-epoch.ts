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
import { lawfulContributions } from "@link-rewards/core/epoch/lawful";
import { MANIFEST_FILE, parseManifest, reportOf } from "@link-rewards/core/epoch/manifest";
import {
  decodeContributions,
  decodeDevices,
  decodeFence,
  decodeRewards,
} from "@link-rewards/core/epoch/records";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import type { Law } from "@link-rewards/core/law/law";
import { applyEvent } from "@link-rewards/core/law/replay";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import fc from "fast-check";
import {
  address,
  bound,
  chain,
  collected,
  deployment,
  lawOf,
  receiptOf,
  registryDomain,
  signReceipt,
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
function finalize(law: Law, { manifest, bundleHash }: ComputedEpoch, carry: bigint): void {
  const report = reportOf(manifest, bundleHash, 0);
  const { epoch, root, total } = manifest;
  const delta = total - law.lastFinal.total;
  const happenings = [
    [
      "RootProposed",
      { epoch, attempt: 0, digest: ZERO_HASH, report, signers: 1n, finalizableAt: 0n },
    ],
    ["RootFinalized", { epoch, root, total, delta, carry }],
  ] as const;
  for (const event of chain(happenings, law.position.blockNumber + 1)) applyEvent(law, event);
}

const fileOf = (epoch: ComputedEpoch, name: Parameters<ComputedEpoch["files"]["get"]>[0]) => {
  const bytes = epoch.files.get(name);
  if (bytes === undefined) throw new Error(`no file ${name}`);
  return bytes;
};

const leavesOf = (epoch: ComputedEpoch) => decodeRewards(fileOf(epoch, "rewards.bin"));

describe("computeEpoch", () => {
  // At the tariff a gigabyte is worth 0.001 token; the reward cap is one and a half.
  const milli = TOKEN / 1_000n;
  const law = lawOf(
    collected("customer-1", 1, 10n * TOKEN),
    collected("customer-2", 1, milli / 2n),
  );
  const epoch = compute(law, served(law, ...toBoth()));

  it("pays what counted, half of what the half-paid customer was served", () => {
    const { manifest } = epoch;
    expect([manifest.value, manifest.counted, manifest.pot]).to.deep.equal([
      4n * milli,
      (7n * milli) / 2n,
      (21n * milli) / 4n,
    ]);
    expect(decodeDevices(fileOf(epoch, "devices.bin"))).to.have.deep.members([
      {
        accountIndex: 0,
        device: address("device-1"),
        counted: (3n * milli) / 2n,
        reward: (9n * milli) / 4n,
        reason: 1,
      },
      {
        accountIndex: 0,
        device: address("device-2"),
        counted: milli,
        reward: (3n * milli) / 2n,
        reason: 0,
      },
      {
        accountIndex: 1,
        device: address("device-3"),
        counted: milli,
        reward: (3n * milli) / 2n,
        reason: 0,
      },
    ]);
    expect(leavesOf(epoch)).to.deep.equal([
      { account: address("alice"), cumulative: (15n * milli) / 4n, prefix: 0n },
      { account: address("bob"), cumulative: (3n * milli) / 2n, prefix: (15n * milli) / 4n },
    ]);
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
      `${law.accounts.indexOf(account)}${receipt.device}${receipt.customer}`;
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

  it("has both roots over its files, in the report too", () => {
    const { manifest, bundleHash } = epoch;
    expect(manifest.root).to.equal(rootOfRecords(fileOf(epoch, "rewards.bin"), 44));
    expect(manifest.contributionRoot).to.equal(
      rootOfRecords(fileOf(epoch, "contributions.bin"), 224),
    );
    const { root, contributionRoot, total, leaves, contributions } = manifest;
    expect(reportOf(manifest, bundleHash, 3)).to.deep.equal({
      epoch: 1,
      attempt: 3,
      prevRoot: ZERO_HASH,
      root,
      contributionRoot,
      bundleHash,
      total,
      leaves,
      contributions,
      rulesHash: RULES_HASH,
    });
  });

  it("does not change when the law goes on", () => {
    const ahead = lawOf(
      collected("customer-1", 1, 10n * TOKEN),
      collected("customer-2", 1, milli / 2n),
      collected("customer-2", 2, TOKEN, milli / 2n),
      ["AccountIndexed", { account: address("carol"), index: 2 }],
      ["DeviceTransferred", transfer("device-3", "bob", "carol", 2)],
      ["CustomerDismissed", { customer: address("customer-1"), fromEpoch: 2 }],
      ["KeyRemoved", { customer: address("customer-2"), key: address("gateway-2"), fromEpoch: 2 }],
      ["DeviceRevoked", { device: address("device-1"), fromEpoch: 2 }],
      ["RulesSet", { fromEpoch: 2, rulesHash: ZERO_HASH }],
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
      pot: 0n,
      total: 0n,
      contributions: 0,
      leaves: 2,
      devices: 0,
    });
    expect(manifest.contributionRoot).to.equal(ZERO_HASH);
    expect(manifest.root).to.not.equal(ZERO_HASH);
    expect(files.get("contributions.bin")).to.have.length(0);
  });

  it("keeps history, adds to it and lets newcomers in at its end", () => {
    const going = lawOf(collected("customer-1", 1, 10n * TOKEN), [
      "AccountIndexed",
      { account: address("carol"), index: 2 },
    ]);
    const first = compute(going, served(going, {}));
    finalize(going, first, 5n);
    const more = chain(
      [
        ["AccountIndexed", { account: address("dave"), index: 3 }],
        ["DeviceEnrolled", { device: address("device-4"), deviceClass: 1 }],
        bound("device-4", "dave", 2),
        collected("customer-1", 2, TOKEN, 10n * TOKEN),
      ],
      going.position.blockNumber + 1,
    );
    for (const event of more) applyEvent(going, event);
    const device = address("device-4");
    const receipt = signReceipt(receiptOf({ ...GIGABYTE, epoch: 2, device }), {
      device: "device-4",
    });
    const second = compute(going, [verified(receipt, going)], 2, first);
    const reward = (3n * milli) / 2n;
    expect(leavesOf(second).map(({ cumulative }) => cumulative)).to.deep.equal([
      reward,
      0n,
      0n,
      reward,
    ]);
    expect(second.manifest).to.deep.include({ carry: 5n, fund: TOKEN, total: 2n * reward });
    expect(second.manifest.lastFinal).to.deep.equal({
      epoch: 1,
      root: first.manifest.root,
      total: reward,
      leaves: 3,
      bundleHash: first.bundleHash,
    });
  });

  it("never releases more than emission, carry and fund", () => {
    const rich = lawOf(collected("customer-1", 1, 10n ** 9n * TOKEN));
    const full = {
      egressBytes: 10n ** 12n,
      storageByteSeconds: 10n ** 17n,
      computeMilliseconds: 10n ** 8n,
    };
    const dear = {
      egressPrice: 10n ** 26n,
      storagePrice: 0n,
      computePrice: 0n,
      rewardCapBps: 4_000_000_000,
    };
    for (const event of chain(
      [["TariffSet", { fromEpoch: 1, tariff: dear }]],
      rich.position.blockNumber + 1,
    )) {
      applyEvent(rich, event);
    }
    const { manifest } = compute(
      rich,
      served(rich, full, { ...full, device: address("device-3") }),
    );
    const budget = manifest.emission + manifest.carry + manifest.fund;
    expect(manifest.pot).to.equal(budget);
    expect(manifest.total <= budget && manifest.total > budget - 2n).to.equal(true);
  });

  it("throws over the wrong rules, history, epoch, or a contribution twice", () => {
    const otherRules = lawOf(["RulesSet", { fromEpoch: 1, rulesHash: ZERO_HASH }]);
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
    expect(decodeFence(fileOf(many, "devices.fence"))).to.deep.equal([0, 257]);
    expect(leavesOf(many)).to.have.length(302);
    expect(many.manifest.leaves).to.equal(302);
    expect(fileOf(many, "rewards.tree")).to.have.length(2 * 32);
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
    const law = lawOf(["DeviceRevoked", { device: address("device-1"), fromEpoch: 1 }]);
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
          ["DeviceEnrolled", { device: name, deviceClass: 1 }],
          ["AccountIndexed", { account: name, index: i + 2 }],
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
