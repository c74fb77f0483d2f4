import { expect } from "chai";
import { MaxUint256 } from "ethers";
import {
  at,
  endOf,
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
  ltk,
  MAX_96,
  payingWorld,
  signVoucher,
  voucherOf,
} from "./support/customers.ts";
import { finalizeEpoch, ltkTree, PAID, sealedTwo } from "./support/epochs.ts";
import { tableOf } from "./support/invoices.ts";

/* Each title says which rule of the contracts stops it. */

/** Epoch 3 is collectable; an admitted customer means harm. */
async function hostileCustomer(): Promise<World> {
  const world = await from(payingWorld);
  await goTo(world, sealTimeOf(2));
  return world;
}

describe("attacks of customers", () => {
  it("being served unpaid: stopped, a promise without money pays nothing and funds nothing", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await collect(world, 3, 1_000_000);
    expect(await escrow.paid(customer, 3)).to.equal(DEPOSIT);
    expect(await escrow.fund(3)).to.equal(DEPOSIT);
  });

  it("P1 a removed key dates a voucher back and takes what came long after: stopped by EpochNotCollectable and KeyUnknown", async () => {
    const world = await from(hostileCustomer);
    const { escrow, token, customer, stranger } = world;
    await escrow.connect(customer).setKey(GATEWAY, 0);
    await goTo(world, startOf(400));
    await token.connect(customer).approve(escrow, MaxUint256);
    await escrow.connect(customer).deposit(ltk(5000));
    const before = await escrow.balanceOf(customer);
    const epoch = Number(await escrow.collectableEpoch());
    for (const [past, error] of [
      [2, "EpochNotCollectable"],
      [3, "EpochNotCollectable"],
      [epoch, "KeyUnknown"],
    ] as const) {
      const voucher = voucherOf(world, past, 0, { amount: MAX_96 });
      await expect(
        escrow.connect(stranger).collect([voucher], [await signVoucher(world, voucher)]),
      ).to.be.revertedWithCustomError(escrow, error);
    }
    expect(await escrow.balanceOf(customer)).to.equal(before);
  });

  it("P1b the same while the customer's money thaws: stopped by EpochNotCollectable", async () => {
    const world = await from(hostileCustomer);
    const { connection, escrow, token, customer } = world;
    await escrow.connect(customer).setKey(GATEWAY, 0);
    await escrow.connect(customer).thaw(DEPOSIT);
    await goTo(world, sealTimeOf(3));
    const voucher = voucherOf(world, 3, 0, { amount: MAX_96 });
    await expect(
      escrow.collect([voucher], [await signVoucher(world, voucher)]),
    ).to.be.revertedWithCustomError(escrow, "EpochNotCollectable");
    await goTo(world, (await escrow.thawOf(customer)).withdrawableAt);
    await expect(escrow.connect(customer).withdraw()).to.changeTokenBalance(
      connection.ethers,
      token,
      customer,
      DEPOSIT,
    );
  });

  it("taking a whole balance with one leaked key: stopped by the key's cap", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    const leaked = walletOf("leaked");
    await escrow.connect(customer).setKey(leaked, ltk(5));
    await goTo(world, sealTimeOf(3));
    for (const promised of [900, 1000]) await collect(world, 4, promised, { key: leaked });
    expect(await escrow.balanceOf(customer)).to.equal(DEPOSIT - ltk(5));
  });

  it("P62 P71 P72 moving a payment out of its epoch with a voucher of an earlier one: stopped by EpochNotCollectable", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await goTo(world, startOf(7));
    for (const earlier of [2, 5]) {
      await expect(collect(world, earlier, 100))
        .to.be.revertedWithCustomError(escrow, "EpochNotCollectable")
        .withArgs(earlier, 6);
    }
    await collect(world, 6, 100);
    expect(await escrow.paid(customer, 6)).to.equal(ltk(100));
    expect(await escrow.paid(customer, 7)).to.equal(0);
  });

  it("P70 starving an epoch by a voucher of the next, in its grace: stopped by EpochNotCollectable, the earliest unsealed epoch is paid first", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await at(world, endOf(3));
    await expect(collect(world, 4, 1000, { by: customer }))
      .to.be.revertedWithCustomError(escrow, "EpochNotCollectable")
      .withArgs(4, 3);
    await collect(world, 3, 100);
    expect(await escrow.paid(customer, 3)).to.equal(ltk(100));
  });

  it("making members send transactions without end, by a wei of vouchers for each past epoch: stopped, at its seal a voucher is void", async () => {
    const world = await from(hostileCustomer);
    const { escrow } = world;
    await goTo(world, startOf(40));
    const collectable = Number(await escrow.collectableEpoch());
    for (let epoch = 1; epoch < collectable; epoch++) {
      const dust = voucherOf(world, epoch, 0, { amount: 1n });
      const signature = await signVoucher(world, dust);
      await expect(escrow.collect.staticCall([dust], [signature])).to.be.revertedWithCustomError(
        escrow,
        "EpochNotCollectable",
      );
    }
  });

  it("P58 withdrawing a thaw that is long over in front of collect: not stopped, but no surprise: what thaws never counted", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await escrow.connect(customer).thaw(DEPOSIT);
    const counts = async () =>
      (await escrow.balanceOf(customer)) - (await escrow.thawOf(customer)).amount;
    // A device that counts on the balance less what thaws serves nothing from here on,
    expect(await counts()).to.equal(0);
    // and what it served before is collectable beyond its seal.
    expect((await escrow.thawOf(customer)).withdrawableAt).to.be.above(sealTimeOf(4));
    await goTo(world, sealTimeOf(299));
    expect(await counts()).to.equal(0);
    await escrow.connect(customer).withdraw();
    await collect(world, 300, 900);
    expect(await escrow.paid(customer, 300)).to.equal(0);
  });

  it("getting back what counted, or another epoch's money, by a refund: stopped by the openings, and by the epoch's own rest", async () => {
    const world = await from(sealedTwo);
    const { escrow, customer } = world;
    // The corrupt table says that nothing of the 1,000 LTK counted, and 900 LTK less the fee were earned.
    const line = {
      customer: customer.address,
      device: walletOf("device 0").address,
      contribution: 0,
      value: 0n,
      ceiling: MAX_96,
      subtotal: 0n,
      above: 0,
    };
    const wrong = tableOf([line]);
    const tree = ltkTree(world.accounts, [1 + 540, 2, 3, 4, 5]);
    await finalizeEpoch(world, tree, { invoiceRoot: wrong.root });
    await expect(
      escrow.refund(2, customer, [{ ...wrong.openingAt(0), position: 1 }]),
    ).to.be.revertedWithCustomError(escrow, "InvalidOpening");
    const before = await escrow.balanceOf(customer);
    await escrow.refund(2, customer, wrong.openingsOf(customer.address));
    expect((await escrow.balanceOf(customer)) - before).to.equal(ltk(PAID - 540 - 60));
    await expect(
      escrow.refund(2, customer, wrong.openingsOf(customer.address)),
    ).to.be.revertedWithCustomError(escrow, "AlreadyRefunded");
  });

  it("paying into their own pocket: stopped, the caller chooses no recipient and no cut: lesson, The Graph H-1 and H-3", async () => {
    const world = await from(hostileCustomer);
    const { connection, escrow, token, ledger, customer } = world;
    await expect(collect(world, 3, 10, { by: customer })).to.changeTokenBalances(
      connection.ethers,
      token,
      [customer, escrow, ledger],
      [0, 0, 0],
    );
  });

  it("emptying another's escrow with keys of their own: stopped by KeyUnknown", async () => {
    const world = await from(hostileCustomer);
    const { escrow, admission, customer, stranger } = world;
    const key = walletOf("thief");
    await escrow.connect(admission).admit(stranger);
    await escrow.connect(stranger).setKey(key, MAX_96);
    await goTo(world, sealTimeOf(3));
    const voucher = voucherOf(world, 4, 10);
    expect(voucher.customer).to.equal(customer.address);
    const signature = await signVoucher(world, voucher, key);
    await expect(
      escrow.connect(stranger).collect([voucher], [signature]),
    ).to.be.revertedWithCustomError(escrow, "KeyUnknown");
  });

  it("pulling their keys before paying: undone by collect, for a key stays valid for its epochs", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await escrow.connect(customer).setKey(GATEWAY, 0);
    await goTo(world, sealTimeOf(3) - 10);
    await collect(world, 3, 10);
    expect(await escrow.paid(customer, 3)).to.equal(ltk(10));
  });

  it("leaving before paying: undone by collect, for a dismissal reaches no earlier epoch", async () => {
    const world = await from(hostileCustomer);
    const { escrow, admission, customer } = world;
    await escrow.connect(admission).dismiss(customer);
    await goTo(world, sealTimeOf(3) - 10);
    await collect(world, 3, 10);
    expect(await escrow.paid(customer, 3)).to.equal(ltk(10));
  });

  it("pulling their money before paying: undone by collect, for thawing money stays collectable past the seal", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await escrow.connect(customer).thaw(DEPOSIT);
    const { withdrawableAt } = await escrow.thawOf(customer);
    // Thawed before the epoch's first receipt, it is still here when the epoch and the one after it are sealed.
    expect(withdrawableAt).to.be.at.least(startOf(3) + THAW_SECONDS);
    expect(withdrawableAt).to.be.at.least(sealTimeOf(4));
    await goTo(world, sealTimeOf(4) - 10);
    await expect(escrow.connect(customer).withdraw()).to.be.revertedWithCustomError(
      escrow,
      "StillThawing",
    );
    await collect(world, 4, 1000);
    expect(await escrow.paid(customer, 4)).to.equal(DEPOSIT);
  });

  it("withdrawing what was collected while it thawed: stopped, a thaw never exceeds the balance", async () => {
    const world = await from(hostileCustomer);
    const { connection, escrow, token, customer } = world;
    await escrow.connect(customer).thaw(DEPOSIT);
    await collect(world, 3, 999);
    await goTo(world, startOf(9));
    await expect(escrow.connect(customer).withdraw()).to.changeTokenBalance(
      connection.ethers,
      token,
      customer,
      ltk(1),
    );
  });

  it("paying once for two epochs: stopped, each voucher is for one", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await collect(world, 3, 10);
    await collect(world, 3, 10);
    await goTo(world, sealTimeOf(3));
    await collect(world, 4, 10);
    expect(await escrow.paid(customer, 3)).to.equal(ltk(10));
    expect(await escrow.paid(customer, 4)).to.equal(ltk(10));
    expect(await escrow.balanceOf(customer)).to.equal(DEPOSIT - ltk(20));
  });

  it("cancelling another's thaw by a deposit: stopped, deposits never touch a thaw", async () => {
    const world = await from(hostileCustomer);
    const { escrow, token, customer, stranger } = world;
    await token.connect(customer).transfer(stranger, 1);
    await token.connect(stranger).approve(escrow, MaxUint256);
    await escrow.connect(customer).thaw(DEPOSIT);
    const thaw = await escrow.thawOf(customer);
    await escrow.connect(stranger).depositFor(customer, 0);
    await escrow.connect(stranger).depositFor(customer, 1);
    await expect(escrow.connect(stranger).cancelThaw()).to.be.revertedWithCustomError(
      escrow,
      "NothingThawing",
    );
    expect(await escrow.thawOf(customer)).to.deep.equal(thaw);
  });

  it("putting another's withdrawal off with a thaw of their own: stopped, a thaw is the caller's", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer, stranger } = world;
    await escrow.connect(customer).thaw(1);
    const thaw = await escrow.thawOf(customer);
    await expect(escrow.connect(stranger).thaw(1)).to.be.revertedWithCustomError(
      escrow,
      "ThawExceedsBalance",
    );
    await escrow.connect(stranger).thaw(0);
    expect(await escrow.thawOf(customer)).to.deep.equal(thaw);
  });
});
