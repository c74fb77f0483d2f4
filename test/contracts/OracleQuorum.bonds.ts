import { expect } from "chai";
import { BOND, from, goTo, sender, startOf, type World, walletOf } from "../worlds/contracts.ts";
import {
  finalizeEpoch,
  ltkTree,
  NO_CONTRIBUTIONS,
  type Staffed,
  staffedWorld,
} from "./support/epochs.ts";

const NEWCOMER = walletOf("newcomer");

/** Member 4 left in `epoch`. */
async function exitIn(world: World, epoch: number): Promise<void> {
  await goTo(world, startOf(epoch));
  await world.quorum.connect(await sender(world, walletOf("member 4").address)).exit();
}

/** The next epoch, final, in which nobody earned. */
async function idle(world: Staffed): Promise<void> {
  await finalizeEpoch(world, ltkTree(world.accounts, [0, 0, 0, 0, 0]), NO_CONTRIBUTIONS);
}

describe("OracleQuorum", () => {
  describe("depositBond", () => {
    it("takes bond for a member from anyone, and for nobody else", async () => {
      const { quorum, token, treasury, governance, members } = await from(staffedWorld);
      const member = members[0]?.address ?? "";
      await expect(quorum.connect(treasury).depositBond(member, 5))
        .to.emit(quorum, "BondDeposited")
        .withArgs(0, treasury.address, 5);
      expect((await quorum.memberOf(member)).bond).to.equal(BOND + 5n);
      expect(await token.balanceOf(quorum)).to.equal(5n * BOND + 5n);
      await expect(quorum.connect(treasury).depositBond(NEWCOMER, 5))
        .to.be.revertedWithCustomError(quorum, "MemberUnknown")
        .withArgs(NEWCOMER.address);
      await quorum.connect(governance).removeMember(member);
      await expect(quorum.connect(treasury).depositBond(member, 5)).to.be.revertedWithCustomError(
        quorum,
        "MemberUnknown",
      );
    });
  });

  describe("withdrawBond", () => {
    it("pays the bond back when the epoch the member left in and the one after it are final", async () => {
      const world = await from(staffedWorld);
      const { connection, quorum, token, bystander } = world;
      await exitIn(world, 2);
      for (const lastFinal of [0, 1, 2]) {
        expect((await world.ledger.lastFinal()).epoch).to.equal(lastFinal);
        await expect(quorum.connect(bystander).withdrawBond(4))
          .to.be.revertedWithCustomError(quorum, "BondHeld")
          .withArgs(4, 2);
        await idle(world);
      }
      const member = walletOf("member 4").address;
      const withdrawing = quorum.connect(bystander).withdrawBond(4);
      await expect(withdrawing).to.emit(quorum, "BondWithdrawn").withArgs(4, member, BOND);
      await expect(withdrawing).to.changeTokenBalance(connection.ethers, token, member, BOND);
      await expect(quorum.connect(bystander).withdrawBond(4))
        .to.be.revertedWithCustomError(quorum, "NoBond")
        .withArgs(4);
    });

    it("counts by the clock when it left, however far the members are behind", async () => {
      const world = await from(staffedWorld);
      await exitIn(world, 6);
      for (let epoch = 1; epoch <= 6; epoch++) await idle(world);
      await expect(world.quorum.withdrawBond(4))
        .to.be.revertedWithCustomError(world.quorum, "BondHeld")
        .withArgs(4, 6);
      await idle(world);
      await world.quorum.withdrawBond(4);
    });

    it("holds a removed member's bond as long", async () => {
      const world = await from(staffedWorld);
      const { quorum, governance } = world;
      await goTo(world, startOf(2));
      await quorum.connect(governance).removeMember(walletOf("member 4"));
      await idle(world);
      await idle(world);
      await expect(quorum.withdrawBond(4)).to.be.revertedWithCustomError(quorum, "BondHeld");
      await idle(world);
      await quorum.withdrawBond(4);
    });

    it("pays the newest key", async () => {
      const world = await from(staffedWorld);
      const { connection, quorum, token } = world;
      const successor = walletOf("successor").address;
      await quorum.connect(await sender(world, walletOf("member 4").address)).rotate(successor);
      await quorum.connect(await sender(world, successor)).exit();
      await idle(world);
      await idle(world);
      await expect(quorum.withdrawBond(4)).to.changeTokenBalance(
        connection.ethers,
        token,
        successor,
        BOND,
      );
    });

    it("holds the bond of a member that has not left, whatever is final, and has none of a stranger", async () => {
      const world = await from(staffedWorld);
      const { quorum } = world;
      await idle(world);
      await expect(quorum.withdrawBond(0))
        .to.be.revertedWithCustomError(quorum, "BondHeld")
        .withArgs(0, 0);
      await expect(quorum.withdrawBond(5))
        .to.be.revertedWithCustomError(quorum, "NoBond")
        .withArgs(5);
    });
  });
});
