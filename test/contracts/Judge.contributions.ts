import { type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Judgement } from "@link-rewards/core/judge/judge";
import { expect } from "chai";
import { accountOf, from } from "../worlds/contracts.ts";
import { servedWorld } from "./support/served.ts";
import {
  arrange,
  bend,
  bendReceipt,
  LAST_ADDRESS,
  MOST,
  NOBODY,
  rowOf,
  summed,
  type Tables,
} from "./support/tables.ts";
import { judged } from "./support/trial.ts";

/*
 * Epoch 2 has seven rows: 0 to 2 of account 0, the last two of one device; 3 and 4 of account 1's device; 5 of account 3;
 * 6 of account 5.
 */
const END = 7;
const SAME_DEVICE = 2;
const OTHER_DEVICE = 1;
const OTHER_ACCOUNT = 5;

const ask = (position: number) =>
  ({ proof: "contribution-order", table: "contributions", position }) as const;

async function verdictAt(boundary: number, bent: (tables: Tables) => Tables): Promise<Judgement> {
  const world = await from(servedWorld);
  return judged(world, bent(world.second), ask(boundary));
}

const account =
  (position: number, index: number | Hex) =>
  (tables: Tables): Tables =>
    bend(tables, "contributions", position, {
      account: typeof index === "number" ? lowercaseHex(accountOf(index)) : index,
    });

const party =
  (position: number, change: { readonly device?: Hex; readonly customer?: Hex }) =>
  (tables: Tables) =>
    bendReceipt(tables, position, change);

/** The addresses on both sides of one. */
function besides(address: Hex): readonly [before: Hex, after: Hex] {
  const hex = (number: bigint): Hex => `0x${number.toString(16).padStart(40, "0")}`;
  return [hex(BigInt(address) - 1n), hex(BigInt(address) + 1n)];
}

describe("Judge", () => {
  describe("of the contributions' order", () => {
    it("convicts at no boundary of an honest table", async () => {
      const world = await from(servedWorld);
      for (const tables of [world.first, world.second]) {
        for (let boundary = 0; boundary <= tables.contributions.length; boundary++) {
          expect(await judged(world, tables, ask(boundary)), `${boundary}`).to.equal("lawful");
        }
      }
    });

    it("convicts accounts that do not ascend by their index, whatever their devices and customers", async () => {
      for (const device of [NOBODY, LAST_ADDRESS]) {
        for (const [index, expected] of [
          [0, "unlawful"],
          [2, "lawful"],
          [4, "lawful"],
        ] as const) {
          const bent = (tables: Tables) =>
            account(OTHER_ACCOUNT, index)(party(OTHER_ACCOUNT, { device })(tables));
          expect(await verdictAt(OTHER_ACCOUNT, bent), `${index}`).to.equal(expected);
        }
      }
    });

    it("convicts devices of an account that do not ascend, whatever their customers", async () => {
      const world = await from(servedWorld);
      const { device } = rowOf(world.second, "contributions", OTHER_DEVICE - 1).receipt;
      const [before, after] = besides(device);
      for (const customer of [NOBODY, LAST_ADDRESS]) {
        const bent = (next: Hex) => party(OTHER_DEVICE, { device: next, customer });
        expect(await verdictAt(OTHER_DEVICE, bent(after))).to.equal("lawful");
        expect(await verdictAt(OTHER_DEVICE, bent(before))).to.equal("unlawful");
      }
    });

    it("convicts customers of a device that do not ascend, or are there twice", async () => {
      const world = await from(servedWorld);
      const { customer } = rowOf(world.second, "contributions", SAME_DEVICE - 1).receipt;
      const [before, after] = besides(customer);
      const bent = (next: Hex) => party(SAME_DEVICE, { customer: next });
      expect(await verdictAt(SAME_DEVICE, bent(after))).to.equal("lawful");
      expect(await verdictAt(SAME_DEVICE, bent(customer))).to.equal("unlawful");
      expect(await verdictAt(SAME_DEVICE, bent(before))).to.equal("unlawful");
    });

    it("convicts rows in another order or there twice, with all sums made good", async () => {
      for (const positions of [
        [1, 0, 2, 3, 4, 5, 6],
        [0, 2, 1, 3, 4, 5, 6],
        [0, 0, 1, 2, 3, 4, 5, 6],
        [0, 1, 2, 5, 3, 4, 6],
      ]) {
        const world = await from(servedWorld);
        const tables = summed(arrange(world.second, "contributions", positions));
        const verdicts = await Promise.all(
          positions.keys().map((boundary) => judged(world, tables, ask(boundary))),
        );
        expect(verdicts, positions.join()).to.include("unlawful");
      }
    });

    it("puts an account without an index after all others, and two of them in the order of their devices", async () => {
      const unknown = account(END - 1, LAST_ADDRESS);
      expect(await verdictAt(END - 1, unknown)).to.equal("lawful");
      expect(await verdictAt(END - 1, account(END - 2, NOBODY))).to.equal("unlawful");
      const world = await from(servedWorld);
      const { device } = rowOf(world.second, "contributions", END - 2).receipt;
      const [before, after] = besides(device);
      for (const [next, expected] of [
        [after, "lawful"],
        [before, "unlawful"],
      ] as const) {
        const both = (tables: Tables) =>
          party(END - 1, { device: next })(
            account(END - 2, LAST_ADDRESS)(account(END - 1, NOBODY)(tables)),
          );
        expect(await verdictAt(END - 1, both)).to.equal(expected);
      }
    });

    for (const [where, position] of [
      ["the first row", 0],
      ["a row of the same device", SAME_DEVICE],
      ["a row of another account", OTHER_ACCOUNT],
      ["the last row", END - 1],
    ] as const) {
      it(`convicts a subtotal that is off by a wei at ${where}`, async () => {
        const { subtotal, earned } = rowOf(
          (await from(servedWorld)).second,
          "contributions",
          position,
        );
        for (const off of [1n, -1n]) {
          const more = (tables: Tables) =>
            bend(tables, "contributions", position, { subtotal: subtotal + off });
          expect(await verdictAt(position, more)).to.equal("unlawful");
          const dearer = (tables: Tables) =>
            bend(tables, "contributions", position, { earned: earned + off });
          expect(await verdictAt(position, dearer)).to.equal("unlawful");
        }
      });
    }

    it("convicts a last subtotal that is not what the total grew by, to the wei", async () => {
      for (const off of [1n, -1n]) {
        const total = (tables: Tables) => ({ ...tables, total: tables.total + off });
        expect(await verdictAt(END, total)).to.equal("unlawful");
        const last = (tables: Tables) => ({ ...tables, lastTotal: tables.lastTotal + off });
        expect(await verdictAt(END, last)).to.equal("unlawful");
        const both = (tables: Tables) => total(last(tables));
        expect(await verdictAt(END, both)).to.equal("lawful");
      }
    });

    it("convicts a total that fell, though no ledger takes one", async () => {
      const fell = (tables: Tables) => ({ ...tables, total: tables.lastTotal - 1n });
      expect(await verdictAt(END, fell)).to.equal("unlawful");
    });

    it("holds an epoch in which nothing was earned to a total that did not grow", async () => {
      const world = await from(servedWorld);
      const idle = {
        ...world.second,
        contributions: world.second.contributions.map((row) => ({
          ...row,
          earned: 0n,
          subtotal: 0n,
        })),
        total: world.second.lastTotal,
      };
      expect(await judged(world, idle, ask(END))).to.equal("lawful");
      const grown = { ...idle, total: idle.total + 1n };
      expect(await judged(world, grown, ask(END))).to.equal("unlawful");
    });

    it("holds a single row to both ends", async () => {
      const world = await from(servedWorld);
      const { second } = world;
      const [only] = second.contributions;
      if (only === undefined) throw new Error("there is a row");
      const alone = { ...second, contributions: [only], total: second.lastTotal + only.earned };
      for (const boundary of [0, 1]) {
        expect(await judged(world, alone, ask(boundary))).to.equal("lawful");
      }
      const bent = bend(alone, "contributions", 0, { subtotal: only.subtotal + 1n });
      for (const boundary of [0, 1]) {
        expect(await judged(world, bent, ask(boundary))).to.equal("unlawful");
      }
    });

    it("does not overflow: amounts as large as can be, and a subtotal that went round", async () => {
      const most = (tables: Tables) => {
        const first = bend(tables, "contributions", 0, { earned: MOST, subtotal: MOST });
        return bend(first, "contributions", 1, { earned: MOST, subtotal: MOST - 1n });
      };
      expect(await verdictAt(0, most)).to.equal("lawful");
      expect(await verdictAt(1, most)).to.equal("unlawful");
      const last = (tables: Tables) => bend(tables, "contributions", END - 1, { subtotal: MOST });
      expect(await verdictAt(END, last)).to.equal("unlawful");
    });
  });
});
