import type { InvoiceLine } from "@link-rewards/core/epoch/records";
import type { Judgement } from "@link-rewards/core/judge/judge";
import { expect } from "chai";
import { from } from "../worlds/contracts.ts";
import { servedWorld } from "./support/served.ts";
import {
  arrange,
  bend,
  LAST_ADDRESS,
  MOST,
  NOBODY,
  rowOf,
  summed,
  type Tables,
} from "./support/tables.ts";
import { judged } from "./support/trial.ts";

/*
 * Epoch 2 has seven lines: 0 to 2 of a customer that paid 9,000 wei and owes 203, 3 of one that paid 77 and owes 68, 4 to
 * 6 of one that paid 1,001 and owes 1,300, with a ceiling of 350.
 */
const RICH = { first: 0, middle: 1, last: 2, paid: 9_000n };
const LATE = { only: 3, paid: 77n };
const POOR = { first: 4, middle: 5, last: 6, paid: 1_001n };
const END = 7;

const ask = (position: number) =>
  ({ proof: "invoice-order", table: "invoices", position }) as const;

async function verdictAt(boundary: number, bent: (tables: Tables) => Tables): Promise<Judgement> {
  const world = await from(servedWorld);
  return judged(world, bent(world.second), ask(boundary));
}

const line = (position: number, change: Partial<InvoiceLine>) => (tables: Tables) =>
  bend(tables, "invoices", position, change);

/** The lines as they are, but these values and ceilings; the sums follow. */
const valued =
  (values: Readonly<Record<number, Partial<Pick<InvoiceLine, "value" | "ceiling">>>>) =>
  (tables: Tables) =>
    summed({
      ...tables,
      invoices: tables.invoices.map((each, i) => ({ ...each, ...values[i] })),
    });

describe("Judge", () => {
  describe("of the invoices' order", () => {
    it("convicts at no boundary of an honest table", async () => {
      const world = await from(servedWorld);
      for (const tables of [world.first, world.second]) {
        for (let boundary = 0; boundary <= tables.invoices.length; boundary++) {
          expect(await judged(world, tables, ask(boundary)), `${boundary}`).to.equal("lawful");
        }
      }
    });

    it("convicts lines of a customer that do not ascend by device, or are there twice", async () => {
      const arranged = (positions: readonly number[]) => (tables: Tables) =>
        summed(arrange(tables, "invoices", positions));
      expect(await verdictAt(1, arranged([0, 1, 2, 3, 4, 5, 6]))).to.equal("lawful");
      expect(await verdictAt(1, arranged([1, 0, 2, 3, 4, 5, 6]))).to.equal("unlawful");
      expect(await verdictAt(1, arranged([0, 0, 2, 3, 4, 5, 6]))).to.equal("unlawful");
      const { device } = rowOf((await from(servedWorld)).second, "invoices", 1);
      const after = `0x${(BigInt(device) + 1n).toString(16)}` as const;
      const before = `0x${(BigInt(device) - 1n).toString(16)}` as const;
      expect(await verdictAt(2, line(2, { device: after }))).to.equal("lawful");
      expect(await verdictAt(2, line(2, { device }))).to.equal("unlawful");
      expect(await verdictAt(2, line(2, { device: before }))).to.equal("unlawful");
    });

    it("convicts customers that do not ascend, whatever their devices", async () => {
      for (const device of [NOBODY, LAST_ADDRESS]) {
        const first = { customer: NOBODY, device };
        expect(await verdictAt(LATE.only, line(LATE.only, first))).to.equal("unlawful");
        const last = { customer: LAST_ADDRESS, device };
        expect(await verdictAt(LATE.only, line(LATE.only, last))).to.equal("lawful");
      }
    });

    it("convicts another ceiling inside a customer, though all lines count in full with it", async () => {
      for (const ceiling of [MOST - 1n, 140n]) {
        expect(await verdictAt(RICH.last, line(RICH.last, { ceiling }))).to.equal("unlawful");
      }
      const all = { [RICH.first]: { ceiling: 140n }, [RICH.middle]: { ceiling: 140n } };
      const both = valued({ ...all, [RICH.last]: { ceiling: 140n } });
      expect(await verdictAt(RICH.last, both)).to.equal("lawful");
    });

    for (const [where, position] of [
      ["the first line of all", RICH.first],
      ["a customer's next line", RICH.middle],
      ["the first line of the next customer", LATE.only],
      ["a line above the ceiling", POOR.middle],
    ] as const) {
      it(`convicts a subtotal that is off by a wei at ${where}`, async () => {
        const { subtotal } = rowOf((await from(servedWorld)).second, "invoices", position);
        for (const off of [1n, -1n]) {
          const bent = line(position, { subtotal: subtotal + off });
          expect(await verdictAt(position, bent)).to.equal("unlawful");
        }
      });

      it(`convicts a number of lines above that is off by one at ${where}`, async () => {
        const { above } = rowOf((await from(servedWorld)).second, "invoices", position);
        for (const off of [1, -1]) {
          if (above + off < 0) continue;
          const bent = line(position, { above: above + off });
          expect(await verdictAt(position, bent)).to.equal("unlawful");
        }
      });
    }

    it("lets no sum run on into the next customer's lines", async () => {
      const { second } = await from(servedWorld);
      const [last, first] = [RICH.last, LATE.only].map((at) => rowOf(second, "invoices", at));
      const subtotal = (last?.subtotal ?? 0n) + (first?.subtotal ?? 0n);
      expect(await verdictAt(LATE.only, line(LATE.only, { subtotal }))).to.equal("unlawful");
      // Nor do the lines above of who comes before, however many these are.
      const many = (tables: Tables) => bend(tables, "invoices", RICH.last, { above: 5 });
      expect(await verdictAt(LATE.only, many)).to.equal("lawful");
      const carried = (tables: Tables) => bend(many(tables), "invoices", LATE.only, { above: 5 });
      expect(await verdictAt(LATE.only, carried)).to.equal("unlawful");
    });

    it("says nothing of a line at its ceiling being above it", async () => {
      const at = valued({ [POOR.first]: { value: 350n } });
      expect(await verdictAt(POOR.first, at)).to.equal("lawful");
      const counted = (tables: Tables) => bend(at(tables), "invoices", POOR.first, { above: 1 });
      expect(await verdictAt(POOR.first, counted)).to.equal("unlawful");
    });

    it("convicts a customer for whom more counted than it paid, by a wei, at the end or before another", async () => {
      for (const [boundary, position, { paid }, rest] of [
        [LATE.only, RICH.last, RICH, 63n],
        [POOR.first, LATE.only, LATE, 0n],
        [END, POOR.last, POOR, 650n],
      ] as const) {
        const open = boundary === END ? { [POOR.middle]: { ceiling: MOST } } : {};
        const all = (value: bigint) =>
          boundary === END
            ? valued({
                [POOR.first]: { value: 300n, ceiling: MOST },
                [POOR.middle]: { value: 350n, ceiling: MOST },
                [POOR.last]: { value, ceiling: MOST },
              })
            : valued({ ...open, [position]: { value } });
        expect(await verdictAt(boundary, all(paid - rest))).to.equal("lawful");
        expect(await verdictAt(boundary, all(paid - rest + 1n))).to.equal("unlawful");
      }
    });

    it("convicts a ceiling that could be a wei higher: lines above it are one fewer than what is left over", async () => {
      // Two lines are above 350: with one wei left over it cannot rise, with two it can.
      for (const [first, expected] of [
        [300n, "lawful"],
        [301n, "lawful"],
        [299n, "unlawful"],
        [302n, "unlawful"],
      ] as const) {
        const bent = valued({ [POOR.first]: { value: first } });
        expect(await verdictAt(END, bent), `${first}`).to.equal(expected);
      }
    });

    it("convicts a ceiling where there is need of none, with no line above it", async () => {
      const bent = valued({
        [RICH.first]: { ceiling: 140n },
        [RICH.middle]: { ceiling: 140n },
        [RICH.last]: { ceiling: 140n },
      });
      expect(await verdictAt(LATE.only, bent)).to.equal("unlawful");
      // Paid to the wei, a ceiling is one too many all the same.
      const exact = (ceiling: bigint) => valued({ [LATE.only]: { value: LATE.paid, ceiling } });
      expect(await verdictAt(POOR.first, exact(LATE.paid))).to.equal("unlawful");
      expect(await verdictAt(POOR.first, exact(MOST))).to.equal("lawful");
    });

    it("holds a customer that paid nothing to a ceiling of nothing", async () => {
      const world = await from(servedWorld);
      const { first } = world;
      // In epoch 1 the second customer has the third line, the third customer's is the last.
      expect(rowOf(first, "invoices", 2)).to.include({ ceiling: 0n, subtotal: 0n, above: 1 });
      expect(await judged(world, first, ask(3))).to.equal("lawful");
      for (const ceiling of [1n, MOST]) {
        const lines = first.invoices.map((each, i) => (i === 2 ? { ...each, ceiling } : each));
        const bent = summed({ ...first, invoices: lines });
        expect(await judged(world, bent, ask(3))).to.equal("unlawful");
      }
    });

    it("asks for what was paid for its epoch", async () => {
      const world = await from(servedWorld);
      for (const boundary of [LATE.only, END]) {
        const tables = { ...world.second, epoch: 1 };
        const expected = boundary === END ? "unlawful" : "lawful";
        expect(await judged(world, tables, ask(boundary))).to.equal(expected);
      }
    });

    it("does not overflow: sums of lines as large as can be", async () => {
      const most = { value: MOST, ceiling: MOST, subtotal: MOST, above: 2 ** 32 - 1 };
      const bent = (tables: Tables) =>
        line(RICH.middle, most)(line(RICH.first, most)(line(RICH.last, most)(tables)));
      for (const boundary of [RICH.middle, RICH.last, LATE.only]) {
        expect(await verdictAt(boundary, bent)).to.equal("unlawful");
      }
      const last = line(POOR.last, { ...most, ceiling: MOST - 1n });
      expect(await verdictAt(END, last)).to.equal("unlawful");
    });
  });
});
