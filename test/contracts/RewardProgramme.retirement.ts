import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { at, deployedWorld, from, goTo, sealTimeOf, startOf } from "../worlds/contracts.ts";
import { collect, payingWorld } from "./support/customers.ts";

const MONTH_SECONDS = 30 * 24 * 3600;

/** Announced at the beginning of epoch 2, in favour of the stranger. */
async function scheduled() {
  const world = await from(payingWorld);
  const { programme, governance, stranger } = world;
  await at(world, startOf(2));
  await programme.connect(governance).scheduleRetirement(stranger);
  const due = startOf(2) + MONTH_SECONDS;
  return { ...world, due, expires: due + MONTH_SECONDS };
}

describe("RewardProgramme", () => {
  describe("retire", () => {
    it("is announced 30 days before, and can be called off", async () => {
      const { programme, governance, stranger, due, expires } = await from(scheduled);
      expect(await programme.RETIREMENT_DELAY_SECONDS()).to.equal(MONTH_SECONDS);
      expect(await programme.RETIREMENT_WINDOW_SECONDS()).to.equal(MONTH_SECONDS);
      const events = await programme.queryFilter(programme.filters.RetirementScheduled());
      const said = [stranger.address, BigInt(due), BigInt(expires)];
      expect(events.map(({ args }) => [...args])).to.deep.equal([said]);
      expect(await programme.retirement()).to.deep.equal(said);
      const governed = programme.connect(governance);
      await expect(governed.cancelRetirement())
        .to.emit(programme, "RetirementCancelled")
        .withArgs(stranger.address);
      expect(await programme.retirement()).to.deep.equal([ZeroAddress, 0n, 0n]);
      for (const calling of [() => governed.cancelRetirement(), () => governed.retire()]) {
        await expect(calling())
          .to.be.revertedWithCustomError(programme, "NotRetirable")
          .withArgs(0, 0);
      }
    });

    it("sends all that was not issued to the successor, to the second when due", async () => {
      const world = await from(scheduled);
      const { connection, programme, governance, stranger, token, due, expires } = world;
      const held = await token.balanceOf(programme);
      await at(world, due - 1);
      await expect(programme.connect(governance).retire())
        .to.be.revertedWithCustomError(programme, "NotRetirable")
        .withArgs(due, expires);
      await at(world, due);
      const retiring = programme.connect(governance).retire();
      await expect(retiring).to.emit(programme, "Retired").withArgs(stranger.address, held);
      await expect(retiring).to.changeTokenBalances(
        connection.ethers,
        token,
        [programme, stranger],
        [-held, held],
      );
    });

    it("expires 30 days later, to the second, and must then be announced anew", async () => {
      const world = await from(scheduled);
      const { programme, governance, due, expires } = world;
      await at(world, expires - 1);
      await programme.connect(governance).retire();
      await at(world, expires);
      await expect(programme.connect(governance).retire())
        .to.be.revertedWithCustomError(programme, "NotRetirable")
        .withArgs(due, expires);
    });

    it("can be repeated within its time for what comes in meanwhile", async () => {
      const world = await from(scheduled);
      const { connection, programme, governance, stranger, token, customer, due } = world;
      await goTo(world, due);
      await programme.connect(governance).retire();
      await token.connect(customer).transfer(programme, 25);
      await expect(programme.connect(governance).retire()).to.changeTokenBalance(
        connection.ethers,
        token,
        stranger,
        25,
      );
    });

    it("leaves what inspectors can still draw for epochs that have begun and are not sealed", async () => {
      const world = await from(scheduled);
      const { programme, governance, token, stranger, due } = world;
      await programme.connect(governance).addInspector(stranger);
      await goTo(world, due);
      const epoch = Number(await programme.currentEpoch());
      const both = (await programme.emission(epoch - 1)) + (await programme.emission(epoch));
      // In the grace the epoch before is open, too.
      await at(world, sealTimeOf(epoch) - 10);
      await programme.connect(governance).retire();
      expect(await token.balanceOf(programme)).to.equal(both);
      await at(world, sealTimeOf(epoch));
      await programme.connect(governance).retire();
      expect(await token.balanceOf(programme)).to.equal(await programme.emission(epoch + 1));
      await programme.connect(governance).removeInspector(stranger);
      await at(world, sealTimeOf(epoch + 1));
      await programme.connect(governance).retire();
      expect(await token.balanceOf(programme)).to.equal(0);
    });

    it("leaves nothing once the ledger is closed: nothing is drawn any more", async () => {
      const world = await from(scheduled);
      const { programme, governance, ledger, token, stranger } = world;
      await programme.connect(governance).addInspector(stranger);
      await goTo(world, await ledger.closableAt());
      await ledger.close();
      await programme.connect(governance).retire();
      expect(await token.balanceOf(programme)).to.equal(0);
    });

    it("takes nothing that customers paid or hold", async () => {
      const world = await from(scheduled);
      const { connection, programme, governance, token, escrow, due } = world;
      await goTo(world, due + 86_400);
      const epoch = Number(await escrow.collectableEpoch());
      await collect(world, epoch, 500);
      await expect(programme.connect(governance).retire()).to.changeTokenBalance(
        connection.ethers,
        token,
        escrow,
        0,
      );
      expect(await escrow.fund(epoch)).not.to.equal(0);
    });

    it("is put off when it is announced again", async () => {
      const world = await from(scheduled);
      const { programme, governance, bystander, due } = world;
      await at(world, due - 10);
      await programme.connect(governance).scheduleRetirement(bystander);
      await at(world, due);
      await expect(programme.connect(governance).retire())
        .to.be.revertedWithCustomError(programme, "NotRetirable")
        .withArgs(due - 10 + MONTH_SECONDS, due - 10 + 2 * MONTH_SECONDS);
    });

    it("refuses the zero successor", async () => {
      const { programme, governance } = await from(deployedWorld);
      await expect(
        programme.connect(governance).scheduleRetirement(ZeroAddress),
      ).to.be.revertedWithCustomError(programme, "ZeroAddress");
    });
  });
});
