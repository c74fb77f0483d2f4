import { expect } from "chai";
import { ZeroAddress } from "ethers";
import {
  bindDevice,
  deployedWorld,
  from,
  GENESIS,
  goTo,
  startOf,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { numbered } from "./support/revisions.ts";

const device = walletOf("device");
const other = walletOf("other device");
const REASON = "its key is published";

/** In epoch 4, a device is the stranger's since epoch 2. */
async function ownedDevice(): Promise<World> {
  const world = await from(deployedWorld);
  await goTo(world, startOf(1));
  await bindDevice(world, device, world.stranger.address);
  await goTo(world, startOf(4));
  return world;
}

/** The same, offered to the bystander. */
async function offeredDevice(): Promise<World> {
  const world = await from(ownedDevice);
  await world.registry.connect(world.stranger).transfer(device, world.bystander);
  return world;
}

describe("DeviceRegistry", () => {
  describe("transfer", () => {
    it("offers a device without giving it away", async () => {
      const { registry, stranger, bystander } = await from(ownedDevice);
      await expect(registry.connect(stranger).transfer(device, bystander))
        .to.emit(registry, "TransferOffered")
        .withArgs(device.address, stranger.address, bystander.address);
      expect(await registry.ownerAt(device, 5)).to.equal(stranger.address);
    });

    it("withdraws the offer when made to zero", async () => {
      const { registry, stranger, bystander } = await from(offeredDevice);
      await registry.connect(stranger).transfer(device, ZeroAddress);
      await expect(registry.connect(bystander).acceptTransfer(device))
        .to.be.revertedWithCustomError(registry, "TransferNotOffered")
        .withArgs(device.address, bystander.address, ZeroAddress);
    });

    it("refuses everybody but the account the device is bound to", async () => {
      const { registry, stranger, bystander, manufacturer } = await from(ownedDevice);
      await expect(registry.connect(bystander).transfer(device, bystander))
        .to.be.revertedWithCustomError(registry, "NotDeviceAccount")
        .withArgs(device.address, bystander.address, stranger.address);
      await registry.connect(manufacturer).enrol([other.address], 1);
      await expect(registry.connect(bystander).transfer(other, bystander))
        .to.be.revertedWithCustomError(registry, "NotDeviceAccount")
        .withArgs(other.address, bystander.address, ZeroAddress);
    });

    it("refuses a device that is unknown or revoked", async () => {
      const { registry, stranger, bystander, manufacturer } = await from(ownedDevice);
      await expect(
        registry.connect(stranger).transfer(other, bystander),
      ).to.be.revertedWithCustomError(registry, "DeviceUnknown");
      await registry.connect(manufacturer).revoke([device], REASON);
      await expect(
        registry.connect(stranger).transfer(device, bystander),
      ).to.be.revertedWithCustomError(registry, "DeviceIsRevoked");
    });
  });

  describe("acceptTransfer", () => {
    it("lets the device earn for the new account from the next epoch on", async () => {
      const { registry, stranger, bystander } = await from(offeredDevice);
      await expect(registry.connect(bystander).acceptTransfer(device))
        .to.emit(registry, "AccountIndexed")
        .withArgs(bystander.address, 1, 5, numbered)
        .and.to.emit(registry, "DeviceTransferred")
        .withArgs(device.address, stranger.address, bystander.address, 5, numbered);
      expect(await registry.ownerAt(device, 4)).to.equal(stranger.address);
      expect(await registry.ownerAt(device, 5)).to.equal(bystander.address);
    });

    it("uses the offer up", async () => {
      const world = await from(offeredDevice);
      const { registry, stranger, bystander } = world;
      await registry.connect(bystander).acceptTransfer(device);
      expect((await registry.deviceOf(device)).offeredTo).to.equal(ZeroAddress);
      await goTo(world, startOf(5));
      await expect(
        registry.connect(bystander).acceptTransfer(device),
      ).to.be.revertedWithCustomError(registry, "TransferNotOffered");
      await expect(registry.connect(stranger).transfer(device, stranger))
        .to.be.revertedWithCustomError(registry, "NotDeviceAccount")
        .withArgs(device.address, stranger.address, bystander.address);
    });

    it("refuses everybody but the one it is offered to", async () => {
      const { registry, stranger, bystander } = await from(offeredDevice);
      await expect(registry.connect(stranger).acceptTransfer(device))
        .to.be.revertedWithCustomError(registry, "TransferNotOffered")
        .withArgs(device.address, stranger.address, bystander.address);
    });

    it("allows one change for each device and epoch", async () => {
      const world = await from(offeredDevice);
      const { registry, stranger, bystander } = world;
      await registry.connect(bystander).acceptTransfer(device);
      await registry.connect(bystander).transfer(device, stranger);
      const accepting = () => registry.connect(stranger).acceptTransfer(device);
      await expect(accepting())
        .to.be.revertedWithCustomError(registry, "ChangeAlreadyScheduled")
        .withArgs(device.address, 5);
      await goTo(world, startOf(5));
      await accepting();
      expect(await registry.ownerAt(device, 5)).to.equal(bystander.address);
      expect(await registry.ownerAt(device, 6)).to.equal(stranger.address);
    });

    it("refuses a device revoked after the offer", async () => {
      const { registry, bystander, manufacturer } = await from(offeredDevice);
      await registry.connect(manufacturer).revoke([device], REASON);
      await expect(
        registry.connect(bystander).acceptTransfer(device),
      ).to.be.revertedWithCustomError(registry, "DeviceIsRevoked");
    });
  });

  describe("revoke", () => {
    it("voids the running epoch at once and leaves what has ended alone", async () => {
      const { registry, stranger, manufacturer } = await from(ownedDevice);
      await expect(registry.connect(manufacturer).revoke([device], REASON))
        .to.emit(registry, "DeviceRevoked")
        .withArgs(device.address, 4, REASON, numbered);
      expect(await registry.ownerAt(device, 3)).to.equal(stranger.address);
      expect(await registry.ownerAt(device, 4)).to.equal(ZeroAddress);
      expect(await registry.ownerAt(device, 5)).to.equal(ZeroAddress);
    });

    it("passes over a device that is revoked already, whose epochs then stay as they are", async () => {
      const world = await from(ownedDevice);
      const { registry, manufacturer } = world;
      await registry.connect(manufacturer).revoke([device], REASON);
      await goTo(world, startOf(6));
      await expect(registry.connect(manufacturer).revoke([device], REASON)).not.to.emit(
        registry,
        "DeviceRevoked",
      );
      expect((await registry.deviceOf(device)).revokedFrom).to.equal(4);
    });

    it("counts from epoch 1 when done before genesis", async () => {
      const world = await from(deployedWorld);
      const { registry, manufacturer } = world;
      await bindDevice(world, device, world.stranger.address);
      await registry.connect(manufacturer).revoke([device], REASON);
      expect(await world.connection.networkHelpers.time.latest()).to.be.below(GENESIS);
      expect((await registry.deviceOf(device)).revokedFrom).to.equal(1);
      expect(await registry.ownerAt(device, 1)).to.equal(ZeroAddress);
    });

    it("says why, in at most 256 characters of printable ASCII", async () => {
      const { registry, manufacturer } = await from(ownedDevice);
      const revoking = (reason: string) =>
        registry.connect(manufacturer).revoke.staticCall([device], reason);
      for (const reason of ["", " ~".repeat(128)]) await revoking(reason);
      for (const reason of ["x".repeat(257), "line\nbreak", "\u007f", "\u202egnirts", "é"]) {
        await expect(revoking(reason)).to.be.revertedWithCustomError(registry, "TextNotPrintable");
      }
    });

    it("refuses a device that was never enrolled", async () => {
      const { registry, manufacturer } = await from(ownedDevice);
      await expect(registry.connect(manufacturer).revoke([device, other.address], REASON))
        .to.be.revertedWithCustomError(registry, "DeviceUnknown")
        .withArgs(other.address);
    });
  });
});
