import { expect } from "chai";
import { toBeHex, ZeroAddress } from "ethers";
import {
  at,
  bindDevice,
  bindSignature,
  deployedWorld,
  from,
  GENESIS,
  goTo,
  NO_DEADLINE,
  startOf,
  type World,
  walletOf,
} from "../worlds/contracts.ts";

const device = walletOf("device");
const other = walletOf("other device");

/** Enrolled, unbound, in epoch 3. */
async function enrolledDevice(): Promise<World> {
  const world = await from(deployedWorld);
  await world.registry.connect(world.manufacturer).enrol([device.address], 7);
  await goTo(world, startOf(3));
  return world;
}

/** Bound to the customer in epoch 3, so it earns from epoch 4 on; now it is epoch 4. */
async function boundDevice(): Promise<World> {
  const world = await from(enrolledDevice);
  const { registry, stranger } = world;
  const signature = await bindSignature(world, device, stranger.address);
  await registry.bind(device, stranger, NO_DEADLINE, signature);
  await goTo(world, startOf(4));
  return world;
}

describe("DeviceRegistry", () => {
  describe("enrol", () => {
    it("authorises every device of a batch as hardware of a class", async () => {
      const { registry, manufacturer } = await from(deployedWorld);
      await expect(registry.connect(manufacturer).enrol([device.address, other.address], 255))
        .to.emit(registry, "DeviceEnrolled")
        .withArgs(device.address, 255)
        .and.to.emit(registry, "DeviceEnrolled")
        .withArgs(other.address, 255);
      expect(await registry.deviceOf(device)).to.deep.equal([
        true,
        255n,
        0n,
        ZeroAddress,
        ZeroAddress,
      ]);
    });

    it("refuses a device that is enrolled already, revoked or not", async () => {
      const { registry, manufacturer } = await from(enrolledDevice);
      const enrolling = () => registry.connect(manufacturer).enrol([other.address, device], 7);
      await expect(enrolling())
        .to.be.revertedWithCustomError(registry, "DeviceAlreadyEnrolled")
        .withArgs(device.address);
      await registry.connect(manufacturer).revoke([device]);
      await expect(enrolling()).to.be.revertedWithCustomError(registry, "DeviceAlreadyEnrolled");
    });

    it("refuses the zero address", async () => {
      const { registry, manufacturer } = await from(deployedWorld);
      await expect(
        registry.connect(manufacturer).enrol([ZeroAddress], 1),
      ).to.be.revertedWithCustomError(registry, "ZeroAddress");
    });
  });

  describe("setClassLimit", () => {
    type Limits = readonly [bigint, bigint, bigint];
    const FULL: Limits = [2n ** 64n - 1n, 2n ** 96n - 1n, 2n ** 64n - 1n];
    const NONE: Limits = [0n, 0n, 0n];
    const limit = ([egressBytes, storageByteSeconds, computeMilliseconds]: Limits) => ({
      egressBytes,
      storageByteSeconds,
      computeMilliseconds,
    });

    it("takes effect in the next epoch, and leaves other classes and earlier epochs alone", async () => {
      const { registry, governance } = await from(enrolledDevice);
      await expect(registry.connect(governance).setClassLimit(7, limit(FULL)))
        .to.emit(registry, "ClassLimitSet")
        .withArgs(7, 4, ...FULL);
      expect(await registry.limitAt(7, 3)).to.deep.equal(NONE);
      expect(await registry.limitAt(7, 4)).to.deep.equal(FULL);
      expect(await registry.limitAt(7, 2n ** 32n - 1n)).to.deep.equal(FULL);
      expect(await registry.limitAt(8, 4)).to.deep.equal(NONE);
    });

    it("keeps the three limits apart, each to its last bit", async () => {
      const { registry, governance } = await from(enrolledDevice);
      const ones: readonly Limits[] = [
        [FULL[0], 0n, 0n],
        [0n, FULL[1], 0n],
        [0n, 0n, FULL[2]],
      ];
      for (const [position, one] of ones.entries()) {
        await registry.connect(governance).setClassLimit(position, limit(one));
        expect(await registry.limitAt(position, 4)).to.deep.equal(one);
      }
    });

    it("lets the last word of an epoch count", async () => {
      const { registry, governance } = await from(enrolledDevice);
      await registry.connect(governance).setClassLimit(7, limit(FULL));
      await registry.connect(governance).setClassLimit(7, limit([1n, 2n, 3n]));
      expect(await registry.limitAt(7, 4)).to.deep.equal([1n, 2n, 3n]);
    });
  });

  describe("bind", () => {
    it("lets a device earn for an account from the next epoch on", async () => {
      const world = await from(enrolledDevice);
      const { registry, bystander, stranger } = world;
      const signature = await bindSignature(world, device, stranger.address);
      await expect(registry.connect(bystander).bind(device, stranger, NO_DEADLINE, signature))
        .to.emit(registry, "AccountIndexed")
        .withArgs(stranger.address, 0)
        .and.to.emit(registry, "DeviceBound")
        .withArgs(device.address, stranger.address, 4);
      expect(await registry.ownerAt(device, 3)).to.equal(ZeroAddress);
      expect(await registry.ownerAt(device, 4)).to.equal(stranger.address);
    });

    it("counts from epoch 1 when done before genesis", async () => {
      const world = await from(deployedWorld);
      await at(world, GENESIS - 10);
      await bindDevice(world, device, world.stranger.address);
      expect(await world.registry.ownerAt(device, 0)).to.equal(ZeroAddress);
      expect(await world.registry.ownerAt(device, 1)).to.equal(world.stranger.address);
    });

    it("gives an account its index once, in the order of first bindings", async () => {
      const world = await from(boundDevice);
      const { registry, stranger, bystander } = world;
      expect(await registry.indexOf(bystander)).to.equal(await registry.NO_INDEX());
      await bindDevice(world, walletOf("second"), stranger.address);
      expect(await registry.accounts()).to.equal(1);
      await bindDevice(world, walletOf("third"), bystander.address);
      expect(await registry.indexOf(stranger)).to.equal(0);
      expect(await registry.indexOf(bystander)).to.equal(1);
      expect(await registry.accounts()).to.equal(2);
    });

    it("takes a signature until its deadline and not a second longer", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger } = world;
      const deadline = startOf(3) + 1000;
      const signature = await bindSignature(world, device, stranger.address, { deadline });
      const binding = () => registry.bind(device, stranger, deadline, signature);
      await at(world, deadline + 1);
      await expect(binding())
        .to.be.revertedWithCustomError(registry, "BindingExpired")
        .withArgs(deadline);
      await at(world, deadline);
      await binding();
    });

    it("refuses another signer, another account and another deadline than signed", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger, bystander } = world;
      const theirs = await bindSignature(world, other, stranger.address);
      await expect(
        registry.bind(device, stranger, NO_DEADLINE, theirs),
      ).to.be.revertedWithCustomError(registry, "BindingSignerMismatch");
      const own = await bindSignature(world, device, stranger.address);
      await expect(
        registry.bind(device, bystander, NO_DEADLINE, own),
      ).to.be.revertedWithCustomError(registry, "BindingSignerMismatch");
      await expect(
        registry.bind(device, stranger, NO_DEADLINE - 1n, own),
      ).to.be.revertedWithCustomError(registry, "BindingSignerMismatch");
    });

    it("refuses a signature whose nonce is not the next: lesson, DIMO device signatures replay after a reset", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger } = world;
      for (const nonce of [1n, 2n ** 256n - 1n]) {
        const signature = await bindSignature(world, device, stranger.address, { nonce });
        await expect(
          registry.bind(device, stranger, NO_DEADLINE, signature),
        ).to.be.revertedWithCustomError(registry, "BindingSignerMismatch");
      }
      const signature = await bindSignature(world, device, stranger.address, { nonce: 0n });
      await registry.bind(device, stranger, NO_DEADLINE, signature);
      expect(await registry.nonces(device)).to.equal(1);
    });

    it("refuses signatures with a high s, and bytes that are not a signature", async () => {
      const world = await from(enrolledDevice);
      const { registry, stranger } = world;
      const { r } = await bindSignature(world, device, stranger.address);
      const highS = { r, vs: toBeHex(2n ** 255n - 1n, 32) };
      await expect(
        registry.bind(device, stranger, NO_DEADLINE, highS),
      ).to.be.revertedWithCustomError(registry, "ECDSAInvalidSignatureS");
      const nothing = { r: toBeHex(0, 32), vs: toBeHex(1, 32) };
      await expect(
        registry.bind(device, stranger, NO_DEADLINE, nothing),
      ).to.be.revertedWithCustomError(registry, "ECDSAInvalidSignature");
    });

    it("refuses a device that is unknown, revoked or bound, and the zero account", async () => {
      const world = await from(boundDevice);
      const { registry, stranger, manufacturer } = world;
      const binding = async (account: string, wallet = device) =>
        registry.bind(wallet, account, NO_DEADLINE, await bindSignature(world, wallet, account));
      await expect(binding(ZeroAddress)).to.be.revertedWithCustomError(registry, "ZeroAddress");
      await expect(binding(stranger.address, other))
        .to.be.revertedWithCustomError(registry, "DeviceUnknown")
        .withArgs(other.address);
      await expect(binding(stranger.address))
        .to.be.revertedWithCustomError(registry, "DeviceAlreadyBound")
        .withArgs(device.address, stranger.address);
      await registry.connect(manufacturer).revoke([device]);
      await expect(binding(stranger.address))
        .to.be.revertedWithCustomError(registry, "DeviceIsRevoked")
        .withArgs(device.address, 4);
    });
  });
});
