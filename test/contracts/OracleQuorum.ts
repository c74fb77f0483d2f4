import { expect } from "chai";
import { id, ZeroAddress } from "ethers";
import {
  addMembers,
  BOND,
  deployedWorld,
  from,
  goTo,
  sender,
  startOf,
  walletOf,
} from "../worlds/contracts.ts";
import { type Staffed, staffedWorld } from "./support/epochs.ts";
import { signDigest } from "./support/signing.ts";

const DIGEST = id("any digest");
const NEWCOMER = walletOf("newcomer");

const sign = (names: readonly string[]) => names.map((name) => signDigest(walletOf(name), DIGEST));

describe("OracleQuorum", () => {
  describe("addMember", () => {
    it("adds a member in a slot of its own, active from the next epoch on once its bond is paid", async () => {
      const world = await from(staffedWorld);
      const { quorum, token, governance, treasury } = world;
      await goTo(world, startOf(4));
      await expect(quorum.connect(governance).addMember(NEWCOMER, 4))
        .to.emit(quorum, "MemberAdded")
        .withArgs(NEWCOMER.address, 5, 5, 4);
      expect(await quorum.members()).to.equal(6);
      expect(await quorum.threshold()).to.equal(4);
      expect(await quorum.memberAt(5)).to.equal(NEWCOMER.address);

      await goTo(world, startOf(5));
      expect(await quorum.isActive(NEWCOMER)).to.equal(false);
      await token.connect(treasury).approve(quorum, BOND);
      await quorum.connect(treasury).depositBond(NEWCOMER, BOND - 1n);
      expect(await quorum.isActive(NEWCOMER)).to.equal(false);
      await quorum.connect(treasury).depositBond(NEWCOMER, 1);
      expect(await quorum.isActive(NEWCOMER)).to.equal(true);
    });

    it("lets nobody count in the epoch of joining", async () => {
      const world = await from(staffedWorld);
      const { quorum, governance, treasury, token } = world;
      await quorum.connect(governance).addMember(NEWCOMER, 4);
      await token.connect(treasury).approve(quorum, BOND);
      await quorum.connect(treasury).depositBond(NEWCOMER, BOND);
      await goTo(world, startOf(2) - 1);
      expect(await quorum.isActive(NEWCOMER)).to.equal(false);
      await goTo(world, startOf(2));
      expect(await quorum.isActive(NEWCOMER)).to.equal(true);
    });

    it("refuses an address that is or was a member, and the zero address", async () => {
      const { quorum, governance, members } = await from(staffedWorld);
      const member = members[0]?.address ?? "";
      const adding = () => quorum.connect(governance).addMember(member, 3);
      await expect(adding())
        .to.be.revertedWithCustomError(quorum, "MemberAlreadyKnown")
        .withArgs(member);
      await quorum.connect(governance).removeMember(member, 3);
      await expect(adding()).to.be.revertedWithCustomError(quorum, "MemberAlreadyKnown");
      await expect(
        quorum.connect(governance).addMember(ZeroAddress, 3),
      ).to.be.revertedWithCustomError(quorum, "ZeroAddress");
    });

    it("wants a threshold over half of the members and not over all of them", async () => {
      const { quorum, governance } = await from(staffedWorld);
      const adding = (threshold: number) =>
        quorum.connect(governance).addMember(NEWCOMER, threshold);
      for (const threshold of [0, 3, 7]) {
        await expect(adding(threshold))
          .to.be.revertedWithCustomError(quorum, "InvalidThreshold")
          .withArgs(threshold, 6);
      }
      await adding(6);
      await quorum.connect(governance).removeMember(NEWCOMER, 3);
      expect(await quorum.threshold()).to.equal(3);
    });

    it("takes 32 members at one time and not one more", async () => {
      const { quorum, governance } = await from(deployedWorld);
      const max = Number(await quorum.MAX_MEMBERS());
      const by = quorum.connect(governance);
      for (let i = 0; i < max; i++) await by.addMember(walletOf(`m ${i}`), i + 1);
      await expect(by.addMember(NEWCOMER, max))
        .to.be.revertedWithCustomError(quorum, "QuorumFull")
        .withArgs(max, max);
      await by.removeMember(walletOf("m 0"), max - 1);
      await by.addMember(NEWCOMER, max);
    });

    it("takes 128 members ever and not one more, for no slot is used twice", async () => {
      const { quorum, governance } = await from(deployedWorld);
      const slots = Number(await quorum.MAX_SLOTS());
      const by = quorum.connect(governance);
      for (let i = 0; i < slots; i++) {
        await by.addMember(walletOf(`m ${i}`), 1);
        expect(await quorum.memberAt(i)).to.equal(walletOf(`m ${i}`).address);
        await by.removeMember(walletOf(`m ${i}`), 1);
      }
      await expect(by.addMember(NEWCOMER, 1))
        .to.be.revertedWithCustomError(quorum, "QuorumFull")
        .withArgs(0, slots);
    });
  });

  describe("removeMember", () => {
    it("ends a membership at once", async () => {
      const { quorum, governance, members } = await from(staffedWorld);
      const member = members[1]?.address ?? "";
      await expect(quorum.connect(governance).removeMember(member, 3))
        .to.emit(quorum, "MemberRemoved")
        .withArgs(member, 1, 3);
      expect(await quorum.isActive(member)).to.equal(false);
      expect(await quorum.members()).to.equal(4);
    });

    it("refuses a stranger and one who has left", async () => {
      const { quorum, governance, members } = await from(staffedWorld);
      const member = members[1]?.address ?? "";
      await expect(quorum.connect(governance).removeMember(NEWCOMER, 3))
        .to.be.revertedWithCustomError(quorum, "MemberUnknown")
        .withArgs(NEWCOMER.address);
      await quorum.connect(governance).removeMember(member, 3);
      await expect(
        quorum.connect(governance).removeMember(member, 3),
      ).to.be.revertedWithCustomError(quorum, "MemberUnknown");
    });

    it("keeps a threshold of at least one when the last member goes: no signatures are never enough", async () => {
      const world = await from(deployedWorld);
      const { quorum, governance } = world;
      const [member] = await addMembers(world, 1, 1);
      const removing = (threshold: number) =>
        quorum.connect(governance).removeMember(member ?? "", threshold);
      await expect(removing(0))
        .to.be.revertedWithCustomError(quorum, "InvalidThreshold")
        .withArgs(0, 0);
      await expect(removing(2)).to.be.revertedWithCustomError(quorum, "InvalidThreshold");
      await removing(1);
      await expect(quorum.verify(DIGEST, []))
        .to.be.revertedWithCustomError(quorum, "TooFewSignatures")
        .withArgs(0, 1);
    });
  });

  describe("setThreshold", () => {
    it("follows the members that are left, at once", async () => {
      const world = await from(staffedWorld);
      const { quorum, governance, members } = world;
      for (const member of members.slice(2)) {
        await quorum.connect(await sender(world, member.address)).exit();
      }
      const setting = (threshold: number) => quorum.connect(governance).setThreshold(threshold);
      for (const threshold of [1, 3]) {
        await expect(setting(threshold))
          .to.be.revertedWithCustomError(quorum, "InvalidThreshold")
          .withArgs(threshold, 2);
      }
      await expect(setting(2)).to.emit(quorum, "ThresholdSet").withArgs(2);
      expect(await quorum.verify(DIGEST, sign(["member 0", "member 1"]))).to.equal(0b11);
    });
  });

  describe("exit", () => {
    it("ends the caller's own membership at once", async () => {
      const world = await from(staffedWorld);
      const { quorum, members } = world;
      const member = await sender(world, members[2]?.address ?? "");
      await expect(quorum.connect(member).exit())
        .to.emit(quorum, "MemberExited")
        .withArgs(member.address, 2);
      expect(await quorum.isActive(member)).to.equal(false);
      await expect(quorum.connect(member).exit()).to.be.revertedWithCustomError(
        quorum,
        "MemberUnknown",
      );
    });
  });

  describe("verify", () => {
    it("takes the threshold of distinct members in any order and names their slots", async () => {
      const { quorum } = await from(staffedWorld);
      expect(await quorum.verify(DIGEST, sign(["member 4", "member 0", "member 2"]))).to.equal(
        0b10101,
      );
      const all = sign(["member 0", "member 1", "member 2", "member 3", "member 4"]);
      expect(await quorum.verify(DIGEST, all)).to.equal(0b11111);
    });

    it("refuses one signature fewer", async () => {
      const { quorum } = await from(staffedWorld);
      await expect(quorum.verify(DIGEST, sign(["member 4", "member 0"])))
        .to.be.revertedWithCustomError(quorum, "TooFewSignatures")
        .withArgs(2, 3);
    });

    it("counts each signer once", async () => {
      const { quorum, members } = await from(staffedWorld);
      await expect(quorum.verify(DIGEST, sign(["member 0", "member 1", "member 0"])))
        .to.be.revertedWithCustomError(quorum, "DuplicateSigner")
        .withArgs(members[0]?.address);
    });

    it("refuses a stranger's signature even beside enough others", async () => {
      const { quorum } = await from(staffedWorld);
      const signatures = sign(["member 0", "member 1", "member 2", "newcomer"]);
      await expect(quorum.verify(DIGEST, signatures))
        .to.be.revertedWithCustomError(quorum, "SignerNotActive")
        .withArgs(NEWCOMER.address);
    });

    it("counts nobody who was removed: lesson, lidofinance, a removed member's vote counts", async () => {
      const { quorum, governance, members } = await from(staffedWorld);
      const signatures = sign(["member 0", "member 1", "member 2"]);
      await quorum.connect(governance).removeMember(members[1]?.address ?? "", 3);
      await expect(quorum.verify(DIGEST, signatures))
        .to.be.revertedWithCustomError(quorum, "SignerNotActive")
        .withArgs(members[1]?.address);
    });

    it("needs no member's transaction: lesson, one member bricks on-chain voting", async () => {
      const world: Staffed = await from(staffedWorld);
      const { quorum, members } = world;
      for (const member of members.slice(3)) {
        await quorum.connect(await sender(world, member.address)).exit();
      }
      expect(await quorum.verify(DIGEST, sign(["member 0", "member 1", "member 2"]))).to.equal(
        0b111,
      );
    });
  });
});
