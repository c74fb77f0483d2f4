import {
  ceilingOf,
  countedOf,
  earnedOf,
  feeOf,
  MAX_AMOUNT,
  sumOf,
  valueAtTariff,
} from "@link-rewards/core/epoch/value";
import { expect } from "chai";
import fc from "fast-check";
import { tariff } from "../../worlds/paper.ts";

const none = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };
const amount = fc.bigInt({ min: 0n, max: MAX_AMOUNT });
/** Small ones meet in ties. */
const amounts = fc.array(fc.oneof(fc.bigInt({ min: 0n, max: 4n }), amount), {
  minLength: 1,
  maxLength: 12,
});
const coveredBy = (values: readonly bigint[], ceiling: bigint) =>
  sumOf(values.map((value) => countedOf(value, ceiling)));

describe("value", () => {
  const prices = { egressPrice: 1n, storagePrice: 2n, computePrice: 3n, feeBps: 0 };

  it("adds the three resources at their prices and floors once", () => {
    const delivered = (egressBytes: bigint) => ({
      egressBytes,
      storageByteSeconds: 2n * 10n ** 11n,
      computeMilliseconds: 10n ** 11n,
    });
    expect(valueAtTariff(delivered(3n * 10n ** 11n), prices)).to.equal(1n);
    expect(valueAtTariff(delivered(3n * 10n ** 11n - 1n), prices)).to.equal(0n);
    expect(valueAtTariff(none, tariff)).to.equal(0n);
  });

  it("is never more than 96 bits hold", () => {
    expect(MAX_AMOUNT).to.equal(2n ** 96n - 1n);
    const at = (egressPrice: bigint) =>
      valueAtTariff({ ...none, egressBytes: 10n ** 12n }, { ...prices, egressPrice });
    const most = { egressBytes: 2n ** 64n - 1n, storageByteSeconds: MAX_AMOUNT };
    expect(at(MAX_AMOUNT - 1n)).to.equal(MAX_AMOUNT - 1n);
    expect(at(MAX_AMOUNT)).to.equal(MAX_AMOUNT);
    const dear = { ...prices, storagePrice: MAX_AMOUNT };
    expect(valueAtTariff({ ...none, ...most }, dear)).to.equal(MAX_AMOUNT);
  });
});

describe("ceiling", () => {
  it("is none when all is paid, to the wei", () => {
    expect(ceilingOf([3n, 4n], 7n)).to.equal(MAX_AMOUNT);
    expect(ceilingOf([3n, 4n], 8n)).to.equal(MAX_AMOUNT);
    expect(ceilingOf([3n, 4n], 6n)).to.equal(3n);
    expect(ceilingOf([], 0n)).to.equal(MAX_AMOUNT);
    expect(ceilingOf([0n, 0n], 0n)).to.equal(MAX_AMOUNT);
  });

  it("pays the smallest bills in full and shares the rest", () => {
    expect(ceilingOf([100n, 1n, 2n, 50n], 43n)).to.equal(20n);
    expect(ceilingOf([100n, 1n, 2n, 50n], 44n)).to.equal(20n);
    expect(ceilingOf([100n, 1n, 2n, 50n], 152n)).to.equal(99n);
  });

  it("is the same for equal values, and nothing when nothing was paid", () => {
    expect(ceilingOf([5n, 5n, 5n], 14n)).to.equal(4n);
    expect(ceilingOf([5n, 5n, 5n], 2n)).to.equal(0n);
    expect(ceilingOf([0n, 5n], 0n)).to.equal(0n);
  });

  it("holds for the largest values that there are", () => {
    expect(ceilingOf([MAX_AMOUNT], MAX_AMOUNT)).to.equal(MAX_AMOUNT);
    expect(ceilingOf([MAX_AMOUNT], MAX_AMOUNT - 1n)).to.equal(MAX_AMOUNT - 1n);
    expect(ceilingOf([MAX_AMOUNT, MAX_AMOUNT], MAX_AMOUNT)).to.equal(MAX_AMOUNT / 2n);
  });

  it("is the greatest that the payment covers", () => {
    const cases = amounts.chain((values) => {
      const sum = sumOf(values);
      const near = fc.constantFrom(0n, sum - 1n, sum, sum + 1n);
      const paid = fc.oneof(near, fc.bigInt({ min: 0n, max: sum }), amount);
      return fc.record({ values: fc.constant(values), paid: paid.map((p) => (p < 0n ? 0n : p)) });
    });
    fc.assert(
      fc.property(cases, ({ values, paid }) => {
        const ceiling = ceilingOf(values, paid);
        expect(coveredBy(values, ceiling) <= paid).to.equal(true);
        if (ceiling !== MAX_AMOUNT) expect(coveredBy(values, ceiling + 1n) > paid).to.equal(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it("leaves every line at least its share of the payment, whatever its customer signs to others", () => {
    fc.assert(
      fc.property(amounts, amount, (values, paid) => {
        const ceiling = ceilingOf(values, paid);
        const share = paid / BigInt(values.length);
        for (const value of values) {
          const least = value < share ? value : share;
          expect(countedOf(value, ceiling) >= least).to.equal(true);
        }
      }),
    );
  });
});

describe("earned and fee", () => {
  it("are what counted, cut in two and floored", () => {
    expect([earnedOf(1_000n, 1_000), feeOf(900n, 1_000)]).to.deep.equal([900n, 100n]);
    expect([earnedOf(1n, 1), earnedOf(19n, 5_000), feeOf(9n, 5_000)]).to.deep.equal([0n, 9n, 9n]);
    expect([earnedOf(7n, 0), feeOf(7n, 0)]).to.deep.equal([7n, 0n]);
  });

  it("together are never more than what counted, and at most two wei a row less", () => {
    fc.assert(
      fc.property(amounts, fc.nat(5_000), (counted, feeBps) => {
        const delta = sumOf(counted.map((part) => earnedOf(part, feeBps)));
        const lost = sumOf(counted) - delta - feeOf(delta, feeBps);
        expect(lost >= 0n && lost <= 2n * BigInt(counted.length)).to.equal(true);
      }),
    );
  });
});
