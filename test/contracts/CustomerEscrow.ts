import { expect } from "chai";
import { MaxUint256, parseEther, ZeroAddress } from "ethers";
import {
  at,
  chain,
  deployedWorld,
  from,
  goTo,
  startOf,
  THAW_SECONDS,
} from "../worlds/contracts.ts";
import { collect, DEPOSIT, GATEWAY, payingWorld } from "./support/customers.ts";

const ltk = (amount: number) => parseEther(amount.toString());

describe("CustomerEscrow", () => {
  describe("constructor", () => {
    it("wants a thaw of at least two epochs and the grace", async () => {
      const { ethers } = await chain();
      const { escrow, token, registry, governance } = await from(deployedWorld);
      const deploying = (seconds: number) =>
        ethers.deployContract("CustomerEscrow", [token, registry, seconds, governance, governance]);
      await deploying(THAW_SECONDS);
      await expect(deploying(THAW_SECONDS - 1))
        .to.be.revertedWithCustomError(escrow, "ThawTooShort")
        .withArgs(THAW_SECONDS - 1, THAW_SECONDS);
    });
  });

  describe("admit and dismiss", () => {
    it("take effect in the next epoch", async () => {
      const world = await from(deployedWorld);
      const { escrow, admission, stranger } = world;
      await goTo(world, startOf(3));
      await expect(escrow.connect(admission).admit(stranger))
        .to.emit(escrow, "CustomerAdmitted")
        .withArgs(stranger.address, 4);
      await goTo(world, startOf(6));
      await expect(escrow.connect(admission).dismiss(stranger))
        .to.emit(escrow, "CustomerDismissed")
        .withArgs(stranger.address, 7);
      const admitted = [];
      for (const epoch of [3, 4, 6, 7]) admitted.push(await escrow.isCustomerAt(stranger, epoch));
      expect(admitted).to.deep.equal([false, true, true, false]);
    });

    it("undo each other within one epoch", async () => {
      const { escrow, admission, stranger } = await from(deployedWorld);
      await escrow.connect(admission).admit(stranger);
      await escrow.connect(admission).dismiss(stranger);
      expect(await escrow.isCustomerAt(stranger, 1)).to.equal(false);
    });

    it("refuse the zero address", async () => {
      const { escrow, admission } = await from(deployedWorld);
      await expect(escrow.connect(admission).admit(ZeroAddress)).to.be.revertedWithCustomError(
        escrow,
        "ZeroAddress",
      );
    });
  });

  describe("addKey and removeKey", () => {
    it("take effect in the next epoch, for this customer only", async () => {
      const world = await from(payingWorld);
      const { escrow, customer, stranger } = world;
      await goTo(world, startOf(4));
      await expect(escrow.connect(customer).removeKey(GATEWAY))
        .to.emit(escrow, "KeyRemoved")
        .withArgs(customer.address, GATEWAY.address, 5);
      await expect(escrow.connect(stranger).addKey(GATEWAY))
        .to.emit(escrow, "KeyAdded")
        .withArgs(stranger.address, GATEWAY.address, 5);
      const valid = [];
      for (const epoch of [0, 1, 4, 5]) valid.push(await escrow.isKeyAt(customer, GATEWAY, epoch));
      expect(valid).to.deep.equal([false, true, true, false]);
    });

    it("make no customer of one who is not admitted", async () => {
      const { escrow, stranger } = await from(deployedWorld);
      await escrow.connect(stranger).addKey(GATEWAY);
      expect(await escrow.isKeyAt(stranger, GATEWAY, 1)).to.equal(false);
    });

    it("refuse the zero address, which no signature can recover to anyway", async () => {
      const { escrow, customer } = await from(deployedWorld);
      await expect(escrow.connect(customer).addKey(ZeroAddress)).to.be.revertedWithCustomError(
        escrow,
        "ZeroAddress",
      );
    });
  });

  describe("deposit and depositFor", () => {
    it("add to the customer's balance, whoever pays", async () => {
      const { escrow, token, customer, bystander } = await from(payingWorld);
      await token.connect(customer).transfer(bystander, ltk(5));
      await token.connect(bystander).approve(escrow, MaxUint256);
      await expect(escrow.connect(bystander).depositFor(customer, ltk(5)))
        .to.emit(escrow, "Deposited")
        .withArgs(customer.address, bystander.address, ltk(5));
      expect(await escrow.balanceOf(customer)).to.equal(DEPOSIT + ltk(5));
      expect(await token.balanceOf(escrow)).to.equal(DEPOSIT + ltk(5));
    });

    it("refuse the zero address", async () => {
      const { escrow, customer } = await from(payingWorld);
      await expect(
        escrow.connect(customer).depositFor(ZeroAddress, 1),
      ).to.be.revertedWithCustomError(escrow, "ZeroAddress");
    });

    it("take no more than the payer has allowed and holds", async () => {
      const { escrow, token, stranger } = await from(payingWorld);
      await expect(escrow.connect(stranger).deposit(1)).to.be.revertedWithCustomError(
        token,
        "ERC20InsufficientAllowance",
      );
      await token.connect(stranger).approve(escrow, MaxUint256);
      await expect(escrow.connect(stranger).deposit(1)).to.be.revertedWithCustomError(
        token,
        "ERC20InsufficientBalance",
      );
    });

    it("never touch a thaw: lesson, livepeer, anyone cancels your unlock with a zero deposit", async () => {
      const { escrow, token, customer, bystander } = await from(payingWorld);
      await escrow.connect(customer).thaw(ltk(400));
      const thaw = await escrow.thawOf(customer);
      await escrow.connect(bystander).depositFor(customer, 0);
      await token.connect(customer).transfer(bystander, 1);
      await token.connect(bystander).approve(escrow, 1);
      await escrow.connect(bystander).depositFor(customer, 1);
      expect(await escrow.thawOf(customer)).to.deep.equal(thaw);
    });
  });

  describe("thaw", () => {
    it("lets up to the whole balance thaw, and not a wei more", async () => {
      const { escrow, customer } = await from(payingWorld);
      await expect(escrow.connect(customer).thaw(DEPOSIT + 1n))
        .to.be.revertedWithCustomError(escrow, "ThawExceedsBalance")
        .withArgs(DEPOSIT + 1n, DEPOSIT);
      await escrow.connect(customer).thaw(DEPOSIT);
      await expect(escrow.connect(customer).thaw(1))
        .to.be.revertedWithCustomError(escrow, "ThawExceedsBalance")
        .withArgs(DEPOSIT + 1n, DEPOSIT);
    });

    it("puts the end of an earlier thaw off, never forward", async () => {
      const world = await from(payingWorld);
      const { escrow, customer } = world;
      const second = startOf(2);
      await escrow.connect(customer).thaw(ltk(1));
      await at(world, second);
      await expect(escrow.connect(customer).thaw(ltk(2)))
        .to.emit(escrow, "ThawStarted")
        .withArgs(customer.address, ltk(3), second + THAW_SECONDS);
    });
  });

  describe("cancelThaw", () => {
    it("keeps the money in the escrow", async () => {
      const world = await from(payingWorld);
      const { escrow, customer } = world;
      await escrow.connect(customer).thaw(ltk(3));
      await expect(escrow.connect(customer).cancelThaw())
        .to.emit(escrow, "ThawCancelled")
        .withArgs(customer.address, ltk(3));
      await goTo(world, startOf(9));
      await expect(escrow.connect(customer).withdraw())
        .to.be.revertedWithCustomError(escrow, "NothingThawing")
        .withArgs(customer.address);
    });

    it("refuses when nothing thaws, and reaches nobody else's thaw", async () => {
      const { escrow, customer, stranger } = await from(payingWorld);
      await escrow.connect(customer).thaw(ltk(3));
      await expect(escrow.connect(stranger).cancelThaw())
        .to.be.revertedWithCustomError(escrow, "NothingThawing")
        .withArgs(stranger.address);
      expect((await escrow.thawOf(customer)).amount).to.equal(ltk(3));
    });
  });

  describe("withdraw", () => {
    it("pays what has thawed, in the second the thaw ends and not before", async () => {
      const world = await from(payingWorld);
      const { escrow, token, customer } = world;
      await at(world, startOf(2));
      await escrow.connect(customer).thaw(ltk(250));
      const end = startOf(2) + THAW_SECONDS;
      await at(world, end - 1);
      await expect(escrow.connect(customer).withdraw())
        .to.be.revertedWithCustomError(escrow, "StillThawing")
        .withArgs(end);
      await at(world, end);
      const withdrawal = escrow.connect(customer).withdraw();
      await expect(withdrawal).to.emit(escrow, "Withdrawn").withArgs(customer.address, ltk(250));
      await expect(withdrawal).to.changeTokenBalance(
        world.connection.ethers,
        token,
        customer,
        ltk(250),
      );
      expect(await escrow.balanceOf(customer)).to.equal(DEPOSIT - ltk(250));
      await expect(escrow.connect(customer).withdraw()).to.be.revertedWithCustomError(
        escrow,
        "NothingThawing",
      );
    });

    it("pays only what collecting left of a thaw", async () => {
      const world = await from(payingWorld);
      const { escrow, token, customer } = world;
      await escrow.connect(customer).thaw(DEPOSIT);
      await collect(world, 1, 600);
      await goTo(world, startOf(9));
      await expect(escrow.connect(customer).withdraw()).to.changeTokenBalance(
        world.connection.ethers,
        token,
        customer,
        ltk(400),
      );
    });
  });
});
