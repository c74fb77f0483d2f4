import { expect } from "chai";
import { id, ZeroHash } from "ethers";
import {
  at,
  from,
  goTo,
  sealTimeOf,
  startOf,
  TIMEOUT_SECONDS,
  WINDOW_SECONDS,
} from "../worlds/contracts.ts";
import { ltk } from "./support/customers.ts";
import {
  finalize,
  finalizeEpoch,
  ltkTree,
  NO_CONTRIBUTIONS,
  pendingReport,
  propose,
  reportOf,
  type Staffed,
  staffedWorld,
} from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import { digestOf, domainOf } from "./support/signing.ts";

const tree = (world: Staffed) => ltkTree(world.accounts, [1, 2, 3, 4, 5]);

/** Epoch 1's report is pending. */
async function pendingOne() {
  const world = await from(staffedWorld);
  const report = await pendingReport(world, tree(world));
  return { ...world, report };
}

describe("EpochLedger", () => {
  describe("finalize", () => {
    it("has the escrow pay the difference of the totals out, publishes the root, and credits the signers", async () => {
      const world = await from(pendingOne);
      const { ledger, distributor, escrow, quorum, token, report } = world;
      const fee = report.total / 9n;
      const each = fee / 5n;
      const finalizing = finalize(world, report);
      await expect(finalizing)
        .to.emit(ledger, "RootFinalized")
        .withArgs(1, report.root, report.total, report.total, fee, numbered)
        .and.to.emit(distributor, "RootPublished")
        .withArgs(1, report.root, report.total, 5)
        .and.to.emit(quorum, "FeesCredited")
        .withArgs(0b111, each)
        .and.to.emit(escrow, "EpochSettled")
        .withArgs(1, report.total, fee, 3n * each, ltk(1000) - report.total - fee);
      await expect(finalizing).to.changeTokenBalances(
        world.connection.ethers,
        token,
        [escrow, distributor, quorum, ledger],
        [-report.total - fee, report.total, 3n * each, 0],
      );
      expect(await ledger.lastFinal()).to.deep.equal([1n, report.root, report.total, 5n]);
    });

    it("takes the fee of the tariff that was in force in the epoch", async () => {
      const world = await from(staffedWorld);
      const { ledger, governance } = world;
      const { egressPrice, storagePrice, computePrice } = await ledger.tariffAt(1);
      const prices = { egressPrice, storagePrice, computePrice };
      await ledger.connect(governance).setTariff({ ...prices, feeBps: 5_000 });
      const first = await pendingReport(world, tree(world));
      await expect(finalize(world, first))
        .to.emit(ledger, "RootFinalized")
        .withArgs(1, first.root, ltk(15), ltk(15), ltk(15) / 9n, numbered);
      const second = await pendingReport(world, ltkTree(world.accounts, [2, 2, 3, 4, 5]));
      await expect(finalize(world, second))
        .to.emit(ledger, "RootFinalized")
        .withArgs(2, second.root, ltk(16), ltk(1), ltk(1), numbered);
    });

    it("waits for the end of the window, to the second", async () => {
      const world = await from(pendingOne);
      const { ledger, report } = world;
      const { finalizableAt } = await ledger.proposal();
      await at(world, finalizableAt - 1n);
      await expect(ledger.finalize(report))
        .to.be.revertedWithCustomError(ledger, "WindowOpen")
        .withArgs(finalizableAt);
      await at(world, finalizableAt);
      await ledger.finalize(report);
    });

    it("refuses when nothing is pending, and any report but the pending one", async () => {
      const world = await from(pendingOne);
      const { ledger, report } = world;
      const swapped = { ...report, bundleHash: id("swapped") };
      const domain = await domainOf(ledger);
      await goTo(world, sealTimeOf(1) + 2 * WINDOW_SECONDS);
      await expect(ledger.finalize(swapped))
        .to.be.revertedWithCustomError(ledger, "NotPendingReport")
        .withArgs(digestOf(domain, "Report", swapped), digestOf(domain, "Report", report));
      await ledger.finalize(report);
      await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "NoProposal");
    });

    it("moves nothing for an epoch in which nobody earned", async () => {
      const world = await from(staffedWorld);
      const { token, escrow, distributor } = world;
      const idle = ltkTree(world.accounts, [0, 0, 0, 0, 0]);
      const report = await pendingReport(world, idle, NO_CONTRIBUTIONS);
      await expect(finalize(world, report)).to.changeTokenBalances(
        world.connection.ethers,
        token,
        [escrow, distributor],
        [0, 0],
      );
      expect((await escrow.epochAccountOf(1)).refundable).to.equal(ltk(1000));
    });
  });

  describe("veto", () => {
    it("rejects the pending report until it is finalized, and raises the attempt", async () => {
      const world = await from(pendingOne);
      const { ledger, guardian, report } = world;
      const { digest, finalizableAt } = await ledger.proposal();
      await goTo(world, finalizableAt + 1_000_000n);
      await expect(ledger.connect(guardian).veto(digest))
        .to.emit(ledger, "RootVetoed")
        .withArgs(1, 0, digest, numbered);
      await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "NoProposal");
      const { attempt, digest: pending } = await ledger.proposal();
      expect([attempt, pending]).to.deep.equal([1n, ZeroHash]);
      await finalizeEpoch(world, tree(world));
    });

    it("hits no other report than the one meant", async () => {
      const world = await from(pendingOne);
      const { ledger, guardian, report } = world;
      const { digest } = await ledger.proposal();
      await expect(ledger.connect(guardian).veto(id("another")))
        .to.be.revertedWithCustomError(ledger, "NotPendingReport")
        .withArgs(id("another"), digest);
      await finalize(world, report);
      await expect(ledger.connect(guardian).veto(digest))
        .to.be.revertedWithCustomError(ledger, "NotPendingReport")
        .withArgs(digest, ZeroHash);
      await expect(ledger.connect(guardian).veto(ZeroHash)).to.be.revertedWithCustomError(
        ledger,
        "NotPendingReport",
      );
    });

    it("moves no token", async () => {
      const world = await from(pendingOne);
      const { ledger, guardian, token, distributor, quorum } = world;
      const { digest } = await ledger.proposal();
      await expect(ledger.connect(guardian).veto(digest)).to.changeTokenBalances(
        world.connection.ethers,
        token,
        [ledger, distributor, quorum, guardian],
        [0, 0, 0, 0],
      );
    });
  });

  describe("abandon", () => {
    it("ends an attempt the proposal timeout after the seal time, to the second", async () => {
      const world = await from(staffedWorld);
      const { ledger, stranger } = world;
      const due = sealTimeOf(1) + TIMEOUT_SECONDS;
      await at(world, due - 1);
      await expect(ledger.connect(stranger).abandon(1))
        .to.be.revertedWithCustomError(ledger, "TooEarlyToAbandon")
        .withArgs(due);
      await at(world, due);
      await expect(ledger.connect(stranger).abandon(1))
        .to.emit(ledger, "AttemptAbandoned")
        .withArgs(1, 0, numbered);
      expect((await ledger.proposal()).attempt).to.equal(1);
    });

    it("gives every attempt its own time, from the end of the one before", async () => {
      const world = await from(pendingOne);
      const { ledger, guardian } = world;
      const vetoedAt = sealTimeOf(1) + TIMEOUT_SECONDS + 50;
      const { digest } = await ledger.proposal();
      await at(world, vetoedAt);
      await ledger.connect(guardian).veto(digest);
      await expect(ledger.abandon(1))
        .to.be.revertedWithCustomError(ledger, "TooEarlyToAbandon")
        .withArgs(vetoedAt + TIMEOUT_SECONDS);
      await at(world, vetoedAt + TIMEOUT_SECONDS);
      await ledger.abandon(1);
      await expect(ledger.abandon(1))
        .to.be.revertedWithCustomError(ledger, "TooEarlyToAbandon")
        .withArgs(vetoedAt + 2 * TIMEOUT_SECONDS);
    });

    it("gives a late epoch its time from when the one before became final", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      await goTo(world, sealTimeOf(5));
      await finalizeEpoch(world, ltkTree(world.accounts, [0, 0, 0, 0, 0]), NO_CONTRIBUTIONS);
      const finalAt = await world.connection.networkHelpers.time.latest();
      await expect(ledger.abandon(2))
        .to.be.revertedWithCustomError(ledger, "TooEarlyToAbandon")
        .withArgs(finalAt + TIMEOUT_SECONDS);
    });

    it("refuses other epochs, and while a report is pending", async () => {
      const world = await from(pendingOne);
      const { ledger } = world;
      const { digest } = await ledger.proposal();
      await goTo(world, startOf(8));
      await expect(ledger.abandon(1))
        .to.be.revertedWithCustomError(ledger, "ProposalPending")
        .withArgs(digest);
      for (const epoch of [0, 2]) {
        await expect(ledger.abandon(epoch))
          .to.be.revertedWithCustomError(ledger, "EpochOutOfOrder")
          .withArgs(epoch, 1);
      }
    });

    it("voids signatures gathered for the attempt before", async () => {
      const world = await from(staffedWorld);
      const report = await reportOf(world, tree(world));
      await goTo(world, sealTimeOf(1) + TIMEOUT_SECONDS);
      await world.ledger.abandon(1);
      await expect(propose(world, report)).to.be.revertedWithCustomError(
        world.ledger,
        "WrongAttempt",
      );
    });
  });
});
