import { expect } from "chai";
import {
  bundleOf,
  leavesOf,
  proposeFiles,
  publishFiles,
  withRewards,
} from "../oracle/support/forger.ts";
import { LTK } from "../worlds/network.ts";
import { type Stage, startStage } from "./support/stage.ts";
import { leaveAll, visit } from "./support/visit.ts";

describe("an epoch of a corrupt quorum, in the browser", () => {
  let stage: Stage;

  /** What is published is what was signed, and its second reward has a wei of the third. */
  before(async () => {
    stage = await startStage("hardhat", {
      owners: 3,
      customers: 1,
      async play(world) {
        const { oracle } = world;
        const serving = await oracle.serve();
        await world.submit(serving.url, [{}, {}, {}]);
        await world.owe(serving.url, 1, 3n * LTK);
        await serving.stop();
        await world.endEpoch(1);
        await oracle.close();
        await world.sealEpoch(1);
        // The member makes the bundle, and what it has on the chain is taken back.
        const { provider } = world.devnet;
        const before = await provider.send("evm_snapshot", []);
        await oracle.close();
        await provider.send("evm_revert", [before]);
        const honest = await bundleOf(oracle, 1);
        const leaves = leavesOf(honest).map((leaf, i) => ({
          ...leaf,
          cumulative: leaf.cumulative + ([0n, 1n, -1n][i] ?? 0n),
          prefix: leaf.prefix + (i === 2 ? 1n : 0n),
        }));
        const forged = withRewards(honest, { leaves });
        await proposeFiles(world, oracle, forged);
        await publishFiles(oracle.bundles, 1, forged);
      },
    });
  });
  afterEach(leaveAll);
  after(() => stage?.close());

  it("differs, and the first row that does is named with its proof", async () => {
    const { page, reaches, state } = await visit(stage, { at: "#/audit/1" });
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await reaches("differs");
    expect(await state("differs").innerText())
      .to.match(/rewards\.bin, record \d/)
      .and.match(/proof: reward/);
    await page.getByRole("link", { name: "All epochs" }).click();
    await page.locator('[data-epoch="1"]').getByText("DIFFERS").waitFor();
  });
});
