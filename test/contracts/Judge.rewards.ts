import { type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Judgement } from "@link-rewards/core/judge/judge";
import { expect } from "chai";
import { accountOf, from } from "../worlds/contracts.ts";
import { type Served, servedWorld } from "./support/served.ts";
import {
  arrange,
  bend,
  empty,
  LAST_ADDRESS,
  MOST,
  NOBODY,
  rowOf,
  summed,
  type TableName,
  type Tables,
} from "./support/tables.ts";
import { evidenceOf, judged } from "./support/trial.ts";

/*
 * In epoch 2 there are six leaves, five of which were there before. Accounts 0, 1, 3 and 5 earned something, with
 * contributions 0 to 2, 3 and 4, 5, and 6.
 */
const LEAVES = 6;
const NEW = 5;

type Bend = (tables: Tables) => Tables;

const askOrder = (position: number) =>
  ({ proof: "reward-order", table: "rewards", position }) as const;
const askBoundary = (position: number) =>
  ({ proof: "reward-boundary", table: "rewards", position }) as const;
const askEmpty = (table: TableName, position: number) =>
  ({ proof: "empty-leaf", table, position }) as const;

async function orderAt(boundary: number, bent: Bend): Promise<Judgement> {
  const world = await from(servedWorld);
  return judged(world, bent(world.second), askOrder(boundary));
}

async function boundaryAt(index: number, bent: Bend): Promise<Judgement> {
  const world = await from(servedWorld);
  return judged(world, bent(world.second), askBoundary(index));
}

const leaf =
  (position: number, change: { account?: Hex; cumulative?: bigint; prefix?: bigint }): Bend =>
  (tables) =>
    bend(tables, "rewards", position, change);

const earlier =
  (position: number, change: { cumulative?: bigint; prefix?: bigint }): Bend =>
  (tables) => {
    const { lastRewards } = tables;
    const bent = { ...(lastRewards[position] as (typeof lastRewards)[0]), ...change };
    return { ...tables, lastRewards: lastRewards.with(position, bent) };
  };

async function prefixOf(position: number): Promise<bigint> {
  return rowOf((await from(servedWorld)).second, "rewards", position).prefix;
}

describe("Judge", () => {
  describe("of the rewards' order", () => {
    it("convicts at no boundary of an honest table", async () => {
      const world = await from(servedWorld);
      for (const tables of [world.first, world.second]) {
        for (let boundary = 0; boundary <= tables.rewards.length; boundary++) {
          expect(await judged(world, tables, askOrder(boundary)), `${boundary}`).to.equal("lawful");
        }
      }
    });

    it("convicts an account in another's place, and one that has none", async () => {
      for (const position of [0, 1, 3, 5]) {
        const others = [0, 1, 2, 3, 4, 5].filter((index) => index !== position);
        for (const index of others) {
          const account = lowercaseHex(accountOf(index));
          expect(await orderAt(position, leaf(position, { account }))).to.equal("unlawful");
        }
        for (const account of [NOBODY, LAST_ADDRESS]) {
          expect(await orderAt(position, leaf(position, { account }))).to.equal("unlawful");
        }
      }
    });

    it("convicts two accounts that are swapped, with all sums made good", async () => {
      const world = await from(servedWorld);
      const tables = summed(arrange(world.second, "rewards", [0, 1, 4, 3, 2, 5]));
      for (const [boundary, expected] of [
        [1, "lawful"],
        [2, "unlawful"],
        [3, "lawful"],
        [4, "unlawful"],
      ] as const) {
        expect(await judged(world, tables, askOrder(boundary))).to.equal(expected);
      }
    });

    it("convicts a prefix that is not where the leaf before ends, by a wei, and a first that is not zero", async () => {
      expect(await orderAt(0, leaf(0, { prefix: 1n }))).to.equal("unlawful");
      for (const position of [1, 3, 5]) {
        const prefix = await prefixOf(position);
        for (const off of [1n, -1n]) {
          expect(await orderAt(position, leaf(position, { prefix: prefix + off }))).to.equal(
            "unlawful",
          );
          const { cumulative } = rowOf((await from(servedWorld)).second, "rewards", position - 1);
          const before = leaf(position - 1, { cumulative: cumulative + off });
          const isAmount = cumulative + off >= 0n;
          if (isAmount) expect(await orderAt(position, before)).to.equal("unlawful");
        }
      }
    });

    it("convicts a last leaf that does not end at the total, by a wei", async () => {
      for (const off of [1n, -1n]) {
        const total: Bend = (tables) => ({ ...tables, total: tables.total + off });
        expect(await orderAt(LEAVES, total)).to.equal("unlawful");
        const { cumulative, prefix } = rowOf(
          (await from(servedWorld)).second,
          "rewards",
          LEAVES - 1,
        );
        for (const change of [{ cumulative: cumulative + off }, { prefix: prefix + off }]) {
          expect(await orderAt(LEAVES, leaf(LEAVES - 1, change))).to.equal("unlawful");
        }
      }
    });

    it("does not overflow: slices as large as can be, and one that went round", async () => {
      const most = leaf(LEAVES - 1, { prefix: MOST, cumulative: MOST });
      expect(await orderAt(LEAVES, most)).to.equal("unlawful");
      expect(await orderAt(LEAVES - 1, most)).to.equal("unlawful");
      const round = leaf(1, { prefix: MOST, cumulative: 1n });
      expect(await orderAt(2, (tables) => leaf(2, { prefix: 0n })(round(tables)))).to.equal(
        "unlawful",
      );
    });
  });

  describe("of a reward boundary", () => {
    it("convicts no leaf of an honest table: of old accounts and new, idle and not", async () => {
      const world = await from(servedWorld);
      for (const tables of [world.first, world.second]) {
        for (const index of tables.rewards.keys()) {
          expect(await judged(world, tables, askBoundary(index)), `${index}`).to.equal("lawful");
        }
      }
    });

    for (const index of [0, 1, 2, 3, 4, NEW]) {
      it(`convicts a prefix that moved by a wei too much or too little, of account ${index}`, async () => {
        const prefix = await prefixOf(index);
        for (const off of [1n, -1n]) {
          if (prefix + off < 0n) continue;
          expect(await boundaryAt(index, leaf(index, { prefix: prefix + off }))).to.equal(
            "unlawful",
          );
        }
      });
    }

    it("counts from where an account was, and a new one from the last total", async () => {
      for (const off of [1n, -1n]) {
        const world = await from(servedWorld);
        const before = world.second.lastRewards[3]?.prefix ?? 0n;
        expect(await boundaryAt(3, earlier(3, { prefix: before + off }))).to.equal("unlawful");
        const lastTotal: Bend = (tables) => ({ ...tables, lastTotal: tables.lastTotal + off });
        expect(await boundaryAt(NEW, lastTotal)).to.equal("unlawful");
        // Of one that was there, the last total says nothing.
        expect(await boundaryAt(3, lastTotal)).to.equal("lawful");
      }
    });

    it("counts what the accounts before earned, by the last of their contributions", async () => {
      const world = await from(servedWorld);
      for (const [index, last] of [
        [1, 2],
        [2, 4],
        [3, 4],
        [4, 5],
        [5, 5],
      ] as const) {
        const { subtotal } = rowOf(world.second, "contributions", last);
        for (const off of [1n, -1n]) {
          const bent: Bend = (tables) =>
            bend(tables, "contributions", last, { subtotal: subtotal + off });
          expect(await boundaryAt(index, bent), `account ${index}`).to.equal("unlawful");
        }
      }
    });

    it("convicts one account that is robbed for another, with all sums made good", async () => {
      const world = await from(servedWorld);
      const { rewards } = world.second;
      const [from1, to3] = [1, 3].map((index) => rewards[index]?.cumulative ?? 0n);
      const robbed = bend(world.second, "rewards", 1, { cumulative: (from1 ?? 0n) - 225n });
      const tables = summed(bend(robbed, "rewards", 3, { cumulative: (to3 ?? 0n) + 225n }));
      for (const index of [0, 1, 2, 3, 4, 5]) {
        expect(await judged(world, tables, askOrder(index))).to.equal("lawful");
        const isBetween = index === 2 || index === 3;
        const expected = isBetween ? "unlawful" : "lawful";
        expect(await judged(world, tables, askBoundary(index)), `${index}`).to.equal(expected);
      }
    });

    it("holds all leaves where they were when there are no contributions", async () => {
      const world = await from(servedWorld);
      const { lastRewards, lastTotal, rewards } = world.second;
      const idle = summed({
        ...world.second,
        contributions: [],
        invoices: [],
        rewards: rewards.map((each, i) => ({
          ...each,
          cumulative: lastRewards[i]?.cumulative ?? 0n,
        })),
      });
      expect(idle.total).to.equal(lastTotal);
      for (const index of idle.rewards.keys()) {
        expect(await judged(world, idle, askBoundary(index))).to.equal("lawful");
        const prefix = rowOf(idle, "rewards", index).prefix + 1n;
        const bent = bend(idle, "rewards", index, { prefix });
        expect(await judged(world, bent, askBoundary(index))).to.equal("unlawful");
      }
    });

    it("does not overflow: prefix and subtotal as large as can be", async () => {
      const most: Bend = (tables) =>
        bend(earlier(3, { prefix: MOST })(tables), "contributions", 4, { subtotal: MOST });
      expect(await boundaryAt(3, most)).to.equal("unlawful");
      expect(
        await boundaryAt(3, (tables) => leaf(3, { prefix: MOST - 1n })(most(tables))),
      ).to.equal("unlawful");
    });

    /** The evidence about a leaf, with another boundary. */
    async function shifted(index: number, boundary: number): Promise<Judgement> {
      const world: Served = await from(servedWorld);
      const around = {
        proof: "contribution-order",
        table: "contributions",
        position: boundary,
      } as const;
      const { openings } = evidenceOf(world, world.second, askBoundary(index));
      const leaves = openings.filter(({ table }) => table !== "contributions");
      const rows = evidenceOf(world, world.second, around).openings;
      const shown = evidenceOf(world, world.second, askBoundary(index));
      return judged(world, world.second, {
        ...shown,
        position: boundary,
        openings: [...leaves, ...rows],
      });
    }

    it("fails for any boundary but the one between the accounts before and the rest", async () => {
      for (const [index, boundary] of [
        [0, 0],
        [1, 3],
        [2, 5],
        [3, 5],
        [4, 6],
        [5, 6],
      ] as const) {
        for (let other = 0; other <= 7; other++) {
          const expected = other === boundary ? "lawful" : "invalid";
          expect(await shifted(index, other), `${index} at ${other}`).to.equal(expected);
        }
      }
    });

    it("puts contributions of accounts without an index behind every leaf", async () => {
      const unknown: Bend = (tables) => bend(tables, "contributions", 6, { account: NOBODY });
      expect(await boundaryAt(NEW, unknown)).to.equal("lawful");
    });
  });

  describe("of an empty leaf", () => {
    for (const table of ["contributions", "invoices", "rewards"] as const) {
      it(`convicts the zero hash in place of any row of the ${table}`, async () => {
        const world = await from(servedWorld);
        for (const position of world.second[table].keys()) {
          const tables = empty(world.second, table, position);
          expect(await judged(world, tables, askEmpty(table, position))).to.equal("unlawful");
        }
      });

      it(`fails where a row stands in the ${table}, be it of zeros, and in the padding`, async () => {
        const world = await from(servedWorld);
        const hole = empty(world.second, table, 1);
        const zeros: Tables = { ...hole, holes: [] };
        for (const tables of [world.second, zeros]) {
          const evidence = { ...evidenceOf(world, tables, askEmpty(table, 1)), position: 0 };
          expect(await judged(world, tables, evidence)).to.equal("invalid");
        }
        // The last row's sibling is padding when the number of rows is odd, and past that it always is.
        const rows = world.second[table].length;
        const [last] = evidenceOf(world, world.second, askEmpty(table, rows - 1)).openings;
        if (last === undefined) throw new Error("there is an opening");
        for (const position of [rows, rows + 1, 2 ** 32 - 1]) {
          const shown = {
            ...evidenceOf(world, world.second, askEmpty(table, rows - 1)),
            openings: [{ ...last, position }],
          };
          expect(await judged(world, world.second, shown)).to.equal("invalid");
        }
      });
    }

    it("convicts nothing of the final rewards before", async () => {
      const world = await from(servedWorld);
      const { rewards } = empty(world.second, "rewards", 3);
      const holed: Tables = {
        ...world.second,
        lastRewards: world.second.lastRewards.with(3, rewards[3] as (typeof rewards)[0]),
        holes: [["lastRewards", 3]],
      };
      const question = { ...askEmpty("rewards", 3), table: "lastRewards" as "rewards" };
      expect(await judged(world, holed, question)).to.equal("invalid");
    });
  });
});
