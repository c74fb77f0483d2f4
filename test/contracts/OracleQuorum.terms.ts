import { expect } from "chai";
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
import { ltkTree, reportOf, type Staffed, staffedWorld } from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import { signFor } from "./support/signing.ts";

/** Five members of whom three must sign are active: it is epoch 4. */
async function activeWorld(): Promise<Staffed> {
  const world = await from(staffedWorld);
  await goTo(world, startOf(4));
  return world;
}

const exit = async (world: World, i: number) =>
  world.quorum.connect(await sender(world, walletOf(`member ${i}`).address)).exit();

const remove = ({ quorum, governance }: World, i: number) =>
  quorum.connect(governance).removeMember(walletOf(`member ${i}`));

/** By the proof of two reports that it signed. */
async function slash(world: Staffed, i: number): Promise<void> {
  const { quorum, ledger, bystander } = world;
  const member = walletOf(`member ${i}`);
  const a = await reportOf(world, ltkTree(world.accounts, [1, 2, 3, 4, 5]));
  const b = { ...a, total: a.total + 1n };
  const [signatureA, signatureB] = [
    await signFor(ledger, "Report", a, member),
    await signFor(ledger, "Report", b, member),
  ];
  await quorum.connect(bystander).proveEquivocation(a, b, signatureA, signatureB);
}

/** Seats and threshold at the beginning of some epochs. */
async function termsIn(world: World, epochs: readonly number[]) {
  const terms = [];
  for (const epoch of epochs) {
    await goTo(world, startOf(epoch));
    terms.push([Number(await world.quorum.seats()), Number(await world.quorum.threshold())]);
  }
  return terms;
}

describe("OracleQuorum", () => {
  describe("setThreshold", () => {
    it("takes effect after at least one whole epoch more", async () => {
      const world = await from(activeWorld);
      const { quorum, governance } = world;
      await goTo(world, startOf(5) - 10);
      await expect(quorum.connect(governance).setThreshold(5))
        .to.emit(quorum, "ThresholdSet")
        .withArgs(5, 6, numbered);
      expect(await termsIn(world, [5, 6])).to.deep.equal([
        [5, 3],
        [5, 5],
      ]);
    });

    it("keeps what was set for the epoch before", async () => {
      const world = await from(activeWorld);
      const { quorum, governance } = world;
      await quorum.connect(governance).setThreshold(4);
      await goTo(world, startOf(5));
      await quorum.connect(governance).setThreshold(5);
      expect(await termsIn(world, [5, 6, 7, 9])).to.deep.equal([
        [5, 3],
        [5, 4],
        [5, 5],
        [5, 5],
      ]);
    });

    it("wants more than half of the members that have not left, and not more than all", async () => {
      const world = await from(activeWorld);
      const { quorum, governance } = world;
      for (const i of [2, 3, 4]) await exit(world, i);
      for (const threshold of [1, 3]) {
        await expect(quorum.connect(governance).setThreshold(threshold))
          .to.be.revertedWithCustomError(quorum, "InvalidThreshold")
          .withArgs(threshold, 2);
      }
      await quorum.connect(governance).setThreshold(2);
    });

    it("is at least one, also without members", async () => {
      const { quorum, governance } = await from(deployedWorld);
      await expect(quorum.connect(governance).setThreshold(0))
        .to.be.revertedWithCustomError(quorum, "InvalidThreshold")
        .withArgs(0, 0);
      await quorum.connect(governance).setThreshold(1);
      expect(await quorum.threshold()).to.equal(1);
    });
  });

  describe("threshold", () => {
    it("falls with the seats, and an exit's seat is gone when its signature is", async () => {
      const world = await from(activeWorld);
      for (const i of [1, 2, 3]) await exit(world, i);
      expect(await termsIn(world, [4, 5, 6])).to.deep.equal([
        [5, 3],
        [2, 2],
        [2, 2],
      ]);
    });

    it("keeps the seat of a member that was removed for one whole epoch more", async () => {
      const world = await from(activeWorld);
      for (const i of [1, 2, 3]) await remove(world, i);
      expect(await termsIn(world, [4, 5, 6])).to.deep.equal([
        [5, 3],
        [5, 3],
        [2, 2],
      ]);
    });

    it("keeps the seat of a member that was slashed for one whole epoch more: the rest gain no power by it", async () => {
      const world = await from(activeWorld);
      for (const i of [1, 2, 3]) await slash(world, i);
      const active = await Promise.all(
        world.members.map((member) => world.quorum.isActive(member)),
      );
      expect(active).to.deep.equal([true, false, false, false, true]);
      expect(await termsIn(world, [4, 5, 6])).to.deep.equal([
        [5, 3],
        [5, 3],
        [2, 2],
      ]);
    });

    it("is one when all have left", async () => {
      const world = await from(activeWorld);
      for (const i of [0, 1, 2, 3, 4]) await exit(world, i);
      expect(await termsIn(world, [5])).to.deep.equal([[0, 1]]);
      expect(await world.quorum.members()).to.equal(0);
    });

    it("rises again with new members, up to what was set", async () => {
      const world = await from(activeWorld);
      for (const i of [1, 2, 3]) await exit(world, i);
      const { quorum, governance } = world;
      await quorum.connect(governance).addMember(walletOf("newcomer"), 3);
      expect(await termsIn(world, [4, 5, 6])).to.deep.equal([
        [5, 3],
        [2, 2],
        [3, 3],
      ]);
    });

    it("counts in any order of changes, over many epochs without one", async () => {
      const world = await from(activeWorld);
      const { quorum, governance, token, treasury } = world;
      await remove(world, 0);
      await exit(world, 1);
      await goTo(world, startOf(5));
      await slash(world, 2);
      await quorum.connect(governance).addMember(walletOf("newcomer"), 3);
      await exit(world, 3);
      expect(await termsIn(world, [5, 6, 7])).to.deep.equal([
        [4, 3],
        [2, 2],
        [2, 2],
      ]);
      await token.connect(treasury).approve(quorum, BOND);
      await quorum.connect(treasury).depositBond(walletOf("newcomer"), BOND);
      expect(await termsIn(world, [90])).to.deep.equal([[2, 2]]);
    });

    it("counts no member before its first epoch, wherever time stands", async () => {
      const world = await from(deployedWorld);
      await addMembers(world, 3, 2);
      expect(await termsIn(world, [1, 2])).to.deep.equal([
        [0, 1],
        [3, 2],
      ]);
    });
  });
});
