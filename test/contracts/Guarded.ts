import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { deployedWorld, from, goTo, startOf } from "../worlds/contracts.ts";
import { ltkTree, pendingReport, staffedWorld } from "./support/epochs.ts";

describe("Guarded", () => {
  describe("setGuardian", () => {
    it("takes effect after at least one whole epoch more, in each contract by itself", async () => {
      const world = await from(deployedWorld);
      const { ledger, distributor, governance, guardian, stranger } = world;
      await goTo(world, startOf(6) - 10);
      for (const guarded of [ledger, distributor]) {
        await expect(guarded.connect(governance).setGuardian(stranger))
          .to.emit(guarded, "GuardianSet")
          .withArgs(stranger.address, 7);
        const guardians = [];
        for (const epoch of [0, 5, 6, 7]) guardians.push(await guarded.guardianAt(epoch));
        expect(guardians).to.deep.equal([
          guardian.address,
          guardian.address,
          guardian.address,
          stranger.address,
        ]);
      }
    });

    it("leaves the guardian all its power until then, and none after", async () => {
      const world = await from(deployedWorld);
      const { distributor, governance, guardian, stranger } = world;
      await goTo(world, startOf(5));
      await distributor.connect(governance).setGuardian(stranger);
      await goTo(world, startOf(7) - 2);
      await expect(distributor.connect(stranger).pause())
        .to.be.revertedWithCustomError(distributor, "NotGuardian")
        .withArgs(stranger.address, guardian.address);
      await distributor.connect(guardian).resume();
      await goTo(world, startOf(7));
      await expect(distributor.connect(guardian).pause())
        .to.be.revertedWithCustomError(distributor, "NotGuardian")
        .withArgs(guardian.address, stranger.address);
      await distributor.connect(stranger).pause();
    });

    it("lets the guardian of the day veto, whoever comes after it", async () => {
      const world = await from(staffedWorld);
      const { ledger, governance, guardian, stranger } = world;
      await ledger.connect(governance).setGuardian(stranger);
      await pendingReport(world, ltkTree(world.accounts, [1, 2, 3, 4, 5]));
      const { digest } = await ledger.proposal();
      await expect(ledger.connect(stranger).veto(digest)).to.be.revertedWithCustomError(
        ledger,
        "NotGuardian",
      );
      await ledger.connect(guardian).veto(digest);
    });

    it("refuses the zero address: nobody's veto is nobody's to give back", async () => {
      const { ledger, governance } = await from(deployedWorld);
      await expect(
        ledger.connect(governance).setGuardian(ZeroAddress),
      ).to.be.revertedWithCustomError(ledger, "ZeroAddress");
    });
  });
});
