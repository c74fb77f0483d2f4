import { expect } from "chai";
import { parseEther, ZeroAddress } from "ethers";
import {
  at,
  deployedWorld,
  from,
  goTo,
  sealTimeOf,
  startOf,
  THAW_SECONDS,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import {
  collect,
  DEPOSIT,
  GATEWAY,
  payingWorld,
  signVoucher,
  voucherOf,
} from "./support/customers.ts";
import { signFor } from "./support/signing.ts";

const ltk = (amount: number) => parseEther(amount.toString());

async function inEpochFour(): Promise<World> {
  const world = await from(payingWorld);
  await goTo(world, startOf(4));
  return world;
}

describe("CustomerEscrow", () => {
  describe("collect", () => {
    it("pays the promise into the ledger and counts it for the voucher's epoch", async () => {
      const world = await from(inEpochFour);
      const { escrow, token, ledger, customer } = world;
      const collecting = collect(world, 4, 30);
      await expect(collecting)
        .to.emit(escrow, "VoucherCollected")
        .withArgs(customer.address, 4, 4, ltk(30), ltk(30), ltk(30));
      await expect(collecting).to.changeTokenBalances(
        world.connection.ethers,
        token,
        [escrow, ledger],
        [-ltk(30), ltk(30)],
      );
      expect(await escrow.paid(customer, 4)).to.equal(ltk(30));
      expect(await escrow.fund(4)).to.equal(ltk(30));
      expect(await escrow.collected(customer)).to.equal(ltk(30));
      expect(await escrow.balanceOf(customer)).to.equal(DEPOSIT - ltk(30));
    });

    it("pays the difference to what was collected before, in whatever order vouchers come", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      await collect(world, 4, 30);
      await collect(world, 3, 10);
      await collect(world, 4, 31);
      await goTo(world, startOf(5));
      await collect(world, 5, 50);
      expect(await escrow.paid(customer, 4)).to.equal(ltk(31));
      expect(await escrow.paid(customer, 3)).to.equal(0);
      expect(await escrow.paid(customer, 5)).to.equal(ltk(19));
    });

    it("takes a voucher twice without paying or telling anything", async () => {
      const world = await from(inEpochFour);
      const { escrow, token, ledger } = world;
      await collect(world, 4, 30);
      const again = collect(world, 4, 30);
      await expect(again).not.to.emit(escrow, "VoucherCollected");
      await expect(again).to.changeTokenBalance(world.connection.ethers, token, ledger, 0);
    });

    it("leaves owed what the balance does not cover: lesson, livepeer, a partial payment burns the claim", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      await collect(world, 4, 1500);
      expect(await escrow.paid(customer, 4)).to.equal(DEPOSIT);
      expect(await escrow.balanceOf(customer)).to.equal(0);
      await expect(collect(world, 4, 1500)).not.to.emit(escrow, "VoucherCollected");
      await escrow.connect(customer).deposit(ltk(700));
      await collect(world, 4, 1500);
      expect(await escrow.paid(customer, 4)).to.equal(ltk(1500));
      expect(await escrow.balanceOf(customer)).to.equal(ltk(200));
    });

    it("loses nothing to a deposit of one wei: lesson, livepeer, a 1-wei grief", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      await collect(world, 4, 1000);
      await escrow.connect(customer).deposit(1);
      await collect(world, 4, 1001);
      await escrow.connect(customer).deposit(ltk(1));
      await collect(world, 4, 1001);
      expect(await escrow.collected(customer)).to.equal(ltk(1001));
      expect(await escrow.balanceOf(customer)).to.equal(1);
    });

    it("counts for the voucher's epoch until its seal time, then for the current one", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      await at(world, sealTimeOf(3) - 1);
      await collect(world, 3, 10);
      expect(await escrow.paid(customer, 3)).to.equal(ltk(10));
      await at(world, sealTimeOf(3));
      await expect(collect(world, 3, 25))
        .to.emit(escrow, "VoucherCollected")
        .withArgs(customer.address, 3, 4, ltk(25), ltk(15), ltk(25));
      expect(await escrow.paid(customer, 3)).to.equal(ltk(10));
      expect(await escrow.paid(customer, 4)).to.equal(ltk(15));
      expect(await escrow.fund(4)).to.equal(ltk(15));
    });

    it("refuses an epoch that has not begun, and epoch 0", async () => {
      const world = await from(inEpochFour);
      const { escrow } = world;
      await expect(collect(world, 5, 1))
        .to.be.revertedWithCustomError(escrow, "EpochNotStarted")
        .withArgs(5, 4);
      await expect(collect(world, 0, 1))
        .to.be.revertedWithCustomError(escrow, "EpochNotStarted")
        .withArgs(0, 4);
    });

    it("refuses a key before it is valid, after it was removed, and any other key", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      const late = walletOf("late gateway");
      await escrow.connect(customer).addKey(late);
      await escrow.connect(customer).removeKey(GATEWAY);
      await expect(collect(world, 4, 1, { key: late }))
        .to.be.revertedWithCustomError(escrow, "KeyUnknown")
        .withArgs(customer.address, late.address, 4);
      await goTo(world, startOf(5));
      await expect(collect(world, 5, 1))
        .to.be.revertedWithCustomError(escrow, "KeyUnknown")
        .withArgs(customer.address, GATEWAY.address, 5);
      await collect(world, 5, 1, { key: late });
      await collect(world, 4, 2);
      await expect(collect(world, 5, 3, { key: walletOf("nobody") })).to.be.revertedWithCustomError(
        escrow,
        "KeyUnknown",
      );
    });

    it("takes a dismissed customer's vouchers up to the epoch it was dismissed in", async () => {
      const world = await from(inEpochFour);
      const { escrow, admission, customer } = world;
      await escrow.connect(admission).dismiss(customer);
      await goTo(world, startOf(5));
      await collect(world, 4, 10);
      await expect(collect(world, 5, 11)).to.be.revertedWithCustomError(escrow, "KeyUnknown");
      expect(await escrow.collected(customer)).to.equal(ltk(10));
    });

    it("refuses a voucher whose fields are not the signed ones", async () => {
      const world = await from(inEpochFour);
      const { escrow, stranger } = world;
      const voucher = voucherOf(world, 4, 5);
      const signature = await signVoucher(world, voucher);
      for (const change of [
        { cumulative: voucher.cumulative + 1n },
        { epoch: 3 },
        { customer: stranger.address },
      ]) {
        await expect(
          escrow.collect({ ...voucher, ...change }, signature),
        ).to.be.revertedWithCustomError(escrow, "KeyUnknown");
      }
    });

    it("thaws what was deposited later for its own full time", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      await escrow.connect(customer).thaw(DEPOSIT);
      await collect(world, 4, 900);
      expect((await escrow.thawOf(customer)).amount).to.equal(ltk(100));
      await escrow.connect(customer).deposit(ltk(500));
      await goTo(world, startOf(7));
      await escrow.connect(customer).withdraw();
      expect(await escrow.balanceOf(customer)).to.equal(ltk(500));
    });

    it("refuses everything before genesis", async () => {
      const world = await from(deployedWorld);
      await expect(collect(world, 1, 1))
        .to.be.revertedWithCustomError(world.escrow, "EpochNotStarted")
        .withArgs(1, 0);
    });

    it("pays nobody before a ledger is linked", async () => {
      const world = await from(inEpochFour);
      const { connection, token, registry, admission, customer } = world;
      const terms = [token, registry, THAW_SECONDS, admission, admission];
      const unlinked = await connection.ethers.deployContract("CustomerEscrow", terms);
      await unlinked.connect(admission).admit(customer);
      await unlinked.connect(customer).addKey(GATEWAY);
      await token.connect(customer).approve(unlinked, 10);
      await unlinked.connect(customer).deposit(10);
      await goTo(world, startOf(5));
      const voucher = voucherOf(world, 5, 1);
      const signature = await signFor(unlinked, "Voucher", voucher, GATEWAY);
      await expect(unlinked.collect(voucher, signature))
        .to.be.revertedWithCustomError(token, "ERC20InvalidReceiver")
        .withArgs(ZeroAddress);
    });
  });
});
