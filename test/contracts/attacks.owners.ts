import { expect } from "chai";
import {
  type Consent,
  consentOf,
  deployedWorld,
  from,
  goTo,
  NO_DEADLINE,
  signConsent,
  startOf,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { finalizeEpoch, firstFinal, ltkTree } from "./support/epochs.ts";
import { claimOf } from "./support/reward-tree.ts";
import { digestOf, domainOf } from "./support/signing.ts";

/* Each title says which rule of the contracts stops it. */

const DEVICE = walletOf("second-hand");
const BUYER = walletOf("buyer").address;

/** In epoch 3. The device signed for its seller first, and with a higher nonce for its buyer. */
async function secondHand() {
  const world = await from(deployedWorld);
  await world.registry.connect(world.manufacturer).enrol([DEVICE.address], 1);
  await goTo(world, startOf(3));
  const sellers = await consentOf(world, DEVICE, world.stranger.address, { nonce: 100n });
  const buyers = await consentOf(world, DEVICE, BUYER, { nonce: 200n });
  return { ...world, sellers, buyers };
}

async function carryOut(world: World, consent: Consent) {
  return world.registry.bind([consent], [await signConsent(world, consent, DEVICE)]);
}

describe("attacks of owners", () => {
  it("P60 a seller's older consent outruns the buyer's: undone by the fresher consent", async () => {
    const world = await from(secondHand);
    const { registry, sellers, buyers } = world;
    await carryOut(world, sellers);
    await carryOut(world, buyers);
    expect(await registry.ownerAt(DEVICE, 4)).to.equal(BUYER);
    await carryOut(world, sellers);
    expect(await registry.ownerAt(DEVICE, 400)).to.equal(BUYER);
  });

  it("P60 the same one second before an epoch begins: undone all through that epoch", async () => {
    for (const late of [startOf(4) + 5, startOf(5) - 2]) {
      const world = await from(secondHand);
      const { registry, stranger, sellers, buyers } = world;
      await goTo(world, startOf(4) - 2);
      await carryOut(world, sellers);
      expect(await registry.ownerAt(DEVICE, 4)).to.equal(stranger.address);
      await goTo(world, late);
      await carryOut(world, buyers);
      expect(await registry.ownerAt(DEVICE, 5)).to.equal(BUYER);
    }
  });

  it("P60 passing the device on at once, out of the fresher consent's reach: stopped, only a binding that stood a whole epoch is passed on", async () => {
    const world = await from(secondHand);
    const { registry, stranger, bystander, sellers, buyers } = world;
    await goTo(world, startOf(4) - 2);
    await carryOut(world, sellers);
    await registry.connect(stranger).transfer(DEVICE, bystander);
    for (const time of [startOf(4), startOf(5) - 2]) {
      await goTo(world, time);
      await expect(registry.connect(bystander).acceptTransfer(DEVICE))
        .to.be.revertedWithCustomError(registry, "ChangeAlreadyScheduled")
        .withArgs(DEVICE.address, 5);
    }
    await carryOut(world, buyers);
    expect(await registry.ownerAt(DEVICE, 5)).to.equal(BUYER);
  });

  it("P60 the older consent after the buyer's: stopped, it is void and passed over", async () => {
    const world = await from(secondHand);
    const { registry, sellers, buyers } = world;
    await carryOut(world, buyers);
    for (const epoch of [4, 9]) {
      await goTo(world, startOf(epoch));
      await expect(carryOut(world, sellers)).not.to.emit(registry, "DeviceBound");
      expect(await registry.ownerAt(DEVICE, epoch + 1)).to.equal(BUYER);
    }
  });

  it("spoiling a batch of consents by carrying one of them out first: stopped, it is passed over", async () => {
    const world = await from(secondHand);
    const { registry, manufacturer, buyers } = world;
    const other = walletOf("another device");
    await registry.connect(manufacturer).enrol([other.address], 1);
    const theirs = await consentOf(world, other, BUYER);
    await carryOut(world, buyers);
    await registry.bind(
      [buyers, theirs],
      [await signConsent(world, buyers, DEVICE), await signConsent(world, theirs, other)],
    );
    expect(await registry.ownerAt(other, 4)).to.equal(BUYER);
  });

  it("P5 a payee signed before the account set another by itself: stopped, setPayee uses the nonce up", async () => {
    const world = await from(deployedWorld);
    const { connection, distributor, stranger } = world;
    const me = walletOf("me");
    const consent = {
      account: me.address,
      payee: stranger.address,
      nonce: 0n,
      deadline: NO_DEADLINE,
    };
    const digest = digestOf(await domainOf(distributor), "SetPayee", consent);
    const { serialized } = me.signingKey.sign(digest);
    await connection.networkHelpers.setBalance(me.address, 10n ** 18n);
    const own = await connection.ethers.getImpersonatedSigner(me.address);
    const cold = walletOf("cold").address;
    await distributor.connect(own).setPayee(cold);
    await expect(
      distributor.setPayeeBySig(me.address, stranger.address, NO_DEADLINE, serialized),
    ).to.be.revertedWithCustomError(distributor, "InvalidAccountSignature");
    expect(await distributor.payeeOf(me)).to.equal(cold);
  });

  it("P57 binding a device to the distributor, so that claims stay there: harms nobody else, the rest is paid to the wei", async () => {
    const world = await from(firstFinal);
    const { registry, distributor, token, accounts } = world;
    const trap = await distributor.getAddress();
    const device = walletOf("trapped");
    await registry.connect(world.manufacturer).enrol([device.address], 1);
    const consent = await consentOf(world, device, trap);
    await registry.bind([consent], [await signConsent(world, consent, device)]);
    await finalizeEpoch(world, world.first);
    const tree = ltkTree([...accounts, trap], [2, 3, 4, 5, 6, 7]);
    await finalizeEpoch(world, tree);
    await distributor.claim([5, 4, 3, 2, 1, 0].map((index) => claimOf(tree, 3, index)));
    const lost = tree.openingAt(5).leaf.cumulative;
    expect(await token.balanceOf(distributor)).to.equal(lost);
    expect(await distributor.claimed(trap)).to.equal(lost);
  });
});
