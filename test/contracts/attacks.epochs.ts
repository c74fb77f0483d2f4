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
import { corruptQuorum, expectRefused, expectUndone } from "./support/corrupt.ts";
import { finalize, NO_CONTRIBUTIONS, propose, signReport } from "./support/epochs.ts";
import { askLeaf, pendingRobbery, ROBBED, robbed, vetoedRobbery } from "./support/robbery.ts";
import { proposeTables, reportOf } from "./support/served.ts";
import { digestOf, domainOf, signDigest } from "./support/signing.ts";
import { convict, evidenceOf } from "./support/trial.ts";

/*
 * A quorum that is corrupt to the last member signs whatever it likes about epoch 2, after an honest epoch 1. Every title
 * says what stops it: a rule of the contracts, or one transaction of a bystander.
 */

describe("attacks of a corrupt quorum on the course of epochs", () => {
  it("skipping an epoch, or repeating one: stopped by EpochOutOfOrder", async () => {
    const world = await from(corruptQuorum);
    await goTo(world, sealTimeOf(4));
    await expectRefused(world, { epoch: 4 }, "EpochOutOfOrder");
    await expectRefused(world, { epoch: 1 }, "EpochOutOfOrder");
  });

  it("P2 releasing tokens for an epoch that nobody paid for, or without a contribution: stopped by OverFund", async () => {
    const world = await from(corruptQuorum);
    const { escrow, second } = world;
    const { total } = world.first;
    // Epoch 2 was paid for, but nobody served; and nobody paid for epoch 3.
    await expectRefused(world, { ...NO_CONTRIBUTIONS, total: total + 1n }, "OverFund");
    await finalize(world, await proposeTables(world, second));
    await goTo(world, sealTimeOf(3));
    expect(await escrow.fund(3)).to.equal(0);
    await expectRefused(world, { total: second.total + 1n }, "OverFund");
    await expectRefused(world, { total: second.total + 10n ** 24n }, "OverFund");
  });

  it("stalling for a year and then taking a year: stopped by OverFund and EpochOutOfOrder, one epoch's payments at a time", async () => {
    const world = await from(corruptQuorum);
    const { ledger, token, programme, escrow } = world;
    await goTo(world, startOf(367));
    const held = await token.balanceOf(programme);
    const fund = await escrow.fund(2);
    const total = world.first.total + fund - fund / 10n;
    await expectRefused(world, { total: total + 1n }, "OverFund");
    await expectRefused(world, { epoch: 366 }, "EpochOutOfOrder");
    const report = await reportOf(world, world.second, { total });
    await propose(world, report);
    await expectRefused(world, { epoch: 3, prevRoot: report.root }, "EpochOutOfOrder");
    await finalize(world, report);
    expect((await ledger.lastFinal()).epoch).to.equal(2);
    expect(await token.balanceOf(programme)).to.equal(held);
  });

  it("P4 running the attempts out: stopped, they have 32 bits, and at 65,535 veto and proofs work as before", async () => {
    const world = await from(corruptQuorum);
    const { ledger, guardian, quorum } = world;
    await setAttempt(world, 65_535);
    const tables = robbed(world.second);
    const report = await proposeTables(world, tables);
    expect(report.attempt).to.equal(65_535);
    const { digest } = await ledger.proposal();
    await ledger.connect(guardian).veto(digest);
    expect((await ledger.proposal()).attempt).to.equal(65_536);
    const evidence = evidenceOf(world, tables, askLeaf(ROBBED));
    await expect(convict(world, report, evidence)).to.emit(quorum, "MemberSlashed");
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
    const report = await proposeTables(world, world.second);
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
    const world = await from(vetoedRobbery);
    const { quorum, members, tables, report, evidence } = world;
    const again = await reportOf(world, tables);
    expect(again.attempt).to.equal(1);
    await propose(world, again, members.slice(2));
    await expect(convict(world, report, evidence)).to.emit(quorum, "MemberSlashed");
    await expectUndone(world, convict(world, again, evidence), again);
    for (const member of members) {
      expect((await quorum.memberOf(member)).bond).to.equal(0);
      expect(await quorum.isActive(member)).to.equal(false);
    }
  });

  it("P32 a veto, and an honest report at once, so that the epoch is final before the proof: stopped, the vetoed one's own window goes on", async () => {
    const world = await from(vetoedRobbery);
    const { ledger, quorum, report, digest, evidence } = world;
    const rest = { ...world, members: world.members.slice(2) };
    const until = await ledger.openUntil(digest);
    // No report can be final before the windows of those that were proposed before it are over.
    await proposeTables(rest, world.second);
    expect((await ledger.proposal()).finalizableAt).to.be.above(until);
    await goTo(world, until - 2n);
    await expect(convict(world, report, evidence)).to.emit(quorum, "MemberSlashed");
  });

  it("P32 signing the next fraud after the proof of the first: stopped by SignerNotActive", async () => {
    const world = await from(vetoedRobbery);
    await convict(world, world.report, world.evidence);
    const again = await reportOf(world, world.tables);
    await expect(propose(world, again)).to.be.revertedWithCustomError(
      world.quorum,
      "SignerNotActive",
    );
  });

  it("P56 copying a pending proof, to get the bonds back as its prover: stopped, nine tenths are burned whoever proves", async () => {
    const world = await from(pendingRobbery);
    const { connection, token, members, report, evidence } = world;
    const culprit = await sender(world, members[0]?.address ?? "");
    const supply = await token.totalSupply();
    await expect(convict({ ...world, bystander: culprit }, report, evidence)).to.changeTokenBalance(
      connection.ethers,
      token,
      culprit,
      (3n * BOND) / 10n,
    );
    expect(await token.totalSupply()).to.equal(supply - (27n * BOND) / 10n);
  });

  it("replaying signatures of another chain or another deployment: stopped by the domain", async () => {
    const world = await from(corruptQuorum);
    const { connection, ledger, quorum, members } = world;
    const other = await deploySuite(
      connection,
      parametersFor(await connection.ethers.getSigners()),
    );
    const report = await reportOf(world, world.second);
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
    await proposeTables(world, world.second);
    await goTo(world, startOf(6));
    await expectRefused(world, { bundleHash: id("another") }, "ProposalPending");
  });

  it("dead-locking an attempt with two half-signed reports: undone by abandon", async () => {
    const world = await from(corruptQuorum);
    const { ledger, bystander, members } = world;
    const honest = await reportOf(world, world.second);
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
    await finalize(world, await proposeTables(world, world.second));
    expect((await ledger.lastFinal()).epoch).to.equal(2);
  });

  it("finalizing before a proof is mined: stopped by WindowOpen to the window's last second", async () => {
    const world = await from(corruptQuorum);
    const { ledger } = world;
    const tables = robbed(world.second);
    const evidence = evidenceOf(world, tables, askLeaf(ROBBED));
    const proposedAt = sealTimeOf(2) + 500;
    const report = await reportOf(world, tables);
    const signatures = await signReport(world, report, world.members.slice(0, 3));
    await at(world, proposedAt);
    await ledger.propose(report, signatures);
    await at(world, proposedAt + WINDOW_SECONDS - 1);
    await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "WindowOpen");
    await at(world, proposedAt + WINDOW_SECONDS - 1);
    await expectUndone(world, convict(world, report, evidence), report);
  });

  it("racing a proof into the same block after the window: undone when the proof is mined first", async () => {
    const world = await from(pendingRobbery);
    const { ledger, stranger, connection, report, evidence } = world;
    await goTo(world, (await ledger.proposal()).finalizableAt);
    const { provider, networkHelpers } = connection;
    await provider.request({ method: "evm_setAutomine", params: [false] });
    try {
      const limit = { gasLimit: 1_000_000 };
      const tip = { maxPriorityFeePerGas: 9n * 10n ** 9n, maxFeePerGas: 10n ** 11n };
      const proving = await convict(world, report, evidence, { ...limit, ...tip });
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
