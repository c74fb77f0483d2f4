import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { deployedWorld, from, goTo, startOf, type World, walletOf } from "../worlds/contracts.ts";
import { numbered } from "./support/revisions.ts";

const device = walletOf("device");
const other = walletOf("other device");

/** Enrolled, unbound, in epoch 3. */
async function enrolledDevice(): Promise<World> {
  const world = await from(deployedWorld);
  await world.registry.connect(world.manufacturer).enrol([device.address], 7);
  await goTo(world, startOf(3));
  return world;
}

describe("DeviceRegistry", () => {
  describe("enrol", () => {
    it("authorises every device of a batch as hardware of a class", async () => {
      const { registry, manufacturer } = await from(deployedWorld);
      await expect(registry.connect(manufacturer).enrol([device.address, other.address], 255))
        .to.emit(registry, "DeviceEnrolled")
        .withArgs(device.address, 255, "0x", 1)
        .and.to.emit(registry, "DeviceEnrolled")
        .withArgs(other.address, 255, "0x", 2);
      expect(await registry.deviceOf(device)).to.deep.equal([
        1n,
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
      await registry.connect(manufacturer).revoke([device], "stolen");
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
        .withArgs(7, 4, ...FULL, numbered);
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
});
