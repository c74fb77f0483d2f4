import { expect } from "chai";
import { MaxUint256, parseEther } from "ethers";
import {
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
  payingWorld,
  signVoucher,
  voucherOf,
} from "./support/customers.ts";

const ltk = (amount: number) => parseEther(amount.toString());

/** In epoch 3, an admitted customer means harm. */
async function hostileCustomer(): Promise<World> {
  const world = await from(payingWorld);
  await goTo(world, startOf(3));
  return world;
}

describe("attacks of customers", () => {
  it("serving themselves unpaid: stopped, a promise without money pays nothing and funds nothing", async () => {
    const world = await from(hostileCustomer);
    const { escrow, ledger, customer } = world;
    await collect(world, 3, 1000);
    const bare = await ledger.budgetOf(3);
    await collect(world, 3, 1_000_000);
    expect(await escrow.paid(customer, 3)).to.equal(DEPOSIT);
    expect(await ledger.budgetOf(3)).to.equal(bare);
  });

  it("paying into their own pocket: stopped, the caller chooses no recipient and no cut: lesson, The Graph H-1 and H-3", async () => {
    const world = await from(hostileCustomer);
    const { connection, escrow, token, ledger, customer } = world;
    await expect(collect(world, 3, 10, { by: customer })).to.changeTokenBalances(
      connection.ethers,
      token,
      [customer, escrow, ledger],
      [0, -ltk(10), ltk(10)],
    );
  });

  it("emptying another's escrow with keys of their own: stopped by KeyUnknown", async () => {
    const world = await from(hostileCustomer);
    const { escrow, admission, customer, stranger } = world;
    const key = walletOf("thief");
    await escrow.connect(admission).admit(stranger);
    await escrow.connect(stranger).addKey(key);
    await goTo(world, startOf(4));
    const voucher = voucherOf(world, 4, 10);
    expect(voucher.customer).to.equal(customer.address);
    const signature = await signVoucher(world, voucher, key);
    await expect(
      escrow.connect(stranger).collect(voucher, signature),
    ).to.be.revertedWithCustomError(escrow, "KeyUnknown");
  });

  it("pulling their keys before paying: undone by collect, for a key stays valid for its epochs", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await escrow.connect(customer).removeKey(GATEWAY);
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

  it("paying twice into one epoch's count: stopped, vouchers are cumulative", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await collect(world, 3, 10);
    await collect(world, 3, 10);
    await goTo(world, endOf(3));
    await collect(world, 4, 10);
    expect(await escrow.paid(customer, 3)).to.equal(ltk(10));
    expect(await escrow.paid(customer, 4)).to.equal(0);
    expect(await escrow.collected(customer)).to.equal(ltk(10));
  });

  it("paying late into a sealed epoch: stopped, it counts for the current one", async () => {
    const world = await from(hostileCustomer);
    const { escrow, customer } = world;
    await goTo(world, sealTimeOf(3));
    await collect(world, 3, 10);
    expect(await escrow.paid(customer, 3)).to.equal(0);
    expect(await escrow.fund(3)).to.equal(0);
    expect(await escrow.paid(customer, 4)).to.equal(ltk(10));
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
