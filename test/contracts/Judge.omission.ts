import { type Hex, toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { registryDomain } from "@link-rewards/core/signed/deployment";
import { receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import { omissionOf, omittedFrom, receiptsOf, resigned, withoutRow } from "./support/omissions.ts";
import { bend, type Tables } from "./support/tables.ts";

describe("Judge", () => {
  describe("of an omission", () => {
    it("says the digest of what is missing, and nothing for what is there", async () => {
      const { world, tables, missing } = await withoutRow(2);
      const omission = omissionOf(world, tables, missing);
      const digest = toHex(receiptDigest(registryDomain(world.deployment), missing.receipt));
      expect(await omittedFrom(world, tables, omission)).to.equal(digest);
      const there = omissionOf(world, world.second, missing);
      expect(await omittedFrom(world, world.second, there)).to.equal(ZERO_HASH);
    });

    it("says nothing of a receipt that is not lawful, whatever is shown beside it", async () => {
      const { world, tables } = await withoutRow(2);
      const omission = omissionOf(world, tables, resigned(world, 2, { sequence: 0 }), 2);
      for (const openings of [omission.openings, []]) {
        const shown = { ...omission, openings, publicKey: "0x" } as const;
        expect(await omittedFrom(world, tables, shown)).to.equal(ZERO_HASH);
      }
    });

    it("says nothing at any boundary but the one where it would stand", async () => {
      for (const row of [0, 1, 3, 6]) {
        const { world, tables, missing } = await withoutRow(row);
        for (let at = 0; at <= tables.contributions.length; at++) {
          const said = await omittedFrom(world, tables, omissionOf(world, tables, missing, at));
          if (at === row) expect(said).not.to.equal(ZERO_HASH);
          else expect(said, `row ${row} at ${at}`).to.equal(ZERO_HASH);
        }
      }
    });

    it("goes by the index of the account, then device, then customer", async () => {
      const { world, tables, missing } = await withoutRow(1);
      const boundary = omissionOf(world, tables, missing);
      for (const [row, account] of [
        [0, tables.contributions[5]?.account],
        [1, tables.contributions[5]?.account],
      ] as const) {
        const moved = bend(tables, "contributions", row, { account: account as Hex });
        const omission = omissionOf(world, moved, missing, boundary.position);
        const said = await omittedFrom(world, moved, omission);
        if (row === 0) expect(said).to.equal(ZERO_HASH);
        else expect(said).not.to.equal(ZERO_HASH);
      }
    });

    it("fails for evidence that is not about the table", async () => {
      const { world, tables, missing } = await withoutRow(2);
      const omission = omissionOf(world, tables, missing);
      const [first, second] = omission.openings;
      if (first === undefined || second === undefined) throw new Error("there are two");
      const none: Tables = { ...tables, contributions: [], invoices: [] };
      const p256 = omissionOf(world, tables, receiptsOf(world)[3] as SignedReceipt, 2);
      for (const [table, wrong] of [
        [tables, { ...omission, openings: [first] }],
        [tables, { ...omission, openings: [second, first] }],
        [tables, { ...omission, openings: [first, second, second] }],
        [tables, { ...omission, openings: [] }],
        [tables, { ...omission, position: 3 }],
        [tables, { ...omission, position: 7 }],
        [tables, { ...omission, position: 2 ** 32 - 1 }],
        [tables, { ...omission, openings: [first, { ...second, table: "invoices" }] }],
        [tables, { ...omission, openings: [{ ...first, proof: [] }, second] }],
        [tables, { ...omission, openings: [{ ...first, row: "0x" }, second] }],
        [tables, { ...omission, receipt: omission.receipt.slice(0, -2) as Hex }],
        [tables, { ...omission, receipt: `${omission.receipt}00` as Hex }],
        [world.second, omission],
        [none, omission],
        [tables, { ...p256, publicKey: "0x" }],
      ] as const) {
        expect(await omittedFrom(world, table, wrong)).to.equal("invalid");
      }
    });
  });
});
