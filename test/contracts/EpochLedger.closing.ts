import { expect } from "chai";
import {
  at,
  EPOCH_SECONDS,
  endOf,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  sender,
} from "../worlds/contracts.ts";
import { collect, ltk } from "./support/customers.ts";
import {
  finalize,
  finalizeEpoch,
  firstFinal,
  ltkTree,
  NO_CONTRIBUTIONS,
  PAID,
  pendingReport,
  propose,
  reportOf,
} from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import { claimOf } from "./support/reward-tree.ts";

const MONTH_SECONDS = 30 * 24 * 3600;
const CLOSABLE = sealTimeOf(2) + MONTH_SECONDS;

/** Epoch 1 is final, 1,000 LTK were paid for epoch 2, and members have done nothing for 30 days. */
async function stalled() {
  const world = await from(firstFinal);
  await goTo(world, CLOSABLE);
  return world;
}

/** The same, closed. */
async function closed() {
  const world = await from(stalled);
  await world.ledger.connect(world.stranger).close();
  return { ...world, closedAt: await world.connection.networkHelpers.time.latest() };
}

/** A ledger of its own beside the suite's, with another clock. */
async function ledgerWith(genesis: number, epochSeconds: number) {
  const { connection, ...world } = await from(firstFinal);
  const { escrow, quorum, distributor, judge, governance, guardian } = world;
  const clock = [genesis, epochSeconds, 0, governance, governance];
  const { egressPrice, storagePrice, computePrice, feeBps } = await world.ledger.tariffAt(1);
  return connection.ethers.deployContract("EpochLedger", [
    {
      registry: await connection.ethers.deployContract("DeviceRegistry", clock),
      escrow,
      quorum,
      distributor,
      demands: await connection.ethers.deployContract("Demands", [1, 1, 1]),
      proposalTimeoutSeconds: 1,
      windowSeconds: 4,
      rulesHash: await world.ledger.rulesAt(1),
      judge,
      tariff: { egressPrice, storagePrice, computePrice, feeBps },
      governance,
      guardian,
    },
  ]);
}

describe("EpochLedger", () => {
  describe("closableAt", () => {
    it("is 30 days after the due epoch's seal, or after the last finalization when that was later", async () => {
      const world = await from(firstFinal);
      const { ledger } = world;
      expect(await ledger.CLOSE_DELAY_SECONDS()).to.equal(MONTH_SECONDS);
      expect(await ledger.closableAt()).to.equal(CLOSABLE);
      await goTo(world, sealTimeOf(6));
      await finalizeEpoch(world, world.first, NO_CONTRIBUTIONS);
      const finalAt = await world.connection.networkHelpers.time.latest();
      expect(await ledger.closableAt()).to.equal(finalAt + MONTH_SECONDS);
    });

    it("is four epochs when they are longer", async () => {
      const epochSeconds = 9 * EPOCH_SECONDS;
      const ledger = await ledgerWith(GENESIS, epochSeconds);
      expect(await ledger.closableAt()).to.equal(GENESIS + 5 * epochSeconds);
    });

    it("counts from the deployment when that is later: a genesis long past closes nothing", async () => {
      const ledger = await ledgerWith(0, EPOCH_SECONDS);
      const deployedAt = (await ledger.deploymentTransaction()?.getBlock())?.timestamp ?? 0;
      expect(await ledger.closableAt()).to.equal(deployedAt + MONTH_SECONDS);
    });

    it("starts anew with each of the first two vetoes of an epoch, and not with a third", async () => {
      const world = await from(stalled);
      const { ledger, guardian } = world;
      const tree = ltkTree(world.accounts, [2, 2, 3, 4, 5]);
      expect(await ledger.MAX_VETOES_COUNTED()).to.equal(2);
      const starts: number[] = [];
      for (let i = 0; i < 3; i++) {
        await propose(world, await reportOf(world, tree));
        await ledger.connect(guardian).veto((await ledger.proposal()).digest);
        starts.push(await world.connection.networkHelpers.time.latest());
        const counted = starts[Math.min(i, 1)] ?? 0;
        expect(await ledger.closableAt()).to.equal(counted + MONTH_SECONDS);
      }
      await finalizeEpoch(world, tree);
      await propose(world, await reportOf(world, tree, NO_CONTRIBUTIONS));
      await ledger.connect(guardian).veto((await ledger.proposal()).digest);
      const again = await world.connection.networkHelpers.time.latest();
      expect(await ledger.closableAt()).to.equal(again + MONTH_SECONDS);
    });
  });

  describe("propose", () => {
    it("is possible until the ledger can be closed, once vetoes put that off no longer", async () => {
      const world = await from(stalled);
      const { ledger, guardian } = world;
      const tree = ltkTree(world.accounts, [2, 2, 3, 4, 5]);
      const proposed = async () => propose(world, await reportOf(world, tree));
      // Overdue, with no veto yet: whoever proposes goes on.
      for (let i = 0; i < 2; i++) {
        await proposed();
        await ledger.connect(guardian).veto((await ledger.proposal()).digest);
      }
      const closableAt = Number(await ledger.closableAt());
      await goTo(world, closableAt - 100);
      await proposed();
      await ledger.connect(guardian).veto((await ledger.proposal()).digest);
      await goTo(world, closableAt);
      await expect(proposed()).to.be.revertedWithCustomError(ledger, "OverdueForClosing");
      await ledger.close();
    });
  });

  describe("close", () => {
    it("is anybody's, to the second when the ledger can be closed", async () => {
      const world = await from(firstFinal);
      const { ledger, escrow, stranger } = world;
      await at(world, CLOSABLE - 1);
      await expect(ledger.connect(stranger).close())
        .to.be.revertedWithCustomError(ledger, "NotClosable")
        .withArgs(CLOSABLE);
      expect(await ledger.closedAt()).to.equal(0);
      await at(world, CLOSABLE);
      await expect(ledger.connect(stranger).close())
        .to.emit(ledger, "LedgerClosed")
        .withArgs(1, numbered)
        .and.to.emit(escrow, "EscrowClosed")
        .withArgs(1);
      expect(await ledger.closedAt()).to.equal(CLOSABLE);
    });

    it("waits while a report is pending, and is too late once it is final", async () => {
      const world = await from(stalled);
      const { ledger } = world;
      const report = await pendingReport(world, ltkTree(world.accounts, [2, 2, 3, 4, 5]));
      const { digest } = await ledger.proposal();
      await expect(ledger.close())
        .to.be.revertedWithCustomError(ledger, "ProposalPending")
        .withArgs(digest);
      await finalize(world, report);
      await expect(ledger.close()).to.be.revertedWithCustomError(ledger, "NotClosable");
    });

    it("ends proposing, abandoning, collecting and closing for good", async () => {
      const world = await from(closed);
      const { ledger, escrow } = world;
      const report = await reportOf(world, world.first, NO_CONTRIBUTIONS);
      const epoch = Number(await escrow.collectableEpoch());
      for (const [contract, calling] of [
        [ledger, () => propose(world, report)],
        [ledger, () => ledger.abandon(2)],
        [ledger, () => ledger.close()],
        [escrow, () => collect(world, epoch, 1)],
      ] as const) {
        await expect(calling()).to.be.revertedWithCustomError(contract, "LedgerIsClosed");
      }
    });

    it("makes what was paid for epochs that are not final refundable, whole and without openings", async () => {
      const world = await from(closed);
      const { escrow, customer, stranger } = world;
      const before = await escrow.balanceOf(customer);
      await expect(escrow.connect(stranger).refund(2, customer, []))
        .to.emit(escrow, "Refunded")
        .withArgs(customer.address, 2, ltk(PAID));
      expect(await escrow.balanceOf(customer)).to.equal(before + ltk(PAID));
      await expect(escrow.refund(2, customer, [])).to.be.revertedWithCustomError(
        escrow,
        "AlreadyRefunded",
      );
      await expect(escrow.refund(1, customer, []))
        .to.be.revertedWithCustomError(escrow, "InvalidOpening")
        .withArgs(0);
    });

    it("lets customers thaw and leave with everything", async () => {
      const world = await from(closed);
      const { connection, escrow, token, customer } = world;
      await escrow.refund(2, customer, []);
      const balance = await escrow.balanceOf(customer);
      await escrow.connect(customer).thaw(balance);
      await goTo(world, (await escrow.thawOf(customer)).withdrawableAt);
      await expect(escrow.connect(customer).withdraw()).to.changeTokenBalance(
        connection.ethers,
        token,
        customer,
        balance,
      );
    });

    it("leaves claims as they were", async () => {
      const world = await from(closed);
      await world.distributor.claim([claimOf(world.first, 1, 4)]);
      expect(await world.distributor.claimed(world.accounts[4] ?? "")).to.equal(ltk(5));
    });

    it("releases the bonds of members that leave, one epoch later to the second", async () => {
      const world = await from(closed);
      const { connection, quorum, token, closedAt } = world;
      const member = await sender(world, world.members[0]?.address ?? "");
      await quorum.connect(member).exit();
      const { bond } = await quorum.memberOf(member);
      await at(world, closedAt + EPOCH_SECONDS - 1);
      await expect(quorum.withdrawBond(0)).to.be.revertedWithCustomError(quorum, "BondHeld");
      await at(world, closedAt + EPOCH_SECONDS);
      const withdrawing = quorum.withdrawBond(0);
      await expect(withdrawing).to.changeTokenBalance(connection.ethers, token, member, bond);
      expect(endOf(2)).to.be.below(closedAt);
    });
  });
});
