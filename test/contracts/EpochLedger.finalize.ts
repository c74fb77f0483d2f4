import { expect } from "chai";
import { id, parseEther, ZeroHash } from "ethers";
import {
  addMembers,
  at,
  bindAccounts,
  from,
  goTo,
  sealTimeOf,
  startOf,
  TIMEOUT_SECONDS,
  WINDOW_SECONDS,
} from "../worlds/contracts.ts";
import { collect, payingWorld } from "./support/customers.ts";
import {
  EMPTY_TREE,
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
import { honestTree } from "./support/reward-tree.ts";
import { digestOf, domainOf } from "./support/signing.ts";

const tree = (world: Staffed) => ltkTree(world.accounts, [1, 2, 3, 4, 5]);

/** Epoch 1's report is pending. */
async function pendingOne() {
  const world = await from(staffedWorld);
  const report = await pendingReport(world, tree(world));
  return { ...world, report };
}

/** In epoch 2, members and accounts of a world whose customer can pay. */
async function fundedWorld(): Promise<Staffed> {
  const world = await from(payingWorld);
  const members = await addMembers(world, 3, 3);
  const accounts = await bindAccounts(world, 2);
  await goTo(world, startOf(2));
  return { ...world, accounts, members };
}

describe("EpochLedger", () => {
  describe("finalize", () => {
    it("moves exactly the difference of the totals and publishes the root", async () => {
      const world = await from(pendingOne);
      const { ledger, distributor, token, report } = world;
      const finalizing = finalize(world, report);
      await expect(finalizing)
        .to.emit(ledger, "RootFinalized")
        .withArgs(1, report.root, report.total, report.total, 0)
        .and.to.emit(distributor, "RootPublished")
        .withArgs(1, report.root, report.total, 5);
      await expect(finalizing).to.changeTokenBalances(
        world.connection.ethers,
        token,
        [ledger, distributor],
        [-report.total, report.total],
      );
      expect(await ledger.lastFinal()).to.deep.equal([1n, report.root, report.total, 5n, 0n]);
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

    it("uses the fund first, carries what is unspent, and never issues what was not", async () => {
      const world = await from(fundedWorld);
      const { ledger, accounts } = world;
      await finalizeEpoch(world, EMPTY_TREE, NO_CONTRIBUTIONS);
      await collect(world, 2, 300);
      await goTo(world, sealTimeOf(2));
      const emission = await ledger.emission(2);
      expect(await ledger.budgetOf(2)).to.equal(emission + parseEther("300"));

      await finalizeEpoch(world, ltkTree(accounts, [100, 0]));
      expect((await ledger.lastFinal()).carry).to.equal(parseEther("200"));
      expect(await ledger.budgetOf(3)).to.equal(emission + parseEther("200"));

      await collect(world, 3, 310);
      await finalizeEpoch(world, ltkTree(accounts, [100, 210]));
      expect((await ledger.lastFinal()).carry).to.equal(0);

      const { total } = await ledger.lastFinal();
      await finalizeEpoch(world, honestTree(accounts, [total + emission, 0n]));
      expect((await ledger.lastFinal()).carry).to.equal(0);
      expect(await ledger.budgetOf(5)).to.equal(emission);
    });

    it("carries a fund over an empty epoch", async () => {
      const world = await from(fundedWorld);
      await collect(world, 1, 7);
      await finalizeEpoch(world, EMPTY_TREE, NO_CONTRIBUTIONS);
      expect((await world.ledger.lastFinal()).carry).to.equal(parseEther("7"));
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
        .withArgs(1, 0, digest);
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
        "NoProposal",
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
        .withArgs(1, 0);
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
      await finalizeEpoch(world, EMPTY_TREE, NO_CONTRIBUTIONS);
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
