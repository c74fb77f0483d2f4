import { expect } from "chai";
import {
  chain,
  deployedWorld,
  EPOCH_SECONDS,
  endOf,
  from,
  GENESIS,
  GRACE_SECONDS,
  goTo,
  sealTimeOf,
  startOf,
} from "../worlds/contracts.ts";

async function registryWith(epochSeconds: number, graceSeconds: number) {
  const { ethers } = await chain();
  const [holder] = await ethers.getSigners();
  const terms = [GENESIS, epochSeconds, graceSeconds, holder, holder];
  return ethers.deployContract("DeviceRegistry", terms);
}

describe("EpochClock", () => {
  describe("currentEpoch", () => {
    it("is 0 until genesis, and 1 in the second of genesis", async () => {
      const world = await from(deployedWorld);
      await goTo(world, GENESIS - 1);
      expect(await world.registry.currentEpoch()).to.equal(0);
      await goTo(world, GENESIS);
      expect(await world.registry.currentEpoch()).to.equal(1);
    });

    it("changes in the second in which an epoch ends", async () => {
      const world = await from(deployedWorld);
      await goTo(world, endOf(41) - 1);
      expect(await world.ledger.currentEpoch()).to.equal(41);
      await goTo(world, startOf(42));
      expect(await world.ledger.currentEpoch()).to.equal(42);
    });
  });

  describe("endOf and sealTimeOf", () => {
    it("are the same in every contract", async () => {
      const { registry, escrow, quorum, ledger } = await from(deployedWorld);
      for (const clock of [registry, escrow, quorum, ledger]) {
        expect(await clock.genesis()).to.equal(GENESIS);
        expect(await clock.epochSeconds()).to.equal(EPOCH_SECONDS);
        expect(await clock.graceSeconds()).to.equal(GRACE_SECONDS);
        expect(await clock.endOf(0)).to.equal(GENESIS);
        expect(await clock.endOf(7)).to.equal(endOf(7));
        expect(await clock.sealTimeOf(7)).to.equal(sealTimeOf(7));
      }
    });

    it("hold for the last epoch there can be", async () => {
      const { registry } = await from(deployedWorld);
      const last = 2n ** 32n - 1n;
      expect(await registry.endOf(last)).to.equal(BigInt(GENESIS) + last * BigInt(EPOCH_SECONDS));
    });
  });

  describe("constructor", () => {
    it("wants a grace shorter than an epoch", async () => {
      const { registry } = await from(deployedWorld);
      await registryWith(60, 59);
      await expect(registryWith(60, 60))
        .to.be.revertedWithCustomError(registry, "InvalidEpochClock")
        .withArgs(60, 60);
    });

    it("wants an epoch to last", async () => {
      const { registry } = await from(deployedWorld);
      await registryWith(1, 0);
      await expect(registryWith(0, 0)).to.be.revertedWithCustomError(registry, "InvalidEpochClock");
    });
  });
});
