import { expect } from "chai";
import { MaxUint256, Signature, type Wallet, ZeroAddress } from "ethers";
import {
  at,
  chain,
  deployedWorld,
  from,
  goTo,
  sender,
  startOf,
  THAW_SECONDS,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { collect, DEPOSIT, GATEWAY, ltk, payingWorld } from "./support/customers.ts";
import { PERMIT, permitDomainOf } from "./support/permits.ts";
import { numbered } from "./support/revisions.ts";

describe("CustomerEscrow", () => {
  describe("constructor", () => {
    it("wants a thaw of at least two epochs and the grace, and of five years at most", async () => {
      const { ethers } = await chain();
      const { escrow, token, registry, programme, governance } = await from(deployedWorld);
      const deploying = (seconds: bigint) =>
        ethers.deployContract("CustomerEscrow", [
          token,
          registry,
          programme,
          seconds,
          governance,
          governance,
        ]);
      const most = await escrow.MAX_THAW_SECONDS();
      for (const seconds of [BigInt(THAW_SECONDS), most]) await deploying(seconds);
      for (const seconds of [BigInt(THAW_SECONDS) - 1n, most + 1n]) {
        await expect(deploying(seconds))
          .to.be.revertedWithCustomError(escrow, "ThawOutOfRange")
          .withArgs(seconds, THAW_SECONDS, most);
      }
    });
  });

  describe("admit and dismiss", () => {
    it("take effect in the next epoch", async () => {
      const world = await from(deployedWorld);
      const { escrow, admission, stranger } = world;
      await goTo(world, startOf(3));
      await expect(escrow.connect(admission).admit(stranger))
        .to.emit(escrow, "CustomerAdmitted")
        .withArgs(stranger.address, 4, numbered);
      await goTo(world, startOf(6));
      await expect(escrow.connect(admission).dismiss(stranger))
        .to.emit(escrow, "CustomerDismissed")
        .withArgs(stranger.address, 7, numbered);
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

  describe("setKey", () => {
    it("takes effect in the next epoch, for this customer only, and removes with a cap of 0", async () => {
      const world = await from(payingWorld);
      const { escrow, customer, stranger } = world;
      const late = walletOf("late gateway");
      await goTo(world, startOf(4));
      await expect(escrow.connect(customer).setKey(late, 7))
        .to.emit(escrow, "KeySet")
        .withArgs(customer.address, late.address, 7, 5, numbered);
      await escrow.connect(customer).setKey(GATEWAY, 0);
      const caps = [];
      for (const epoch of [0, 4, 5]) {
        caps.push(await escrow.capAt(customer, late, epoch));
        caps.push(await escrow.capAt(customer, GATEWAY, epoch));
      }
      expect(caps).to.deep.equal([0n, 0n, 0n, 2n ** 96n - 1n, 7n, 0n]);
      expect(await escrow.capAt(stranger, late, 5)).to.equal(0);
    });

    it("lets the last word of an epoch count", async () => {
      const { escrow, customer } = await from(payingWorld);
      await escrow.connect(customer).setKey(GATEWAY, 5);
      await escrow.connect(customer).setKey(GATEWAY, 6);
      expect(await escrow.capAt(customer, GATEWAY, 2)).to.equal(6);
    });

    it("makes no customer of one who is not admitted, and ends with a dismissal", async () => {
      const { escrow, admission, customer, stranger } = await from(payingWorld);
      await escrow.connect(stranger).setKey(GATEWAY, 5);
      expect(await escrow.capAt(stranger, GATEWAY, 2)).to.equal(0);
      await escrow.connect(admission).dismiss(customer);
      expect(await escrow.capAt(customer, GATEWAY, 1)).not.to.equal(0);
      expect(await escrow.capAt(customer, GATEWAY, 2)).to.equal(0);
    });

    it("refuses the zero address, which no signature can recover to anyway", async () => {
      const { escrow, customer } = await from(deployedWorld);
      await expect(escrow.connect(customer).setKey(ZeroAddress, 1)).to.be.revertedWithCustomError(
        escrow,
        "ZeroAddress",
      );
    });
  });

  describe("setEndpoint", () => {
    it("tells at once where the caller's gateways are, in at most 256 printable characters", async () => {
      const { escrow, customer } = await from(payingWorld);
      const mine = escrow.connect(customer);
      for (const url of ["wss://gateway.example:8443/node", "", "~".repeat(256)]) {
        await expect(mine.setEndpoint(url))
          .to.emit(escrow, "EndpointSet")
          .withArgs(customer.address, url, numbered);
      }
      for (const url of ["x".repeat(257), "wss://\n", "\u007f", "ws\u202e"]) {
        await expect(mine.setEndpoint(url)).to.be.revertedWithCustomError(
          escrow,
          "TextNotPrintable",
        );
      }
    });

    it("is for customers: strangers would fill everybody's replay", async () => {
      const world = await from(payingWorld);
      const { escrow, admission, customer, stranger } = world;
      await expect(escrow.connect(stranger).setEndpoint("wss://here.example"))
        .to.be.revertedWithCustomError(escrow, "CustomerUnknown")
        .withArgs(stranger.address);
      // From the next epoch on, as it was admitted and is dismissed.
      await escrow.connect(admission).admit(stranger);
      await escrow.connect(stranger).setEndpoint("wss://here.example");
      await escrow.connect(admission).dismiss(customer);
      await expect(
        escrow.connect(customer).setEndpoint("wss://here.example"),
      ).to.be.revertedWithCustomError(escrow, "CustomerUnknown");
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

  describe("depositWithPermit", () => {
    const owner = walletOf("owner");
    const amount = ltk(5);

    async function owning(): Promise<World> {
      const world = await from(payingWorld);
      await world.token.connect(world.customer).transfer(owner.address, ltk(100));
      return world;
    }

    async function permitOf({ token, escrow }: World, value = amount, by: Wallet = owner) {
      const { address } = owner;
      const spender = await escrow.getAddress();
      const nonce = await token.nonces(address);
      const permit = { owner: address, spender, value, nonce, deadline: MaxUint256 };
      const signed = await by.signTypedData(await permitDomainOf(token), PERMIT, permit);
      return Signature.from(signed);
    }

    it("allows and deposits in one transaction", async () => {
      const world = await from(owning);
      const { escrow } = world;
      const { v, r, s } = await permitOf(world);
      const own = escrow.connect(await sender(world, owner.address));
      await expect(own.depositWithPermit(amount, MaxUint256, v, r, s))
        .to.emit(escrow, "Deposited")
        .withArgs(owner.address, owner.address, amount);
      expect(await escrow.balanceOf(owner)).to.equal(amount);
    });

    it("deposits also when somebody sent the permit first", async () => {
      const world = await from(owning);
      const { escrow, token, stranger } = world;
      const { v, r, s } = await permitOf(world);
      const own = escrow.connect(await sender(world, owner.address));
      await token.connect(stranger).permit(owner.address, escrow, amount, MaxUint256, v, r, s);
      await own.depositWithPermit(amount, MaxUint256, v, r, s);
      expect(await escrow.balanceOf(owner)).to.equal(amount);
    });

    it("takes nothing on a permit over another amount, or of another signer", async () => {
      const world = await from(owning);
      const own = world.escrow.connect(await sender(world, owner.address));
      for (const { v, r, s } of [
        await permitOf(world, amount - 1n),
        await permitOf(world, amount, walletOf("thief")),
      ]) {
        await expect(
          own.depositWithPermit(amount, MaxUint256, v, r, s),
        ).to.be.revertedWithCustomError(world.token, "ERC20InsufficientAllowance");
      }
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
