import { expect } from "chai";
import { parseEther, type Wallet } from "ethers";
import { BOND, EPOCH_SECONDS, from, goTo, sender, walletOf } from "../worlds/contracts.ts";
import {
  EMPTY_TREE,
  ltkTree,
  NO_CONTRIBUTIONS,
  pendingReport,
  type Report,
  reportOf,
  type Staffed,
  staffedWorld,
} from "./support/epochs.ts";
import { type CompactSignature, signFor } from "./support/signing.ts";

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
    it("ejects the member, burns half of its bond and pays half to the prover: lesson, The Graph L-02", async () => {
      const world = await from(staffedWorld);
      const { quorum, token, bystander } = world;
      const supply = await token.totalSupply();
      const proving = prove(world, await twoReports(world), [MEMBER, MEMBER]);
      await expect(proving)
        .to.emit(quorum, "MemberSlashed")
        .withArgs(MEMBER.address, 1, BOND, bystander.address);
      await expect(proving).to.changeTokenBalances(
        world.connection.ethers,
        token,
        [quorum, bystander],
        [-BOND, BOND / 2n],
      );
      expect(await token.totalSupply()).to.equal(supply - BOND / 2n);
      expect(await quorum.isActive(MEMBER)).to.equal(false);
      expect(await quorum.members()).to.equal(4);
    });

    it("burns the odd wei", async () => {
      const world = await from(staffedWorld);
      const { quorum, token, treasury, bystander } = world;
      await quorum.connect(treasury).depositBond(MEMBER, 1);
      await expect(prove(world, await twoReports(world), [MEMBER, MEMBER])).to.changeTokenBalance(
        world.connection.ethers,
        token,
        bystander,
        BOND / 2n,
      );
      expect(await token.balanceOf(quorum)).to.equal(4n * BOND);
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
        .to.be.revertedWithCustomError(world.quorum, "NoBond")
        .withArgs(stranger.address);
      await prove(world, reports, [MEMBER, MEMBER]);
      await expect(prove(world, reports, [MEMBER, MEMBER]))
        .to.be.revertedWithCustomError(world.quorum, "NoBond")
        .withArgs(MEMBER.address);
    });

    it("reaches a member that left as long as its bond is here", async () => {
      const world = await from(staffedWorld);
      const { quorum } = world;
      const reports = await twoReports(world);
      await quorum.connect(await sender(world, MEMBER.address)).exit();
      const { leftAt } = await quorum.memberOf(MEMBER);
      await goTo(world, leftAt + BigInt(EPOCH_SECONDS));
      await prove(world, reports, [MEMBER, MEMBER]);
      expect(await quorum.members()).to.equal(4);
      expect((await quorum.memberOf(MEMBER)).leftAt).to.equal(leftAt);
      await expect(quorum.withdrawBond(MEMBER)).to.be.revertedWithCustomError(quorum, "NoBond");
    });
  });

  describe("slash", () => {
    it("takes the bonds of exactly the signers of a proposal that is disproven", async () => {
      const world = await from(staffedWorld);
      const { quorum, ledger, token, bystander } = world;
      const tree = ltkTree(world.accounts, [1, 2, 3, 4, 5]);
      const report = await pendingReport(world, tree, { total: parseEther("1") });
      await expect(
        ledger.connect(bystander).proveMalformed(report, tree.openingAt(1)),
      ).to.changeTokenBalance(world.connection.ethers, token, bystander, (3n * BOND) / 2n);
      const active = await Promise.all(world.members.map((member) => quorum.isActive(member)));
      expect(active).to.deep.equal([false, false, false, true, true]);
    });

    it("takes nothing twice from a member that equivocated and signed the disproven proposal", async () => {
      const world = await from(staffedWorld);
      const { quorum, ledger, token, bystander } = world;
      await prove(world, await twoReports(world), [MEMBER, MEMBER]);
      const others = world.members.filter(({ address }) => address !== MEMBER.address);
      const tree = ltkTree(world.accounts, [1, 2, 3, 4, 5]);
      const report = await pendingReport({ ...world, members: others }, tree, { total: 1n });
      await prove(
        world,
        [report, { ...report, total: 2n }],
        [walletOf("member 0"), walletOf("member 0")],
      );
      await expect(
        ledger.connect(bystander).proveMalformed(report, tree.openingAt(1)),
      ).to.changeTokenBalance(world.connection.ethers, token, bystander, BOND);
      expect(await quorum.members()).to.equal(1);
    });

    it("leaves the honest alone when a proposal is vetoed", async () => {
      const world = await from(staffedWorld);
      const { ledger, guardian, quorum } = world;
      await pendingReport(world, EMPTY_TREE, NO_CONTRIBUTIONS);
      await ledger.connect(guardian).veto((await ledger.proposal()).digest);
      for (const member of world.members) expect(await quorum.isActive(member)).to.equal(true);
    });
  });
});
