import { expect } from "chai";
import { parseEther, type Wallet } from "ethers";
import {
  addMembers,
  BOND,
  deployedWorld,
  from,
  goTo,
  sealTimeOf,
  sender,
  startOf,
  walletOf,
} from "../worlds/contracts.ts";
import {
  EMPTY_TREE,
  finalizeEpoch,
  ltkTree,
  NO_CONTRIBUTIONS,
  pendingReport,
  type Report,
  reportOf,
  type Staffed,
  staffedWorld,
} from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import { orderEvidence } from "./support/reward-tree.ts";
import { type CompactSignature, signFor } from "./support/signing.ts";
import { convict } from "./support/trial.ts";

/** Two different reports of epoch 1, attempt 0. */
async function twoReports(world: Staffed): Promise<readonly [Report, Report]> {
  const a = await reportOf(world, ltkTree(world.accounts, [1, 2, 3, 4, 5]));
  return [a, { ...a, total: a.total + 1n }];
}

async function prove(
  { quorum, ledger, bystander }: Staffed,
  [a, b]: readonly [Report, Report],
  signers: readonly [Wallet, Wallet],
) {
  const signatures: CompactSignature[] = [
    await signFor(ledger, "Report", a, signers[0]),
    await signFor(ledger, "Report", b, signers[1]),
  ];
  const [first, second] = signatures as [CompactSignature, CompactSignature];
  return quorum.connect(bystander).proveEquivocation(a, b, first, second);
}

const MEMBER = walletOf("member 1");

describe("OracleQuorum", () => {
  describe("proveEquivocation", () => {
    it("ejects the member, pays a tenth of its bond to the prover and burns the rest: lesson, The Graph L-02", async () => {
      const world = await from(staffedWorld);
      const { quorum, token, bystander } = world;
      await goTo(world, startOf(3));
      const supply = await token.totalSupply();
      const proving = prove(world, await twoReports(world), [MEMBER, MEMBER]);
      await expect(proving)
        .to.emit(quorum, "MemberSlashed")
        .withArgs(MEMBER.address, 1, BOND, bystander.address, 3, numbered);
      await expect(proving).to.changeTokenBalances(
        world.connection.ethers,
        token,
        [quorum, bystander],
        [-BOND, BOND / 10n],
      );
      expect(await token.totalSupply()).to.equal(supply - (BOND * 9n) / 10n);
      expect(await quorum.isActive(MEMBER)).to.equal(false);
      expect(await quorum.members()).to.equal(4);
      expect((await quorum.memberOf(MEMBER)).untilEpoch).to.equal(3);
    });

    it("burns the odd wei", async () => {
      const world = await from(staffedWorld);
      const { quorum, token, treasury, bystander } = world;
      await quorum.connect(treasury).depositBond(MEMBER, 9);
      await expect(prove(world, await twoReports(world), [MEMBER, MEMBER])).to.changeTokenBalance(
        world.connection.ethers,
        token,
        bystander,
        BOND / 10n,
      );
      expect(await token.balanceOf(quorum)).to.equal(4n * BOND);
    });

    it("ejects for good also before genesis: the member has left, and gets no second bond", async () => {
      const bare = await from(deployedWorld);
      const members = await addMembers(bare, 5, 3);
      const world = { ...bare, accounts: [], members };
      const { quorum, ledger, treasury, bystander } = world;
      const rules = await ledger.rulesAt(1);
      const a = await reportOf(world, EMPTY_TREE, { ...NO_CONTRIBUTIONS, rulesHash: rules });
      await expect(prove(world, [a, { ...a, bundleHash: rules }], [MEMBER, MEMBER]))
        .to.emit(quorum, "MemberSlashed")
        .withArgs(MEMBER.address, 1, BOND, bystander.address, 0, numbered);
      await expect(
        quorum.connect(treasury).depositBond(MEMBER, BOND),
      ).to.be.revertedWithCustomError(quorum, "MemberUnknown");
      await goTo(world, sealTimeOf(1));
      expect(await quorum.isActive(MEMBER)).to.equal(false);
      expect(await quorum.seats()).to.equal(4);
    });

    it("finds a member whichever of its keys signed which report", async () => {
      const world = await from(staffedWorld);
      const { quorum } = world;
      const successor = walletOf("successor");
      await quorum.connect(await sender(world, MEMBER.address)).rotate(successor);
      await expect(prove(world, await twoReports(world), [MEMBER, successor]))
        .to.emit(quorum, "MemberSlashed")
        .withArgs(successor.address, 1, BOND, world.bystander.address, 1, numbered);
    });

    it("refuses one report twice, and reports of different epochs or attempts", async () => {
      const world = await from(staffedWorld);
      const [a, b] = await twoReports(world);
      for (const other of [a, { ...b, epoch: 2 }, { ...b, attempt: 1 }]) {
        await expect(prove(world, [a, other], [MEMBER, MEMBER])).to.be.revertedWithCustomError(
          world.quorum,
          "NotEquivocation",
        );
      }
    });

    it("refuses signatures of two members", async () => {
      const world = await from(staffedWorld);
      const other = walletOf("member 2");
      await expect(prove(world, await twoReports(world), [MEMBER, other]))
        .to.be.revertedWithCustomError(world.quorum, "DifferentSigners")
        .withArgs(MEMBER.address, other.address);
    });

    it("refuses a stranger, and a member that was slashed for it before", async () => {
      const world = await from(staffedWorld);
      const stranger = walletOf("nobody");
      const reports = await twoReports(world);
      await expect(prove(world, reports, [stranger, stranger]))
        .to.be.revertedWithCustomError(world.quorum, "MemberUnknown")
        .withArgs(stranger.address);
      await prove(world, reports, [MEMBER, MEMBER]);
      await expect(prove(world, reports, [MEMBER, MEMBER]))
        .to.be.revertedWithCustomError(world.quorum, "NoBond")
        .withArgs(1);
    });

    it("reaches a member that left as long as its bond is here, and moves no seat twice", async () => {
      const world = await from(staffedWorld);
      const { quorum } = world;
      const reports = await twoReports(world);
      await quorum.connect(await sender(world, MEMBER.address)).exit();
      await goTo(world, startOf(5));
      await prove(world, reports, [MEMBER, MEMBER]);
      expect(await quorum.members()).to.equal(4);
      expect(await quorum.seats()).to.equal(4);
      expect((await quorum.memberOf(MEMBER)).untilEpoch).to.equal(2);
      const idle = ltkTree(world.accounts, [0, 0, 0, 0, 0]);
      const rest = { ...world, members: world.members.slice(2) };
      await finalizeEpoch(rest, idle, NO_CONTRIBUTIONS);
      await finalizeEpoch(rest, idle, NO_CONTRIBUTIONS);
      await expect(quorum.withdrawBond(1)).to.be.revertedWithCustomError(quorum, "NoBond");
    });
  });

  describe("slash", () => {
    it("takes the bonds of exactly the signers of a proposal that is disproven", async () => {
      const world = await from(staffedWorld);
      const { quorum, token, bystander } = world;
      const tree = ltkTree(world.accounts, [1, 2, 3, 4, 5]);
      const report = await pendingReport(world, tree, { total: parseEther("1") });
      await expect(convict(world, report, orderEvidence(tree, 5))).to.changeTokenBalance(
        world.connection.ethers,
        token,
        bystander,
        (3n * BOND) / 10n,
      );
      const active = await Promise.all(world.members.map((member) => quorum.isActive(member)));
      expect(active).to.deep.equal([false, false, false, true, true]);
    });

    it("takes nothing twice from a member that equivocated and signed the disproven proposal", async () => {
      const world = await from(staffedWorld);
      const { quorum, token, bystander } = world;
      await prove(world, await twoReports(world), [MEMBER, MEMBER]);
      const others = world.members.filter(({ address }) => address !== MEMBER.address);
      const tree = ltkTree(world.accounts, [1, 2, 3, 4, 5]);
      const report = await pendingReport({ ...world, members: others }, tree, { total: 1n });
      const signer = walletOf("member 0");
      await prove(world, [report, { ...report, total: 2n }], [signer, signer]);
      await expect(convict(world, report, orderEvidence(tree, 5))).to.changeTokenBalance(
        world.connection.ethers,
        token,
        bystander,
        BOND / 5n,
      );
      expect(await quorum.members()).to.equal(1);
    });

    it("leaves the honest alone when a proposal is vetoed", async () => {
      const world = await from(staffedWorld);
      const { ledger, guardian, quorum } = world;
      await pendingReport(world, ltkTree(world.accounts, [1, 2, 3, 4, 5]));
      await ledger.connect(guardian).veto((await ledger.proposal()).digest);
      for (const member of world.members) expect(await quorum.isActive(member)).to.equal(true);
    });
  });
});
