import { expect } from "chai";
import { id } from "ethers";
import { BOND, from, goTo, sealTimeOf, sender, startOf, walletOf } from "../worlds/contracts.ts";
import { ltk } from "./support/customers.ts";
import {
  finalize,
  firstFinal,
  ltkTree,
  propose,
  reportOf,
  type Staffed,
  staffedWorld,
} from "./support/epochs.ts";
import { signFor } from "./support/signing.ts";

/** What the members' tenth is when 9 LTK were earned. */
const FEE = ltk(1);

/** The next epoch final: 9 LTK were earned in it, and these members signed. */
async function finalBy(world: Staffed, signers: Staffed["members"]): Promise<void> {
  await goTo(world, sealTimeOf(1));
  const report = await reportOf(world, ltkTree(world.accounts, [9, 0, 0, 0, 0]));
  await propose(world, report, signers);
  await finalize(world, report);
}

const feesOf = ({ quorum }: Staffed) =>
  Promise.all([0, 1, 2, 3, 4].map((slot) => quorum.feesOf(slot)));

describe("OracleQuorum", () => {
  describe("credit", () => {
    it("gives each signer its part of the fee: the fee by the seats there were at the proposal", async () => {
      const world = await from(staffedWorld);
      await finalBy(world, world.members.slice(1, 4));
      expect(await feesOf(world)).to.deep.equal([0n, FEE / 5n, FEE / 5n, FEE / 5n, 0n]);
    });

    it("gives nobody more for leaving signatures out: what others did not earn is burned", async () => {
      for (const signers of [3, 4, 5]) {
        const world = await from(staffedWorld);
        const { token } = world;
        const supply = await token.totalSupply();
        await finalBy(world, world.members.slice(0, signers));
        expect((await feesOf(world)).slice(0, signers)).to.deep.equal(
          Array(signers).fill(FEE / 5n),
        );
        expect(await token.totalSupply()).to.equal(supply - (BigInt(5 - signers) * FEE) / 5n);
      }
    });

    it("counts the seats of the proposal, not of the finalization", async () => {
      const world = await from(staffedWorld);
      await goTo(world, sealTimeOf(1));
      const report = await reportOf(world, ltkTree(world.accounts, [9, 0, 0, 0, 0]));
      await propose(world, report, world.members.slice(0, 3));
      for (const i of [3, 4]) {
        await world.quorum.connect(await sender(world, walletOf(`member ${i}`).address)).exit();
      }
      await goTo(world, startOf(4));
      expect(await world.quorum.seats()).to.equal(3);
      await finalize(world, report);
      expect(await world.quorum.feesOf(0)).to.equal(FEE / 5n);
    });

    it("gives nothing to who was slashed since it signed", async () => {
      const world = await from(staffedWorld);
      const { quorum, ledger, bystander, token } = world;
      await goTo(world, sealTimeOf(1));
      const report = await reportOf(world, ltkTree(world.accounts, [9, 0, 0, 0, 0]));
      await propose(world, report, world.members.slice(0, 3));
      const other = { ...report, bundleHash: id("another bundle") };
      const culprit = walletOf("member 1");
      const a = await signFor(ledger, "Report", report, culprit);
      const b = await signFor(ledger, "Report", other, culprit);
      await quorum.connect(bystander).proveEquivocation(report, other, a, b);
      await expect(finalize(world, report))
        .to.emit(quorum, "FeesCredited")
        .withArgs(0b101, FEE / 5n);
      expect(await feesOf(world)).to.deep.equal([FEE / 5n, 0n, FEE / 5n, 0n, 0n]);
      const bonds = 4n * BOND;
      expect(await token.balanceOf(quorum)).to.equal(bonds + (2n * FEE) / 5n);
    });

    it("is the ledger's alone", async () => {
      const { quorum, governance } = await from(staffedWorld);
      await expect(quorum.connect(governance).credit(1, 1, 1))
        .to.be.revertedWithCustomError(quorum, "NotLedger")
        .withArgs(governance.address);
    });
  });

  describe("withdrawFees", () => {
    it("pays the fees of a slot to its newest key, whoever asks, once", async () => {
      const world = await from(firstFinal);
      const { connection, quorum, token, stranger } = world;
      const fees = await quorum.feesOf(1);
      expect(fees).to.equal(ltk(15) / 9n / 5n);
      const successor = walletOf("successor").address;
      await quorum.connect(await sender(world, walletOf("member 1").address)).rotate(successor);
      const withdrawing = quorum.connect(stranger).withdrawFees(1);
      await expect(withdrawing).to.emit(quorum, "FeesWithdrawn").withArgs(1, successor, fees);
      await expect(withdrawing).to.changeTokenBalances(
        connection.ethers,
        token,
        [quorum, successor],
        [-fees, fees],
      );
      await expect(quorum.withdrawFees(1))
        .to.be.revertedWithCustomError(quorum, "NoFees")
        .withArgs(1);
    });

    it("touches no bond, and pays also one that has left", async () => {
      const world = await from(firstFinal);
      const { quorum } = world;
      const member = await sender(world, walletOf("member 1").address);
      const { bond } = await quorum.memberOf(member);
      await quorum.connect(member).exit();
      await quorum.withdrawFees(1);
      expect((await quorum.memberOf(member)).bond).to.equal(bond);
    });

    it("has nothing in a slot that earned nothing, or that nobody has", async () => {
      const { quorum } = await from(firstFinal);
      for (const slot of [4, 5, 2 ** 40]) {
        expect(await quorum.feesOf(slot)).to.equal(0);
        await expect(quorum.withdrawFees(slot))
          .to.be.revertedWithCustomError(quorum, "NoFees")
          .withArgs(slot);
      }
    });
  });
});
