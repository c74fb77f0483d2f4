import { expect } from "chai";
import { ZeroHash } from "ethers";
import { at, from, goTo, sealTimeOf, sender, startOf } from "../worlds/contracts.ts";
import {
  EMPTY_TREE,
  reportOf as emptyReportOf,
  finalize,
  NO_CONTRIBUTIONS,
  propose,
} from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import {
  askLeaf,
  expectNotOpen,
  finalizeHonest,
  pendingRobbery,
  ROBBED,
  robbed,
  vetoedRobbery,
} from "./support/robbery.ts";
import { proposeTables, reportOf, servedWorld } from "./support/served.ts";
import { bend } from "./support/tables.ts";
import { convict, encodeEvidence, evidenceOf, findIn } from "./support/trial.ts";

describe("EpochLedger", () => {
  describe("convict, of a vetoed report", () => {
    it("slashes its signers, and ends no attempt", async () => {
      const world = await from(vetoedRobbery);
      const { ledger, quorum, bystander, report, digest, evidence, second } = world;
      const next = await proposeTables(world, second, world.members.slice(2));
      const pending = await ledger.proposal();
      await expect(convict(world, report, evidence))
        .to.emit(ledger, "RootRevoked")
        .withArgs(2, 0, digest, bystander.address, numbered);
      for (const member of world.members.slice(0, 3)) {
        expect(await quorum.isActive(member)).to.equal(false);
        expect((await quorum.memberOf(member)).bond).to.equal(0);
      }
      expect(await ledger.proposal()).to.deep.equal(pending);
      await finalize(world, next);
      expect((await ledger.lastFinal()).epoch).to.equal(2);
    });

    it("is possible once", async () => {
      const world = await from(vetoedRobbery);
      await convict(world, world.report, world.evidence);
      await expectNotOpen(world, world.report, encodeEvidence(world.evidence));
    });

    it("is possible as long as its epoch is not final, however long that takes", async () => {
      const world = await from(vetoedRobbery);
      await goTo(world, startOf(20));
      await expect(convict(world, world.report, world.evidence)).to.emit(
        world.ledger,
        "RootRevoked",
      );
    });

    it("ends with the window when its epoch is final, to the second", async () => {
      const world = await from(servedWorld);
      const { ledger } = world;
      const tables = robbed(world.second);
      const evidence = encodeEvidence(evidenceOf(world, tables, askLeaf(ROBBED)));
      const report = await proposeTables(world, tables);
      const { digest, finalizableAt } = await ledger.proposal();
      await ledger.connect(world.guardian).veto(digest);
      await propose(
        { ...world, members: world.members.slice(2) },
        await reportOf(world, world.second),
        world.members.slice(2),
      );
      const { finalizableAt: next } = await ledger.proposal();
      expect(next).to.be.above(finalizableAt);
      await goTo(world, next);
      await ledger.convict.staticCall(report, evidence);
      await ledger.finalize(await reportOf(world, world.second));
      expect(await ledger.openUntil(digest)).to.equal(0);
      await expectNotOpen(world, report, evidence);
    });

    it("is possible after its epoch is final while its own window lasts, by what was final before it", async () => {
      const world = await from(servedWorld);
      const { ledger, connection } = world;
      const honest = await reportOf(world, world.second);
      // The fraud is built like the honest report, and proposed just before it.
      const tables = robbed(world.second);
      const report = await proposeTables(world, tables);
      const { digest } = await ledger.proposal();
      await ledger.connect(world.guardian).veto(digest);
      const again = { ...honest, attempt: 1 };
      await propose({ ...world, members: world.members.slice(2) }, again, world.members.slice(2));
      // A demand that is answered late keeps the first one's window open; here the demands say so themselves.
      const demands = await sender(world, await world.demands.getAddress());
      const until = (await ledger.proposal()).finalizableAt + 10_000n;
      await ledger.connect(demands).setWindow(digest, until);
      await finalize(world, again);
      expect((await ledger.lastFinal()).epoch).to.equal(2);
      expect((await ledger.lastFinal()).total).not.to.equal(world.second.lastTotal);
      const evidence = encodeEvidence(evidenceOf(world, tables, askLeaf(ROBBED)));
      const { networkHelpers } = connection;
      const open = await networkHelpers.takeSnapshot();
      await expect(ledger.connect(world.bystander).convict(report, evidence))
        .to.emit(ledger, "RootRevoked")
        .withArgs(2, 0, digest, world.bystander.address, numbered);
      await open.restore();
      expect(await ledger.openUntil(digest)).to.equal(until);
      await goTo(world, until);
      await expectNotOpen(world, report, evidence);
      expect(await ledger.openUntil(digest)).to.equal(0);
    });

    it("judges a new account's leaf by the leaves and the total of its own time", async () => {
      const world = await from(servedWorld);
      const { ledger } = world;
      const off = bend(world.second, "rewards", 5, { prefix: world.second.total });
      for (const tables of [off, world.second]) {
        const again = await from(servedWorld);
        const report = await proposeTables(again, tables);
        const { digest } = await ledger.proposal();
        await ledger.connect(world.guardian).veto(digest);
        const next = await proposeTables(again, world.second, world.members.slice(2));
        const demands = await sender(world, await world.demands.getAddress());
        await ledger
          .connect(demands)
          .setWindow(digest, (await ledger.proposal()).finalizableAt + 999n);
        await finalize(world, next);
        const evidence = encodeEvidence(evidenceOf(world, tables, askLeaf(5)));
        const trial = ledger.connect(world.bystander).convict(report, evidence);
        if (tables === off) await expect(trial).to.emit(ledger, "RootRevoked");
        else await expect(trial).to.be.revertedWithCustomError(ledger, "NoFraud");
      }
    });

    it("keeps its signers' bonds as long, and that of who left before others", async () => {
      const world = await from(vetoedRobbery);
      const { ledger, quorum } = world;
      const until = await ledger.openUntil(world.digest);
      expect(await ledger.provableUntil()).to.equal(until);
      const member = world.members[0]?.address ?? "";
      await quorum.connect(await sender(world, member)).exit();
      const demands = await sender(world, await world.demands.getAddress());
      const late = startOf(9);
      await ledger.connect(demands).setWindow(world.digest, late);
      await finalizeHonest(world);
      // Epochs 3 and 4 become final too: but for the vetoed report its bond would be free.
      for (const epoch of [3, 4]) {
        await goTo(world, sealTimeOf(epoch));
        const { root, total } = await ledger.lastFinal();
        const idle = { ...(await emptyReportOf(world, EMPTY_TREE)), root, total };
        const report = { ...idle, ...NO_CONTRIBUTIONS };
        await propose(world, report, world.members.slice(2));
        await finalize(world, report);
      }
      await expect(quorum.withdrawBond(0))
        .to.be.revertedWithCustomError(quorum, "BondHeld")
        .withArgs(0, 3);
      await at(world, late);
      await quorum.withdrawBond(0);
    });

    it("convicts nobody when it was honest", async () => {
      const world = await from(servedWorld);
      const { ledger, second } = world;
      const report = await proposeTables(world, second);
      await ledger.connect(world.guardian).veto((await ledger.proposal()).digest);
      expect(findIn(world, second)).to.equal(undefined);
      const evidence = encodeEvidence(evidenceOf(world, second, askLeaf(ROBBED)));
      await expect(ledger.convict(report, evidence)).to.be.revertedWithCustomError(
        ledger,
        "NoFraud",
      );
    });
  });

  describe("openUntil", () => {
    it("is the end of the window of what is pending, or vetoed, and zero for all else", async () => {
      const world = await from(pendingRobbery);
      const { ledger, digest, report } = world;
      const { finalizableAt } = await ledger.proposal();
      expect(await ledger.openUntil(digest)).to.equal(finalizableAt);
      expect([await ledger.openUntil(ZeroHash), await ledger.openUntil(report.root)]).to.deep.equal(
        [0n, 0n],
      );
      expect(await ledger.provableUntil()).to.equal(0);
      await ledger.connect(world.guardian).veto(digest);
      expect(await ledger.openUntil(digest)).to.equal(finalizableAt);
      expect(await ledger.openUntil(ZeroHash)).to.equal(0);
      await convict(world, report, world.evidence);
      expect(await ledger.openUntil(digest)).to.equal(0);
    });
  });

  describe("provableUntil", () => {
    it("is the latest end of all vetoed reports' windows", async () => {
      const world = await from(vetoedRobbery);
      const { ledger, guardian } = world;
      const first = await ledger.provableUntil();
      await proposeTables(world, world.second, world.members.slice(2));
      const { digest, finalizableAt } = await ledger.proposal();
      await ledger.connect(guardian).veto(digest);
      expect(finalizableAt).to.be.above(first);
      expect(await ledger.provableUntil()).to.equal(finalizableAt);
      const demands = await sender(world, await world.demands.getAddress());
      await ledger.connect(demands).setWindow(world.digest, first - 5n);
      expect(await ledger.provableUntil()).to.equal(finalizableAt);
    });

    it("is never as long as one of them waits for an answer, however many do", async () => {
      const world = await from(vetoedRobbery);
      const { ledger, guardian, digest, report, evidence } = world;
      const never = 2n ** 40n - 1n;
      await proposeTables(world, robbed(world.second), world.members.slice(2));
      const { digest: other, finalizableAt } = await ledger.proposal();
      const demands = ledger.connect(await sender(world, await world.demands.getAddress()));
      // One waits when it is vetoed already, the other before it is.
      await demands.setWindow(other, never);
      await ledger.connect(guardian).veto(other);
      expect(await ledger.provableUntil()).to.equal(never);
      await demands.setWindow(digest, never);
      await demands.setWindow(other, finalizableAt);
      expect(await ledger.provableUntil()).to.equal(never);
      // Whoever was convicted waits for nothing more.
      await convict(world, report, evidence);
      expect(await ledger.provableUntil()).to.equal(finalizableAt);
    });
  });
});
