import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import {
  accountsAt,
  collected as collectedOf,
  deviceClass,
  fund,
  indexOf,
  isCustomerAt,
  isKeyAt,
  limitAt,
  membersAt,
  ownerAt,
  paid,
  rulesAt,
  tariffAt,
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
  founding,
  lawOf,
  limit,
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

describe("ownerAt", () => {
  it("is nobody for a device that was never enrolled or never bound", () => {
    const law = lawOf(["DeviceEnrolled", { device: address("device-9"), deviceClass: 2 }]);
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
      ["DeviceRevoked", { device, fromEpoch: 2 }],
    );
    expect([1, 2, 3].map((epoch) => ownerAt(law, device, epoch))).to.deep.equal([
      address("alice"),
      undefined,
      undefined,
    ]);
  });
});

describe("accounts", () => {
  it("have the index the registry gave them, for ever", () => {
    const law = lawOf();
    expect([indexOf(law, address("alice")), indexOf(law, address("bob"))]).to.deep.equal([0, 1]);
    expect(indexOf(law, dave)).to.equal(undefined);
  });

  it("are counted as of a block, so a law that is ahead agrees with one that is not", () => {
    const events = chain([...founding, ["AccountIndexed", { account: dave, index: 2 }]]);
    const law = replay(events);
    const counts = [0, ...events.map(({ blockNumber }) => blockNumber)].map(
      (block) =>
        [accountsAt(law, block), accountsAt(replay(events.slice(0, block)), block)] as const,
    );
    for (const [ahead, then] of counts) expect(ahead).to.equal(then);
    expect(counts.at(-1)?.[0]).to.equal(3);
  });

  it("stop the process when an index is skipped", () => {
    expect(() => lawOf(["AccountIndexed", { account: dave, index: 3 }])).to.throw(
      "has index 3, expected 2",
    );
  });
});

describe("customers and keys", () => {
  it("count from their epoch until the one of their removal", () => {
    const law = lawOf(
      ["KeyRemoved", { customer, key: gateway, fromEpoch: 3 }],
      ["CustomerDismissed", { customer, fromEpoch: 4 }],
    );
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

  it("have no key while they are dismissed, as the escrow says it", () => {
    const law = lawOf(["CustomerDismissed", { customer, fromEpoch: 2 }]);
    expect(isKeyAt(law, customer, gateway, 1)).to.equal(true);
    expect(isKeyAt(law, customer, gateway, 2)).to.equal(false);
  });

  it("may add keys before they are admitted", () => {
    const law = lawOf(
      ["KeyAdded", { customer: dave, key: gateway, fromEpoch: 1 }],
      ["CustomerAdmitted", { customer: dave, fromEpoch: 2 }],
    );
    expect([1, 2].map((epoch) => isKeyAt(law, dave, gateway, epoch))).to.deep.equal([false, true]);
  });

  it("undo a change of the same epoch by a later one", () => {
    const law = lawOf(
      ["KeyRemoved", { customer, key: gateway, fromEpoch: 2 }],
      ["KeyAdded", { customer, key: gateway, fromEpoch: 2 }],
    );
    expect(isKeyAt(law, customer, gateway, 2)).to.equal(true);
  });
});

describe("terms", () => {
  it("are nothing before they were set", () => {
    const law = replay([]);
    expect(limitAt(law, 1, 1).egressBytes).to.equal(0n);
    expect(tariffAt(law, 1).rewardCapBps).to.equal(0);
    expect(rulesAt(law, 1)).to.equal(ZERO_HASH);
  });

  it("hold from their epoch on", () => {
    const dearer = { ...tariff, egressPrice: 7n };
    const law = lawOf(
      ["TariffSet", { fromEpoch: 3, tariff: dearer }],
      ["RulesSet", { fromEpoch: 3, rulesHash: hash("ab") }],
      ["ClassLimitSet", { deviceClass: 1, fromEpoch: 3, ...limit, egressBytes: 1n }],
    );
    expect([tariffAt(law, 2), tariffAt(law, 3)]).to.deep.equal([tariff, dearer]);
    expect([rulesAt(law, 2), rulesAt(law, 3)]).to.deep.equal([RULES_HASH, hash("ab")]);
    expect([limitAt(law, 1, 2), limitAt(law, 1, 3).egressBytes]).to.deep.equal([limit, 1n]);
  });
});

describe("payments", () => {
  it("count for the epoch the escrow says, for customer and fund", () => {
    const law = lawOf(
      collected("customer-1", 1, 100n),
      collected("customer-1", 1, 20n, 100n),
      collected("customer-2", 1, 3n),
      collected("customer-1", 2, 5n, 120n),
    );
    expect([paid(law, customer, 1), paid(law, customer, 2), paid(law, customer, 3)]).to.deep.equal([
      120n,
      5n,
      0n,
    ]);
    expect([fund(law, 1), fund(law, 2), fund(law, 3)]).to.deep.equal([123n, 5n, 0n]);
    expect([collectedOf(law, customer), collectedOf(law, dave)]).to.deep.equal([125n, 0n]);
  });
});

const report = (fields: Partial<Report>): Report => ({
  epoch: 1,
  attempt: 0,
  prevRoot: ZERO_HASH,
  root: hash("01"),
  contributionRoot: ZERO_HASH,
  bundleHash: hash("0b"),
  total: 10n,
  leaves: 2,
  contributions: 0,
  rulesHash: RULES_HASH,
  ...fields,
});
const proposed = (fields: Partial<Report> = {}) => {
  const whole = report(fields);
  const { epoch, attempt } = whole;
  const digest = hash("dd");
  return [
    "RootProposed",
    { epoch, attempt, digest, report: whole, signers: 1n, finalizableAt: 9n },
  ] as const;
};
const finalized = (epoch: number, root = hash("01")) =>
  ["RootFinalized", { epoch, root, total: 10n, delta: 10n, carry: 4n }] as const;

describe("epochs", () => {
  it("begin with nothing final", () => {
    const law = replay([]);
    expect(law.lastFinal).to.include({
      epoch: 0,
      root: ZERO_HASH,
      total: 0n,
      carry: 0n,
      leaves: 0,
    });
    expect([law.pending, law.attempt]).to.deep.equal([undefined, 0]);
  });

  it("become final with the parts of their report that later epochs build on", () => {
    const law = lawOf(proposed(), finalized(1));
    expect(law.lastFinal).to.include({
      epoch: 1,
      root: hash("01"),
      total: 10n,
      carry: 4n,
      leaves: 2,
      bundleHash: hash("0b"),
    });
    expect(law.finals.get(1)).to.equal(law.lastFinal);
    expect(law.pending).to.equal(undefined);
  });

  it("count attempts that were vetoed, revoked or abandoned, and start anew after final", () => {
    const ended = { epoch: 1, attempt: 0, digest: hash("dd") };
    const law = lawOf(proposed());
    expect(law.pending?.report.root).to.equal(hash("01"));
    const next = (happening: Parameters<typeof chain>[0][number]) => {
      for (const event of chain([happening], law.position.blockNumber + 1)) applyEvent(law, event);
      return [law.attempt, law.pending === undefined];
    };
    expect(next(["RootVetoed", ended])).to.deep.equal([1, true]);
    expect(next(["AttemptAbandoned", { epoch: 1, attempt: 1 }])).to.deep.equal([2, true]);
    next(proposed({ attempt: 2 }));
    expect(next(["RootRevoked", { ...ended, prover: dave }])).to.deep.equal([3, true]);
    next(proposed({ attempt: 3 }));
    expect(next(finalized(1))).to.deep.equal([0, true]);
  });

  it("stop the process when one becomes final that was not proposed so", () => {
    expect(() => lawOf(finalized(1))).to.throw("without a matching proposal");
    expect(() => lawOf(proposed(), finalized(2))).to.throw("without a matching proposal");
    expect(() => lawOf(proposed(), finalized(1, hash("02")))).to.throw(
      "without a matching proposal",
    );
  });
});

describe("members", () => {
  it("count from their epoch until they leave, in whatever way", () => {
    const added = (name: string, slot: bigint, fromEpoch: number, threshold: bigint) =>
      ["MemberAdded", { member: address(name), slot, fromEpoch, threshold }] as const;
    const law = lawOf(
      added("m0", 0n, 1, 1n),
      added("m1", 1n, 1, 2n),
      added("m2", 2n, 2, 2n),
      added("m3", 3n, 2, 3n),
      ["MemberExited", { member: address("m0") }],
      ["MemberSlashed", { member: address("m1") }],
      ["MemberRemoved", { member: address("m2"), threshold: 1n }],
    );
    expect([membersAt(law, 1), membersAt(law, 2)]).to.deep.equal([[], [address("m3")]]);
    expect(law.threshold).to.equal(1n);
  });
});

describe("replay", () => {
  it("stops at an event that is repeated or out of order", () => {
    const law = lawOf();
    const { blockNumber } = law.position;
    const at = (block: number, logIndex: number) => () =>
      applyEvent(law, {
        name: "CustomerAdmitted",
        args: { customer: dave, fromEpoch: 2 },
        blockNumber: block,
        logIndex,
      });
    expect(at(blockNumber, 0)).to.throw("does not follow");
    expect(at(blockNumber - 1, 5)).to.throw("does not follow");
    expect(at(blockNumber, 1)).to.not.throw();
    expect(at(blockNumber + 1, 0)).to.not.throw();
  });

  it("stops at an event of a device that was never enrolled", () => {
    expect(() => lawOf(bound("device-9", "alice"))).to.throw("was never enrolled");
  });
});
