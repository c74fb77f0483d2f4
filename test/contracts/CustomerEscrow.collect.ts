import { expect } from "chai";
import {
  at,
  deployedWorld,
  endOf,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  startOf,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import {
  collect,
  DEPOSIT,
  GATEWAY,
  ltk,
  MAX_96,
  payingWorld,
  signVoucher,
  voucherOf,
} from "./support/customers.ts";
import { numbered } from "./support/revisions.ts";

/** Epoch 4 is collectable: the one before it is sealed. */
async function inEpochFour(): Promise<World> {
  const world = await from(payingWorld);
  await goTo(world, sealTimeOf(3));
  return world;
}

describe("CustomerEscrow", () => {
  describe("collect", () => {
    it("counts the promise for its epoch, and keeps the money until that is final", async () => {
      const world = await from(inEpochFour);
      const { escrow, token, ledger, customer } = world;
      const collecting = collect(world, 4, 30);
      await expect(collecting)
        .to.emit(escrow, "VoucherCollected")
        .withArgs(customer.address, 4, ltk(30), ltk(30), ltk(30), numbered);
      await expect(collecting).to.changeTokenBalances(
        world.connection.ethers,
        token,
        [escrow, ledger],
        [0, 0],
      );
      expect(await escrow.paid(customer, 4)).to.equal(ltk(30));
      expect(await escrow.fund(4)).to.equal(ltk(30));
      expect(await escrow.balanceOf(customer)).to.equal(DEPOSIT - ltk(30));
      expect(await escrow.epochAccountOf(4)).to.deep.equal([
        ltk(30),
        0n,
        0n,
        false,
        `0x${"00".repeat(32)}`,
      ]);
    });

    it("takes the difference to what was paid for that epoch before, and starts anew in the next", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      await collect(world, 4, 30);
      await expect(collect(world, 4, 31))
        .to.emit(escrow, "VoucherCollected")
        .withArgs(customer.address, 4, ltk(31), ltk(1), ltk(31), numbered);
      await collect(world, 4, 10);
      await goTo(world, sealTimeOf(4));
      await collect(world, 5, 5);
      expect(await escrow.paid(customer, 4)).to.equal(ltk(31));
      expect(await escrow.paid(customer, 5)).to.equal(ltk(5));
      expect(await escrow.balanceOf(customer)).to.equal(DEPOSIT - ltk(36));
    });

    it("takes many vouchers at once, each with its own signature", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer, stranger, bystander } = world;
      await escrow.connect(customer).depositFor(stranger, ltk(7));
      await escrow.connect(world.admission).admit(stranger);
      const theirs = walletOf("their gateway");
      await escrow.connect(stranger).setKey(theirs, MAX_96);
      await goTo(world, sealTimeOf(4));
      const vouchers = [
        voucherOf(world, 5, 2),
        voucherOf(world, 5, 3, { customer: stranger.address }),
        voucherOf(world, 5, 4),
      ];
      const signatures = [
        await signVoucher(world, vouchers[0] as never),
        await signVoucher(world, vouchers[1] as never, theirs),
        await signVoucher(world, vouchers[2] as never),
      ];
      const mine = escrow.connect(bystander);
      expect(await mine.collect.staticCall(vouchers, signatures)).to.equal(ltk(7));
      await mine.collect(vouchers, signatures);
      expect(await escrow.paid(customer, 5)).to.equal(ltk(4));
      expect(await escrow.paid(stranger, 5)).to.equal(ltk(3));
      expect(await escrow.fund(5)).to.equal(ltk(7));
      await expect(escrow.collect(vouchers, signatures.slice(1)))
        .to.be.revertedWithCustomError(escrow, "SignatureCountMismatch")
        .withArgs(3, 2);
    });

    it("takes a voucher twice without paying or telling anything, and spoils no batch with it", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      await collect(world, 4, 30);
      const revision = await escrow.revision();
      await collect(world, 4, 30);
      expect(await escrow.revision()).to.equal(revision);
      const vouchers = [voucherOf(world, 4, 30), voucherOf(world, 4, 31)];
      const signatures = await Promise.all(vouchers.map((voucher) => signVoucher(world, voucher)));
      await escrow.collect(vouchers, signatures);
      expect(await escrow.paid(customer, 4)).to.equal(ltk(31));
    });

    it("leaves owed what the balance does not cover, until the seal: lesson, livepeer, a partial payment burns the claim", async () => {
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
      expect(await escrow.paid(customer, 4)).to.equal(ltk(1001));
      expect(await escrow.balanceOf(customer)).to.equal(1);
    });

    it("takes an epoch's vouchers up to its seal time, to the second, and the next one's from then on", async () => {
      const world = await from(inEpochFour);
      const { escrow } = world;
      await at(world, sealTimeOf(4) - 1);
      await collect(world, 4, 10);
      await at(world, sealTimeOf(4));
      await expect(collect(world, 4, 11))
        .to.be.revertedWithCustomError(escrow, "EpochNotCollectable")
        .withArgs(4, 5);
      await collect(world, 5, 11);
      expect(await escrow.fund(4)).to.equal(ltk(10));
    });

    it("takes no voucher for the running epoch while the one before is in its grace", async () => {
      const world = await from(inEpochFour);
      const { escrow } = world;
      await at(world, endOf(4));
      await expect(collect(world, 5, 1))
        .to.be.revertedWithCustomError(escrow, "EpochNotCollectable")
        .withArgs(5, 4);
      await collect(world, 4, 1);
    });

    it("refuses epochs that are sealed, that have not begun, and epoch 0", async () => {
      const world = await from(inEpochFour);
      for (const epoch of [0, 3, 5, 2 ** 32 - 1]) {
        await expect(collect(world, epoch, 1))
          .to.be.revertedWithCustomError(world.escrow, "EpochNotCollectable")
          .withArgs(epoch, 4);
      }
    });

    it("refuses everything before genesis, and takes epoch 1 from its first second on", async () => {
      const early = await from(deployedWorld);
      await expect(collect(early, 1, 1))
        .to.be.revertedWithCustomError(early.escrow, "EpochNotCollectable")
        .withArgs(1, 1);
      await expect(collect(early, 0, 1)).to.be.revertedWithCustomError(
        early.escrow,
        "EpochNotCollectable",
      );
      const world = await from(payingWorld);
      expect(await world.connection.networkHelpers.time.latest()).to.equal(GENESIS);
      expect(await world.escrow.collectableEpoch()).to.equal(1);
      await collect(world, 1, 1);
    });

    it("takes no more than a key's cap on what that key signed, whatever it promises", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      const capped = walletOf("capped gateway");
      await escrow.connect(customer).setKey(capped, ltk(10));
      await goTo(world, sealTimeOf(4));
      await expect(collect(world, 5, 25, { key: capped }))
        .to.emit(escrow, "VoucherCollected")
        .withArgs(customer.address, 5, ltk(25), ltk(10), ltk(10), numbered);
      await expect(collect(world, 5, 30, { key: capped })).not.to.emit(escrow, "VoucherCollected");
      // The cap is on what the epoch has cost in all, so another key's voucher goes on from there.
      await collect(world, 5, 12);
      expect(await escrow.paid(customer, 5)).to.equal(ltk(12));
    });

    it("refuses a key before it is valid, after it was removed, and any other key", async () => {
      const world = await from(inEpochFour);
      const { escrow, customer } = world;
      const late = walletOf("late gateway");
      await escrow.connect(customer).setKey(late, MAX_96);
      await escrow.connect(customer).setKey(GATEWAY, 0);
      await expect(collect(world, 4, 1, { key: late }))
        .to.be.revertedWithCustomError(escrow, "KeyUnknown")
        .withArgs(customer.address, late.address, 4);
      await goTo(world, startOf(5));
      await collect(world, 4, 2);
      await goTo(world, sealTimeOf(4));
      await expect(collect(world, 5, 1))
        .to.be.revertedWithCustomError(escrow, "KeyUnknown")
        .withArgs(customer.address, GATEWAY.address, 5);
      await collect(world, 5, 1, { key: late });
      await expect(collect(world, 5, 3, { key: walletOf("nobody") })).to.be.revertedWithCustomError(
        escrow,
        "KeyUnknown",
      );
    });

    it("takes a dismissed customer's vouchers up to the epoch it was dismissed in", async () => {
      const world = await from(inEpochFour);
      const { escrow, admission, customer } = world;
      await escrow.connect(admission).dismiss(customer);
      await goTo(world, endOf(4) + 1);
      await collect(world, 4, 10);
      await goTo(world, sealTimeOf(4));
      await expect(collect(world, 5, 11)).to.be.revertedWithCustomError(escrow, "KeyUnknown");
      expect(await escrow.paid(customer, 4)).to.equal(ltk(10));
    });

    it("refuses a voucher whose fields are not the signed ones", async () => {
      const world = await from(inEpochFour);
      const { escrow, stranger } = world;
      const voucher = voucherOf(world, 4, 5);
      const signature = await signVoucher(world, voucher);
      for (const change of [{ amount: voucher.amount + 1n }, { customer: stranger.address }]) {
        await expect(
          escrow.collect([{ ...voucher, ...change }], [signature]),
        ).to.be.revertedWithCustomError(escrow, "KeyUnknown");
      }
      const earlier = await signVoucher(world, { ...voucher, epoch: 3 });
      await expect(escrow.collect([voucher], [earlier])).to.be.revertedWithCustomError(
        escrow,
        "KeyUnknown",
      );
    });

    it("cuts a thaw to what is left, and thaws what was deposited later for its own full time", async () => {
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
  });
});
