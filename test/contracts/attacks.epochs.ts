import { expect } from "chai";
import { id, toBeHex, type Wallet } from "ethers";
import { deploySuite } from "../../scripts/deployment.ts";
import {
  at,
  BOND,
  deployedWorld,
  from,
  goTo,
  parametersFor,
  sealTimeOf,
  sender,
  startOf,
  TIMEOUT_SECONDS,
  WINDOW_SECONDS,
  type World,
} from "../worlds/contracts.ts";
import { corruptQuorum, expectRefused, expectUndone, leavesOf } from "./support/corrupt.ts";
import { ltk } from "./support/customers.ts";
import {
  finalize,
  finalizeEpoch,
  ltkTree,
  NO_CONTRIBUTIONS,
  PAID,
  pendingReport,
  propose,
  reportOf,
  signReport,
} from "./support/epochs.ts";
import { type RewardTree, treeOf } from "./support/reward-tree.ts";
import { digestOf, domainOf, signDigest } from "./support/signing.ts";

/*
 * A quorum that is corrupt to the last member signs whatever it likes about epoch 2, after an honest epoch 1 in which
 * account i earned (i + 1) LTK. Every title says what stops it: a rule of the contracts, or one transaction of a
 * bystander.
 */

/** Account 4 is robbed of 4 LTK in favour of account 0; and the proof of it. */
function robbery(world: { accounts: readonly string[]; first: RewardTree }) {
  const tree = ltkTree(world.accounts, [5, 2, 3, 4, 1]);
  return { tree, openings: [world.first.openingAt(4), tree.openingAt(4)] as const };
}

describe("attacks of a corrupt quorum on the course of epochs", () => {
  it("skipping an epoch, or repeating one: stopped by EpochOutOfOrder", async () => {
    const world = await from(corruptQuorum);
    await goTo(world, sealTimeOf(4));
    await expectRefused(world, { epoch: 4 }, "EpochOutOfOrder");
    await expectRefused(world, { epoch: 1 }, "EpochOutOfOrder");
  });

  it("P2 releasing tokens for an epoch that nobody paid for, or without a contribution: stopped by OverFund", async () => {
    const world = await from(corruptQuorum);
    const { escrow, first } = world;
    // Epoch 2 was paid for, but nobody served; and nobody paid for epoch 3.
    await expectRefused(world, { ...NO_CONTRIBUTIONS, total: first.total + 1n }, "OverFund");
    await finalizeEpoch(world, first, NO_CONTRIBUTIONS);
    await goTo(world, sealTimeOf(3));
    expect(await escrow.fund(3)).to.equal(0);
    await expectRefused(world, { total: first.total + 1n }, "OverFund");
    await expectRefused(world, { total: first.total + ltk(1_000_000) }, "OverFund");
  });

  it("stalling for a year and then taking a year: stopped by OverFund and EpochOutOfOrder, one epoch's payments at a time", async () => {
    const world = await from(corruptQuorum);
    const { ledger, token, programme } = world;
    await goTo(world, startOf(367));
    const held = await token.balanceOf(programme);
    const most = (ltk(PAID) * 9n) / 10n;
    await expectRefused(world, { total: world.first.total + most + 1n }, "OverFund");
    await expectRefused(world, { epoch: 366 }, "EpochOutOfOrder");
    const total = world.first.total + most;
    const report = await pendingReport(world, treeOf(leavesOf(world)), { total });
    await expectRefused(world, { epoch: 3, prevRoot: report.root }, "EpochOutOfOrder");
    await finalize(world, report);
    expect((await ledger.lastFinal()).epoch).to.equal(2);
    expect(await token.balanceOf(programme)).to.equal(held);
  });

  it("P4 running the attempts out: stopped, they have 32 bits, and at 65,535 veto and proofs work as before", async () => {
    const world = await from(corruptQuorum);
    const { ledger, guardian, quorum } = world;
    await setAttempt(world, 65_535);
    const { tree, openings } = robbery(world);
    const report = await pendingReport(world, tree);
    expect(report.attempt).to.equal(65_535);
    const { digest } = await ledger.proposal();
    await ledger.connect(guardian).veto(digest);
    expect((await ledger.proposal()).attempt).to.equal(65_536);
    await expect(ledger.proveRegression(report, ...openings)).to.emit(quorum, "MemberSlashed");
  });

  it("P4b attempts that end by themselves without a pause: stopped by InvalidTiming, timeout and window last", async () => {
    const world = await from(deployedWorld);
    const { connection } = world;
    const parameters = parametersFor(await connection.ethers.getSigners());
    for (const zero of [{ proposalTimeoutSeconds: 0 }, { windowSeconds: 0 }]) {
      const refused = await deploySuite(connection, { ...parameters, ...zero }).then(
        () => "deployed",
        String,
      );
      expect(refused).to.contain("InvalidTiming");
    }
    // One a second would take more than a century for all of them.
    expect(2n ** 32n / (365n * 86_400n)).to.be.above(100n);
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

  it("P32 a veto just before the proof, to save the bonds: stopped, a vetoed report can be proven, and the next fraud too", async () => {
    const world = await from(corruptQuorum);
    const { ledger, guardian, quorum, members } = world;
    const { tree, openings } = robbery(world);
    const report = await pendingReport(world, tree);
    await ledger.connect(guardian).veto((await ledger.proposal()).digest);
    const again = await reportOf(world, tree);
    expect(again.attempt).to.equal(1);
    await propose(world, again, members.slice(2));
    await expect(ledger.proveRegression(report, ...openings)).to.emit(quorum, "MemberSlashed");
    await expectUndone(world, ledger.proveRegression(again, ...openings), again);
    for (const member of members) {
      expect((await quorum.memberOf(member)).bond).to.equal(0);
      expect(await quorum.isActive(member)).to.equal(false);
    }
  });

  it("P32 signing the next fraud after the proof of the first: stopped by SignerNotActive", async () => {
    const world = await from(corruptQuorum);
    const { ledger, guardian, quorum } = world;
    const { tree, openings } = robbery(world);
    const report = await pendingReport(world, tree);
    await ledger.connect(guardian).veto((await ledger.proposal()).digest);
    await ledger.proveRegression(report, ...openings);
    await expect(propose(world, await reportOf(world, tree))).to.be.revertedWithCustomError(
      quorum,
      "SignerNotActive",
    );
  });

  it("P56 copying a pending proof, to get the bonds back as its prover: stopped, nine tenths are burned whoever proves", async () => {
    const world = await from(corruptQuorum);
    const { connection, ledger, token, members } = world;
    const { tree, openings } = robbery(world);
    const report = await pendingReport(world, tree);
    const culprit = await sender(world, members[0]?.address ?? "");
    const supply = await token.totalSupply();
    await expect(
      ledger.connect(culprit).proveRegression(report, ...openings),
    ).to.changeTokenBalance(connection.ethers, token, culprit, (3n * BOND) / 10n);
    expect(await token.totalSupply()).to.equal(supply - (27n * BOND) / 10n);
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

/** Sets the attempt's number where the ledger keeps it: the low 32 bits beside the time of the last finalization. */
async function setAttempt({ connection, ledger }: World, attempt: number): Promise<void> {
  const { provider } = connection;
  const address = await ledger.getAddress();
  const read = async (slot: string) =>
    BigInt(
      (await provider.request({
        method: "eth_getStorageAt",
        params: [address, slot, "latest"],
      })) as string,
    );
  const { abandonableAt } = await ledger.proposal();
  for (let i = 0; i < 20; i++) {
    const slot = toBeHex(i);
    const word = await read(slot);
    const time = (word >> 32n) & (2n ** 40n - 1n);
    const isAttempt = (word & 0xffffffffn) === 0n && time > 0n && time < abandonableAt;
    if (!isAttempt) continue;
    const changed = toBeHex(word | BigInt(attempt), 32);
    await provider.request({
      method: "hardhat_setStorageAt",
      params: [address, `0x${i.toString(16)}`, changed],
    });
    if ((await ledger.proposal()).attempt === BigInt(attempt)) return;
    throw new Error("this was not the attempt");
  }
  throw new Error("the attempt was not found");
}
