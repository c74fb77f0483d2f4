import type { Address } from "@link-rewards/core/encoding/bytes";
import {
  countedOf,
  scale,
  type ValueTerms,
  valueAtTariff,
  valueContributions as valueServed,
} from "@link-rewards/core/epoch/value";
import { RESOURCES, type Receipt } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import fc from "fast-check";
import { address, limit, receiptOf, tariff } from "../../worlds/paper.ts";

type Served = { readonly receipt: Receipt };

const none = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };
const wealthy: ValueTerms = { tariff, limitOf: () => limit, paidBy: () => 10n ** 30n };

function served(device: string, customer: string, amounts: Partial<typeof none> = {}): Served {
  const who = { device: address(device), customer: address(customer) };
  return { receipt: receiptOf({ ...who, ...none, ...amounts }) };
}

/** Receipts in, one object for each out: the arithmetic itself goes over columns. */
function valueContributions(list: readonly Served[], terms: ValueTerms) {
  const receipts = list.map(({ receipt }) => receipt);
  const devices = [...new Set(receipts.map(({ device }) => device))];
  const customers = [...new Set(receipts.map(({ customer }) => customer))];
  const { values, counted, scaled } = valueServed(
    {
      devices,
      customers,
      deviceOf: receipts.map(({ device }) => devices.indexOf(device)),
      customerOf: receipts.map(({ customer }) => customers.indexOf(customer)),
      amountsOf: (i) => receipts[i] as Receipt,
    },
    terms,
  );
  return list.map((contribution, i) => ({
    contribution,
    value: values[i] as bigint,
    counted: counted[i] as bigint,
    scaled: scaled[i] === 1,
  }));
}

describe("value", () => {
  it("adds the three resources at their prices and floors once", () => {
    const prices = { egressPrice: 1n, storagePrice: 2n, computePrice: 3n, rewardCapBps: 0 };
    const amounts = (egressBytes: bigint) => ({
      egressBytes,
      storageByteSeconds: 2n * 10n ** 11n,
      computeMilliseconds: 10n ** 11n,
    });
    expect(valueAtTariff(amounts(3n * 10n ** 11n), prices)).to.equal(1n);
    expect(valueAtTariff(amounts(3n * 10n ** 11n - 1n), prices)).to.equal(0n);
    expect(valueAtTariff(none, tariff)).to.equal(0n);
  });

  it("leaves a device at its class limit alone and scales one that is over, resource by resource", () => {
    const half = limit.egressBytes / 2n;
    const storage = { storageByteSeconds: 1_000n };
    const at = [
      served("device-1", "customer-1", { egressBytes: half, ...storage }),
      served("device-1", "customer-2", { egressBytes: half }),
    ];
    expect(valueContributions(at, wealthy).map(({ scaled }) => scaled)).to.deep.equal([
      false,
      false,
    ]);
    const over = [at[0] as Served, served("device-1", "customer-2", { egressBytes: half + 1n })];
    expect(valueContributions(over, wealthy).map(({ scaled }) => scaled)).to.deep.equal([
      true,
      true,
    ]);
    const sum = { ...none, egressBytes: limit.egressBytes + 1n, storageByteSeconds: 1_000n };
    expect(scale({ ...none, egressBytes: half, ...storage }, sum, limit)).to.deep.equal({
      egressBytes: (half * limit.egressBytes) / (limit.egressBytes + 1n),
      storageByteSeconds: 1_000n,
      computeMilliseconds: 0n,
    });
  });

  it("scales a device over all its customers but not with another device", () => {
    const two = [
      served("device-1", "customer-1", { egressBytes: limit.egressBytes }),
      served("device-2", "customer-1", { egressBytes: limit.egressBytes }),
    ];
    expect(valueContributions(two, wealthy).some(({ scaled }) => scaled)).to.equal(false);
  });
});

describe("counted value", () => {
  it("is the value when the customer has paid all it owes, to the wei", () => {
    expect([countedOf(7n, 10n, 10n), countedOf(7n, 10n, 11n)]).to.deep.equal([7n, 7n]);
  });

  it("is the paid share when the customer has paid less, and nothing when it paid nothing", () => {
    expect([countedOf(7n, 10n, 9n), countedOf(7n, 10n, 5n), countedOf(7n, 10n, 0n)]).to.deep.equal([
      6n,
      3n,
      0n,
    ]);
  });

  it("is nothing for a customer that owes nothing and paid nothing", () => {
    expect(countedOf(0n, 0n, 0n)).to.equal(0n);
  });

  it("takes what one customer owes from no other", () => {
    const gigabyte = { egressBytes: 10n ** 9n };
    const both = [
      served("device-1", "customer-1", gigabyte),
      served("device-1", "customer-2", gigabyte),
    ];
    const paidBy = (customer: Address) => (customer === address("customer-1") ? 10n ** 30n : 0n);
    const counted = valueContributions(both, { ...wealthy, paidBy }).map((item) => item.counted);
    expect(counted).to.deep.equal([10n ** 15n, 0n]);
  });

  const amounts = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const lists = fc.array(
    fc.record({
      device: fc.nat(2),
      customer: fc.nat(2),
      egressBytes: amounts,
      storageByteSeconds: fc.bigInt({ min: 0n, max: 2n ** 96n - 1n }),
      computeMilliseconds: amounts,
    }),
    { maxLength: 12 },
  );

  it("is never over the value, nor in sum over what a customer paid; scaled sums never over a limit", () => {
    fc.assert(
      fc.property(lists, fc.bigInt({ min: 0n, max: 2n ** 90n }), (sketches, paid) => {
        const list = sketches.map(({ device, customer, ...rest }) =>
          served(`device-${device}`, `customer-${customer}`, rest),
        );
        const valued = valueContributions(list, { ...wealthy, paidBy: () => paid });
        const byCustomer = new Map<Address, bigint>();
        for (const { contribution, value, counted } of valued) {
          expect(counted <= value).to.equal(true);
          const { customer } = contribution.receipt;
          byCustomer.set(customer, (byCustomer.get(customer) ?? 0n) + counted);
        }
        for (const sum of byCustomer.values()) expect(sum <= paid).to.equal(true);
        expectWithinLimits(list);
      }),
    );
  });
});

function expectWithinLimits(list: readonly Served[]): void {
  for (const device of new Set(list.map(({ receipt }) => receipt.device))) {
    const own = list
      .filter(({ receipt }) => receipt.device === device)
      .map(({ receipt }) => receipt);
    const sumOf = (items: readonly (typeof none)[], resource: (typeof RESOURCES)[number]) =>
      items.reduce((sum, item) => sum + item[resource], 0n);
    const sum = Object.fromEntries(RESOURCES.map((r) => [r, sumOf(own, r)])) as typeof none;
    const scaled = own.map((receipt) => scale(receipt, sum, limit));
    for (const resource of RESOURCES)
      expect(sumOf(scaled, resource) <= limit[resource]).to.equal(true);
  }
}
