import { expect } from "chai";
import fc from "fast-check";
import type { RewardLeaf } from "../../oracle/core/records.ts";
import { accumulate, potOf, REASONS, rewardDevices, totalOf } from "../../oracle/core/reward.ts";
import type { Valued } from "../../oracle/core/value.ts";
import { address, receiptOf } from "./world.ts";

const alice = address("alice");
const bob = address("bob");

function valued(
  device: string,
  account: string,
  fields: Partial<Omit<Valued, "contribution">> = {},
): Valued {
  const receipt = receiptOf({ device: address(device) });
  const counted = fields.counted ?? 10n;
  return {
    contribution: { receipt, account: address(account) },
    scaled: false,
    value: counted,
    ...fields,
    counted,
  };
}

describe("pot", () => {
  const budget = { emission: 100n, carry: 20n, fund: 3n };

  it("is the capped counted value up to the budget", () => {
    expect(potOf(budget, 10_000, 122n)).to.equal(122n);
    expect(potOf(budget, 10_000, 123n)).to.equal(123n);
    expect(potOf(budget, 10_000, 124n)).to.equal(123n);
  });

  it("floors the cap", () => {
    expect([potOf(budget, 15_000, 7n), potOf(budget, 9_999, 1n)]).to.deep.equal([10n, 0n]);
  });

  it("is nothing without a payment", () => {
    expect(potOf(budget, 10_000, 0n)).to.equal(0n);
  });
});

describe("reward of a device", () => {
  it("is its share of the pot, floored, over all its contributions", () => {
    const rewards = rewardDevices(
      [
        valued("device-1", "alice", { counted: 1n }),
        valued("device-1", "alice", { counted: 1n }),
        valued("device-2", "bob", { counted: 1n }),
      ],
      100n,
    );
    expect(rewards.map(({ reward, counted }) => [reward, counted])).to.deep.equal([
      [66n, 2n],
      [33n, 1n],
    ]);
  });

  it("is nothing when nothing counts", () => {
    expect(rewardDevices([valued("device-1", "alice", { counted: 0n })], 0n)[0]?.reward).to.equal(
      0n,
    );
  });

  it("says why: unpaid in part, scaled, both, or neither", () => {
    const reasonOf = (...items: Partial<Omit<Valued, "contribution">>[]) =>
      rewardDevices(
        items.map((fields) => valued("device-1", "alice", fields)),
        1n,
      )[0]?.reason;
    expect(reasonOf({})).to.equal(0);
    expect(reasonOf({ value: 11n })).to.equal(REASONS["unpaid-in-part"]);
    expect(reasonOf({ scaled: true })).to.equal(REASONS.scaled);
    expect(reasonOf({ value: 11n }, { scaled: true })).to.equal(3);
  });

  it("never adds up to more than the pot, and loses less than a wei a device", () => {
    const list = fc.array(fc.tuple(fc.nat(9), fc.bigInt({ min: 0n, max: 2n ** 90n })), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(list, fc.bigInt({ min: 0n, max: 2n ** 90n }), (items, pot) => {
        const rewards = rewardDevices(
          items.map(([n, counted]) => valued(`device-${n}`, "alice", { counted })),
          pot,
        );
        const sum = rewards.reduce((total, { reward }) => total + reward, 0n);
        const counted = items.reduce((total, [, value]) => total + value, 0n);
        expect(sum <= pot).to.equal(true);
        if (counted > 0n) expect(sum > pot - BigInt(rewards.length)).to.equal(true);
      }),
    );
  });
});

describe("accumulate", () => {
  const reward = (account: string, amount: bigint) => ({
    account: address(account),
    device: address("device-1"),
    counted: 0n,
    reward: amount,
    reason: 0,
  });
  const leaf = (account: typeof alice, cumulative: bigint, prefix: bigint): RewardLeaf => ({
    account,
    cumulative,
    prefix,
  });

  it("adds the rewards of an account's devices to what it had and lets newcomers start at zero", () => {
    const leaves = accumulate(
      [alice, bob],
      [leaf(alice, 10n, 0n)],
      [reward("alice", 5n), reward("alice", 1n)],
    );
    expect(leaves).to.deep.equal([leaf(alice, 16n, 0n), leaf(bob, 0n, 16n)]);
    expect(totalOf(leaves)).to.equal(16n);
    expect(totalOf([])).to.equal(0n);
  });

  it("throws when history would be re-indexed or shrink", () => {
    expect(() => accumulate([bob], [leaf(alice, 1n, 0n)], [])).to.throw("leaf 0 was of");
    expect(() => accumulate([], [leaf(alice, 1n, 0n)], [])).to.throw("1 accounts had leaves");
  });

  it("gives every leaf its own slice of [0, total), epoch after epoch", () => {
    const epochs = fc.array(
      fc.array(fc.tuple(fc.nat(9), fc.bigInt({ min: 0n, max: 10n ** 27n }))),
      {
        maxLength: 5,
      },
    );
    fc.assert(
      fc.property(epochs, (history) => {
        let leaves: readonly RewardLeaf[] = [];
        for (const [i, rewards] of history.entries()) {
          const accounts = Array.from({ length: 10 + i }, (_, n) => address(`account-${n}`));
          const before = leaves;
          leaves = accumulate(
            accounts,
            before,
            rewards.map(([n, amount]) => reward(`account-${n}`, amount)),
          );
          let end = 0n;
          for (const [n, { prefix, cumulative }] of leaves.entries()) {
            expect(prefix).to.equal(end);
            expect(cumulative >= (before[n]?.cumulative ?? 0n)).to.equal(true);
            end = prefix + cumulative;
          }
          expect(end).to.equal(totalOf(leaves));
          const sum = rewards.reduce((total, [, amount]) => total + amount, 0n);
          expect(end).to.equal(totalOf(before) + sum);
        }
      }),
      { numRuns: 30 },
    );
  });
});
