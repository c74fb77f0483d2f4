import { emission } from "@link-rewards/core/epoch/emission";
import { expect } from "chai";
import fc from "fast-check";

const DAY = 86_400;
const SHARE = 600_000_000n * 10n ** 18n;

describe("emission", () => {
  it("issues half of the share in the first year, in equal parts, and half of the rest in each year after", () => {
    expect(emission(1, SHARE, DAY)).to.equal(SHARE / 2n / 365n);
    expect(emission(365, SHARE, DAY)).to.equal(SHARE / 2n / 365n);
    expect(emission(366, SHARE, DAY)).to.equal(SHARE / 4n / 365n);
    expect(emission(731, SHARE, DAY)).to.equal(SHARE / 8n / 365n);
  });

  it("floors twice: the year's part, then the epoch's", () => {
    expect(emission(1, 7n, 365 * DAY)).to.equal(3n);
    expect(emission(2, 7n, 365 * DAY)).to.equal(1n);
    expect(emission(1, 2n * 364n, DAY)).to.equal(0n);
    expect(emission(1, 2n * 365n, DAY)).to.equal(1n);
  });

  it("counts whole epochs of a year", () => {
    const week = 7 * DAY;
    expect(emission(52, SHARE, week)).to.equal(SHARE / 2n / 52n);
    expect(emission(53, SHARE, week)).to.equal(SHARE / 4n / 52n);
  });

  it("is nothing before the first epoch and from the 129th year on", () => {
    expect(emission(0, SHARE, DAY)).to.equal(0n);
    expect(emission(127 * 365 + 365, 2n ** 200n, DAY)).to.equal(2n ** 72n / 365n);
    expect(emission(128 * 365 + 1, 2n ** 200n, DAY)).to.equal(0n);
  });

  it("never issues more than the share, however long", () => {
    const shares = fc.bigInt({ min: 0n, max: 2n ** 96n - 1n });
    fc.assert(
      fc.property(shares, fc.integer({ min: 60, max: 365 * DAY }), (share, epochSeconds) => {
        const perYear = Math.floor((365 * DAY) / epochSeconds);
        let sum = 0n;
        for (let year = 0; year < 130; year++) {
          sum += BigInt(perYear) * emission(year * perYear + 1, share, epochSeconds);
        }
        expect(sum <= share).to.equal(true);
      }),
    );
  });
});
