import { decodeRewards, encodeRewards, type RewardLeaf } from "@link-rewards/core/epoch/records";
import { accumulate, sumByAccount, totalOf } from "@link-rewards/core/epoch/reward";
import { expect } from "chai";
import fc from "fast-check";
import { address } from "../../worlds/paper.ts";

const alice = address("alice");
const bob = address("bob");

describe("sumByAccount", () => {
  it("adds what the contributions of each account's devices earned", () => {
    const served = { deviceOf: [0, 0, 1, 2], accountIndexes: [2, 0, 2] };
    expect(sumByAccount(served, [1n, 2n, 4n, 8n], 4)).to.deep.equal([4n, 0n, 11n, 0n]);
  });

  it("throws when an account has no leaf: what it earned would be lost", () => {
    expect(() => sumByAccount({ deviceOf: [0], accountIndexes: [1] }, [1n], 1)).to.throw(
      "nothing at 1 of 1",
    );
  });
});

describe("accumulate", () => {
  const leaf = (account: typeof alice, cumulative: bigint, prefix: bigint): RewardLeaf => ({
    account,
    cumulative,
    prefix,
  });

  it("adds what an account earned to what it had and lets newcomers start at zero", () => {
    const rewards = accumulate([alice, bob], encodeRewards([leaf(alice, 10n, 0n)]), [6n, 0n]);
    expect(decodeRewards(rewards)).to.deep.equal([leaf(alice, 16n, 0n), leaf(bob, 0n, 16n)]);
    expect(totalOf(rewards)).to.equal(16n);
    expect(totalOf(new Uint8Array())).to.equal(0n);
  });

  it("throws when history would be re-indexed or shrink", () => {
    const previous = encodeRewards([leaf(alice, 1n, 0n)]);
    expect(() => accumulate([bob], previous, [0n])).to.throw("leaf 0 was of");
    expect(() => accumulate([], previous, [])).to.throw("1 accounts had leaves");
  });

  it("gives every leaf its own slice of [0, total), epoch after epoch", () => {
    const earnings = fc.array(fc.bigInt({ min: 0n, max: 10n ** 27n }), {
      minLength: 10,
      maxLength: 10,
    });
    fc.assert(
      fc.property(fc.array(earnings, { maxLength: 5 }), (history) => {
        let rewards: Uint8Array = new Uint8Array();
        for (const [i, earned] of history.entries()) {
          const accounts = Array.from({ length: 10 + i }, (_, n) => address(`account-${n}`));
          const before = rewards;
          rewards = accumulate(accounts, before, [...earned, ...accounts.slice(10).map(() => 0n)]);
          let end = 0n;
          for (const [n, { prefix, cumulative }] of decodeRewards(rewards).entries()) {
            expect(prefix).to.equal(end);
            expect(cumulative >= (decodeRewards(before)[n]?.cumulative ?? 0n)).to.equal(true);
            end = prefix + cumulative;
          }
          expect(end).to.equal(totalOf(rewards));
          const sum = earned.reduce((total, amount) => total + amount, 0n);
          expect(end).to.equal(totalOf(before) + sum);
        }
      }),
      { numRuns: 30 },
    );
  });
});
