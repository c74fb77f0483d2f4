import { expect } from "chai";
import { type Addressable, ZeroAddress, ZeroHash } from "ethers";
import {
  addMembers,
  at,
  BOND,
  deployedWorld,
  from,
  goTo,
  sealTimeOf,
  sender,
  startOf,
  WINDOW_SECONDS,
} from "../worlds/contracts.ts";
import { admitCustomer, collect, ltk } from "./support/customers.ts";
import { EMPTY_TREE, reportOf as emptyReportOf, finalize, propose } from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import { askLeaf, expectNotOpen, finalizeHonest, pendingRobbery } from "./support/robbery.ts";
import { proposeTables, reportOf, servedWorld } from "./support/served.ts";
import { bend, type Tables } from "./support/tables.ts";
import { convict, encodeEvidence, evidenceOf, findIn } from "./support/trial.ts";

const addressOf = ({ address }: { readonly address: string }) => address;

describe("EpochLedger", () => {
  describe("convict", () => {
    it("revokes a report with an unlawful row and slashes its signers, by anybody", async () => {
      const world = await from(pendingRobbery);
      const { ledger, quorum, bystander, members, report, digest, evidence } = world;
      const proving = convict(world, report, evidence);
      await expect(proving)
        .to.emit(ledger, "RootRevoked")
        .withArgs(2, 0, digest, bystander.address, numbered);
      for (const [slot, member] of members.slice(0, 3).entries()) {
        await expect(proving)
          .to.emit(quorum, "MemberSlashed")
          .withArgs(member.address, slot, BOND, bystander.address, 3, numbered);
      }
      const { attempt, digest: pending, signers, finalizableAt } = await ledger.proposal();
      expect([attempt, pending, signers, finalizableAt]).to.deep.equal([1n, ZeroHash, 0n, 0n]);
      await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "NoProposal");
    });

    it("pays the prover a tenth of the bonds and burns the rest", async () => {
      const world = await from(pendingRobbery);
      const { connection, token, quorum, bystander, report, evidence } = world;
      const supply = await token.totalSupply();
      await expect(convict(world, report, evidence)).to.changeTokenBalances(
        connection.ethers,
        token,
        [quorum, bystander],
        [-3n * BOND, (3n * BOND) / 10n],
      );
      expect(await token.totalSupply()).to.equal(supply - (27n * BOND) / 10n);
    });

    it("decides as the judge does, who sees the report and what it builds on", async () => {
      const world = await from(servedWorld);
      const { ledger, second } = world;
      const beginning = await world.connection.networkHelpers.takeSnapshot();
      const [total, lastTotal] = [second.total, second.lastTotal];
      const bents: readonly Tables[] = [
        { ...second, total: total - 1n },
        bend(second, "rewards", 5, { prefix: 0n }),
        bend(second, "rewards", 0, { prefix: 1n }),
        bend(second, "contributions", 0, { subtotal: 0n }),
        bend(second, "contributions", 6, { subtotal: lastTotal }),
        bend(second, "invoices", 0, { above: 1 }),
        bend(second, "invoices", 6, { contribution: 7 }),
      ];
      for (const tables of bents) {
        const report = await proposeTables(world, tables);
        const found = findIn(world, tables);
        if (found === undefined) throw new Error("nothing was found");
        await expect(convict(world, report, found.evidence)).to.emit(ledger, "RootRevoked");
        await beginning.restore();
      }
    });

    it("refuses evidence that shows nothing wrong", async () => {
      const world = await from(servedWorld);
      const { ledger, second } = world;
      const report = await proposeTables(world, second);
      for (let position = 0; position < 6; position++) {
        const evidence = encodeEvidence(evidenceOf(world, second, askLeaf(position)));
        await expect(ledger.convict(report, evidence)).to.be.revertedWithCustomError(
          ledger,
          "NoFraud",
        );
      }
      await finalize(world, report);
      expect((await ledger.lastFinal()).epoch).to.equal(2);
    });

    it("fails as the judge fails, about evidence that is none", async () => {
      const world = await from(pendingRobbery);
      const { ledger, judge, report, evidence } = world;
      const openings = evidence.openings.slice(1);
      await expect(ledger.convict(report, encodeEvidence({ ...evidence, openings })))
        .to.be.revertedWithCustomError(judge, "InvalidEvidence")
        .withArgs(0);
      await convict(world, report, evidence);
    });

    it("is possible until finalize is mined, long after the window", async () => {
      const world = await from(pendingRobbery);
      const { ledger, report, evidence } = world;
      await goTo(world, startOf(30));
      await expect(convict(world, report, evidence)).to.emit(ledger, "RootRevoked");
    });

    it("leaves the way free for an honest report of the next attempt", async () => {
      const world = await from(pendingRobbery);
      await convict(world, world.report, world.evidence);
      // Three of five are gone; two can sign alone once an epoch has passed.
      await goTo(world, sealTimeOf(4));
      await finalizeHonest({ ...world, members: world.members.slice(1) });
      expect((await world.ledger.lastFinal()).epoch).to.equal(2);
    });

    it("refuses a report that is neither pending nor vetoed", async () => {
      const world = await from(pendingRobbery);
      const evidence = encodeEvidence(world.evidence);
      for (const change of [{ attempt: 1 }, { total: world.report.total + 1n }, { epoch: 1 }]) {
        await expectNotOpen(world, { ...world.report, ...change }, evidence);
      }
      await convict(world, world.report, world.evidence);
      await expectNotOpen(world, world.report, evidence);
      const old = await reportOf(world, world.first, { epoch: 1, prevRoot: ZeroHash, attempt: 0 });
      await expectNotOpen(world, old, evidence);
    });

    it("finds the last leaves and the last total of the first epoch to be none", async () => {
      const world = await from(servedWorld);
      expect(world.first).to.include({ lastTotal: 0n });
      const bare = await from(deployedWorld);
      const members = await addMembers(bare, 1, 1);
      await admitCustomer(bare, ltk(10));
      await goTo(bare, startOf(1));
      await collect(bare, 1, 10);
      const empty = { ...bare, accounts: [], members };
      // A total without leaves comes from contributions, and these are not there.
      const report = await emptyReportOf(empty, EMPTY_TREE, { total: 5n, contributions: 1 });
      await propose(empty, report, members);
      const { ledger } = empty;
      await expect(
        ledger.convict(report, encodeEvidence({ ...NOTHING, position: 1 })),
      ).to.be.revertedWithCustomError(empty.judge, "InvalidEvidence");
    });
  });

  describe("revokeSilent and setWindow", () => {
    it("are the demands' alone", async () => {
      const world = await from(pendingRobbery);
      const { ledger, report, digest, governance, guardian, stranger } = world;
      for (const caller of [governance, guardian, stranger]) {
        const as = ledger.connect(caller);
        await expect(as.revokeSilent(report))
          .to.be.revertedWithCustomError(ledger, "NotDemands")
          .withArgs(addressOf(caller));
        await expect(as.setWindow(digest, 1))
          .to.be.revertedWithCustomError(ledger, "NotDemands")
          .withArgs(addressOf(caller));
      }
    });

    it("are about open reports alone", async () => {
      const world = await from(pendingRobbery);
      const { ledger, report } = world;
      const demands = ledger.connect(await sender(world, await world.demands.getAddress()));
      for (const change of [{ attempt: 1 }, { epoch: 1 }]) {
        const other = { ...report, ...change };
        for (const calling of [
          demands.revokeSilent(other),
          demands.setWindow(await ledger.reportDigest(other), 1),
          demands.setWindow(ZeroHash, 1),
        ]) {
          await expect(calling).to.be.revertedWithCustomError(ledger, "NotPendingReport");
        }
      }
    });

    it("revoke for nobody, and burn all of the bonds", async () => {
      const world = await from(pendingRobbery);
      const { ledger, quorum, token, report, digest } = world;
      const demands = ledger.connect(await sender(world, await world.demands.getAddress()));
      const supply = await token.totalSupply();
      const revoking = demands.revokeSilent(report);
      await expect(revoking)
        .to.emit(ledger, "RootRevoked")
        .withArgs(2, 0, digest, ZeroAddress, numbered);
      await expect(revoking)
        .to.emit(quorum, "MemberSlashed")
        .withArgs(
          addressOf(world.members[0] as Addressable & { address: string }),
          0,
          BOND,
          ZeroAddress,
          3,
          numbered,
        );
      expect(await token.totalSupply()).to.equal(supply - 3n * BOND);
    });

    it("move the time from which a pending report can be finalized", async () => {
      const world = await from(servedWorld);
      const { ledger } = world;
      const report = await proposeTables(world, world.second);
      const { digest, finalizableAt } = await ledger.proposal();
      const demands = ledger.connect(await sender(world, await world.demands.getAddress()));
      const later = finalizableAt + BigInt(WINDOW_SECONDS);
      await demands.setWindow(digest, later);
      expect((await ledger.proposal()).finalizableAt).to.equal(later);
      await goTo(world, later - 2n);
      await expect(ledger.finalize(report))
        .to.be.revertedWithCustomError(ledger, "WindowOpen")
        .withArgs(later);
      await at(world, later);
      await ledger.finalize(report);
    });
  });
});

const NOTHING = {
  proof: "contribution-order",
  position: 0,
  openings: [],
  publicKey: "0x",
} as const;
