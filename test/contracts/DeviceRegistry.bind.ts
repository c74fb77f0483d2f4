import { expect } from "chai";
import { toBeHex, type Wallet, ZeroAddress } from "ethers";
import {
  accountOf,
  at,
  bindDevice,
  type Consent,
  consentOf,
  deployedWorld,
  from,
  GENESIS,
  goTo,
  signConsent,
  startOf,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { numbered } from "./support/revisions.ts";

const device = walletOf("device");
const other = walletOf("other device");

/** Enrolled, unbound, in epoch 3. */
async function enrolledDevice(): Promise<World> {
  const world = await from(deployedWorld);
  await world.registry.connect(world.manufacturer).enrol([device.address, other.address], 7);
  await goTo(world, startOf(3));
  return world;
}

/** Bound to the stranger in epoch 3 with nonce 1, so it earns from epoch 4 on; now it is epoch 4. */
async function boundDevice(): Promise<World> {
  const world = await from(enrolledDevice);
  await bind(world, world.stranger.address);
  await goTo(world, startOf(4));
  return world;
}

async function bind(
  world: World,
  account: string,
  change: Partial<Consent> = {},
  wallet: Wallet = device,
) {
  const consent = await consentOf(world, wallet, account, change);
  return world.registry
    .connect(world.bystander)
    .bind([consent], [await signConsent(world, consent, wallet)]);
}

describe("DeviceRegistry", () => {
  describe("bind", () => {
    it("lets a device earn for an account from the next epoch on", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger } = world;
      await expect(bind(world, stranger.address))
        .to.emit(registry, "AccountIndexed")
        .withArgs(stranger.address, 0, 4, numbered)
        .and.to.emit(registry, "DeviceBound")
        .withArgs(device.address, stranger.address, 4, numbered);
      expect(await registry.ownerAt(device, 3)).to.equal(ZeroAddress);
      expect(await registry.ownerAt(device, 4)).to.equal(stranger.address);
      expect(await registry.nonceOf(device)).to.equal(1);
    });

    it("counts from epoch 1 when done before genesis", async () => {
      const world = await from(deployedWorld);
      await at(world, GENESIS - 10);
      await bindDevice(world, device, world.stranger.address);
      expect(await world.registry.ownerAt(device, 0)).to.equal(ZeroAddress);
      expect(await world.registry.ownerAt(device, 1)).to.equal(world.stranger.address);
    });

    it("takes many devices in one call", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger, bystander } = world;
      const consents = [
        await consentOf(world, device, stranger.address),
        await consentOf(world, other, bystander.address),
      ];
      const signatures = [
        await signConsent(world, consents[0] as Consent, device),
        await signConsent(world, consents[1] as Consent, other),
      ];
      await registry.bind(consents, signatures);
      expect(await registry.ownerAt(device, 4)).to.equal(stranger.address);
      expect(await registry.ownerAt(other, 4)).to.equal(bystander.address);
      await expect(registry.bind(consents, signatures.slice(1)))
        .to.be.revertedWithCustomError(registry, "SignatureCountMismatch")
        .withArgs(2, 1);
    });

    it("passes over a consent that somebody else carried out first", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger, bystander } = world;
      const mine = await consentOf(world, device, stranger.address);
      const signature = await signConsent(world, mine, device);
      await registry.connect(bystander).bind([mine], [signature]);
      const revision = await registry.revision();
      await registry.bind([mine], [signature]);
      expect(await registry.revision()).to.equal(revision);
      const theirs = await consentOf(world, other, bystander.address);
      await registry.bind([mine, theirs], [signature, await signConsent(world, theirs, other)]);
      expect(await registry.ownerAt(other, 4)).to.equal(bystander.address);
    });

    it("takes a signature until its deadline and not a second longer", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger } = world;
      const deadline = startOf(3) + 1000;
      await at(world, deadline + 1);
      await expect(bind(world, stranger.address, { deadline }))
        .to.be.revertedWithCustomError(registry, "BindingExpired")
        .withArgs(deadline);
      await at(world, deadline);
      await bind(world, stranger.address, { deadline });
    });

    it("refuses another signer, account, nonce and deadline than signed", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger, bystander } = world;
      const consent = await consentOf(world, device, stranger.address);
      const own = await signConsent(world, consent, device);
      await expect(registry.bind([consent], [await signConsent(world, consent, other)]))
        .to.be.revertedWithCustomError(registry, "NotSignedByDevice")
        .withArgs(device.address);
      for (const change of [
        { device: other.address },
        { account: bystander.address },
        { nonce: 2n },
        { deadline: 2n ** 255n },
      ]) {
        await expect(
          registry.bind([{ ...consent, ...change }], [own]),
        ).to.be.revertedWithCustomError(registry, "NotSignedByDevice");
      }
    });

    it("wants a nonce above all that were used: lesson, DIMO device signatures replay after a reset", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger, bystander } = world;
      await expect(bind(world, stranger.address, { nonce: 0n })).not.to.emit(
        registry,
        "DeviceBound",
      );
      // The seconds since 1970 do.
      const now = BigInt(startOf(3));
      await bind(world, stranger.address, { nonce: now });
      for (const nonce of [now, now - 1n]) {
        await expect(bind(world, bystander.address, { nonce })).not.to.emit(
          registry,
          "DeviceBound",
        );
      }
      expect(await registry.ownerAt(device, 4)).to.equal(stranger.address);
      await bind(world, bystander.address, { nonce: now + 1n });
      expect(await registry.ownerAt(device, 4)).to.equal(bystander.address);
    });

    it("wants a nonce that is no more than an hour ahead, or a seller could keep one that outranks every buyer's", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger } = world;
      const now = startOf(3) + 10;
      const most = now + 3600;
      for (const nonce of [BigInt(most + 1), 2n ** 64n - 1n]) {
        await at(world, now);
        await expect(bind(world, stranger.address, { nonce }))
          .to.be.revertedWithCustomError(registry, "ConsentFromFuture")
          .withArgs(device.address, nonce, most);
        await from(enrolledDevice);
      }
      await at(world, now);
      await bind(world, stranger.address, { nonce: BigInt(most) });
      expect(await registry.nonceOf(device)).to.equal(most);
    });

    it("lets a fresher consent replace a binding until that was in effect for a whole epoch", async () => {
      const world = await from(boundDevice);
      const { registry, stranger, bystander } = world;
      await goTo(world, startOf(5) - 2);
      await bind(world, bystander.address);
      expect(await registry.ownerAt(device, 4)).to.equal(stranger.address);
      expect(await registry.ownerAt(device, 5)).to.equal(bystander.address);

      const late = await from(boundDevice);
      await goTo(late, startOf(5));
      await expect(bind(late, bystander.address))
        .to.be.revertedWithCustomError(registry, "DeviceAlreadyBound")
        .withArgs(device.address, stranger.address);
    });

    it("replaces no transfer: what an account passed on, a consent does not take back", async () => {
      const world = await from(boundDevice);
      const { registry, stranger, bystander } = world;
      await goTo(world, startOf(5));
      await registry.connect(stranger).transfer(device, bystander);
      await registry.connect(bystander).acceptTransfer(device);
      await expect(bind(world, stranger.address))
        .to.be.revertedWithCustomError(registry, "DeviceAlreadyBound")
        .withArgs(device.address, bystander.address);
    });

    it("ends an offer that was made before", async () => {
      const world = await from(boundDevice);
      const { registry, stranger, bystander } = world;
      await registry.connect(stranger).transfer(device, bystander);
      await bind(world, accountOf(0));
      await goTo(world, startOf(5));
      await expect(
        registry.connect(bystander).acceptTransfer(device),
      ).to.be.revertedWithCustomError(registry, "TransferNotOffered");
    });

    it("binds a device twice an epoch and not a third time: an epoch adds no more accounts than that", async () => {
      const world = await from(enrolledDevice);
      const { registry } = world;
      const most = Number(await registry.MAX_BINDINGS_PER_EPOCH());
      expect(most).to.equal(2);
      for (let i = 0; i < most; i++) await bind(world, accountOf(i));
      await expect(bind(world, accountOf(most)))
        .to.be.revertedWithCustomError(registry, "ChangeAlreadyScheduled")
        .withArgs(device.address, 4);
      expect(await registry.accounts()).to.equal(most);
      await goTo(world, startOf(4));
      await bind(world, accountOf(most));
      expect(await registry.ownerAt(device, 5)).to.equal(accountOf(most));
    });

    it("refuses signatures with a high s, and bytes that are not a signature", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger } = world;
      const consent = await consentOf(world, device, stranger.address);
      const { r } = await signConsent(world, consent, device);
      const highS = { r, vs: toBeHex(2n ** 255n - 1n, 32), publicKey: "0x" };
      await expect(registry.bind([consent], [highS])).to.be.revertedWithCustomError(
        registry,
        "NotSignedByDevice",
      );
      const nothing = { r: toBeHex(0, 32), vs: toBeHex(1, 32), publicKey: "0x" };
      await expect(registry.bind([consent], [nothing])).to.be.revertedWithCustomError(
        registry,
        "NotSignedByDevice",
      );
    });

    it("refuses a device that is unknown or revoked, and the zero account", async () => {
      const world = await from(boundDevice);
      const { registry, stranger, manufacturer } = world;
      const unknown = walletOf("unknown device");
      await expect(bind(world, ZeroAddress)).to.be.revertedWithCustomError(registry, "ZeroAddress");
      await expect(bind(world, stranger.address, {}, unknown))
        .to.be.revertedWithCustomError(registry, "DeviceUnknown")
        .withArgs(unknown.address);
      await registry.connect(manufacturer).revoke([device], "");
      await expect(bind(world, stranger.address))
        .to.be.revertedWithCustomError(registry, "DeviceIsRevoked")
        .withArgs(device.address, 4);
    });
  });

  describe("accountsAt", () => {
    it("gives an account its index once, in the order of first bindings, and its leaf from when it earns", async () => {
      const world = await from(boundDevice);
      const { registry, stranger, bystander } = world;
      expect(await registry.indexOf(bystander)).to.equal(await registry.NO_INDEX());
      await bindDevice(world, walletOf("second"), stranger.address);
      expect(await registry.accounts()).to.equal(1);
      await bindDevice(world, walletOf("third"), bystander.address);
      expect(await registry.indexOf(stranger)).to.equal(0);
      expect(await registry.indexOf(bystander)).to.equal(1);
      expect(await registry.accounts()).to.equal(2);
      const leaves = [];
      for (const epoch of [0, 3, 4, 5, 2 ** 32 - 1]) leaves.push(await registry.accountsAt(epoch));
      expect(leaves).to.deep.equal([0n, 0n, 1n, 2n, 2n]);
    });
  });
});
