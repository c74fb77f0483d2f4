import { expect } from "chai";
import { id, ZeroHash } from "ethers";
import {
  at,
  bindAccounts,
  deployedWorld,
  from,
  goTo,
  sealTimeOf,
  startOf,
  TIMEOUT_SECONDS,
  WINDOW_SECONDS,
} from "../worlds/contracts.ts";
import {
  EMPTY_TREE,
  finalizeEpoch,
  firstFinal,
  ltkTree,
  NO_CONTRIBUTIONS,
  pendingReport,
  propose,
  type Report,
  reportOf,
  type Staffed,
  signReport,
  staffedWorld,
} from "./support/epochs.ts";
import { digestOf, domainOf } from "./support/signing.ts";

/** Epoch 2 is sealed and next: account i has earned (i + 1) LTK before it. */
async function sealedTwo(): Promise<Staffed> {
  const world = await from(firstFinal);
  await goTo(world, sealTimeOf(2));
  return world;
}

const second = (world: Staffed) => ltkTree(world.accounts, [2, 2, 3, 4, 6]);

async function proposing(world: Staffed, change: Partial<Report>) {
  return propose(world, await reportOf(world, second(world), change));
}

describe("EpochLedger", () => {
  describe("propose", () => {
    it("takes a quorum's report and opens its window", async () => {
      const world = await from(sealedTwo);
      const { ledger, bystander } = world;
      const report = await reportOf(world, second(world));
      const digest = digestOf(await domainOf(ledger), "Report", report);
      const signatures = await signReport(world, report, world.members.slice(1, 4));
      const time = sealTimeOf(2) + 100;
      await at(world, time);
      await expect(ledger.connect(bystander).propose(report, signatures))
        .to.emit(ledger, "RootProposed")
        .withArgs(2, 0, digest, Object.values(report), 0b1110, time + WINDOW_SECONDS);
      expect(await ledger.proposal()).to.deep.equal([
        2n,
        0n,
        digest,
        0b1110n,
        BigInt(time + WINDOW_SECONDS),
        BigInt(sealTimeOf(2) + TIMEOUT_SECONDS),
      ]);
    });

    it("refuses any epoch but the next: none is skipped, none comes twice", async () => {
      const world = await from(sealedTwo);
      await goTo(world, sealTimeOf(3));
      for (const epoch of [0, 1, 3]) {
        await expect(proposing(world, { epoch }))
          .to.be.revertedWithCustomError(world.ledger, "EpochOutOfOrder")
          .withArgs(epoch, 2);
      }
    });

    it("refuses until the epoch's seal time", async () => {
      const world = await from(firstFinal);
      const report = await reportOf(world, second(world));
      const signatures = await signReport(world, report, world.members.slice(0, 3));
      await at(world, sealTimeOf(2) - 1);
      await expect(world.ledger.propose(report, signatures))
        .to.be.revertedWithCustomError(world.ledger, "EpochNotSealed")
        .withArgs(2, sealTimeOf(2));
      await at(world, sealTimeOf(2));
      await world.ledger.propose(report, signatures);
    });

    it("never overwrites a pending report: lesson, Morpho, an overwritten root restarts the timelock", async () => {
      const world = await from(sealedTwo);
      const report = await pendingReport(world, second(world));
      const { digest, finalizableAt } = await world.ledger.proposal();
      await goTo(world, startOf(4));
      for (const change of [{}, { bundleHash: id("another") }]) {
        await expect(proposing(world, change))
          .to.be.revertedWithCustomError(world.ledger, "ProposalPending")
          .withArgs(digest);
      }
      expect((await world.ledger.proposal()).finalizableAt).to.equal(finalizableAt);
      await world.ledger.finalize(report);
    });

    it("refuses reports of another attempt", async () => {
      const world = await from(sealedTwo);
      await expect(proposing(world, { attempt: 1 }))
        .to.be.revertedWithCustomError(world.ledger, "WrongAttempt")
        .withArgs(1, 0);
      await goTo(world, sealTimeOf(2) + TIMEOUT_SECONDS);
      await world.ledger.abandon(2);
      await expect(proposing(world, { attempt: 0 }))
        .to.be.revertedWithCustomError(world.ledger, "WrongAttempt")
        .withArgs(0, 1);
      await proposing(world, { attempt: 1 });
    });

    it("refuses other rules than the ones in force in that epoch", async () => {
      const world = await from(firstFinal);
      const rules = await world.ledger.rulesAt(2);
      await world.ledger.connect(world.governance).setRules(id("later"));
      await goTo(world, sealTimeOf(2));
      await proposing(world, { rulesHash: rules });
      const report = await reportOf(world, second(world), { rulesHash: rules });
      await goTo(world, (await world.ledger.proposal()).finalizableAt);
      await world.ledger.finalize(report);
      await goTo(world, sealTimeOf(3));
      await expect(proposing(world, { rulesHash: rules }))
        .to.be.revertedWithCustomError(world.ledger, "WrongRules")
        .withArgs(rules, id("later"));
      await proposing(world, { rulesHash: id("later") });
    });

    it("refuses a report that does not build on the last final root", async () => {
      const world = await from(sealedTwo);
      const { root } = await world.ledger.lastFinal();
      for (const prevRoot of [ZeroHash, id("elsewhere")]) {
        await expect(proposing(world, { prevRoot }))
          .to.be.revertedWithCustomError(world.ledger, "WrongPrevRoot")
          .withArgs(prevRoot, root);
      }
    });

    it("keeps leaves between those of the last final root and the registry's accounts", async () => {
      const world = await from(sealedTwo);
      const { registry, ledger } = world;
      await bindAccounts(world, 1);
      expect(await registry.accounts()).to.equal(6);
      for (const leaves of [0, 4, 7, 2 ** 32 - 1]) {
        await expect(proposing(world, { leaves }))
          .to.be.revertedWithCustomError(ledger, "LeavesOutOfRange")
          .withArgs(leaves, 5, 6);
      }
      await proposing(world, { leaves: 6 });
    });

    it("wants a root exactly when there are leaves: lesson, EigenLayer Merkle audit L-01, a zero root", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      await goTo(world, sealTimeOf(1));
      await expect(proposing(world, { root: ZeroHash }))
        .to.be.revertedWithCustomError(ledger, "RootMismatch")
        .withArgs(ZeroHash, 5);
      await expect(proposing(world, { leaves: 0 })).to.be.revertedWithCustomError(
        ledger,
        "RootMismatch",
      );
      await expect(proposing(world, { contributions: 0 })).to.be.revertedWithCustomError(
        ledger,
        "RootMismatch",
      );
      await expect(proposing(world, { contributionRoot: ZeroHash }))
        .to.be.revertedWithCustomError(ledger, "RootMismatch")
        .withArgs(ZeroHash, 1);
      await proposing(world, { ...NO_CONTRIBUTIONS });
    });

    it("refuses a total that fell, and takes one that stayed", async () => {
      const world = await from(sealedTwo);
      const { total } = await world.ledger.lastFinal();
      await expect(proposing(world, { total: total - 1n }))
        .to.be.revertedWithCustomError(world.ledger, "TotalFell")
        .withArgs(total - 1n, total);
      await proposing(world, { total });
    });

    it("releases the budget of an epoch and not a wei more", async () => {
      const world = await from(sealedTwo);
      const { total } = await world.ledger.lastFinal();
      const budget = await world.ledger.budgetOf(2);
      await expect(proposing(world, { total: total + budget + 1n }))
        .to.be.revertedWithCustomError(world.ledger, "OverBudget")
        .withArgs(budget + 1n, budget);
      await proposing(world, { total: total + budget });
    });

    it("wants the signatures of a quorum over exactly this report", async () => {
      const world = await from(sealedTwo);
      const { ledger, quorum, members } = world;
      const report = await reportOf(world, second(world));
      await expect(
        ledger.propose(report, await signReport(world, report, members.slice(0, 2))),
      ).to.be.revertedWithCustomError(quorum, "TooFewSignatures");
      const signatures = await signReport(world, report, members.slice(0, 3));
      for (const change of [
        { bundleHash: id("swapped") },
        { contributionRoot: id("swapped") },
        { contributions: 2 },
        { root: id("swapped") },
        { total: report.total + 1n },
      ]) {
        await expect(
          ledger.propose({ ...report, ...change }, signatures),
        ).to.be.revertedWithCustomError(quorum, "SignerNotActive");
      }
    });

    it("takes one digest of a quorum, not a mixture: lesson, Helium, the higher of two reports pays", async () => {
      const world = await from(sealedTwo);
      const { ledger, quorum, members } = world;
      const honest = await reportOf(world, second(world));
      const higher = { ...honest, total: honest.total + 1n };
      const mixture = [
        ...(await signReport(world, honest, members.slice(0, 2))),
        ...(await signReport(world, higher, members.slice(2, 4))),
      ];
      for (const report of [honest, higher]) {
        await expect(ledger.propose(report, mixture)).to.be.revertedWithCustomError(
          quorum,
          "SignerNotActive",
        );
      }
    });

    it("takes an empty epoch: lesson, lidofinance/staking-modules PR 326", async () => {
      const world = await from(staffedWorld);
      const report = await finalizeEpoch(world, EMPTY_TREE, NO_CONTRIBUTIONS);
      expect(report).to.deep.include({ root: ZeroHash, leaves: 0, total: 0n });
      const last = await world.ledger.lastFinal();
      expect(last).to.deep.equal([1n, ZeroHash, 0n, 0n, 0n]);
    });

    it("refuses to promise what the ledger does not hold", async () => {
      const { connection, ...world } = await from(deployedWorld);
      const { token, registry, escrow, quorum, distributor, governance, guardian } = world;
      const unfunded = await connection.ethers.deployContract("EpochLedger", [
        {
          token,
          registry,
          escrow,
          quorum,
          distributor,
          emissionShare: await world.ledger.emissionShare(),
          proposalTimeoutSeconds: TIMEOUT_SECONDS,
          windowSeconds: WINDOW_SECONDS,
          rulesHash: id("rules"),
          tariff: { egressPrice: 0, storagePrice: 0, computePrice: 0, rewardCapBps: 0 },
          governance,
          guardian,
        },
      ]);
      const poor = { ...world, connection, ledger: unfunded, accounts: [], members: [] };
      await bindAccounts(poor, 1);
      await goTo(poor, sealTimeOf(1));
      const tree = ltkTree([await distributor.getAddress()], [1]);
      const report = await reportOf(poor, tree);
      await expect(unfunded.propose(report, []))
        .to.be.revertedWithCustomError(unfunded, "Underfunded")
        .withArgs(0, tree.total);
      await token.connect(world.treasury).transfer(unfunded, tree.total);
      await expect(unfunded.propose(report, [])).to.be.revertedWithCustomError(
        quorum,
        "TooFewSignatures",
      );
    });
  });
});
