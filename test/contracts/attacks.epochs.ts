import { expect } from "chai";
import { id, type Wallet } from "ethers";
import { deploySuite } from "../../scripts/deployment.ts";
import {
  at,
  from,
  goTo,
  parametersFor,
  sealTimeOf,
  startOf,
  TIMEOUT_SECONDS,
  WINDOW_SECONDS,
} from "../worlds/contracts.ts";
import { corruptQuorum, expectRefused, expectUndone, leavesOf } from "./support/corrupt.ts";
import {
  finalize,
  ltkTree,
  pendingReport,
  propose,
  reportOf,
  signReport,
} from "./support/epochs.ts";
import { treeOf } from "./support/reward-tree.ts";
import { digestOf, domainOf, signDigest } from "./support/signing.ts";

/*
 * A quorum that is corrupt to the last member signs whatever it likes about epoch 2, after an honest epoch 1 in which
 * account i earned (i + 1) LTK. Every title says what stops it: a rule of the contracts, or one transaction of a
 * bystander.
 */

describe("attacks of a corrupt quorum on the course of epochs", () => {
  it("skipping an epoch, or repeating one: stopped by EpochOutOfOrder", async () => {
    const world = await from(corruptQuorum);
    await goTo(world, sealTimeOf(4));
    await expectRefused(world, { epoch: 4 }, "EpochOutOfOrder");
    await expectRefused(world, { epoch: 1 }, "EpochOutOfOrder");
  });

  it("stalling for a year and then taking a year: stopped by OverBudget, one epoch's emission at a time", async () => {
    const world = await from(corruptQuorum);
    const { ledger } = world;
    await goTo(world, startOf(367));
    const emission = await ledger.emission(2);
    await expectRefused(world, { total: world.first.total + 365n * emission }, "OverBudget");
    await expectRefused(world, { epoch: 366 }, "EpochOutOfOrder");
    const total = world.first.total + emission;
    const report = await pendingReport(world, treeOf(leavesOf(world)), { total });
    await expectRefused(world, { epoch: 3, prevRoot: report.root }, "EpochOutOfOrder");
    await finalize(world, report);
    expect((await ledger.lastFinal()).epoch).to.equal(2);
  });

  it("proposing a vetoed report again: stopped by WrongAttempt, and by the digest when renumbered", async () => {
    const world = await from(corruptQuorum);
    const { ledger, guardian, quorum, members } = world;
    const report = await pendingReport(world, treeOf(leavesOf(world)));
    const signatures = await signReport(world, report, members.slice(0, 3));
    await ledger.connect(guardian).veto((await ledger.proposal()).digest);
    await expect(ledger.propose(report, signatures)).to.be.revertedWithCustomError(
      ledger,
      "WrongAttempt",
    );
    await expect(
      ledger.propose({ ...report, attempt: 1 }, signatures),
    ).to.be.revertedWithCustomError(quorum, "SignerNotActive");
  });

  it("replaying signatures of another chain or another deployment: stopped by the domain", async () => {
    const world = await from(corruptQuorum);
    const { connection, ledger, quorum, members } = world;
    const other = await deploySuite(
      connection,
      parametersFor(await connection.ethers.getSigners()),
    );
    const report = await reportOf(world, treeOf(leavesOf(world)));
    for (const domain of [await domainOf(ledger, 1), await domainOf(other.suite.ledger)]) {
      const digest = digestOf(domain, "Report", report);
      const signatures = members.slice(0, 3).map((member: Wallet) => signDigest(member, digest));
      await expect(ledger.propose(report, signatures)).to.be.revertedWithCustomError(
        quorum,
        "SignerNotActive",
      );
    }
  });

  it("overwriting a pending root to restart its window: stopped by ProposalPending", async () => {
    const world = await from(corruptQuorum);
    await pendingReport(world, treeOf(leavesOf(world)));
    await goTo(world, startOf(6));
    await expectRefused(world, { bundleHash: id("another") }, "ProposalPending");
  });

  it("dead-locking an attempt with two half-signed reports: undone by abandon", async () => {
    const world = await from(corruptQuorum);
    const { ledger, bystander, members } = world;
    const honest = await reportOf(world, treeOf(leavesOf(world)));
    const rival = { ...honest, bundleHash: id("rival") };
    for (const [report, signers] of [
      [honest, members.slice(0, 2)],
      [rival, members.slice(2, 4)],
    ] as const) {
      await expect(propose(world, report, signers)).to.be.revertedWithCustomError(
        world.quorum,
        "TooFewSignatures",
      );
    }
    await goTo(world, sealTimeOf(2) + TIMEOUT_SECONDS);
    await ledger.connect(bystander).abandon(2);
    await finalize(world, await pendingReport(world, treeOf(leavesOf(world))));
    expect((await ledger.lastFinal()).epoch).to.equal(2);
  });

  it("finalizing before a proof is mined: stopped by WindowOpen to the window's last second", async () => {
    const world = await from(corruptQuorum);
    const { ledger } = world;
    const tree = ltkTree(world.accounts, [5, 2, 3, 4, 1]);
    const proposedAt = sealTimeOf(2) + 500;
    const signatures = await signReport(
      world,
      await reportOf(world, tree),
      world.members.slice(0, 3),
    );
    const report = await reportOf(world, tree);
    await at(world, proposedAt);
    await ledger.propose(report, signatures);
    await at(world, proposedAt + WINDOW_SECONDS - 1);
    await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "WindowOpen");
    const openings = [world.first.openingAt(4), tree.openingAt(4)] as const;
    await at(world, proposedAt + WINDOW_SECONDS - 1);
    await expectUndone(world, ledger.proveRegression(report, ...openings), report);
  });

  it("racing a proof into the same block after the window: undone when the proof is mined first", async () => {
    const world = await from(corruptQuorum);
    const { ledger, bystander, stranger, connection } = world;
    const tree = ltkTree(world.accounts, [5, 2, 3, 4, 1]);
    const report = await pendingReport(world, tree);
    await goTo(world, (await ledger.proposal()).finalizableAt);
    const { provider, networkHelpers } = connection;
    await provider.request({ method: "evm_setAutomine", params: [false] });
    try {
      const limit = { gasLimit: 1_000_000 };
      const openings = [world.first.openingAt(4), tree.openingAt(4)] as const;
      const tip = { maxPriorityFeePerGas: 9n * 10n ** 9n, maxFeePerGas: 10n ** 11n };
      const proving = await ledger
        .connect(bystander)
        .proveRegression(report, ...openings, { ...limit, ...tip });
      const finalizing = await ledger.connect(stranger).finalize(report, limit);
      await networkHelpers.mine();
      const [proof, final] = await Promise.all(
        [proving, finalizing].map(({ hash }) =>
          connection.ethers.provider.getTransactionReceipt(hash),
        ),
      );
      expect([proof?.status, final?.status]).to.deep.equal([1, 0]);
      expect(proof?.blockNumber).to.equal(final?.blockNumber);
    } finally {
      await provider.request({ method: "evm_setAutomine", params: [true] });
    }
  });
});
