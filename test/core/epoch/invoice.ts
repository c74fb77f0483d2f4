import { packContributions } from "@link-rewards/core/epoch/contributions";
import { invoice } from "@link-rewards/core/epoch/invoice";
import { decodeContributions, decodeInvoices } from "@link-rewards/core/epoch/records";
import { MAX_AMOUNT } from "@link-rewards/core/epoch/value";
import { expect } from "chai";
import { address, lawOf, receiptOf, signReceipt, verified } from "../../worlds/paper.ts";

const law = lawOf();
const serve = (device: string, customer: string) =>
  verified(signReceipt(receiptOf({ device: address(device), customer: address(customer) })), law);
const contributions = packContributions(law, 1, [
  serve("device-1", "customer-1"),
  serve("device-2", "customer-1"),
  serve("device-3", "customer-1"),
  serve("device-2", "customer-2"),
]);
const rows = decodeContributions(contributions.records);
const values = rows.map(({ receipt }) =>
  receipt.customer === address("customer-2")
    ? 7n
    : receipt.device === address("device-1")
      ? 2n
      : 9n,
);

const linesFor = (paid: bigint, other = 7n) => {
  const { records, counted } = invoice(contributions, values, (customer) =>
    customer === address("customer-1") ? paid : other,
  );
  const lines = decodeInvoices(records);
  return { lines, counted, first: lines.filter((line) => line.customer === address("customer-1")) };
};

describe("invoice", () => {
  it("has one line for each contribution, by customer and device, that names its row", () => {
    const { lines } = linesFor(20n);
    const places = lines.map(({ customer, device }) => `${customer}${device}`);
    expect(places).to.deep.equal(places.toSorted());
    expect(new Set(lines.map(({ contribution }) => contribution)).size).to.equal(rows.length);
    for (const { contribution, customer, device, value } of lines) {
      const { receipt } = rows[contribution] as (typeof rows)[number];
      expect([receipt.customer, receipt.device]).to.deep.equal([customer, device]);
      expect(value).to.equal(values[contribution]);
    }
  });

  it("counts everything of a customer that paid all, and runs its sum over its own lines", () => {
    const { first, lines, counted } = linesFor(20n);
    expect(first.map(({ ceiling, above }) => [ceiling, above])).to.deep.equal(
      first.map(() => [MAX_AMOUNT, 0]),
    );
    expect(first.at(-1)?.subtotal).to.equal(20n);
    expect(lines.find((line) => line.customer === address("customer-2"))?.subtotal).to.equal(7n);
    expect(counted).to.deep.equal(values);
  });

  it("counts up to the ceiling of a customer that paid less, and takes nothing from others", () => {
    const { first, counted, lines } = linesFor(11n);
    expect(first.map(({ ceiling }) => ceiling)).to.deep.equal([4n, 4n, 4n]);
    expect(first.at(-1)).to.deep.include({ subtotal: 10n, above: 2 });
    expect(lines.find((line) => line.customer === address("customer-2"))).to.deep.include({
      ceiling: MAX_AMOUNT,
      subtotal: 7n,
      above: 0,
    });
    expect(counted.map(String).toSorted()).to.deep.equal(["2", "4", "4", "7"]);
  });

  it("counts nothing of a customer that paid nothing", () => {
    const { first } = linesFor(0n);
    expect(first.map(({ ceiling, subtotal }) => [ceiling, subtotal])).to.deep.equal(
      first.map(() => [0n, 0n]),
    );
    expect(first.at(-1)?.above).to.equal(3);
  });

  it("is empty without contributions", () => {
    expect(invoice(packContributions(law, 1, []), [], () => 5n)).to.deep.equal({
      records: new Uint8Array(),
      counted: [],
    });
  });
});
