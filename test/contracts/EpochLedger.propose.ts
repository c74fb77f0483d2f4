import { expect } from "chai";
import { id, parseEther, ZeroHash } from "ethers";
import {
  accountOf,
  addMembers,
  at,
  bindAccounts,
  deployedWorld,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  startOf,
  TIMEOUT_SECONDS,
  WINDOW_SECONDS,
} from "../worlds/contracts.ts";
import { collect } from "./support/customers.ts";
import {
  EMPTY_TREE,
  finalize,
  finalizeEpoch,
  firstFinal,
  ltkTree,
  NO_CONTRIBUTIONS,
  PAID,
  pendingReport,
  propose,
  type Report,
  reportOf,
  type Staffed,
  sealedTwo,
  signReport,
  staffedWorld,
} from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import { digestOf, domainOf } from "./support/signing.ts";

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
        .withArgs(2, 0, digest, Object.values(report), 0b1110, time + WINDOW_SECONDS, numbered);
      const { epoch, attempt, digest: pending, signers, finalizableAt } = await ledger.proposal();
      expect([epoch, attempt, pending, signers]).to.deep.equal([2n, 0n, digest, 0b1110n]);
      expect(finalizableAt).to.equal(time + WINDOW_SECONDS);
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
      await world.ledger.connect(world.governance).setRules(id("later"), world.judge);
      for (const epoch of [2, 3]) {
        const tree = ltkTree(world.accounts, [2, 2, 3, 4, 6]);
        const report = await pendingReport(world, tree, { rulesHash: rules });
        expect(report.epoch).to.equal(epoch);
        await finalize(world, report);
      }
      await goTo(world, sealTimeOf(4));
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

    it("wants a root exactly when accounts have a leaf in that epoch: lesson, EigenLayer Merkle audit L-01, a zero root", async () => {
      const world = await from(sealedTwo);
      await expect(proposing(world, { root: ZeroHash }))
        .to.be.revertedWithCustomError(world.ledger, "RootMismatch")
        .withArgs(ZeroHash, 5);
      await proposing(world, {});

      // An account that is bound while epoch 1 runs has its leaf from epoch 2 on.
      const bare = await from(deployedWorld);
      const members = await addMembers(bare, 1, 1);
      await goTo(bare, GENESIS);
      const empty = { ...bare, members, accounts: await bindAccounts(bare, 1) };
      await goTo(empty, sealTimeOf(1));
      const report = await reportOf(empty, ltkTree(empty.accounts, [0]), NO_CONTRIBUTIONS);
      await expect(propose(empty, report))
        .to.be.revertedWithCustomError(empty.ledger, "RootMismatch")
        .withArgs(report.root, 0);
      await finalizeEpoch(empty, EMPTY_TREE, NO_CONTRIBUTIONS);
      await pendingReport(empty, ltkTree([accountOf(0)], [0]), NO_CONTRIBUTIONS);
    });

    it("wants the other two roots exactly when there are contributions", async () => {
      const world = await from(sealedTwo);
      const { ledger, first } = world;
      for (const [change, root, rows] of [
        [{ contributions: 0 }, id("contributions of 2"), 0],
        [{ contributions: 0, contributionRoot: ZeroHash }, id("invoices of 2"), 0],
        [{ contributionRoot: ZeroHash }, ZeroHash, 1],
        [{ invoiceRoot: ZeroHash }, ZeroHash, 1],
      ] as const) {
        await expect(proposing(world, change))
          .to.be.revertedWithCustomError(ledger, "RootMismatch")
          .withArgs(root, rows);
      }
      await propose(world, await reportOf(world, first, NO_CONTRIBUTIONS));
    });

    it("refuses a total that fell, and takes one that stayed", async () => {
      const world = await from(sealedTwo);
      const { total } = await world.ledger.lastFinal();
      await expect(proposing(world, { total: total - 1n }))
        .to.be.revertedWithCustomError(world.ledger, "TotalFell")
        .withArgs(total - 1n, total);
      await proposing(world, { total });
    });

    it("pays out with the fee what customers paid for the epoch and not a wei more", async () => {
      const world = await from(sealedTwo);
      const { ledger } = world;
      const { total } = await ledger.lastFinal();
      const fund = parseEther(String(PAID));
      expect(await world.escrow.fund(2)).to.equal(fund);
      const most = (fund * 9n) / 10n;
      const fee = await ledger.feeOf(most + 9n, 2);
      expect(fee).to.equal(fund / 10n + 1n);
      await expect(proposing(world, { total: total + most + 9n }))
        .to.be.revertedWithCustomError(ledger, "OverFund")
        .withArgs(most + 9n, fee, fund);
      await expect(proposing(world, { total: total + most + 1n })).to.be.revertedWithCustomError(
        ledger,
        "OverFund",
      );
      await proposing(world, { total: total + most });
    });

    it("pays out nothing without a contribution, whatever was paid", async () => {
      const world = await from(sealedTwo);
      const { ledger } = world;
      const { total } = await ledger.lastFinal();
      await expect(proposing(world, { ...NO_CONTRIBUTIONS, total: total + 1n }))
        .to.be.revertedWithCustomError(ledger, "OverFund")
        .withArgs(1, 0, parseEther(String(PAID)));
      await proposing(world, { ...NO_CONTRIBUTIONS, total });
    });

    it("pays out nothing that was paid for another epoch", async () => {
      const world = await from(firstFinal);
      await finalizeEpoch(world, world.first, NO_CONTRIBUTIONS);
      await goTo(world, sealTimeOf(3));
      await collect(world, 4, PAID);
      const { total } = await world.ledger.lastFinal();
      await expect(proposing(world, { total: total + 1n }))
        .to.be.revertedWithCustomError(world.ledger, "OverFund")
        .withArgs(1, 0, 0);
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
        { invoiceRoot: id("swapped") },
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

    it("takes an epoch without accounts: lesson, lidofinance/staking-modules PR 326", async () => {
      const bare = await from(deployedWorld);
      const members = await addMembers(bare, 1, 1);
      const world = { ...bare, accounts: [], members };
      const report = await finalizeEpoch(world, EMPTY_TREE, NO_CONTRIBUTIONS);
      expect(report).to.deep.include({ root: ZeroHash, total: 0n });
      expect(await world.ledger.lastFinal()).to.deep.equal([1n, ZeroHash, 0n, 0n]);
    });

    it("takes an epoch in which nobody earned", async () => {
      const world = await from(staffedWorld);
      const tree = ltkTree(world.accounts, [0, 0, 0, 0, 0]);
      await finalizeEpoch(world, tree, NO_CONTRIBUTIONS);
      expect(await world.ledger.lastFinal()).to.deep.equal([1n, tree.root, 0n, 5n]);
    });
  });
});
