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

const YEAR_SECONDS = 365 * 86_400;

async function registryWith(
  epochSeconds: number,
  graceSeconds: number,
  genesis: number | bigint = GENESIS,
) {
  const { ethers } = await chain();
  const [holder] = await ethers.getSigners();
  const terms = [genesis, epochSeconds, graceSeconds, holder, holder];
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
      const { registry, programme, escrow, quorum, distributor, ledger } =
        await from(deployedWorld);
      for (const clock of [registry, programme, escrow, quorum, distributor, ledger]) {
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
        .withArgs(GENESIS, 60, 60);
    });

    it("wants an epoch to last, a year at the most", async () => {
      const { registry } = await from(deployedWorld);
      for (const seconds of [1, YEAR_SECONDS]) await registryWith(seconds, 0);
      for (const seconds of [0, YEAR_SECONDS + 1]) {
        await expect(registryWith(seconds, 0))
          .to.be.revertedWithCustomError(registry, "InvalidEpochClock")
          .withArgs(GENESIS, seconds, 0);
      }
    });

    it("wants a genesis that 40 bits hold", async () => {
      const { registry } = await from(deployedWorld);
      const last = 2n ** 40n - 1n;
      await registryWith(60, 0, last);
      await expect(registryWith(60, 0, last + 1n))
        .to.be.revertedWithCustomError(registry, "InvalidEpochClock")
        .withArgs(last + 1n, 60, 0);
    });
  });
});
