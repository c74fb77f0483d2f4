import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { EMITTER_OF, type LawEvent } from "@link-rewards/core/law/events";
import {
  accountsAt,
  capAt,
  deviceClass,
  fund,
  indexOf,
  isCustomerAt,
  isInspectorAt,
  isKeyAt,
  type Law,
  limitAt,
  membersAt,
  ownerAt,
  paid,
  publicKeyOf,
  publicKeys,
  revocationOf,
  rulesAt,
  tariffAt,
  thresholdAt,
} from "@link-rewards/core/law/law";
import { applyEvent, replay } from "@link-rewards/core/law/replay";
import { setFrom, type Timeline, valueAt } from "@link-rewards/core/law/timeline";
import type { Report } from "@link-rewards/core/signed/report";
import { expect } from "chai";
import fc from "fast-check";
import {
  address,
  bound,
  chain,
  collected,
  enrolled,
  founding,
  type Happening,
  happen,
  keySet,
  lawOf,
  limit,
  publicKey,
  rulesSet,
  tariff,
} from "../../worlds/paper.ts";

const hash = (byte: string) => `0x${byte.repeat(32)}` as const;
const device = address("device-1");
const customer = address("customer-1");
const gateway = address("gateway-1");
const dave = address("dave");

describe("a history", () => {
  it("gives the newest change that is not of a later epoch, whatever the order of the changes", () => {
    const changes = fc.array(fc.tuple(fc.nat(9), fc.nat(99)), { maxLength: 20 });
    fc.assert(
      fc.property(changes, fc.nat(10), (entries, epoch) => {
        const history: Timeline<number> = [];
        for (const [from, value] of entries) setFrom(history, from, value);
        const reached = entries.filter(([from]) => from <= epoch);
        const newest = Math.max(...reached.map(([from]) => from));
        expect(valueAt(history, epoch)).to.equal(
          reached.findLast(([from]) => from === newest)?.[1],
        );
      }),
    );
  });
});

describe("publicKeys", () => {
  it("are those of the devices whose key is P-256", () => {
    const law = lawOf(enrolled("device-5"));
    const names = ["device-2", "device-5"];
    expect(publicKeys(law).size).to.equal(names.length);
    for (const name of names) expect(publicKeys(law).get(address(name))).to.equal(publicKey(name));
    expect(publicKeys(law).get(address("device-1"))).to.equal(undefined);
    expect(publicKeys(law).get(address("device-77"))).to.equal(undefined);
    expect(publicKeyOf(law, address("device-1"))).to.equal(undefined);
  });
});

describe("ownerAt", () => {
  it("is nobody for a device that was never enrolled or never bound", () => {
    const law = lawOf(enrolled("device-9", 2));
    expect(ownerAt(law, address("device-8"), 5)).to.equal(undefined);
    expect(ownerAt(law, address("device-9"), 5)).to.equal(undefined);
    expect(deviceClass(law, address("device-9"))).to.equal(2);
  });

  it("changes with the epoch of a transfer, not before", () => {
    const law = lawOf([
      "DeviceTransferred",
      { device, from: address("alice"), to: address("bob"), fromEpoch: 3 },
    ]);
    expect([0, 1, 2, 3, 9].map((epoch) => ownerAt(law, device, epoch))).to.deep.equal([
      undefined,
      address("alice"),
      address("alice"),
      address("bob"),
      address("bob"),
    ]);
  });

  it("is nobody from the epoch of a revocation on, a binding still to come included", () => {
    const law = lawOf(
      ["DeviceTransferred", { device, from: address("alice"), to: address("bob"), fromEpoch: 3 }],
      ["DeviceRevoked", { device, fromEpoch: 2, reason: "cloned" }],
    );
    expect([1, 2, 3].map((epoch) => ownerAt(law, device, epoch))).to.deep.equal([
      address("alice"),
      undefined,
      undefined,
    ]);
    expect(revocationOf(law, device)?.reason).to.equal("cloned");
  });

  it("is told of no device that is bound to an account without an index", () => {
    expect(() => lawOf(bound("device-1", "dave", 2))).to.throw(/which has no index/);
  });

  it("is whom the fresher consent names, of two for the same epoch", () => {
    const law = lawOf(
      ["AccountIndexed", { account: address("carol"), index: 2, fromEpoch: 2 }],
      bound("device-1", "bob", 2),
      bound("device-1", "carol", 2),
    );
    expect([1, 2].map((epoch) => ownerAt(law, device, epoch))).to.deep.equal([
      address("alice"),
      address("carol"),
    ]);
  });
});

describe("accounts", () => {
  it("have the index the registry gave them, for ever", () => {
    const law = lawOf();
    expect([indexOf(law, address("alice")), indexOf(law, address("bob"))]).to.deep.equal([0, 1]);
    expect(indexOf(law, dave)).to.equal(undefined);
  });

  it("have a leaf from their first epoch on, so a law that is ahead agrees with one that is not", () => {
    const happenings: Happening[] = [
      ["AccountIndexed", { account: dave, index: 2, fromEpoch: 3 }],
      ["AccountIndexed", { account: address("erin"), index: 3, fromEpoch: 3 }],
      ["AccountIndexed", { account: address("frank"), index: 4, fromEpoch: 5 }],
    ];
    const ahead = lawOf(...happenings);
    const epochs = [0, 1, 2, 3, 4, 5, 6];
    expect(epochs.map((epoch) => accountsAt(ahead, epoch))).to.deep.equal([0, 2, 2, 4, 4, 5, 5]);
    const then = lawOf(...happenings.slice(0, 2));
    for (const epoch of [0, 1, 2, 3, 4])
      expect(accountsAt(then, epoch)).to.equal(accountsAt(ahead, epoch));
  });

  it("stop the process when an index is skipped", () => {
    expect(() => lawOf(["AccountIndexed", { account: dave, index: 3, fromEpoch: 2 }])).to.throw(
      "has index 3, expected 2",
    );
  });
});

describe("customers and keys", () => {
  const capsOf = (law: Law, key = gateway, epochs = [0, 1, 2, 3, 4]) =>
    epochs.map((epoch) => capAt(law, customer, key, epoch));

  it("count from their epoch until the one of their removal", () => {
    const law = lawOf(keySet("customer-1", "gateway-1", 0n, 3), [
      "CustomerDismissed",
      { customer, fromEpoch: 4 },
    ]);
    const epochs = [0, 1, 2, 3, 4];
    expect(epochs.map((epoch) => isKeyAt(law, customer, gateway, epoch))).to.deep.equal([
      false,
      true,
      true,
      false,
      false,
    ]);
    expect(epochs.map((epoch) => isCustomerAt(law, customer, epoch))).to.deep.equal([
      false,
      true,
      true,
      true,
      false,
    ]);
  });

  it("have a cap that changes with its epoch, each key its own", () => {
    const law = lawOf(
      keySet("customer-1", "gateway-1", 7n),
      keySet("customer-1", "gateway-1", 9n, 3),
      keySet("customer-1", "gateway-2", 1n, 2),
    );
    expect(capsOf(law)).to.deep.equal([0n, 7n, 7n, 9n, 9n]);
    expect(capsOf(law, address("gateway-2"))).to.deep.equal([0n, 0n, 1n, 1n, 1n]);
    expect(capAt(law, address("customer-2"), gateway, 1)).to.equal(0n);
    expect(capAt(law, address("stranger"), gateway, 1)).to.equal(0n);
  });

  it("have no key while they are dismissed, as the escrow says it", () => {
    const law = lawOf(
      keySet("customer-1", "gateway-1", 7n),
      ["CustomerDismissed", { customer, fromEpoch: 2 }],
      ["CustomerAdmitted", { customer, fromEpoch: 4 }],
    );
    expect(capsOf(law)).to.deep.equal([0n, 7n, 0n, 0n, 7n]);
  });

  it("may set keys and an endpoint before they are admitted", () => {
    const law = lawOf(
      keySet("dave", "gateway-1", 1n),
      ["EndpointSet", { customer: dave, url: "https://gateway.example" }],
      ["CustomerAdmitted", { customer: dave, fromEpoch: 2 }],
    );
    expect([1, 2].map((epoch) => isKeyAt(law, dave, gateway, epoch))).to.deep.equal([false, true]);
    expect(law.customers.get(dave)?.endpoint).to.equal("https://gateway.example");
  });

  it("undo a change of the same epoch by a later one", () => {
    const law = lawOf(
      keySet("customer-1", "gateway-1", 0n, 2),
      keySet("customer-1", "gateway-1", 5n, 2),
      keySet("customer-1", "gateway-1", 6n, 2),
    );
    expect(capAt(law, customer, gateway, 2)).to.equal(6n);
  });

  it("have the endpoint they named last, or none", () => {
    const at = (url: string) => ["EndpointSet", { customer, url }] as const;
    const endpointOf = (law: Law) => law.customers.get(customer)?.endpoint;
    expect(endpointOf(lawOf())).to.equal("");
    expect(endpointOf(lawOf(at("https://a"), at("https://b")))).to.equal("https://b");
    expect(endpointOf(lawOf(at("https://a"), at("")))).to.equal("");
  });
});

describe("inspectors", () => {
  it("buy for the programme from their epoch until the one of their removal", () => {
    const inspector = address("inspector-1");
    const law = lawOf(
      ["InspectorAdded", { inspector, fromEpoch: 2 }],
      ["InspectorRemoved", { inspector, fromEpoch: 4 }],
      ["InspectorAdded", { inspector, fromEpoch: 4 }],
      ["InspectorRemoved", { inspector, fromEpoch: 5 }],
    );
    expect([1, 2, 3, 4, 5].map((epoch) => isInspectorAt(law, inspector, epoch))).to.deep.equal([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect(isInspectorAt(law, customer, 2)).to.equal(false);
  });
});

describe("terms", () => {
  it("are nothing before they were set", () => {
    const law = replay([]);
    expect(limitAt(law, 1, 1).egressBytes).to.equal(0n);
    expect(tariffAt(law, 1).feeBps).to.equal(0);
    expect(rulesAt(law, 1)).to.equal(ZERO_HASH);
  });

  it("hold from their epoch on", () => {
    const dearer = { ...tariff, egressPrice: 7n };
    const law = lawOf(["TariffSet", { fromEpoch: 3, tariff: dearer }], rulesSet(3, hash("ab")), [
      "ClassLimitSet",
      { deviceClass: 1, fromEpoch: 3, ...limit, egressBytes: 1n },
    ]);
    expect([tariffAt(law, 2), tariffAt(law, 3)]).to.deep.equal([tariff, dearer]);
    expect([rulesAt(law, 2), rulesAt(law, 3)]).to.deep.equal([RULES_HASH, hash("ab")]);
    expect([limitAt(law, 1, 2), limitAt(law, 1, 3).egressBytes]).to.deep.equal([limit, 1n]);
  });
});

describe("payments", () => {
  it("count for the epoch of their voucher, for customer and fund", () => {
    const law = lawOf(
      collected("customer-1", 1, 100n),
      collected("customer-1", 2, 5n),
      collected("customer-1", 1, 20n, 100n),
      collected("customer-2", 1, 3n),
    );
    expect([paid(law, customer, 1), paid(law, customer, 2), paid(law, customer, 3)]).to.deep.equal([
      120n,
      5n,
      0n,
    ]);
    expect([fund(law, 1), fund(law, 2), fund(law, 3)]).to.deep.equal([123n, 5n, 0n]);
    expect(paid(law, dave, 1)).to.equal(0n);
  });

  it("are what was taken, whatever the voucher promised", () => {
    const law = lawOf(
      ["VoucherCollected", { customer, epoch: 1, promised: 50n, amount: 7n, paid: 7n }],
      ["VoucherCollected", { customer, epoch: 1, promised: 50n, amount: 2n, paid: 9n }],
    );
    expect([paid(law, customer, 1), fund(law, 1)]).to.deep.equal([9n, 9n]);
  });
});

const report = (fields: Partial<Report>): Report => ({
  epoch: 1,
  attempt: 0,
  prevRoot: ZERO_HASH,
  root: hash("01"),
  contributionRoot: ZERO_HASH,
  invoiceRoot: ZERO_HASH,
  contributions: 0,
  total: 10n,
  bundleHash: hash("0b"),
  rulesHash: RULES_HASH,
  ...fields,
});
const proposed = (fields: Partial<Report> = {}, digest = hash("dd")) => {
  const whole = report(fields);
  const { epoch, attempt } = whole;
  return [
    "RootProposed",
    { epoch, attempt, digest, report: whole, signers: 1n, finalizableAt: 9n },
  ] as const;
};
const revoked = (attempt: number, digest = hash("dd")) =>
  ["RootRevoked", { epoch: 1, attempt, digest, prover: dave }] as const;
const finalized = (epoch: number, root = hash("01")) =>
  ["RootFinalized", { epoch, root, total: 10n, delta: 10n, fee: 4n }] as const;

describe("epochs", () => {
  it("begin with nothing final", () => {
    const law = replay([]);
    expect(law.lastFinal).to.include({ epoch: 0, root: ZERO_HASH, total: 0n, fee: 0n, leaves: 0 });
    expect([law.pending, law.attempt, law.closedAfter]).to.deep.equal([undefined, 0, undefined]);
  });

  it("become final with the parts of their report that later epochs build on", () => {
    const law = lawOf(
      ["AccountIndexed", { account: dave, index: 2, fromEpoch: 2 }],
      proposed(),
      finalized(1),
    );
    expect(law.lastFinal).to.include({
      epoch: 1,
      root: hash("01"),
      total: 10n,
      delta: 10n,
      fee: 4n,
      leaves: 2,
      bundleHash: hash("0b"),
    });
    expect(law.finals.get(1)).to.equal(law.lastFinal);
    expect(law.pending).to.equal(undefined);
  });

  it("count attempts that were vetoed, revoked or abandoned, and start anew after final", () => {
    const law = lawOf(proposed());
    expect(law.pending?.report.root).to.equal(hash("01"));
    const next = (happening: Happening) => {
      happen(law, happening);
      return [law.attempt, law.pending === undefined];
    };
    const veto = ["RootVetoed", { epoch: 1, attempt: 0, digest: hash("dd") }] as const;
    expect(next(veto)).to.deep.equal([1, true]);
    expect(next(["AttemptAbandoned", { epoch: 1, attempt: 1 }])).to.deep.equal([2, true]);
    next(proposed({ attempt: 2 }));
    expect(next(revoked(2))).to.deep.equal([3, true]);
    next(proposed({ attempt: 3 }));
    expect(next(finalized(1))).to.deep.equal([0, true]);
  });

  it("go on when a report that was vetoed before is convicted", () => {
    const law = lawOf(proposed(), ["RootVetoed", { epoch: 1, attempt: 0, digest: hash("dd") }]);
    happen(law, revoked(0));
    expect([law.attempt, law.pending]).to.deep.equal([1, undefined]);
    happen(law, proposed({ attempt: 1 }, hash("ee")), revoked(0));
    expect([law.attempt, law.pending?.digest]).to.deep.equal([1, hash("ee")]);
  });

  it("keep what was vetoed, for whoever convicts it, until it is convicted, also when the epoch is final", () => {
    const veto = (attempt: number, byte: string) =>
      ["RootVetoed", { epoch: 1, attempt, digest: hash(byte) }] as const;
    const law = lawOf(proposed(), veto(0, "dd"), proposed({ attempt: 1 }, hash("ee")));
    const first = law.vetoed.get(hash("dd"));
    expect([first?.report.attempt, first?.signers, law.vetoed.size]).to.deep.equal([0, 1n, 1]);
    happen(law, veto(1, "ee"), revoked(0));
    expect([...law.vetoed.keys()]).to.deep.equal([hash("ee")]);
    happen(law, proposed({ attempt: 2 }), finalized(1));
    expect([...law.vetoed.keys()]).to.deep.equal([hash("ee")]);
    happen(law, revoked(1, hash("ee")));
    expect(law.vetoed.size).to.equal(0);
    expect(() => happen(law, veto(0, "dd"))).to.throw("was not pending");
  });

  it("stop the process when one becomes final that was not proposed so", () => {
    expect(() => lawOf(finalized(1))).to.throw("without a matching proposal");
    expect(() => lawOf(proposed(), finalized(2))).to.throw("without a matching proposal");
    expect(() => lawOf(proposed(), finalized(1, hash("02")))).to.throw(
      "without a matching proposal",
    );
  });

  it("are no more after the one the ledger was closed after", () => {
    expect(lawOf(["LedgerClosed", { lastEpoch: 0 }]).closedAfter).to.equal(0);
    const law = lawOf(proposed(), finalized(1), ["LedgerClosed", { lastEpoch: 1 }]);
    expect([law.closedAfter, law.lastFinal.epoch]).to.deep.equal([1, 1]);
  });
});

const added = (slot: number, fromEpoch: number) =>
  ["MemberAdded", { member: address(`m${slot}`), slot, fromEpoch }] as const;
const threshold = (value: number, fromEpoch: number) =>
  ["ThresholdSet", { threshold: value, fromEpoch }] as const;
/** `fromEpoch` as in the event: the next epoch, or the running one for a slash. */
const gone = (how: "Exited" | "Removed" | "Slashed", slot: number, fromEpoch: number) => {
  const left = { member: address(`m${slot}`), slot, fromEpoch };
  return how === "Slashed"
    ? (["MemberSlashed", { ...left, bond: 1n, prover: address("prover") }] as const)
    : ([`Member${how}`, left] as const);
};
const rotated = (slot: number, successor: string, fromEpoch: number) =>
  [
    "MemberRotated",
    { member: address(`m${slot}`), successor: address(successor), slot, fromEpoch },
  ] as const;

describe("membersAt", () => {
  const namesAt = (law: Law, epochs: readonly number[]) =>
    epochs.map((epoch) =>
      membersAt(law, epoch).map((member) => NAMES.find((name) => address(name) === member)),
    );
  const NAMES = ["m0", "m1", "m2", "m3", "new", "newer"];

  it("is nobody before the first, and each from its epoch on", () => {
    expect(membersAt(replay([]), 5)).to.deep.equal([]);
    const law = lawOf(added(0, 2), added(1, 3));
    expect(namesAt(law, [1, 2, 3])).to.deep.equal([[], ["m0"], ["m0", "m1"]]);
  });

  it("ends with the epoch of an exit or a removal, and at once with a slash", () => {
    const law = lawOf(
      ...[0, 1, 2, 3].map((slot) => added(slot, 2)),
      gone("Exited", 0, 6),
      gone("Removed", 1, 6),
      gone("Slashed", 2, 5),
    );
    const all = ["m0", "m1", "m2", "m3"];
    expect(namesAt(law, [4, 5, 6])).to.deep.equal([all, ["m0", "m1", "m3"], ["m3"]]);
  });

  it("ends at the earlier, for one that left and is slashed", () => {
    const law = lawOf(
      ...[0, 1].map((slot) => added(slot, 2)),
      gone("Exited", 0, 6),
      gone("Exited", 1, 6),
      gone("Slashed", 0, 5),
      gone("Slashed", 1, 8),
    );
    expect(namesAt(law, [4, 5, 6, 8])).to.deep.equal([["m0", "m1"], ["m1"], [], []]);
  });

  it("names the key in force: the successor from the epoch of a rotation on", () => {
    const law = lawOf(added(0, 2), rotated(0, "new", 4), rotated(0, "newer", 6));
    expect(namesAt(law, [2, 3, 4, 5, 6])).to.deep.equal([
      ["m0"],
      ["m0"],
      ["new"],
      ["new"],
      ["newer"],
    ]);
  });

  it("names the key before both until then, of two rotations in one epoch", () => {
    const law = lawOf(added(0, 2), rotated(0, "new", 4), rotated(0, "newer", 4));
    expect(namesAt(law, [3, 4])).to.deep.equal([["m0"], ["newer"]]);
  });

  it("names the successor, of a member that rotated before its first epoch", () => {
    expect(namesAt(lawOf(added(0, 4), rotated(0, "new", 3)), [3, 4])).to.deep.equal([[], ["new"]]);
  });
});

describe("thresholdAt", () => {
  const at = (epochs: readonly number[], ...happenings: readonly Happening[]) => {
    const law = lawOf(...happenings);
    return epochs.map((epoch) => thresholdAt(law, epoch));
  };
  const five = [0, 1, 2, 3, 4].map((slot) => added(slot, 2));

  it("is one before any was set, and with no members", () => {
    expect(at([0, 2, 9])).to.deep.equal([1, 1, 1]);
    expect(at([0, 2, 9], ...five)).to.deep.equal([1, 1, 1]);
    expect(at([2], threshold(3, 2))).to.deep.equal([1]);
  });

  it("is what was set, from its epoch on, but never more than there are seats", () => {
    const terms = [threshold(3, 2), threshold(5, 4)];
    expect(at([1, 2, 3, 4], ...five, ...terms)).to.deep.equal([1, 3, 3, 5]);
    expect(at([2, 3, 4], added(0, 2), added(1, 3), ...terms)).to.deep.equal([1, 2, 2]);
  });

  it("falls with an exit or a removal when it counts, with a slash one whole epoch later", () => {
    const all = [...five, threshold(5, 2)];
    // All three happened in epoch 5.
    expect(at([5, 6, 7, 8], ...all, gone("Exited", 0, 6))).to.deep.equal([5, 4, 4, 4]);
    expect(at([5, 6, 7, 8], ...all, gone("Removed", 0, 7))).to.deep.equal([5, 5, 4, 4]);
    expect(at([5, 6, 7, 8], ...all, gone("Slashed", 0, 5))).to.deep.equal([5, 5, 4, 4]);
  });

  it("falls as it would have, when one that left before is slashed", () => {
    const all = [...five, threshold(5, 2)];
    const left = (how: "Exited" | "Removed", slashedIn: number) =>
      at(
        [5, 6, 7, 8],
        ...all,
        gone(how, 0, how === "Exited" ? 6 : 7),
        gone("Slashed", 0, slashedIn),
      );
    expect([left("Exited", 5), left("Exited", 6)]).to.deep.equal([
      [5, 4, 4, 4],
      [5, 4, 4, 4],
    ]);
    expect([left("Removed", 5), left("Removed", 7)]).to.deep.equal([
      [5, 5, 4, 4],
      [5, 5, 4, 4],
    ]);
  });

  it("counts no seat of one that left before its first epoch", () => {
    // Added in epoch 5, so from 7 on, and gone in the same epoch.
    const all = [...five, threshold(6, 2), added(5, 7)];
    expect(at([6, 7, 8], ...all)).to.deep.equal([5, 6, 6]);
    for (const event of [gone("Exited", 5, 6), gone("Removed", 5, 6), gone("Slashed", 5, 5)]) {
      expect(at([5, 6, 7, 8], ...all, event), event[0]).to.deep.equal([5, 5, 5, 5]);
    }
  });
});

describe("replay", () => {
  const admitted = (revision: number, blockNumber: number, logIndex: number): LawEvent => ({
    name: "CustomerAdmitted",
    args: { customer: dave, fromEpoch: 2, revision },
    blockNumber,
    logIndex,
  });

  it("stops at an event that is repeated or out of order", () => {
    const law = lawOf();
    const { blockNumber } = law.position;
    const revision = law.revisions.customerEscrow + 1;
    const at = (block: number, logIndex: number, number = revision) => {
      return () => applyEvent(law, admitted(number, block, logIndex));
    };
    expect(at(blockNumber, 0)).to.throw("does not follow");
    expect(at(blockNumber - 1, 5)).to.throw("does not follow");
    expect(at(blockNumber, 1)).to.not.throw();
    expect(at(blockNumber + 1, 0, revision + 1)).to.not.throw();
  });

  it("counts the events of each contract", () => {
    expect(replay([]).revisions).to.deep.equal({
      deviceRegistry: 0,
      rewardProgramme: 0,
      customerEscrow: 0,
      epochLedger: 0,
      oracleQuorum: 0,
    });
    expect(lawOf(added(0, 2)).revisions).to.deep.equal({
      deviceRegistry: 9,
      rewardProgramme: 0,
      customerEscrow: 4,
      epochLedger: 2,
      oracleQuorum: 1,
    });
  });

  it("stops where a node left out an event of any contract, or gave one twice", () => {
    const law = lawOf();
    const block = law.position.blockNumber + 1;
    for (const [found, what] of [
      [6, "left out"],
      [4, "twice"],
    ] as const) {
      expect(() => applyEvent(law, admitted(found, block, 0)))
        .to.throw(`CustomerAdmitted at ${block}/0 is number ${found} of customerEscrow, expected 5`)
        .with.property("message")
        .that.contains(what)
        .and.contains("use another node");
    }
    expect(isCustomerAt(law, dave, 2)).to.equal(false);
    applyEvent(law, admitted(5, block, 0));
    expect(isCustomerAt(law, dave, 2)).to.equal(true);
  });

  it("stops at each event that is missing from the middle of a history", () => {
    const events = chain([
      ...founding,
      ["InspectorAdded", { inspector: dave, fromEpoch: 2 }],
      ["InspectorRemoved", { inspector: dave, fromEpoch: 3 }],
      added(0, 2),
      threshold(1, 2),
    ]);
    for (const [i, missing] of events.entries()) {
      const followed = events
        .slice(i + 1)
        .some(({ name }) => EMITTER_OF[name] === EMITTER_OF[missing.name]);
      const rest = () => replay(events.toSpliced(i, 1));
      if (followed) expect(rest, missing.name).to.throw("left out events");
      else expect(rest, missing.name).to.not.throw();
    }
  });

  it("stops at an event of a device that was never enrolled, or of a slot without a member", () => {
    expect(() => lawOf(bound("device-9", "alice"))).to.throw("was never enrolled");
    expect(() => lawOf(gone("Exited", 0, 2))).to.throw("slot 0 is in an event but has no member");
  });
});
