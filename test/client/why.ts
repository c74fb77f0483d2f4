import {
  billOf,
  type Contradiction,
  type Explanation,
  explainRows,
} from "@link-rewards/client/why";
import type { Address } from "@link-rewards/core/encoding/bytes";
import type { InvoiceLine } from "@link-rewards/core/epoch/records";
import { MAX_AMOUNT } from "@link-rewards/core/epoch/value";
import { expect } from "chai";

const address = (digit: string) => `0x${digit.repeat(40)}` as Address;
const [ACCOUNT, DEVICE, OTHER_DEVICE] = [address("a"), address("d"), address("e")];
const [FULL, HALF] = [address("1"), address("2")];

/** A wei for each byte, and a tenth of what counts for the members. */
const TARIFF = {
  ...{ egressPrice: 10n ** 12n, storagePrice: 0n, computePrice: 0n },
  feeBps: 1_000,
};
const PAID = [
  { customer: FULL, amount: 1_000n },
  // Of 7 and 100: the smaller bill in full, and 53 of the larger.
  { customer: HALF, amount: 60n },
];
const TERMS = { tariff: TARIFF, paid: PAID };

const rowOf = (index: number, customer: Address, egressBytes: bigint, earned: bigint) => ({
  receipt: {
    ...{ device: DEVICE, customer, epoch: 3, sequence: 1, egressBytes },
    ...{ storageByteSeconds: 0n, computeMilliseconds: 0n },
  },
  ...{ customerSignature: new Uint8Array(64), deviceSignature: new Uint8Array(64) },
  ...{ account: ACCOUNT, earned, subtotal: 0n, index },
});
const lineOf = (
  customer: Address,
  device: Address,
  contribution: number,
  value: bigint,
  ceiling: bigint,
): InvoiceLine => ({ customer, device, contribution, value, ceiling, subtotal: 0n, above: 0 });

const ROWS = [rowOf(4, FULL, 21n, 18n), rowOf(5, HALF, 100n, 47n)];
const FULL_LINES = [lineOf(FULL, DEVICE, 4, 21n, MAX_AMOUNT)];
const HALF_LINES = [lineOf(HALF, DEVICE, 5, 100n, 53n), lineOf(HALF, OTHER_DEVICE, 9, 7n, 53n)];
const bills = (
  full: readonly InvoiceLine[] = FULL_LINES,
  half: readonly InvoiceLine[] = HALF_LINES,
) =>
  new Map([
    [FULL, billOf(full)],
    [HALF, billOf(half)],
  ]);

function explained(outcome: Explanation | Contradiction): Explanation {
  if ("contradiction" in outcome) throw new Error(outcome.contradiction);
  return outcome;
}

describe("why an account earned what it did", () => {
  it("goes from what was served to its value, to what was paid of it, to the fee and what is left", () => {
    const { devices, earned } = explained(explainRows(ROWS, bills(), TERMS));
    const [device] = devices;
    expect(
      device?.lines.map(({ customer, value, counted, fee, earned }) => ({
        customer,
        steps: [value, counted, fee, earned],
      })),
    ).to.deep.equal([
      { customer: FULL, steps: [21n, 21n, 3n, 18n] },
      { customer: HALF, steps: [100n, 53n, 6n, 47n] },
    ]);
    expect(earned).to.equal(65n);
  });

  it("adds up: each device to its lines, all of them to what the account earned", () => {
    const other = { ...rowOf(9, HALF, 7n, 6n), index: 9 };
    const rows = [...ROWS, { ...other, receipt: { ...other.receipt, device: OTHER_DEVICE } }];
    const { devices, earned } = explained(explainRows(rows, bills(), TERMS));
    expect(
      devices.map(({ device, value, counted, fee, earned }) => [
        ...[device, value, counted, fee, earned],
      ]),
    ).to.deep.equal([
      [DEVICE, 121n, 74n, 9n, 65n],
      [OTHER_DEVICE, 7n, 7n, 1n, 6n],
    ]);
    expect(earned).to.equal(71n);
  });

  it("says which customer owed what to all devices, and what it paid", () => {
    const { customers } = explained(explainRows(ROWS, bills(), TERMS));
    expect(customers).to.deep.equal([
      { customer: FULL, owed: 21n, paid: 1_000n, ceiling: MAX_AMOUNT, counted: 21n },
      { customer: HALF, owed: 107n, paid: 60n, ceiling: 53n, counted: 60n },
    ]);
  });

  it("does not say what a customer owed when only some of its lines are known", () => {
    const known = new Map([...bills(), [HALF, billOf(HALF_LINES.slice(0, 1), false)] as const]);
    const { customers, earned } = explained(explainRows(ROWS, known, TERMS));
    expect(customers[1]).to.deep.equal({
      customer: HALF,
      owed: undefined,
      paid: 60n,
      ceiling: 53n,
      counted: undefined,
    });
    expect(earned).to.equal(65n);
  });

  it("is nothing for an account without contributions", () => {
    expect(explainRows([], new Map(), TERMS)).to.deep.equal({
      devices: [],
      customers: [],
      earned: 0n,
    });
  });

  for (const [what, outcome, words] of [
    ["a contribution without a line", explainRows(ROWS, bills([]), TERMS), "no invoice line"],
    [
      "a line of another contribution",
      explainRows(ROWS, bills([lineOf(FULL, DEVICE, 3, 21n, MAX_AMOUNT)]), TERMS),
      "no invoice line",
    ],
    [
      "a value that the tariff does not give",
      explainRows(ROWS, bills([lineOf(FULL, DEVICE, 4, 22n, MAX_AMOUNT)]), TERMS),
      "another value",
    ],
    [
      "a row that earned a wei more",
      explainRows([rowOf(4, FULL, 21n, 19n), ...ROWS.slice(1)], bills(), TERMS),
      "earned something else",
    ],
    [
      "a ceiling that the payment does not give",
      explainRows(ROWS, bills(), { ...TERMS, paid: PAID.slice(0, 1) }),
      "another ceiling",
    ],
  ] as const) {
    it(`names ${what}`, () => {
      expect(outcome).to.have.property("contradiction").that.includes(words);
    });
  }
});
