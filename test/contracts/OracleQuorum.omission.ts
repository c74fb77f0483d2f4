import { type Hex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import type { SignedReceipt } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import { id, ZeroHash } from "ethers";
import { BOND, from, goTo, sealTimeOf, sender, startOf, walletOf } from "../worlds/contracts.ts";
import { finalize, NO_CONTRIBUTIONS, propose, type Report } from "./support/epochs.ts";
import {
  MEMBER,
  omissionOf,
  proveOmission,
  receiptsOf,
  resigned,
  type Shown,
  tablesOf,
  withoutRow,
  wordFor,
} from "./support/omissions.ts";
import { numbered } from "./support/revisions.ts";
import {
  OLD_KEY,
  proposeTables,
  reportOf,
  SECOND_DEVICE,
  type Served,
  servedWorld,
} from "./support/served.ts";
import type { Tables } from "./support/tables.ts";

async function expectSlashed(world: Served, shown: Shown): Promise<void> {
  const { quorum, bystander } = world;
  const { proving, verdict } = await proveOmission(world, shown);
  expect(verdict, "the twin").to.equal(1);
  await expect(proving)
    .to.emit(quorum, "MemberSlashed")
    .withArgs(MEMBER.address, 1, BOND, bystander.address, 3, numbered);
}

async function expectNone(world: Served, shown: Shown, what = ""): Promise<void> {
  const { proving, verdict } = await proveOmission(world, shown);
  expect(verdict, what).to.equal("NotOmission");
  await expect(proving, what).to.be.revertedWithCustomError(world.quorum, "NotOmission");
}

describe("OracleQuorum", () => {
  describe("proveOmission", () => {
    for (const [where, row] of [
      ["at the beginning", 0],
      ["between two of one account", 1],
      ["of a P-256 device", 3],
      ["between accounts", 5],
      ["at the end", 6],
    ] as const) {
      it(`slashes a member that left a receipt out ${where}`, async () => {
        const { world, shown } = await withoutRow(row);
        await expectSlashed(world, shown);
      });
    }

    it("slashes one that left all out, and has an empty table", async () => {
      const world = await from(servedWorld);
      const receipts = receiptsOf(world);
      const tables: Tables = { ...world.second, contributions: [], invoices: [] };
      for (const row of [0, 3, 6]) {
        const again = await from(servedWorld);
        await expectSlashed(again, {
          report: await reportOf(world, tables, { ...NO_CONTRIBUTIONS, total: world.first.total }),
          word: wordFor(world, receipts, row),
          omission: omissionOf(world, tables, receipts[row] as SignedReceipt),
          reporter: MEMBER,
          acknowledger: MEMBER,
        });
      }
    });

    it("slashes one that has an older receipt in its place, be it by one", async () => {
      for (const row of [0, 3, 6]) {
        for (const sequence of [2, 2 ** 32 - 1]) {
          const world = await from(servedWorld);
          const newer = resigned(world, row, { sequence });
          await expectSlashed(world, {
            report: await reportOf(world, world.second),
            word: wordFor(world, [newer]),
            omission: omissionOf(world, world.second, newer),
            reporter: MEMBER,
            acknowledger: MEMBER,
          });
        }
      }
    });

    it("slashes that member alone, pays the prover a tenth, and lets the report stand", async () => {
      const { world, tables, shown } = await withoutRow(2);
      const { connection, quorum, ledger, token, bystander } = world;
      const report = await proposeTables(world, tables);
      expect(report).to.deep.equal(shown.report);
      const supply = await token.totalSupply();
      const { proving } = await proveOmission(world, shown);
      await expect(proving).to.changeTokenBalance(connection.ethers, token, bystander, BOND / 10n);
      expect(await token.totalSupply()).to.equal(supply - (BOND * 9n) / 10n);
      const active = await Promise.all(world.members.map((member) => quorum.isActive(member)));
      expect(active).to.deep.equal([true, false, true, true, true]);
      await finalize(world, report);
      expect((await ledger.lastFinal()).epoch).to.equal(2);
    });

    it("needs no report that was proposed, nor of the attempt or the root that are due", async () => {
      const { world, shown } = await withoutRow(4);
      for (const change of [{ attempt: 7 }, { prevRoot: id("another") }, { total: 5n }]) {
        const again = await from(servedWorld);
        await expectSlashed(again, { ...shown, report: { ...shown.report, ...change } });
      }
      expect(world.members).to.have.lengthOf(5);
    });

    it("slashes a member whose bond is still here, long after the epoch is final", async () => {
      const { world, shown } = await withoutRow(2);
      await finalize(world, await proposeTables(world, world.second));
      await goTo(world, startOf(90));
      const { proving } = await proveOmission(world, shown);
      await expect(proving).to.emit(world.quorum, "MemberSlashed");
    });

    it("finds a member by any of its keys", async () => {
      for (const keys of ["word", "report", "both"] as const) {
        const { world, shown } = await withoutRow(2);
        const successor = walletOf("successor");
        await world.quorum.connect(await sender(world, MEMBER.address)).rotate(successor);
        const law = { ...world.law, members: new Map(world.law.members) };
        const member = law.members.get(1);
        if (member === undefined) throw new Error("there is a member");
        const rotated = { fromEpoch: 4, value: successor.address.toLowerCase() as Hex };
        law.members.set(1, { ...member, keys: [...member.keys, rotated] });
        const { proving, verdict } = await proveOmission(
          { ...world, law },
          {
            ...shown,
            acknowledger: keys === "report" ? MEMBER : successor,
            reporter: keys === "word" ? MEMBER : successor,
          },
        );
        expect(verdict).to.equal(1);
        await expect(proving)
          .to.emit(world.quorum, "MemberSlashed")
          .withArgs(successor.address, 1, BOND, world.bystander.address, 3, numbered);
      }
    });

    it("convicts nobody whose table has the receipt, or a newer one", async () => {
      const world = await from(servedWorld);
      const receipts = receiptsOf(world);
      for (const row of receipts.keys()) {
        const newer = resigned(world, row, { sequence: 2 });
        const tables = tablesOf(world, receipts.with(row, newer));
        for (const held of [world.second, tables]) {
          const receipt = receipts[row] as SignedReceipt;
          for (let at = 0; at <= receipts.length; at++) {
            await expectNone(
              world,
              {
                report: await reportOf(world, held),
                word: wordFor(world, [receipt]),
                omission: omissionOf(world, held, receipt, at),
                reporter: MEMBER,
                acknowledger: MEMBER,
              },
              `row ${row} at ${at}`,
            );
          }
        }
      }
    });

    it("convicts nobody for a receipt that is not lawful", async () => {
      const world = await from(servedWorld);
      const row = 1;
      const tables = tablesOf(world, receiptsOf(world).toSpliced(row, 1));
      const stranger = walletOf("stranger's key");
      const unlawful: readonly SignedReceipt[] = [
        resigned(world, row, { epoch: 1 }),
        resigned(world, row, { sequence: 0 }),
        resigned(world, row, { egressBytes: 10n ** 12n }),
        resigned(world, row, {}, { gateway: stranger }),
        resigned(world, row, {}, { gateway: OLD_KEY }),
        resigned(world, row, {}, { device: SECOND_DEVICE }),
        { ...resigned(world, row, {}), deviceSignature: new Uint8Array(64) },
        { ...resigned(world, row, {}), customerSignature: new Uint8Array(64).fill(255) },
      ];
      for (const [i, receipt] of unlawful.entries()) {
        await expectNone(
          world,
          {
            report: await reportOf(world, tables),
            word: wordFor(world, [receipt]),
            omission: omissionOf(world, tables, receipt, row),
            reporter: MEMBER,
            acknowledger: MEMBER,
          },
          `${i}`,
        );
      }
    });

    for (const storedAt of [0n, BigInt(sealTimeOf(2)), 2n ** 64n - 1n]) {
      it(`convicts whatever date the member wrote on its word: ${storedAt}`, async () => {
        const { world, missing, shown } = await withoutRow(2);
        await expectSlashed(world, { ...shown, word: wordFor(world, [missing], 0, storedAt) });
      });
    }

    it("convicts nobody for a word about other receipts, or another place or way in it", async () => {
      const { world, missing, shown } = await withoutRow(2);
      const receipts = receiptsOf(world);
      const { word } = shown;
      const others = receipts.filter((receipt) => receipt !== missing);
      const { acknowledgement, proof } = word;
      for (const wrong of [
        wordFor(world, others, 2),
        { ...word, index: 3 },
        { ...word, index: 2 + receipts.length },
        { ...word, proof: proof.slice(1) },
        { ...word, proof: [...proof, ZERO_HASH] },
        { ...word, proof: proof.toReversed() },
        { ...word, acknowledgement: { ...acknowledgement, receipts: 2 } },
        { ...word, acknowledgement: { ...acknowledgement, root: id("another") as Hex } },
      ]) {
        await expectNone(world, { ...shown, word: wrong });
      }
    });

    it("convicts nobody under rules that were never set", async () => {
      const { world, shown } = await withoutRow(2);
      for (const rulesHash of [id("no rules"), ZeroHash]) {
        await expectNone(world, { ...shown, report: { ...shown.report, rulesHash } });
      }
    });

    it("convicts nobody with the word of another member, or of a stranger", async () => {
      const { world, shown } = await withoutRow(2);
      const { quorum } = world;
      const other = walletOf("member 2");
      const stranger = walletOf("stranger");
      for (const [reporter, acknowledger] of [
        [MEMBER, other],
        [other, MEMBER],
        [MEMBER, stranger],
        [stranger, MEMBER],
      ] as const) {
        const { proving, verdict } = await proveOmission(world, {
          ...shown,
          reporter,
          acknowledger,
        });
        expect(verdict).to.equal("DifferentSigners");
        await expect(proving)
          .to.be.revertedWithCustomError(quorum, "DifferentSigners")
          .withArgs(reporter.address, acknowledger.address);
      }
      const { proving, verdict } = await proveOmission(world, {
        ...shown,
        reporter: stranger,
        acknowledger: stranger,
      });
      expect(verdict).to.equal("MemberUnknown");
      await expect(proving).to.be.revertedWithCustomError(quorum, "MemberUnknown");
    });

    it("finds no bond of who was slashed, or had it released", async () => {
      const { world, shown } = await withoutRow(2);
      const { quorum } = world;
      await expectSlashed(world, shown);
      const again = await proveOmission(world, shown);
      await expect(again.proving).to.be.revertedWithCustomError(quorum, "NoBond").withArgs(1);

      const later = await withoutRow(2);
      await quorum.connect(await sender(world, MEMBER.address)).exit();
      await finalizeIdle(later.world, await reportOf(world, world.second));
      for (const epoch of [3, 4]) {
        await goTo(world, sealTimeOf(epoch));
        const { root, total } = await world.ledger.lastFinal();
        const idle = await reportOf(world, world.second, { ...NO_CONTRIBUTIONS, root, total });
        await finalizeIdle(later.world, idle);
      }
      await quorum.withdrawBond(1);
      const late = await proveOmission(world, shown);
      await expect(late.proving).to.be.revertedWithCustomError(quorum, "NoBond").withArgs(1);
    });
  });
});

async function finalizeIdle(world: Served, report: Report): Promise<void> {
  await propose(world, report, world.members.slice(2));
  await finalize(world, report);
}
