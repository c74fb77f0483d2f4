import { compareBytes } from "@link-rewards/core/encoding/bytes";
import {
  compareRank,
  counts,
  isEquivocation,
  mergeReceipts,
  type Ranked,
} from "@link-rewards/core/law/order";
import { expect } from "chai";
import fc from "fast-check";
import { address, receiptOf } from "../../worlds/paper.ts";

type Sketch = { device: number; sequence: number; digest: number; customer: number; own: number };

function ranked({ device, sequence, digest, customer, own }: Sketch): Ranked {
  return {
    receipt: receiptOf({ device: address(`device-${device}`), sequence }),
    digest: Uint8Array.of(digest),
    customerSignature: Uint8Array.of(customer),
    deviceSignature: Uint8Array.of(own),
  };
}

const one: Sketch = { device: 1, sequence: 5, digest: 5, customer: 5, own: 5 };
const beats = (better: Partial<Sketch>, worse: Partial<Sketch>) => {
  const [a, b] = [ranked({ ...one, ...better }), ranked({ ...one, ...worse })];
  expect([counts(a, b), counts(b, a)]).to.deep.equal([a, a]);
};

const sketches = fc.record({
  device: fc.integer({ min: 1, max: 2 }),
  sequence: fc.nat(2),
  digest: fc.nat(2),
  customer: fc.nat(2),
  own: fc.nat(2),
});

describe("the receipt that counts", () => {
  it("is the one with the higher sequence, then the smaller digest, then the smaller signatures", () => {
    beats({ sequence: 6, digest: 9, customer: 9, own: 9 }, {});
    beats({ digest: 4, customer: 9, own: 9 }, {});
    beats({ customer: 4, own: 9 }, {});
    beats({ own: 4 }, {});
  });

  it("is decided by a total order", () => {
    fc.assert(
      fc.property(sketches, sketches, sketches, (x, y, z) => {
        const [a, b, c] = [ranked(x), ranked(y), ranked(z)];
        expect(Math.sign(compareRank(a, b))).to.equal(-Math.sign(compareRank(b, a)) + 0);
        if (compareRank(a, b) <= 0 && compareRank(b, c) <= 0)
          expect(compareRank(a, c)).to.be.at.most(0);
      }),
    );
  });

  it("is the same in any order, any number of times, through any number of stores", () => {
    const streams = fc.array(sketches, { maxLength: 30 }).chain((all) =>
      fc.record({
        all: fc.constant(all),
        shuffled: fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length }),
        cut: fc.nat(2 * all.length),
      }),
    );
    fc.assert(
      fc.property(streams, ({ all, shuffled, cut }) => {
        const stream = shuffled.map(ranked);
        const [left, right] = [
          mergeReceipts(stream.slice(0, cut)),
          mergeReceipts(stream.slice(cut)),
        ];
        expect(byDevice(mergeReceipts([...right, ...left]))).to.deep.equal(
          byDevice(mergeReceipts(all.map(ranked))),
        );
      }),
    );
  });
});

describe("equivocation", () => {
  it("is one sequence of one device and customer with two digests", () => {
    const base = ranked(one);
    const other = (fields: Partial<Sketch>) => isEquivocation(base, ranked({ ...one, ...fields }));
    expect(other({ digest: 6 })).to.equal(true);
    expect(other({ digest: 6, sequence: 6 })).to.equal(false);
    expect(other({ digest: 6, device: 2 })).to.equal(false);
    expect(other({ customer: 6, own: 6 })).to.equal(false);
    const later = ranked({ ...one, digest: 6 });
    expect(isEquivocation(base, { ...later, receipt: { ...later.receipt, epoch: 2 } })).to.equal(
      false,
    );
  });
});

function byDevice(receipts: readonly Ranked[]): readonly Ranked[] {
  return [...receipts].sort(
    (a, b) => (a.receipt.device < b.receipt.device ? -1 : 1) || compareBytes(a.digest, b.digest),
  );
}
