import { expect } from "chai";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import { lastFinalEpoch, proposals, publishedFiles, remembered } from "../support/chronicle.ts";
import {
  type BundleFiles,
  bundleOf,
  inOrder,
  leavesOf,
  manifestOf,
  proposeFiles,
  publishFiles,
  withRewards,
} from "../support/forger.ts";
import type { MemberOracle } from "../support/member-oracle.ts";

describe("close, when a person must look", () => {
  let world: MemberWorld;
  let oracle: MemberOracle;
  let toTheSealTime: () => Promise<void>;

  before(async () => {
    world = await startMemberWorld({ owners: 4 });
    oracle = world.oracle;
    const serving = await oracle.serve();
    await world.submit(serving.url, [{}, {}, {}, {}]);
    await world.owe(serving.url, 1, 3n * LTK);
    await serving.stop();
    await world.endEpoch(1);
    await oracle.close();
    await world.sealEpoch(1);
    toTheSealTime = await checkpoint(world);
  });
  after(() => world.stop());

  const veto = async () => {
    const { ledger } = world.devnet.suite;
    const { digest } = await ledger.proposal();
    await (await ledger.connect(world.devnet.role("guardian")).veto(digest)).wait();
  };
  /** Anyone may, when no proposal came in time. */
  const abandon = async (epoch: number) => {
    const { ledger } = world.devnet.suite;
    const { abandonableAt } = await ledger.proposal();
    await world.devnet.warpTo(Number(abandonableAt));
    await (await ledger.connect(world.devnet.role("bystander")).abandon(epoch)).wait();
  };
  const heldIn = async () =>
    (await remembered(oracle)).epochs.find(({ state }) => state === "held");

  describe("in epoch 1", () => {
    beforeEach(() => toTheSealTime());

    /** A bundle that gives everything to the first account. */
    let otherFiles: BundleFiles;
    before(async () => {
      await toTheSealTime();
      await oracle.close();
      const honest = await bundleOf(oracle, 1);
      const { total } = manifestOf(honest);
      const leaves = leavesOf(honest).map((leaf, i) => ({
        ...leaf,
        cumulative: i === 0 ? total : 0n,
      }));
      otherFiles = withRewards(honest, { leaves: inOrder(leaves) });
    });

    it("holds while a report is pending that is not its own, and goes on when that is gone", async () => {
      const { digest } = await proposeFiles(world, oracle, otherFiles);
      const held = await oracle.close();
      expect(held.code).to.equal(1);
      expect(held.outcome.held).to.contain(`the report pending on chain, ${digest}, is not ours`);
      expect(await heldIn()).to.include({ epoch: 1, heldFrom: "published" });
      await veto();
      const resumed = await oracle.close();
      expect(resumed.code).to.equal(0);
      expect(await proposals(world)).to.deep.equal([
        [1, 0],
        [1, 1],
      ]);
      await world.passWindow();
      await oracle.close();
      expect(await lastFinalEpoch(world)).to.equal(1);
    });

    it("does not propose again what the guardian vetoed, until a person releases it", async () => {
      await oracle.close();
      const files = await publishedFiles(oracle, 1);
      // What is signed cannot be forgone.
      const { stdout } = await oracle.run("forgo", "--attempt", "--json");
      expect(JSON.parse(stdout)).to.deep.equal({ epoch: 1, attempt: 0, forgone: false });
      await veto();
      const held = await oracle.close();
      expect(held.code).to.equal(1);
      expect(held.outcome.held).to.contain("vetoed");
      // Abandoning an attempt, which anyone may do, does not get round the veto.
      await abandon(1);
      const still = await oracle.close();
      expect([still.code, still.outcome.held]).to.deep.equal([1, held.outcome.held]);
      expect(await proposals(world)).to.deep.equal([[1, 0]]);
      const released = await oracle.close("--release");
      expect(released.code).to.equal(0);
      expect(await proposals(world)).to.deep.equal([
        [1, 0],
        [1, 2],
      ]);
      expect(await publishedFiles(oracle, 1)).to.deep.equal(files);
    });

    it("waits, and does not spin, while the end of an attempt is not final yet", async () => {
      await oracle.close();
      await veto();
      // The law is read up to three blocks before the head: there the attempt has not ended.
      const waits = await oracle.close("--confirmations", "3");
      expect(waits.stderr).not.to.contain("no end after");
      expect(waits.code).to.equal(0);
      expect(waits.outcome.waiting).to.contain("attempt");
    });

    it("signs nothing in an attempt that was forgone, and goes on in the next with the same bytes", async () => {
      const forgone = await oracle.run("forgo", "--attempt", "--json");
      expect(JSON.parse(forgone.stdout)).to.deep.equal({ epoch: 1, attempt: 0, forgone: true });
      const waits = await oracle.close();
      expect(waits.outcome.waiting).to.contain("attempt 0 can be abandoned at");
      const files = await publishedFiles(oracle, 1);
      expect(await proposals(world)).to.deep.equal([]);
      const { abandonableAt } = await world.devnet.suite.ledger.proposal();
      await world.devnet.warpTo(Number(abandonableAt));
      const { outcome } = await oracle.close();
      expect(outcome.actions).to.deep.include({ action: "abandon", epoch: 1, attempt: 0 });
      expect(await proposals(world)).to.deep.equal([[1, 1]]);
      expect(await publishedFiles(oracle, 1)).to.deep.equal(files);
    });

    it("signs nothing of the epochs that were forgone, in no attempt", async () => {
      const forgone = await oracle.run("forgo", "--json");
      expect(JSON.parse(forgone.stdout)).to.deep.equal({ throughEpoch: 2 });
      const { ledger } = world.devnet.suite;
      for (const attempt of [0, 1]) {
        const waits = await oracle.close();
        const none = `0 of 1 signatures of active members for attempt ${attempt}`;
        expect([waits.code, waits.outcome.waiting], waits.stderr).to.deep.equal([0, none]);
        const { abandonableAt } = await ledger.proposal();
        await world.devnet.warpTo(Number(abandonableAt));
        await abandon(1);
      }
      expect(await proposals(world)).to.deep.equal([]);
    });

    it("never overwrites a published bundle of other content (Rocket Pool: the wrong file published)", async () => {
      await publishFiles(oracle.bundles, 1, otherFiles);
      const refused = await oracle.close();
      expect(refused.code).to.equal(2);
      expect(refused.stderr).to.contain("is published in").and.contain("with other content");
      expect(await bundleOf(oracle, 1)).to.deep.equal(otherFiles);
      expect(await proposals(world)).to.deep.equal([]);
    });
  });

  describe("in an epoch with far fewer contributions than the last", () => {
    let toTheSecond: () => Promise<void>;
    before(async () => {
      await toTheSealTime();
      await oracle.close();
      await world.passWindow();
      await oracle.close();
      const serving = await oracle.serve();
      await world.submit(serving.url, [{ epoch: 2 }]);
      await serving.stop();
      await world.sealEpoch(2);
      toTheSecond = await checkpoint(world);
    });
    beforeEach(() => toTheSecond());

    it("holds, and goes on by itself where the share that is set allows it", async () => {
      const held = await oracle.close();
      expect(held.code).to.equal(1);
      expect(held.outcome.held).to.equal("contributions fell from 4 to 1");
      expect(await heldIn()).to.include({ epoch: 2, heldReason: "contributions fell from 4 to 1" });
      expect((await oracle.close("--least-share-bps", "2501")).code).to.equal(1);
      expect((await oracle.close("--least-share-bps", "2500")).code).to.equal(0);
      expect(await proposals(world)).to.deep.include([2, 0]);
    });

    it("is released for the attempt that is open: the guard stops it anew in the next one", async () => {
      await oracle.close();
      const released = await oracle.run("release", "2", "--json");
      expect(JSON.parse(released.stdout).message).to.contain("passed over in attempt 0");
      const lets = await oracle.close();
      expect(lets.outcome.waiting, lets.stderr).to.contain("the window is open");
      await veto();
      const vetoed = await oracle.close();
      expect([vetoed.code, vetoed.outcome.held]).to.deep.equal([
        1,
        "the guardian vetoed this report in attempt 0",
      ]);
      await oracle.run("release", "2");
      await abandon(2);
      expect((await oracle.close()).code).to.equal(1);
      await oracle.run("release", "2");
      expect((await oracle.close()).code).to.equal(0);
      expect((await proposals(world)).filter(([epoch]) => epoch === 2)).to.deep.equal([
        [2, 0],
        [2, 2],
      ]);
    });

    it("goes on when a person releases it: for the next attempt when this one was abandoned, with the same bytes", async () => {
      await oracle.close();
      const files = await publishedFiles(oracle, 2);
      await abandon(2);
      await oracle.close("--release");
      expect(await proposals(world)).to.deep.include([2, 1]);
      expect(await publishedFiles(oracle, 2)).to.deep.equal(files);
    });
  });
});
