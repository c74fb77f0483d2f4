import { setTimeout as sleep } from "node:timers/promises";
import {
  type Address,
  compareBytes,
  concatBytes,
  type Hex,
  toHex,
  ZERO_HASH,
} from "@link-rewards/core/encoding/bytes";
import { maxOf } from "@link-rewards/core/encoding/fields";
import type { BlockMark } from "@link-rewards/core/law/block";
import type { LawEvent } from "@link-rewards/core/law/events";
import { compareRank, mergeReceipts } from "@link-rewards/core/law/order";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import {
  packSignedReceipt,
  type Receipt,
  receiptKey,
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { unpackSignedVoucher } from "@link-rewards/core/signed/voucher";
import { expect } from "chai";
import fc from "fast-check";
import { EQUIVOCATIONS_KEPT } from "../../../oracle/store/head.ts";
import type { PutOutcome, Store } from "../../../oracle/store/store.ts";
import { crowdOf } from "../../worlds/paper.ts";
import { oneOfEach } from "./one-of-each.ts";
import { type Acknowledged, startWriter, WRITER_SIZE, type WriterOptions } from "./writer.ts";

export type StoreEngine = {
  readonly name: string;
  /** A fresh place for one store. */
  place(): Promise<StorePlace>;
};

export type StorePlace = {
  /** May be open several times at once. */
  open(options?: { readonly lockWaitMs?: number }): Promise<Store>;
  /** How another process opens it. */
  readonly elsewhere: WriterOptions["elsewhere"];
  /** From now on every COMMIT of a change fails, until what it gives back is called. */
  failCommits(): Promise<() => Promise<void>>;
  /** From now on another client keeps every write waiting, until what it gives back is called. */
  holdLock(): Promise<() => Promise<void>>;
  remove(): Promise<void>;
};

const crowd = crowdOf();
const [device, otherDevice] = crowd.devices as [Hex, Hex];
const [customer, otherCustomer] = crowd.customers as [Hex, Hex];

/** What every engine must do: its own test file calls this, and adds what only it can do. */
export function storeSuite(engine: StoreEngine): void {
  describe(`${engine.name}: a store`, () => {
    let place: StorePlace;
    let store: Store;
    let opened: Store[];

    const open = async (options?: { lockWaitMs?: number }) => {
      const another = await place.open(options);
      opened.push(another);
      return another;
    };

    beforeEach(async () => {
      place = await engine.place();
      opened = [];
      store = await open();
    });

    afterEach(async () => {
      for (const one of opened) await one.close();
      await place.remove();
    });

    const put = async (receipt: VerifiedReceipt): Promise<PutOutcome> => {
      const [outcome] = await store.putReceipts([receipt]);
      return outcome as PutOutcome;
    };
    const head = (of: Partial<Receipt> = {}) => {
      const receipt = crowd.receipt(of);
      return store.head(receipt.epoch, receipt.device, receipt.customer);
    };

    describe("putReceipts", () => {
      it("accepts the first receipt and gives it back as it was signed", async () => {
        const receipt = crowd.verified();
        expect(await put(receipt)).to.deep.equal({
          status: "accepted",
          digest: receipt.digest,
          totalFell: false,
          equivocation: false,
        });
        expect(await head()).to.deep.equal(signedOf(receipt));
      });

      it("keeps the smallest and the largest amounts to the last bit", async () => {
        const least = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };
        const most = {
          sequence: Number(maxOf("uint32")),
          epoch: Number(maxOf("uint32")),
          egressBytes: maxOf("uint64"),
          storageByteSeconds: maxOf("uint96"),
          computeMilliseconds: maxOf("uint64"),
        };
        for (const amounts of [least, most]) {
          await put(crowd.verified(amounts));
          expect((await head(amounts))?.receipt).to.deep.equal(crowd.receipt(amounts));
        }
      });

      it("knows a receipt it is sent again", async () => {
        await put(crowd.verified());
        expect(await put(crowd.verified())).to.deep.equal({
          status: "known",
          digest: crowd.verified().digest,
          totalFell: false,
          equivocation: false,
        });
      });

      it("keeps the smaller of two spellings of one receipt, whichever came first", async () => {
        const [smaller, larger] = [crowd.verified(), crowd.verified({}, 1)].sort(compareRank);
        await put(larger as VerifiedReceipt);
        const again = await put(smaller as VerifiedReceipt);
        expect(again).to.deep.include({ status: "known" });
        expect(await head()).to.deep.equal(signedOf(smaller as VerifiedReceipt));
        const third = await put(larger as VerifiedReceipt);
        expect(third).to.deep.include({ status: "known" });
        expect(await head()).to.deep.equal(signedOf(smaller as VerifiedReceipt));
        expect(await store.equivocations(1)).to.deep.equal([]);
      });

      it("replaces the head by a higher sequence", async () => {
        await put(crowd.verified({ sequence: 1 }));
        const higher = crowd.verified({ sequence: 2 });
        expect(await put(higher)).to.deep.include({
          status: "accepted",
          totalFell: false,
        });
        expect(await head()).to.deep.equal(signedOf(higher));
      });

      for (const resource of [
        "egressBytes",
        "storageByteSeconds",
        "computeMilliseconds",
      ] as const) {
        it(`accepts a receipt whose ${resource} fell, with a warning`, async () => {
          await put(crowd.verified({ sequence: 1 }));
          const fallen = crowd.verified({ sequence: 2, [resource]: 1n });
          expect(await put(fallen)).to.deep.include({ status: "accepted", totalFell: true });
          expect(await head()).to.deep.equal(signedOf(fallen));
        });
      }

      it("answers a lower sequence with the head, which stays", async () => {
        const higher = crowd.verified({ sequence: 2 });
        await put(higher);
        const outcome = await put(crowd.verified({ sequence: 1 }));
        expect(outcome).to.deep.include({ status: "stale", equivocation: false });
        expect(outcome).to.have.property("head").that.deep.includes(signedOf(higher));
        expect(await head()).to.deep.equal(signedOf(higher));
      });

      it("keeps devices, customers and epochs apart", async () => {
        const receipts = [
          {},
          { device: otherDevice },
          { customer: otherCustomer },
          { device: otherDevice, customer: otherCustomer },
          { epoch: 2 },
        ].map((fields) => crowd.verified(fields));
        const outcomes = await store.putReceipts(receipts);
        expect(outcomes.map(({ status }) => status)).to.deep.equal(Array(5).fill("accepted"));
        for (const receipt of receipts) {
          expect(await head(receipt.receipt)).to.deep.equal(signedOf(receipt));
        }
        expect(await head({ epoch: 3 })).to.equal(undefined);
      });

      it("lets the later of two in one call see the earlier, and answers in their order", async () => {
        const receipts = [2, 1, 2, 3].map((sequence) => crowd.verified({ sequence }));
        const outcomes = await store.putReceipts(receipts);
        expect(outcomes.map(({ status }) => status)).to.deep.equal([
          "accepted",
          "stale",
          "known",
          "accepted",
        ]);
      });

      it("takes an empty list", async () => {
        expect(await store.putReceipts([])).to.deep.equal([]);
      });

      it("takes more in one call than it puts into a shared commit", async () => {
        const receipt = crowd.verified();
        const outcomes = await store.putReceipts(Array(5_000).fill(receipt));
        expect(outcomes.filter(({ status }) => status === "known")).to.have.length(4_999);
      });

      it("has it all when it is opened again", async () => {
        await put(crowd.verified());
        await store.close();
        store = await open();
        expect(await head()).to.deep.equal(signedOf(crowd.verified()));
        expect(await put(crowd.verified())).to.deep.include({ status: "known" });
      });
    });

    describe("equivocations", () => {
      const drafts = [1n, 2n, 3n].map((egressBytes) => crowd.verified({ egressBytes }));
      const [best, middle, worst] = drafts.sort(compareRank) as [
        VerifiedReceipt,
        VerifiedReceipt,
        VerifiedReceipt,
      ];

      it("are kept when the one that came later counts", async () => {
        await put(worst);
        expect(await put(best)).to.deep.include({ status: "accepted", equivocation: true });
        expect(await head()).to.deep.equal(signedOf(best));
        expect(await store.equivocations(1)).to.deep.equal([
          { counting: signedOf(best), other: signedOf(worst) },
        ]);
      });

      it("are kept when the one that came first counts", async () => {
        await put(best);
        const outcome = await put(worst);
        expect(outcome).to.deep.include({ status: "stale", equivocation: true });
        expect(outcome).to.have.property("head").that.deep.includes(signedOf(best));
        expect(await head()).to.deep.equal(signedOf(best));
        expect(await store.equivocations(1)).to.deep.equal([
          { counting: signedOf(best), other: signedOf(worst) },
        ]);
      });

      it("are kept once for each that does not count, however often it comes", async () => {
        for (const receipt of [middle, worst, best, middle, worst, best]) await put(receipt);
        const kept = await store.equivocations(1);
        expect(kept.map(({ other }) => other)).to.have.deep.members([middle, worst].map(signedOf));
      });

      it("do not grow without bound", async () => {
        const many = Array.from({ length: EQUIVOCATIONS_KEPT + 5 }, (_, i) =>
          crowd.verified({ egressBytes: BigInt(i) }),
        );
        await store.putReceipts(many);
        expect(await store.equivocations(1)).to.have.length(EQUIVOCATIONS_KEPT);
        expect(await receiptsIn(store, 1)).to.deep.equal([
          signedOf([...many].sort(compareRank)[0] as VerifiedReceipt),
        ]);
      });

      it("are of their epoch, by device and customer", async () => {
        const parties = crowd.devices.flatMap((device) =>
          crowd.customers.map((customer) => ({ device, customer })),
        );
        for (const party of [...parties, { epoch: 2 }]) {
          await put(crowd.verified({ ...party, egressBytes: 1n }));
          await put(crowd.verified({ ...party, egressBytes: 2n }));
        }
        const kept = (await store.equivocations(1)).map(({ other }) => receiptKey(other.receipt));
        expect(kept).to.deep.equal(parties.map(receiptKey).sort());
      });
    });

    describe("receipts", () => {
      it("are those of their epoch", async () => {
        const receipts = crowd.devices.flatMap((device) =>
          crowd.customers.map((customer) => crowd.verified({ device, customer })),
        );
        await store.putReceipts([...receipts, crowd.verified({ epoch: 2 })]);
        expect(await receiptsIn(store, 1)).to.deep.equal(receipts.map(signedOf).sort(byKey));
        expect(await receiptsIn(store, 3)).to.deep.equal([]);
      });

      it("come whole when there are more than are read at a time", async () => {
        const large = crowdOf({ devices: 3, customers: 340 });
        const receipts = large.devices.flatMap((device) =>
          large.customers.map((customer) => large.verified({ device, customer })),
        );
        await store.putReceipts(receipts);
        const expected = receipts.map(signedOf).sort(byKey);
        expect(await receiptsIn(store, 1)).to.deep.equal(expected);
      });

      it("are packed to the last bit, and nothing when there are none", async () => {
        const most = {
          epoch: Number(maxOf("uint32")),
          sequence: Number(maxOf("uint32")),
          egressBytes: maxOf("uint64"),
          storageByteSeconds: maxOf("uint96"),
          computeMilliseconds: maxOf("uint64"),
        };
        const receipt = crowd.verified(most);
        await put(receipt);
        const packed = async (epoch: number) =>
          toHex(concatBytes(...(await Array.fromAsync(store.packedReceipts(epoch)))));
        expect(await packed(most.epoch)).to.equal(bytesOf([receipt]));
        expect(await packed(1)).to.equal("0x");
      });

      it("hold up nobody while a slow reader goes through them", async () => {
        await store.putReceipts([crowd.verified(), crowd.verified({ device: otherDevice })]);
        for await (const page of store.packedReceipts(1)) {
          expect(page).to.have.length(2 * SIGNED_RECEIPT_BYTES);
          await put(crowd.verified({ epoch: 2, sequence: 7 }));
        }
        expect((await head({ epoch: 2 }))?.receipt.sequence).to.equal(7);
      });

      const seed = Date.now() & 0x7fffffff;
      it(`are the same bytes, whatever order, repeats and stores they went through (seed ${seed})`, async () => {
        const merges = fc.asyncProperty(
          fc.array(deliveries, { minLength: 1, maxLength: 40 }),
          (delivered) => mergesToOneResult(delivered, engine),
        );
        await fc.assert(merges, { seed, numRuns: 25 });
      });
    });

    describe("a commit that fails", () => {
      it("refuses every waiter, and nothing is stored", async () => {
        const receipts = [1, 2, 3, 4].map((epoch) => crowd.verified({ epoch }));
        const mend = await place.failCommits();
        const waiters = receipts.map((receipt) => put(receipt));
        const outcomes = await Promise.allSettled(waiters);
        await mend();
        expect(outcomes.map(({ status }) => status)).to.deep.equal(Array(4).fill("rejected"));
        for (const { receipt } of receipts) expect(await head(receipt)).to.equal(undefined);
        for (const epoch of [1, 2, 3, 4]) {
          expect(await receiptsIn(store, epoch)).to.deep.equal([]);
        }
      });

      it("leaves the store able to take the same again, with parties never seen before", async () => {
        const mend = await place.failCommits();
        await refusal(put(crowd.verified()));
        await mend();
        await put(crowd.verified({ device: otherDevice, customer: otherCustomer }));
        expect(await put(crowd.verified())).to.deep.include({ status: "accepted" });
        const stored = await receiptsIn(store, 1);
        expect(stored.map(({ receipt }) => receiptKey(receipt))).to.deep.equal(
          [
            { device, customer },
            { device: otherDevice, customer: otherCustomer },
          ]
            .map(receiptKey)
            .sort(),
        );
      });

      it("refuses every other write too, says why, and nothing is stored", async () => {
        const mend = await place.failCommits();
        const writes = [
          store.putVoucher(crowd.verifiedVoucher()),
          store.appendEvents(undefined, crowd.events, mark(50)),
          store.advance(1, undefined, "open"),
          store.acquireLease("close", "a", 60),
          store.recordReport(1, 0, digest(1)),
          store.saveTransaction(transaction(1)),
        ];
        for (const error of await Promise.all(writes.map(refusal))) {
          expect(error.message).to.match(/kept nothing/);
          expect(error.cause).to.be.an("error");
        }
        await mend();
        expect(await Array.fromAsync(store.vouchers())).to.deep.equal([]);
        expect(await store.cursor()).to.equal(undefined);
        expect(await Array.fromAsync(store.events(0))).to.deep.equal([]);
        expect(await store.epochs()).to.deep.equal([]);
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([]);
        expect(await store.acquireLease("close", "b", 60)).to.equal(true);
        expect(await store.recordReport(1, 0, digest(2))).to.equal("recorded");
      });
    });

    describe("another client's lock", () => {
      it("that lasts too long refuses every waiter, and nothing is stored", async () => {
        const impatient = await open({ lockWaitMs: 100 });
        const release = await place.holdLock();
        const outcomes = await Promise.allSettled([
          impatient.putReceipts([crowd.verified()]),
          impatient.putReceipts([crowd.verified({ epoch: 2 })]),
          impatient.advance(1, undefined, "open"),
        ]);
        await release();
        expect(outcomes.map(({ status }) => status)).to.deep.equal(Array(3).fill("rejected"));
        expect(await head()).to.equal(undefined);
        expect(await store.epochs()).to.deep.equal([]);
        expect(await impatient.putReceipts([crowd.verified()])).to.have.length(1);
      });

      it("is waited for, while reading and everything else go on", async () => {
        await put(crowd.verified());
        const release = await place.holdLock();
        let settled = false;
        const writing = put(crowd.verified({ sequence: 2 })).finally(() => {
          settled = true;
        });
        let ticks = 0;
        for (; ticks < 20; ticks++) await sleep(10);
        expect((await head())?.receipt.sequence).to.equal(1);
        expect(settled).to.equal(false);
        await release();
        expect(await writing).to.deep.include({ status: "accepted" });
      });
    });

    describe("arrivals", () => {
      const read = async (cursor?: string) => {
        const page = await store.arrivals("receipts", cursor);
        if (page === undefined) throw new Error("the cursor is of another store");
        const sequences: number[] = [];
        for (let at = 0; at < page.packed.length; at += SIGNED_RECEIPT_BYTES) {
          const packed = page.packed.subarray(at, at + SIGNED_RECEIPT_BYTES);
          sequences.push(unpackSignedReceipt(packed).receipt.sequence);
        }
        return { sequences, cursor: page.cursor };
      };

      it("come in the order in which they were stored, after where the last page ended", async () => {
        await store.beginLife();
        await put(crowd.verified({ sequence: 3, epoch: 9 }));
        await put(crowd.verified({ sequence: 2 }));
        const first = await read();
        expect(first.sequences).to.deep.equal([3, 2]);
        expect((await read(first.cursor)).sequences).to.deep.equal([]);
        await put(crowd.verified({ sequence: 5 }));
        expect((await read(first.cursor)).sequences).to.deep.equal([5]);
        expect((await read()).sequences).to.deep.equal([3, 5]);
      });

      it("are vouchers too, a higher one where it arrived, and after those that were dropped", async () => {
        await store.beginLife();
        const page = async (cursor?: string) => {
          const found = await store.arrivals("vouchers", cursor);
          if (found === undefined) throw new Error("the cursor is of another store");
          const { packed, cursor: next } = found;
          return { amount: packed.length > 0 && unpackSignedVoucher(packed).voucher.amount, next };
        };
        await store.putVoucher(crowd.verifiedVoucher({ epoch: 7, amount: 1n }, 0));
        const { amount, next } = await page();
        expect([amount, (await page(next)).amount]).to.deep.equal([1n, false]);
        await store.putVoucher(crowd.verifiedVoucher({ epoch: 7, amount: 2n }, 0));
        const second = await page(next);
        expect(second.amount).to.equal(2n);
        await store.dropVouchersBefore(8);
        await store.putVoucher(crowd.verifiedVoucher({ epoch: 8, amount: 3n }, 0));
        expect((await page(second.next)).amount).to.equal(3n);
      });

      it("go on over restarts, and know no cursor of another store", async () => {
        await store.beginLife();
        await put(crowd.verified());
        const { cursor } = await read();
        await store.beginLife();
        await put(crowd.verified({ sequence: 2 }));
        expect((await read(cursor)).sequences).to.deep.equal([2]);
        const elsewhere = cursor.replace(/^.{32}/, "0".repeat(32));
        expect(await store.arrivals("receipts", elsewhere)).to.equal(undefined);
        // Of this life, and it was never given out: else whoever has it would wait for good, and be told nothing.
        const { cursor: last } = await read(cursor);
        const never = last.replace(/[0-9]+$/, (arrival) => String(Number(arrival) + 1));
        expect(await store.arrivals("receipts", never)).to.equal(undefined);
        expect(await store.arrivals("vouchers", never)).to.equal(undefined);
        for (const word of ["", "x", `${last}0000`, `${last}.5`, last.replace("-", "--")])
          expect(await store.arrivals("receipts", word), word).to.equal(undefined);
        // As one had it that read on before this store went back to a copy.
        const beyond = cursor.replace(/[0-9]+$/, "1000");
        expect(await store.arrivals("receipts", beyond)).to.equal(undefined);
      });

      it("of a peer are remembered by where they ended", async () => {
        expect(await store.peerCursor("http://a", "receipts")).to.equal(undefined);
        await store.setPeerCursor("http://a", "receipts", "x-1");
        await store.setPeerCursor("http://a", "receipts", "x-2");
        expect(await store.peerCursor("http://a", "receipts")).to.equal("x-2");
        expect(await store.peerCursor("http://a", "vouchers")).to.equal(undefined);
        await store.setPeerCursor("http://a", "receipts", undefined);
        expect(await store.peerCursor("http://a", "receipts")).to.equal(undefined);
      });
    });

    describe("vouchers", () => {
      const promise = (epoch: number, amount: bigint, remake = 0) =>
        crowd.verifiedVoucher({ epoch, amount }, remake);
      const kept = async () =>
        (await Array.fromAsync(store.vouchers())).map(({ voucher }) => [
          voucher.epoch,
          voucher.amount,
        ]);

      it("are kept as they were signed, to the last wei", async () => {
        const voucher = promise(7, maxOf("uint96"));
        expect(await store.putVoucher(voucher)).to.equal("accepted");
        expect(await Array.fromAsync(store.vouchers())).to.deep.equal([
          { voucher: voucher.voucher, signature: voucher.signature },
        ]);
      });

      it("give way to a higher one of their epoch and to no lower one", async () => {
        expect(await store.putVoucher(promise(1, 255n))).to.equal("accepted");
        expect(await store.putVoucher(promise(1, 256n))).to.equal("accepted");
        expect(await store.putVoucher(promise(1, 2n ** 64n))).to.equal("accepted");
        expect(await store.putVoucher(promise(1, 2n ** 64n, 1))).to.equal("known");
        expect(await store.putVoucher(promise(1, 2n ** 64n - 1n))).to.equal("stale");
        expect(await kept()).to.deep.equal([[1, 2n ** 64n]]);
      });

      it("are one for each customer and epoch, by customer and epoch", async () => {
        const others = { customer: otherCustomer, epoch: 1, amount: 7n };
        await store.putVoucher(promise(2, 20n));
        await store.putVoucher(promise(1, 10n));
        await store.putVoucher(crowd.verifiedVoucher(others));
        const stored = (await Array.fromAsync(store.vouchers())).map(({ voucher }) => voucher);
        const own = [promise(1, 10n).voucher, promise(2, 20n).voucher];
        const other = crowd.verifiedVoucher(others).voucher;
        const isFirst = other.customer < promise(1, 10n).voucher.customer;
        expect(stored).to.deep.equal(isFirst ? [other, ...own] : [...own, other]);
      });

      it("are read to the last one, however many pages they are", async () => {
        const epochs = Array.from({ length: 251 }, (_, i) => i + 1);
        await Promise.all(epochs.map((epoch) => store.putVoucher(promise(epoch, BigInt(epoch)))));
        expect(await kept()).to.deep.equal(epochs.map((epoch) => [epoch, BigInt(epoch)]));
      });

      it("are dropped by epoch, every customer's", async () => {
        await store.putVoucher(promise(1, 255n));
        await store.putVoucher(promise(2, 256n));
        await store.putVoucher(promise(3, 257n));
        await store.putVoucher(crowd.verifiedVoucher({ customer: otherCustomer, amount: 1n }));
        await store.dropVouchersBefore(3);
        expect(await kept()).to.deep.equal([[3, 257n]]);
        await store.dropVouchersBefore(3);
        expect(await kept()).to.have.length(1);
      });
    });

    describe("events", () => {
      const all = [...crowd.events, ...oneOfEach(100)];

      it("begin with no cursor", async () => {
        expect(await store.cursor()).to.equal(undefined);
        expect(await Array.fromAsync(store.events(0))).to.deep.equal([]);
      });

      it("of every kind come back as they were, in the order of the chain", async () => {
        expect(await store.appendEvents(undefined, all, mark(100))).to.equal(true);
        expect(await Array.fromAsync(store.events(0))).to.deep.equal(all);
        expect(await Array.fromAsync(store.events(100))).to.deep.equal(oneOfEach(100));
        expect(await Array.fromAsync(store.events(101))).to.deep.equal([]);
        expect(await store.cursor()).to.deep.equal(mark(100));
      });

      it("are appended only after the cursor they were read for", async () => {
        expect(await store.appendEvents(mark(1), all, mark(100))).to.equal(false);
        await store.appendEvents(undefined, all, mark(100));
        const next = oneOfEach(101);
        expect(await store.appendEvents(undefined, next, mark(101))).to.equal(false);
        expect(await store.appendEvents(mark(99), next, mark(101))).to.equal(false);
        expect(await store.appendEvents(mark(100, "ff"), next, mark(101))).to.equal(false);
        expect(await Array.fromAsync(store.events(0))).to.deep.equal(all);
        expect(await store.appendEvents(mark(100), next, mark(101))).to.equal(true);
        expect(await store.appendEvents(mark(101), [], mark(120))).to.equal(true);
        expect(await store.cursor()).to.deep.equal(mark(120));
      });

      it("are taken once when two processes read the same blocks", async () => {
        const other = await open();
        const taken = await Promise.all(
          [store, other].map((one) => one.appendEvents(undefined, all, mark(100))),
        );
        expect(taken.sort()).to.deep.equal([false, true]);
        expect(await Array.fromAsync(other.events(0))).to.deep.equal(all);
      });

      it("of blocks that a reorg took away are forgotten, and no others", async () => {
        await store.appendEvents(undefined, all, mark(100));
        await store.rollback(mark(99, "ab"));
        expect(await store.cursor()).to.deep.equal(mark(99, "ab"));
        expect(await Array.fromAsync(store.events(0))).to.deep.equal(crowd.events);
        await store.rollback(mark(99));
        await store.rollback(mark(120));
        expect(await store.cursor()).to.deep.equal(mark(99, "ab"));
        expect(await store.appendEvents(mark(99, "ab"), oneOfEach(100), mark(100))).to.equal(true);
        expect(await Array.fromAsync(store.events(0))).to.deep.equal(all);
      });

      it("are seen as of one moment, also while a reorg rewrites them", async () => {
        await store.appendEvents(undefined, all, mark(100));
        const seen: LawEvent[] = [];
        for await (const event of store.events(0)) {
          seen.push(event);
          if (seen.length === 1) {
            await store.rollback(mark(0));
            await store.appendEvents(mark(0), oneOfEach(5), mark(5));
          }
        }
        expect(seen).to.deep.equal(all);
        expect(await Array.fromAsync(store.events(0))).to.deep.equal(oneOfEach(5));
      });

      it("are all refused when one of them cannot be stored", async () => {
        const twice = [...oneOfEach(3), ...oneOfEach(3)];
        await refusal(store.appendEvents(undefined, twice, mark(3)));
        expect(await store.cursor()).to.equal(undefined);
        expect(await Array.fromAsync(store.events(0))).to.deep.equal([]);
      });
    });

    describe("advance", () => {
      it("begins an epoch once", async () => {
        expect(await store.getEpoch(1)).to.equal(undefined);
        expect(await store.advance(1, undefined, "open")).to.equal(true);
        expect(await store.advance(1, undefined, "open")).to.equal(false);
        expect(await store.getEpoch(1)).to.deep.equal({ epoch: 1, state: "open" });
      });

      it("moves from the state it was told and from no other", async () => {
        expect(await store.advance(1, "open", "sealed")).to.equal(false);
        expect(await store.getEpoch(1)).to.equal(undefined);
        await store.advance(1, undefined, "open");
        expect(await store.advance(1, "sealed", "computed")).to.equal(false);
        expect(await store.advance(1, "open", "sealed")).to.equal(true);
        expect(await store.advance(1, "open", "sealed")).to.equal(false);
        expect((await store.getEpoch(1))?.state).to.equal("sealed");
      });

      it("sets the fields it is given and keeps the others", async () => {
        await store.advance(1, undefined, "open", { attempt: 0 });
        await store.advance(1, "open", "sealed", { sealBlock: mark(9) });
        await store.advance(1, "sealed", "computed", { bundleHash: digest(3) });
        await store.advance(1, "computed", "attested", { signedReport: '{"a":"ä"}' });
        await store.advance(1, "attested", "held", { heldReason: "no", heldFrom: "attested" });
        await store.advance(1, "held", "attested", { attempt: 1 });
        expect(await store.getEpoch(1)).to.deep.equal({
          epoch: 1,
          state: "attested",
          sealBlock: mark(9),
          bundleHash: digest(3),
          attempt: 1,
          signedReport: '{"a":"ä"}',
          heldReason: "no",
          heldFrom: "attested",
        });
      });

      // Layr-Labs/sidecar 507: a zero byte from outside broke every write.
      it("takes a reason with a zero character in it, and shows where it was", async () => {
        await store.advance(1, undefined, "held", { heldReason: "peer said \u0000 and went" });
        expect((await store.getEpoch(1))?.heldReason).to.equal("peer said \ufffd and went");
      });

      it("sets nothing when it does not move", async () => {
        await store.advance(1, undefined, "open");
        await store.advance(1, "sealed", "computed", { bundleHash: digest(3) });
        expect(await store.getEpoch(1)).to.deep.equal({ epoch: 1, state: "open" });
      });

      it("lets one of several clients through", async () => {
        const clients = [store, await open(), await open()];
        for (const from of [undefined, "open"] as const) {
          const moved = await Promise.all(
            clients.map((one) => one.advance(1, from, from === undefined ? "open" : "sealed")),
          );
          expect(moved.filter(Boolean)).to.have.length(1);
        }
      });

      it("lists epochs in their order", async () => {
        for (const epoch of [10, 9, 2]) await store.advance(epoch, undefined, "open");
        expect((await store.epochs()).map(({ epoch }) => epoch)).to.deep.equal([2, 9, 10]);
      });
    });

    describe("acquireLease", () => {
      it("gives a free lease to one of several holders", async () => {
        const clients = [store, await open(), await open()];
        const held = await Promise.all(
          clients.map((one, i) => one.acquireLease("close", `holder ${i}`, 60)),
        );
        expect(held.filter(Boolean)).to.have.length(1);
      });

      it("renews the holder's own, and keeps others out until it has run out", async () => {
        expect(await store.acquireLease("close", "a", 60)).to.equal(true);
        expect(await store.acquireLease("close", "a", 60)).to.equal(true);
        expect(await store.acquireLease("close", "b", 60)).to.equal(false);
        expect(await store.acquireLease("close", "a", 0)).to.equal(true);
        expect(await store.acquireLease("close", "b", 60)).to.equal(true);
        expect(await store.acquireLease("close", "a", 60)).to.equal(false);
      });

      it("keeps names apart", async () => {
        expect(await store.acquireLease("close", "a", 60)).to.equal(true);
        expect(await store.acquireLease("follow", "b", 60)).to.equal(true);
      });

      it("is free again when its holder, and nobody else, releases it", async () => {
        await store.acquireLease("close", "a", 60);
        await store.releaseLease("close", "b");
        expect(await store.acquireLease("close", "b", 60)).to.equal(false);
        await store.releaseLease("close", "a");
        expect(await store.acquireLease("close", "b", 60)).to.equal(true);
      });
    });

    describe("recordReport", () => {
      it("records one digest for an epoch and attempt, and names every other", async () => {
        expect(await store.recordReport(1, 0, digest(1))).to.equal("recorded");
        expect(await store.recordReport(1, 0, digest(1))).to.equal("same");
        expect(await store.recordReport(1, 0, digest(2))).to.equal("other");
        expect(await store.recordReport(1, 1, digest(2))).to.equal("recorded");
        expect(await store.recordReport(2, 0, digest(2))).to.equal("recorded");
      });

      it("has not forgotten when it is opened again", async () => {
        await store.recordReport(1, 0, digest(1));
        await store.close();
        store = await open();
        expect(await store.recordReport(1, 0, digest(1))).to.equal("same");
        expect(await store.recordReport(1, 0, digest(2))).to.equal("other");
      });

      it("lets one of two clients with two digests sign", async () => {
        const clients = [store, await open()];
        const recorded = await Promise.all(
          clients.map((one, i) => one.recordReport(1, 0, digest(i + 1))),
        );
        expect(recorded.sort()).to.deep.equal(["other", "recorded"]);
      });
    });

    describe("forgoThrough", () => {
      it("lets no new report of an epoch up to it be recorded, and knows those that were", async () => {
        await store.recordReport(3, 0, digest(1));
        await store.forgoThrough(3);
        for (const epoch of [1, 2, 3])
          expect(await store.recordReport(epoch, 1, digest(2))).to.equal("forgone");
        expect(await store.recordReport(3, 0, digest(1))).to.equal("same");
        expect(await store.recordReport(3, 0, digest(2))).to.equal("other");
        expect(await store.recordReport(4, 0, digest(2))).to.equal("recorded");
      });

      it("has not forgotten when it is opened again, and takes nothing back", async () => {
        await store.forgoThrough(3);
        await store.forgoThrough(2);
        await store.close();
        store = await open();
        expect(await store.recordReport(3, 0, digest(1))).to.equal("forgone");
        await store.forgoThrough(4);
        expect(await store.recordReport(4, 0, digest(1))).to.equal("forgone");
      });
    });

    describe("transactions", () => {
      it("are pending by nonce, then as they were saved, and saved once", async () => {
        const [first, second] = [transaction(1), transaction(2)];
        const replacement = { ...first, hash: digest(101), raw: "0x99" as Hex };
        for (const one of [second, first, replacement, first]) await store.saveTransaction(one);
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([first, replacement, second]);
      });

      it("are remembered with what they bring", async () => {
        const priced = { ...transaction(1), brings: 123_456_789_012_345_678_901n };
        for (const one of [priced, transaction(2)]) await store.saveTransaction(one);
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([priced, transaction(2)]);
      });

      it("of one purpose have one nonce while their fate is not known", async () => {
        await store.saveTransaction(transaction(1));
        const elsewhere = { ...transaction(2), purpose: transaction(1).purpose };
        expect((await refusal(store.saveTransaction(elsewhere))).message).to.match(
          /pending under nonce 1, not 2/,
        );
        await store.settleTransaction(transaction(1).hash, "reverted");
        await store.saveTransaction(elsewhere);
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([elsewhere]);
      });

      it("that are settled settle all of their nonce", async () => {
        const first = transaction(1);
        const replacement = { ...first, hash: digest(101) };
        for (const one of [first, replacement, transaction(2)]) await store.saveTransaction(one);
        await store.settleTransaction(replacement.hash, "mined");
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([transaction(2)]);
        await store.settleTransaction(replacement.hash, "mined");
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([transaction(2)]);
      });

      it("of another sender are none of them: neither its nonces nor its purposes", async () => {
        const [own, others] = [transaction(1), transaction(1, ANOTHER)];
        const later = { ...transaction(2, ANOTHER), purpose: own.purpose };
        for (const one of [own, others]) await store.saveTransaction(one);
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([own]);
        await store.settleTransaction(others.hash, "mined");
        await store.saveTransaction(later);
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([own]);
        expect(await store.pendingTransactions(ANOTHER)).to.deep.equal([later]);
      });

      it("that were dropped are pending again when they are sent after all", async () => {
        await store.saveTransaction(transaction(1));
        await store.settleTransaction(transaction(1).hash, "dropped");
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([]);
        await store.saveTransaction(transaction(1));
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([transaction(1)]);
        await store.settleTransaction(transaction(1).hash, "mined");
        await store.saveTransaction(transaction(1));
        expect(await store.pendingTransactions(SENDER)).to.deep.equal([]);
      });

      it("cannot be settled before they are saved", async () => {
        const error = await refusal(store.settleTransaction(digest(9), "mined"));
        expect(error.message).to.match(/never stored/);
      });
    });

    describe("close", () => {
      it("settles what waits and refuses what comes later", async () => {
        const waiting = put(crowd.verified());
        await Promise.all([store.close(), store.close()]);
        expect(await waiting).to.deep.include({ status: "accepted" });
        expect((await refusal(put(crowd.verified()))).message).to.match(/is closed/);
        expect(await refusal(store.cursor())).to.be.an("error");
        await store.close();
      });
    });

    describe("several processes", () => {
      const pairs = WRITER_SIZE.devices * WRITER_SIZE.customers;

      it("write at once, all are served, and the highest of each counts", async () => {
        const rounds = 10;
        const writers = [1, 2].map((first) =>
          startWriter({ elsewhere: place.elsewhere, first, step: 2, rounds }),
        );
        for (const acknowledged of await Promise.all(writers.map((one) => one.acknowledged()))) {
          expect(acknowledged).to.have.length(pairs * rounds);
        }
        for (const end of await Promise.all(writers.map((one) => one.end()))) {
          expect(end).to.deep.include({ exit: 0 });
        }
        const stored = await receiptsIn(store, 1);
        expect(stored.map(({ receipt }) => receipt.sequence)).to.deep.equal(
          Array(pairs).fill(2 * rounds),
        );
      });

      it("lose nothing acknowledged when one is killed in the middle of its load", async () => {
        for (const [i, killAfter] of [1, 30, 60, 110].entries()) {
          const first = 1 + 10_000 * i;
          const rounds = Number.POSITIVE_INFINITY;
          const writer = startWriter({ elsewhere: place.elsewhere, first, step: 1, rounds });
          const acknowledged = await writer.acknowledged(killAfter);
          expect(await writer.end()).to.deep.equal({ exit: "SIGKILL", errors: "" });
          await store.close();
          store = await open();
          await expectStored(store, acknowledged);
        }
      });
    });
  });
}

/** Each acknowledged receipt or one that came after it is the head, just as it was signed. */
export async function expectStored(
  store: Store,
  acknowledged: readonly Acknowledged[],
): Promise<void> {
  const written = crowdOf(WRITER_SIZE);
  expect(acknowledged).not.to.have.length(0);
  for (const { device, customer, sequence } of acknowledged) {
    const parties = [written.devices[device] as Hex, written.customers[customer] as Hex] as const;
    const head = (await store.head(1, ...parties)) as SignedReceipt;
    expect(head.receipt.sequence).to.be.at.least(sequence);
    expect(head).to.deep.equal(written.sign(head.receipt));
  }
}

type Delivery = {
  readonly receipt: VerifiedReceipt;
  /** Which of the three stores it reaches, and whether it reaches the next as well. */
  readonly store: number;
  readonly twice: boolean;
};

/** Few parties, sequences and amounts, so that most meet another of their key, sequence or digest. */
const deliveries: fc.Arbitrary<Delivery> = fc
  .record({
    device: fc.constantFrom(...crowd.devices),
    customer: fc.constantFrom(...crowd.customers),
    sequence: fc.integer({ min: 1, max: 3 }),
    egressBytes: fc.bigInt({ min: 0n, max: 1n }),
    remake: fc.nat({ max: 2 }),
    store: fc.nat({ max: 2 }),
    twice: fc.boolean(),
  })
  .map(({ remake, store, twice, ...fields }) => ({
    receipt: signedOnce(fields, remake),
    store,
    twice,
  }));

const signedBefore = new Map<string, VerifiedReceipt>();

function signedOnce(fields: Partial<Receipt>, remake: number): VerifiedReceipt {
  const key = `${Object.values(fields)} ${remake}`;
  const receipt = signedBefore.get(key) ?? crowd.verified(fields, remake);
  signedBefore.set(key, receipt);
  return receipt;
}

/** By device and customer. */
async function receiptsIn(store: Store, epoch: number): Promise<readonly SignedReceipt[]> {
  const packed = concatBytes(...(await Array.fromAsync(store.packedReceipts(epoch))));
  const signed: SignedReceipt[] = [];
  for (let at = 0; at < packed.length; at += SIGNED_RECEIPT_BYTES)
    signed.push(unpackSignedReceipt(packed.subarray(at, at + SIGNED_RECEIPT_BYTES)));
  return signed.sort(byKey);
}

/** Deals the receipts to three stores, has each copy from the others, and compares all with the pure merge. */
async function mergesToOneResult(
  delivered: readonly Delivery[],
  engine: StoreEngine,
): Promise<void> {
  const places = await Promise.all([1, 2, 3].map(() => engine.place()));
  const stores = await Promise.all(places.map((place) => place.open()));
  try {
    for (const { receipt, store, twice } of delivered) {
      await stores[store]?.putReceipts([receipt]);
      if (twice) await stores[(store + 1) % 3]?.putReceipts([receipt, receipt]);
    }
    const copies = await Promise.all(stores.map((store) => receiptsIn(store, 1)));
    for (const [i, store] of stores.entries()) {
      const others = copies.flatMap((copy, j) => (i === j ? [] : copy));
      await store.putReceipts(others.reverse().map(crowd.verify));
    }
    const merged = mergeReceipts(delivered.map(({ receipt }) => receipt));
    for (const store of stores) {
      const stored = await receiptsIn(store, 1);
      expect(bytesOf(stored)).to.equal(bytesOf([...merged].sort(byKey)));
    }
  } finally {
    for (const store of stores) await store.close();
    for (const place of places) await place.remove();
  }
}

function bytesOf(receipts: readonly SignedReceipt[]): Hex {
  return toHex(concatBytes(...receipts.map(packSignedReceipt)));
}

function byKey(a: SignedReceipt, b: SignedReceipt): number {
  return compareBytes(packSignedReceipt(a).subarray(0, 40), packSignedReceipt(b).subarray(0, 40));
}

function signedOf({ receipt, customerSignature, deviceSignature }: SignedReceipt): SignedReceipt {
  return { receipt, customerSignature, deviceSignature };
}

function digest(n: number): Hex {
  return `0x${n.toString(16).padStart(64, "0")}`;
}

function mark(number: number, fork = ""): BlockMark {
  return { number, hash: `${ZERO_HASH.slice(0, -fork.length || undefined)}${fork}` as Hex };
}

const SENDER: Address = `0x${"5e".repeat(20)}`;
const ANOTHER: Address = `0x${"a0".repeat(20)}`;

function transaction(nonce: number, sender = SENDER) {
  const hash = digest(sender === SENDER ? nonce : 200 + nonce);
  return { sender, purpose: `propose/${nonce}/0`, nonce, raw: "0x02c0" as Hex, hash };
}

/** The error of a promise that must be rejected. */
async function refusal(promise: Promise<unknown>): Promise<Error> {
  const [outcome] = await Promise.allSettled([promise]);
  if (outcome.status === "fulfilled") throw new Error("nothing was refused");
  return outcome.reason as Error;
}

/** What a promise is rejected with; "done" when it is not. */
export async function messageOf(promise: Promise<unknown>): Promise<string> {
  const [outcome] = await Promise.allSettled([promise]);
  return outcome.status === "rejected" ? (outcome.reason as Error).message : "done";
}

/** Asks again until it is so: for what another process does in its own time. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(10);
}
