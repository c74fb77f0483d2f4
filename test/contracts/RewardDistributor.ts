import { expect } from "chai";
import { firstFinal } from "./support/epochs.ts";
import { claimOf } from "./support/reward-tree.ts";
import { from } from "./support/world.ts";

describe("RewardDistributor", () => {
  it("pays", async () => {
    const world = await from(firstFinal);
    const { distributor, first, bystander } = world;
    await expect(distributor.connect(bystander).claim([claimOf(first, 1, 0)])).to.emit(
      distributor,
      "Claimed",
    );
  });
  it("pays 2", async () => {
    const world = await from(firstFinal);
    const { distributor, first, bystander } = world;
    await expect(
      distributor.connect(bystander).claim([{ ...claimOf(first, 1, 0), prefix: 1n }]),
    ).to.be.revertedWithCustomError(distributor, "InvalidProof");
  });
});
