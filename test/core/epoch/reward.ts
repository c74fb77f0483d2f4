import { decodeRewards, encodeRewards, type RewardLeaf } from "@link-rewards/core/epoch/records";
import {
  accumulate,
  potOf,
  REASONS,
  rewardDevices,
  sumByAccount,
  totalOf,
} from "@link-rewards/core/epoch/reward";
import { expect } from "chai";
import fc from "fast-check";
import { address } from "../../worlds/paper.ts";

const alice = address("alice");
const bob = address("bob");

type Counted = { readonly counted: bigint; readonly value: bigint; readonly scaled: boolean };

function valued(device: string, fields: Partial<Counted> = {}) {
  const counted = fields.counted ?? 10n;
  return { device: address(device), scaled: false, value: counted, ...fields, counted };
}

/** One object for each device, in the order in which they first appear. */
function rewardsOf(items: readonly ReturnType<typeof valued>[], pot: bigint) {
  const devices = [...new Set(items.map(({ device }) => device))];
  const { counted, rewards, reasons } = rewardDevices(
    { devices, deviceOf: items.map(({ device }) => devices.indexOf(device)) },
    {
      values: items.map(({ value }) => value),
      counted: items.map((item) => item.counted),
      scaled: Uint8Array.from(items, ({ scaled }) => (scaled ? 1 : 0)),
    },
    pot,
  );
  return devices.map((_, i) => ({
    counted: counted[i],
    reward: rewards[i] as bigint,
    reason: reasons[i],
  }));
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
    const rewards = rewardsOf(
      [
        valued("device-1", { counted: 1n }),
        valued("device-1", { counted: 1n }),
        valued("device-2", { counted: 1n }),
      ],
      100n,
    );
    expect(rewards.map(({ reward, counted }) => [reward, counted])).to.deep.equal([
      [66n, 2n],
      [33n, 1n],
    ]);
  });

  it("is nothing when nothing counts", () => {
    expect(rewardsOf([valued("device-1", { counted: 0n })], 0n)[0]?.reward).to.equal(0n);
  });

  it("says why: unpaid in part, scaled, both, or neither", () => {
    const reasonOf = (...items: Partial<Counted>[]) =>
      rewardsOf(
        items.map((fields) => valued("device-1", fields)),
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
        const rewards = rewardsOf(
          items.map(([n, counted]) => valued(`device-${n}`, { counted })),
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
  const leaf = (account: typeof alice, cumulative: bigint, prefix: bigint): RewardLeaf => ({
    account,
    cumulative,
    prefix,
  });

  it("adds what an account's devices earned to what it had and lets newcomers start at zero", () => {
    const earned = sumByAccount([0, 0], { rewards: [5n, 1n] });
    const rewards = accumulate([alice, bob], encodeRewards([leaf(alice, 10n, 0n)]), earned);
    expect(decodeRewards(rewards)).to.deep.equal([leaf(alice, 16n, 0n), leaf(bob, 0n, 16n)]);
    expect(totalOf(rewards)).to.equal(16n);
    expect(totalOf(new Uint8Array())).to.equal(0n);
  });

  it("throws when history would be re-indexed or shrink", () => {
    const previous = encodeRewards([leaf(alice, 1n, 0n)]);
    expect(() => accumulate([bob], previous, new Map())).to.throw("leaf 0 was of");
    expect(() => accumulate([], previous, new Map())).to.throw("1 accounts had leaves");
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
        let rewards: Uint8Array = new Uint8Array();
        for (const [i, earnings] of history.entries()) {
          const accounts = Array.from({ length: 10 + i }, (_, n) => address(`account-${n}`));
          const before = rewards;
          const earned = sumByAccount(
            earnings.map(([index]) => index),
            { rewards: earnings.map(([, amount]) => amount) },
          );
          rewards = accumulate(accounts, before, earned);
          let end = 0n;
          for (const [n, { prefix, cumulative }] of decodeRewards(rewards).entries()) {
            expect(prefix).to.equal(end);
            expect(cumulative >= (decodeRewards(before)[n]?.cumulative ?? 0n)).to.equal(true);
            end = prefix + cumulative;
          }
          expect(end).to.equal(totalOf(rewards));
          const sum = earnings.reduce((total, [, amount]) => total + amount, 0n);
          expect(end).to.equal(totalOf(before) + sum);
        }
      }),
      { numRuns: 30 },
    );
  });
});
