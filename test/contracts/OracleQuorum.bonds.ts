import { expect } from "chai";
import {
  at,
  BOND,
  EPOCH_SECONDS,
  from,
  GENESIS,
  goTo,
  sender,
  startOf,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { EMPTY_TREE, NO_CONTRIBUTIONS, propose, reportOf, staffedWorld } from "./support/epochs.ts";

const NEWCOMER = walletOf("newcomer");

describe("OracleQuorum", () => {
  describe("depositBond", () => {
    it("takes bond for a member from anyone, and for nobody else", async () => {
      const { quorum, token, treasury, governance, members } = await from(staffedWorld);
      const member = members[0]?.address ?? "";
      await expect(quorum.connect(treasury).depositBond(member, 5))
        .to.emit(quorum, "BondDeposited")
        .withArgs(member, treasury.address, 5);
      expect((await quorum.memberOf(member)).bond).to.equal(BOND + 5n);
      expect(await token.balanceOf(quorum)).to.equal(5n * BOND + 5n);
      await expect(quorum.connect(treasury).depositBond(NEWCOMER, 5))
        .to.be.revertedWithCustomError(quorum, "MemberUnknown")
        .withArgs(NEWCOMER.address);
      await quorum.connect(governance).removeMember(member, 3);
      await expect(quorum.connect(treasury).depositBond(member, 5)).to.be.revertedWithCustomError(
        quorum,
        "MemberUnknown",
      );
    });
  });

  describe("withdrawBond", () => {
    async function leftAt(world: World, time: number): Promise<string> {
      const member = await sender(world, walletOf("member 0").address);
      await at(world, time);
      await world.quorum.connect(member).exit();
      return member.address;
    }

    it("pays the bond back once an epoch has passed since leaving, and not a second before", async () => {
      const world = await from(staffedWorld);
      const { quorum, token, bystander } = world;
      const left = GENESIS + 1000;
      const member = await leftAt(world, left);
      const release = left + EPOCH_SECONDS;
      expect(await quorum.releaseSeconds()).to.equal(EPOCH_SECONDS);
      await at(world, release - 1);
      await expect(quorum.connect(bystander).withdrawBond(member))
        .to.be.revertedWithCustomError(quorum, "BondHeld")
        .withArgs(member, release);
      await at(world, release);
      const withdrawing = quorum.connect(bystander).withdrawBond(member);
      await expect(withdrawing).to.emit(quorum, "BondWithdrawn").withArgs(member, BOND);
      await expect(withdrawing).to.changeTokenBalance(world.connection.ethers, token, member, BOND);
      await expect(quorum.connect(bystander).withdrawBond(member))
        .to.be.revertedWithCustomError(quorum, "NoBond")
        .withArgs(member);
    });

    it("holds the bond of a member that has not left, and of a stranger", async () => {
      const world = await from(staffedWorld);
      const { quorum, members } = world;
      const never = 2n ** 256n - 1n;
      for (const somebody of [members[0]?.address ?? "", NEWCOMER.address]) {
        await expect(quorum.withdrawBond(somebody))
          .to.be.revertedWithCustomError(quorum, "BondHeld")
          .withArgs(somebody, never);
      }
    });

    it("holds the bond while a proposal its owner signed is pending, however long that takes", async () => {
      const world = await from(staffedWorld);
      const { quorum, ledger } = world;
      const report = await reportOf(world, EMPTY_TREE, NO_CONTRIBUTIONS);
      await propose(world, report);
      const member = await leftAt(world, startOf(2) + 5000);
      await goTo(world, startOf(9));
      await expect(quorum.withdrawBond(member))
        .to.be.revertedWithCustomError(quorum, "SignedPendingProposal")
        .withArgs(member);
      await ledger.finalize(report);
      await quorum.withdrawBond(member);
    });
  });
});
