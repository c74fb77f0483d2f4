import { expect } from "chai";
import { id, MaxUint256, ZeroAddress } from "ethers";
import {
  addMembers,
  BOND,
  deployedWorld,
  from,
  goTo,
  sender,
  startOf,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { type Staffed, staffedWorld } from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import { signDigest } from "./support/signing.ts";

const DIGEST = id("any digest");
const NEWCOMER = walletOf("newcomer");
const SUCCESSOR = walletOf("successor");

const sign = (names: readonly string[]) => names.map((name) => signDigest(walletOf(name), DIGEST));

/** Five members of whom three must sign are active: it is epoch 4. */
async function activeWorld(): Promise<Staffed> {
  const world = await from(staffedWorld);
  await goTo(world, startOf(4));
  return world;
}

const memberOf = (world: World, i: number) => sender(world, walletOf(`member ${i}`).address);

describe("OracleQuorum", () => {
  describe("constructor", () => {
    it("wants a bond above zero that 96 bits hold", async () => {
      const { connection, token, registry, governance, quorum } = await from(deployedWorld);
      const deploying = (bond: bigint) =>
        connection.ethers.deployContract("OracleQuorum", [token, registry, bond, governance]);
      for (const bond of [1n, 2n ** 96n - 1n]) await deploying(bond);
      for (const bond of [0n, 2n ** 96n]) {
        await expect(deploying(bond))
          .to.be.revertedWithCustomError(quorum, "InvalidBond")
          .withArgs(bond);
      }
    });
  });

  describe("addMember", () => {
    it("adds a member in a slot of its own, after at least one whole epoch more, once its bond is paid", async () => {
      const world = await from(activeWorld);
      const { quorum, token, governance, treasury } = world;
      await goTo(world, startOf(5) - 10);
      expect(await quorum.memberOf(NEWCOMER)).to.deep.equal([false, 0n, 0n, 0n, 0n]);
      await expect(quorum.connect(governance).addMember(NEWCOMER, 4))
        .to.emit(quorum, "MemberAdded")
        .withArgs(NEWCOMER.address, 5, 6, numbered)
        .and.to.emit(quorum, "ThresholdSet")
        .withArgs(4, 6, numbered);
      expect(await quorum.members()).to.equal(6);
      expect(await quorum.memberAt(5)).to.equal(NEWCOMER.address);
      expect(await quorum.memberOf(NEWCOMER)).to.deep.equal([true, 5n, 0n, 6n, 0n]);
      await token.connect(treasury).approve(quorum, MaxUint256);
      await quorum.connect(treasury).depositBond(NEWCOMER, BOND - 1n);
      await goTo(world, startOf(6) - 10);
      expect([await quorum.isActive(NEWCOMER), await quorum.threshold()]).to.deep.equal([
        false,
        3n,
      ]);
      await goTo(world, startOf(6));
      expect([await quorum.isActive(NEWCOMER), await quorum.threshold()]).to.deep.equal([
        false,
        4n,
      ]);
      await quorum.connect(treasury).depositBond(NEWCOMER, 1);
      expect(await quorum.isActive(NEWCOMER)).to.equal(true);
    });

    it("tells of no threshold that stays as it is", async () => {
      const { quorum, governance } = await from(activeWorld);
      await quorum.connect(governance).setThreshold(4);
      await expect(quorum.connect(governance).addMember(NEWCOMER, 4)).not.to.emit(
        quorum,
        "ThresholdSet",
      );
    });

    it("refuses an address that is or was a member, and the zero address", async () => {
      const { quorum, governance, members } = await from(activeWorld);
      const member = members[0]?.address ?? "";
      const adding = () => quorum.connect(governance).addMember(member, 4);
      await expect(adding())
        .to.be.revertedWithCustomError(quorum, "MemberAlreadyKnown")
        .withArgs(member);
      await quorum.connect(governance).removeMember(member);
      await expect(adding()).to.be.revertedWithCustomError(quorum, "MemberAlreadyKnown");
      await expect(
        quorum.connect(governance).addMember(ZeroAddress, 4),
      ).to.be.revertedWithCustomError(quorum, "ZeroAddress");
    });

    it("wants a threshold over half of the members and not over all of them", async () => {
      const { quorum, governance } = await from(activeWorld);
      const adding = (threshold: number) =>
        quorum.connect(governance).addMember(NEWCOMER, threshold);
      for (const threshold of [0, 3, 7]) {
        await expect(adding(threshold))
          .to.be.revertedWithCustomError(quorum, "InvalidThreshold")
          .withArgs(threshold, 6);
      }
      await adding(6);
    });

    it("takes 32 members at one time and not one more", async () => {
      const { quorum, governance } = await from(deployedWorld);
      const max = Number(await quorum.MAX_MEMBERS());
      const by = quorum.connect(governance);
      for (let i = 0; i < max; i++) await by.addMember(walletOf(`m ${i}`), i + 1);
      await expect(by.addMember(NEWCOMER, max))
        .to.be.revertedWithCustomError(quorum, "QuorumFull")
        .withArgs(max, max);
      await by.removeMember(walletOf("m 0"));
      await by.addMember(NEWCOMER, max);
    });

    it("takes 128 members ever and not one more, for no slot is used twice", async () => {
      const { quorum, governance } = await from(deployedWorld);
      const slots = Number(await quorum.MAX_SLOTS());
      const by = quorum.connect(governance);
      for (let i = 0; i < slots; i++) {
        await by.addMember(walletOf(`m ${i}`), 1);
        expect(await quorum.memberAt(i)).to.equal(walletOf(`m ${i}`).address);
        await by.removeMember(walletOf(`m ${i}`));
      }
      await expect(by.addMember(NEWCOMER, 1))
        .to.be.revertedWithCustomError(quorum, "QuorumFull")
        .withArgs(0, slots);
      expect(await quorum.memberAt(slots)).to.equal(ZeroAddress);
    });
  });

  describe("removeMember", () => {
    it("ends a membership after one whole epoch more", async () => {
      const world = await from(activeWorld);
      const { quorum, governance } = world;
      const member = walletOf("member 1").address;
      await expect(quorum.connect(governance).removeMember(member))
        .to.emit(quorum, "MemberRemoved")
        .withArgs(member, 1, 6, numbered);
      expect(await quorum.members()).to.equal(4);
      for (const [epoch, isActive, seats] of [
        [5, true, 5n],
        [6, false, 4n],
      ] as const) {
        await goTo(world, startOf(epoch));
        expect(await quorum.isActive(member)).to.equal(isActive);
        expect(await quorum.seats()).to.equal(seats);
      }
    });

    it("finds a member by any key it had: nobody rotates out of a removal", async () => {
      const world = await from(activeWorld);
      const { quorum, governance } = world;
      const member = await memberOf(world, 1);
      await quorum.connect(member).rotate(SUCCESSOR);
      await expect(quorum.connect(governance).removeMember(member))
        .to.emit(quorum, "MemberRemoved")
        .withArgs(SUCCESSOR.address, 1, 6, numbered);
    });

    it("refuses a stranger and one who has left", async () => {
      const { quorum, governance, members } = await from(activeWorld);
      const member = members[1]?.address ?? "";
      await expect(quorum.connect(governance).removeMember(NEWCOMER))
        .to.be.revertedWithCustomError(quorum, "MemberUnknown")
        .withArgs(NEWCOMER.address);
      await quorum.connect(governance).removeMember(member);
      await expect(quorum.connect(governance).removeMember(member)).to.be.revertedWithCustomError(
        quorum,
        "MemberUnknown",
      );
    });
  });

  describe("exit", () => {
    it("ends the caller's own membership when the epoch ends", async () => {
      const world = await from(activeWorld);
      const { quorum } = world;
      const member = await memberOf(world, 2);
      await expect(quorum.connect(member).exit())
        .to.emit(quorum, "MemberExited")
        .withArgs(member.address, 2, 5, numbered);
      expect(await quorum.memberOf(member)).to.deep.equal([true, 2n, BOND, 2n, 5n]);
      expect(await quorum.isActive(member)).to.equal(true);
      await expect(quorum.connect(member).exit()).to.be.revertedWithCustomError(
        quorum,
        "MemberUnknown",
      );
      await goTo(world, startOf(5));
      expect(await quorum.isActive(member)).to.equal(false);
    });

    it("is there before a member's first epoch, too", async () => {
      const world = await from(activeWorld);
      const { quorum, governance } = world;
      await quorum.connect(governance).addMember(NEWCOMER, 4);
      await quorum.connect(await sender(world, NEWCOMER.address)).exit();
      expect(await quorum.members()).to.equal(5);
      const seats = [];
      for (const epoch of [4, 5, 6, 7]) {
        await goTo(world, startOf(epoch));
        seats.push(await quorum.seats());
      }
      expect(seats).to.deep.equal([5n, 5n, 5n, 5n]);
    });
  });

  describe("rotate", () => {
    it("hands the slot to another key from the next epoch on, with bond and fees", async () => {
      const world = await from(activeWorld);
      const { quorum } = world;
      const member = await memberOf(world, 2);
      const before = await quorum.memberOf(member);
      await expect(quorum.connect(member).rotate(SUCCESSOR))
        .to.emit(quorum, "MemberRotated")
        .withArgs(member.address, SUCCESSOR.address, 2, 5, numbered);
      expect(await quorum.memberOf(member)).to.deep.equal(before);
      expect(await quorum.memberOf(SUCCESSOR)).to.deep.equal(before);
      expect(await quorum.memberAt(2)).to.equal(SUCCESSOR.address);
      expect([await quorum.isActive(member), await quorum.isActive(SUCCESSOR)]).to.deep.equal([
        true,
        false,
      ]);
      await goTo(world, startOf(5));
      expect([await quorum.isActive(member), await quorum.isActive(SUCCESSOR)]).to.deep.equal([
        false,
        true,
      ]);
      expect(await quorum.members()).to.equal(5);
    });

    it("can be done again in the same epoch: the key that signs until then still does", async () => {
      const world = await from(activeWorld);
      const { quorum } = world;
      const member = await memberOf(world, 2);
      const last = walletOf("second successor");
      await quorum.connect(member).rotate(SUCCESSOR);
      await quorum.connect(await sender(world, SUCCESSOR.address)).rotate(last);
      expect(await quorum.isActive(member)).to.equal(true);
      await goTo(world, startOf(5));
      const active = [];
      for (const key of [member, SUCCESSOR, last]) active.push(await quorum.isActive(key));
      expect(active).to.deep.equal([false, false, true]);
    });

    it("leaves nothing to the old key: it neither exits nor rotates", async () => {
      const world = await from(activeWorld);
      const { quorum } = world;
      const own = quorum.connect(await memberOf(world, 2));
      await own.rotate(SUCCESSOR);
      for (const calling of [() => own.exit(), () => own.rotate(walletOf("third"))]) {
        await expect(calling())
          .to.be.revertedWithCustomError(quorum, "MemberUnknown")
          .withArgs(walletOf("member 2").address);
      }
    });

    it("takes no key that ever was a member's, nor the zero address, and no stranger's call", async () => {
      const world = await from(activeWorld);
      const { quorum, stranger } = world;
      const own = quorum.connect(await memberOf(world, 2));
      for (const known of [walletOf("member 2"), walletOf("member 3")]) {
        await expect(own.rotate(known))
          .to.be.revertedWithCustomError(quorum, "MemberAlreadyKnown")
          .withArgs(known.address);
      }
      await expect(own.rotate(ZeroAddress)).to.be.revertedWithCustomError(quorum, "ZeroAddress");
      await expect(quorum.connect(stranger).rotate(SUCCESSOR)).to.be.revertedWithCustomError(
        quorum,
        "MemberUnknown",
      );
    });
  });

  describe("verify", () => {
    it("takes the threshold of distinct members in any order, and names their slots and all seats", async () => {
      const { quorum } = await from(activeWorld);
      const some = sign(["member 4", "member 0", "member 2"]);
      expect(await quorum.verify(DIGEST, some)).to.deep.equal([0b10101n, 5n]);
      const all = sign(["member 0", "member 1", "member 2", "member 3", "member 4"]);
      expect(await quorum.verify(DIGEST, all)).to.deep.equal([0b11111n, 5n]);
    });

    it("refuses one signature fewer", async () => {
      const { quorum } = await from(activeWorld);
      await expect(quorum.verify(DIGEST, sign(["member 4", "member 0"])))
        .to.be.revertedWithCustomError(quorum, "TooFewSignatures")
        .withArgs(2, 3);
    });

    it("counts each signer once", async () => {
      const { quorum, members } = await from(activeWorld);
      await expect(quorum.verify(DIGEST, sign(["member 0", "member 1", "member 0"])))
        .to.be.revertedWithCustomError(quorum, "DuplicateSigner")
        .withArgs(members[0]?.address);
    });

    it("refuses a stranger's signature even beside enough others", async () => {
      const { quorum } = await from(activeWorld);
      const signatures = sign(["member 0", "member 1", "member 2", "newcomer"]);
      await expect(quorum.verify(DIGEST, signatures))
        .to.be.revertedWithCustomError(quorum, "SignerNotActive")
        .withArgs(NEWCOMER.address);
    });

    it("counts a member that leaves until it no longer is one and no longer: lesson, lidofinance, a removed member's vote counts", async () => {
      const world = await from(activeWorld);
      const { quorum, governance } = world;
      const signatures = sign(["member 0", "member 1", "member 2"]);
      await quorum.connect(governance).removeMember(walletOf("member 1"));
      await quorum.connect(await memberOf(world, 2)).exit();
      await quorum.verify(DIGEST, signatures);
      for (const [epoch, gone] of [
        [5, "member 2"],
        [6, "member 1"],
      ] as const) {
        await goTo(world, startOf(epoch));
        await expect(quorum.verify(DIGEST, signatures))
          .to.be.revertedWithCustomError(quorum, "SignerNotActive")
          .withArgs(walletOf(gone).address);
      }
    });

    it("counts the key of the day of a member that rotates, under one slot", async () => {
      const world = await from(activeWorld);
      const { quorum } = world;
      await quorum.connect(await memberOf(world, 2)).rotate(SUCCESSOR);
      const [old, fresh] = ["member 2", "successor"].map((name) =>
        sign(["member 0", "member 1", name]),
      ) as [ReturnType<typeof sign>, ReturnType<typeof sign>];
      expect((await quorum.verify(DIGEST, old))[0]).to.equal(0b111);
      await expect(quorum.verify(DIGEST, fresh)).to.be.revertedWithCustomError(
        quorum,
        "SignerNotActive",
      );
      await goTo(world, startOf(5));
      expect((await quorum.verify(DIGEST, fresh))[0]).to.equal(0b111);
      await expect(quorum.verify(DIGEST, old)).to.be.revertedWithCustomError(
        quorum,
        "SignerNotActive",
      );
    });

    it("needs no member's transaction: lesson, one member bricks on-chain voting", async () => {
      const world = await from(activeWorld);
      const { quorum } = world;
      for (const i of [3, 4]) await quorum.connect(await memberOf(world, i)).exit();
      await goTo(world, startOf(5));
      expect(await quorum.verify(DIGEST, sign(["member 0", "member 1", "member 2"]))).to.deep.equal(
        [0b111n, 3n],
      );
    });

    it("wants one signature when there are no members: none are never enough", async () => {
      const world = await from(deployedWorld);
      const { quorum } = world;
      await addMembers(world, 1, 1);
      await expect(quorum.verify(DIGEST, []))
        .to.be.revertedWithCustomError(quorum, "TooFewSignatures")
        .withArgs(0, 1);
    });
  });
});
