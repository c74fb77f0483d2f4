import { maxOf } from "@link-rewards/core/encoding/fields";
import type { ContributionRecord, InvoiceLine } from "@link-rewards/core/epoch/records";
import type { Judgement } from "@link-rewards/core/judge/judge";
import { expect } from "chai";
import { from, goTo, startOf } from "../worlds/contracts.ts";
import { lawOf } from "./support/law.ts";
import { type Served, servedWorld } from "./support/served.ts";
import { bend, bendReceipt, LAST_ADDRESS, MOST, NOBODY, type Tables } from "./support/tables.ts";
import { judged } from "./support/trial.ts";

const ask = (position: number) => ({ proof: "pair", table: "invoices", position }) as const;

/** The first line is paid in full, the fifth in part: their contributions are rows 6 and 4. */
const PAID = { line: 0, row: 6, value: 29n };
const CUT = { line: 5, row: 4, ceiling: 350n };

/** What the judge says of a line, once it and the contribution it names are changed. */
async function verdictOn(
  line: Partial<InvoiceLine>,
  contribution: Partial<ContributionRecord> = {},
  at = PAID,
): Promise<Judgement> {
  const world = await from(servedWorld);
  const bent = bend(world.second, "invoices", at.line, line);
  return judged(world, bend(bent, "contributions", at.row, contribution), ask(at.line));
}

/** A line and its contribution, of which one amount is given; all else is worth nothing. */
function worth(tables: Tables, amounts: Partial<ContributionRecord["receipt"]>, value: bigint) {
  const none = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };
  const priced = bendReceipt(tables, PAID.row, { ...none, ...amounts });
  const counted = bend(priced, "contributions", PAID.row, { earned: (value * 9n) / 10n });
  return bend(counted, "invoices", PAID.line, { value });
}

describe("Judge", () => {
  describe("of a pair", () => {
    it("convicts no line of an honest table", async () => {
      const world = await from(servedWorld);
      for (const tables of [world.first, world.second]) {
        for (const position of tables.invoices.keys()) {
          expect(await judged(world, tables, ask(position)), `line ${position}`).to.equal("lawful");
        }
      }
    });

    it("convicts a line that names no contribution, by one or by far", async () => {
      const { second } = await from(servedWorld);
      const rows = second.contributions.length;
      for (const contribution of [rows, rows + 1, 2 ** 32 - 1]) {
        expect(await verdictOn({ contribution })).to.equal("unlawful");
      }
      expect(await verdictOn({ contribution: rows - 1 })).to.equal("lawful");
    });

    it("convicts a line of another device, and of another customer", async () => {
      for (const change of [
        { device: NOBODY },
        { device: LAST_ADDRESS },
        { customer: NOBODY },
        { customer: LAST_ADDRESS },
      ]) {
        expect(await verdictOn(change)).to.equal("unlawful");
      }
    });

    it("convicts a line that names another contribution than its own", async () => {
      const { second } = await from(servedWorld);
      for (const contribution of second.contributions.keys()) {
        const expected = contribution === PAID.row ? "lawful" : "unlawful";
        expect(await verdictOn({ contribution }), `row ${contribution}`).to.equal(expected);
      }
    });

    it("convicts a value that is off by a wei, whatever was earned with it", async () => {
      for (const off of [1n, -1n]) {
        const value = PAID.value + off;
        for (const earned of [(PAID.value * 9n) / 10n, (value * 9n) / 10n]) {
          expect(await verdictOn({ value }, { earned })).to.equal("unlawful");
        }
      }
    });

    it("prices each resource", async () => {
      const world = await from(servedWorld);
      for (const [amounts, value] of [
        [{ egressBytes: 1_000n }, 1_000n],
        [{ storageByteSeconds: 1_000n }, 2_000n],
        [{ computeMilliseconds: 1_000n }, 3_000n],
      ] as const) {
        for (const off of [0n, 1n, -1n]) {
          const tables = worth(world.second, amounts, value + off);
          const expected = off === 0n ? "lawful" : "unlawful";
          expect(await judged(world, tables, ask(PAID.line)), `${value + off}`).to.equal(expected);
        }
      }
    });

    it("values what is worth more than 96 bits hold at the most they hold, and nothing less", async () => {
      const world = await from(servedWorld);
      const half = MOST / 2n;
      for (const [amounts, value, expected] of [
        [{ storageByteSeconds: half, egressBytes: 1n }, MOST, "lawful"],
        [{ storageByteSeconds: half }, MOST - 1n, "lawful"],
        [{ storageByteSeconds: half }, MOST, "unlawful"],
        [{ storageByteSeconds: half + 1n }, MOST, "lawful"],
        [{ storageByteSeconds: half + 1n }, 0n, "unlawful"],
        [{ storageByteSeconds: half + 1n }, MOST - 1n, "unlawful"],
        [
          {
            egressBytes: maxOf("uint64"),
            storageByteSeconds: MOST,
            computeMilliseconds: maxOf("uint64"),
          },
          MOST,
          "lawful",
        ],
      ] as const) {
        const tables = worth(world.second, amounts, value);
        expect(await judged(world, tables, ask(PAID.line)), `${value}`).to.equal(expected);
      }
    });

    it("convicts what was earned off by a wei, and takes no more than the ceiling for counted", async () => {
      const full = (PAID.value * 9n) / 10n;
      const cut = (CUT.ceiling * 9n) / 10n;
      for (const off of [0n, 1n, -1n]) {
        const expected = off === 0n ? "lawful" : "unlawful";
        expect(await verdictOn({}, { earned: full + off })).to.equal(expected);
        expect(
          await verdictOn({}, { earned: cut + off }, { ...CUT, value: 0n }),
          "above the ceiling",
        ).to.equal(expected);
      }
    });

    it("rounds what was earned down, and counts a value at its ceiling in full", async () => {
      for (const ceiling of [PAID.value, PAID.value - 1n, 1n, 0n]) {
        const earned = (ceiling * 9n) / 10n;
        expect(await verdictOn({ ceiling }, { earned })).to.equal("lawful");
        expect(await verdictOn({ ceiling }, { earned: earned + 1n })).to.equal("unlawful");
      }
    });

    describe("with other tariffs", () => {
      const dearest = { egressPrice: MOST, storagePrice: MOST, computePrice: MOST };

      /** The tables of epoch 2 as if they were of epoch 5, which has the tariff. */
      async function trial(feeBps: number): Promise<Served> {
        const world = await from(servedWorld);
        await goTo(world, startOf(4));
        await world.ledger.connect(world.governance).setTariff({ ...dearest, feeBps });
        return { ...world, law: await lawOf(world), second: { ...world.second, epoch: 5 } };
      }

      it("asks for the tariff of its epoch", async () => {
        const world = await trial(1_000);
        expect(await judged(world, world.second, ask(PAID.line))).to.equal("unlawful");
        const tables = { ...world.second, epoch: 4 };
        expect(await judged(world, tables, ask(PAID.line))).to.equal("lawful");
      });

      it("does not overflow: all amounts and prices as large as can be", async () => {
        const world = await trial(0);
        const most = { egressBytes: maxOf("uint64"), computeMilliseconds: maxOf("uint64") };
        const tables = worth(world.second, { ...most, storageByteSeconds: MOST }, MOST);
        const earned = (tables: Tables, earned: bigint) =>
          bend(tables, "contributions", PAID.row, { earned });
        expect(await judged(world, earned(tables, MOST), ask(PAID.line))).to.equal("lawful");
        expect(await judged(world, earned(tables, MOST - 1n), ask(PAID.line))).to.equal("unlawful");
      });

      it("takes no fee off, and half", async () => {
        for (const [feeBps, earned] of [
          [0, 9n],
          [5_000, 4n],
        ] as const) {
          const world = await trial(feeBps);
          const { second } = world;
          // The dearest byte is worth more than the ceiling.
          const cut = bend(second, "invoices", PAID.line, { value: MOST, ceiling: 9n });
          const big = bendReceipt(cut, PAID.row, { storageByteSeconds: MOST });
          for (const off of [0n, 1n, -1n]) {
            const tables = bend(big, "contributions", PAID.row, { earned: earned + off });
            const expected = off === 0n ? "lawful" : "unlawful";
            expect(await judged(world, tables, ask(PAID.line))).to.equal(expected);
          }
        }
      });
    });
  });
});
