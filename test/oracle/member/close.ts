import { readdir } from "node:fs/promises";
import { createSender } from "@link-rewards/host/transactions";
import { expect } from "chai";
import { close } from "../../../oracle/member/close.ts";
import { withOracle } from "../../../oracle/member/open.ts";
import { MOVED_TIME } from "../../../scripts/local/local-chain.ts";
import { startRpcProxy } from "../../../scripts/local/rpc-proxy.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import { lastFinalEpoch, proposals, publishedFiles, remembered } from "../support/chronicle.ts";
import { ENGINES } from "../support/engines.ts";
import { bundleOf, manifestOf } from "../support/forger.ts";
import { type MemberOracle, memberOracle, type Outcome } from "../support/member-oracle.ts";

const ALL_STEPS = ["sealed", "computed", "published", "attested", "proposed"];

/** The states an epoch went through in one run. */
function stepsOf({ actions = [] }: Outcome, epoch: number): readonly unknown[] {
  return actions
    .filter((action) => action.action === "advance" && action.epoch === epoch)
    .map(({ to }) => to);
}

function collectedIn({ actions = [] }: Outcome): readonly unknown[] {
  return actions.filter(({ action }) => action === "collect").map(({ amount }) => amount);
}

for (const engine of ENGINES) {
  describe(`close, on ${engine.name}`, () => {
    let databases: Awaited<ReturnType<typeof engine.start>>;
    let world: MemberWorld;
    let oracle: MemberOracle;
    /** Epoch 1 has ended and its vouchers can be collected; it is not sealed yet. */
    let toTheGrace: () => Promise<void>;

    before(async () => {
      databases = await engine.start();
      const { createDatabase } = databases;
      world = await startMemberWorld({ customers: 2, createDatabase });
      oracle = world.oracle;
      const serving = await oracle.serve();
      const half = world.customers[1]?.address.toLowerCase() as `0x${string}`;
      // Two devices serve a customer that pays, the third one that will pay only half.
      await world.submit(serving.url, [{}, {}, { customer: half }]);
      await world.owe(serving.url, 1, 2n * LTK, 0);
      await world.owe(serving.url, 1, LTK / 2n, 1);
      await serving.stop();
      await world.endEpoch(1);
      toTheGrace = await checkpoint(world);
    });
    after(async () => {
      await world.stop();
      await databases.stop();
    });

    /** In this process, since a program waits a minute for a block. */
    async function closeImpatiently(): Promise<Outcome> {
      const { devnet } = world;
      const options = {
        rpc: [devnet.rpcUrl],
        deployment: devnet.deploymentFile,
        data: oracle.data,
        database: oracle.database,
        keyFile: await devnet.keyFile("impatient", oracle.wallet),
        maxHeadAge: MOVED_TIME.maxAgeSeconds,
        maxHeadLead: MOVED_TIME.maxLeadSeconds,
        peer: [],
      };
      return withOracle(options, async (opened, signer) => {
        const { chain, store } = opened;
        const { provider, finalized } = chain;
        const wallet = signer.wallet(provider);
        return close(opened, {
          sender: createSender({ provider, wallet, journal: store, finalized, replaceAfterMs: 1 }),
          collect: { minimum: 0n, linkPrice: undefined },
          guards: { leastShareBps: 0, accountShareBps: 10_000 },
          peerPatience: undefined,
          release: false,
          holder: "impatient",
          leaseSeconds: 60,
        });
      });
    }

    describe("before an epoch is due", () => {
      beforeEach(() => toTheGrace());

      it("says what it would do and changes nothing in a dry run", async () => {
        const block = await world.devnet.provider.getBlockNumber();
        const before = await remembered(oracle);
        const { code, outcome } = await oracle.plan();
        expect(code).to.equal(0);
        expect(outcome).to.include({ executed: false, epoch: 1 });
        expect(collectedIn(outcome)).to.have.members([String(2n * LTK), String(LTK / 2n)]);
        expect(await remembered(oracle)).to.deep.equal(before);
        expect(await readdir(oracle.bundles)).to.deep.equal([]);
        expect(await world.devnet.provider.getBlockNumber()).to.equal(block);
      });

      it("collects what is owed once, and waits for the seal time", async () => {
        const first = await oracle.close();
        expect(first.code).to.equal(0);
        expect(collectedIn(first.outcome)).to.have.members([String(2n * LTK), String(LTK / 2n)]);
        expect(first.outcome.waiting).to.contain("no finalized block has reached the seal time");
        const second = await oracle.close();
        expect(second.outcome.actions).to.deep.equal([]);
      });

      it("ends with waiting where what it sent is not mined in its patience, and the next run does not send it again", async () => {
        const { provider } = world.devnet;
        const sentBy = () => provider.getTransactionCount(oracle.wallet.address);
        const before = await sentBy();
        await provider.send("evm_setAutomine", [false]);
        try {
          const waiting = await closeImpatiently();
          expect(waiting).to.include({ executed: true }).and.not.have.property("held");
          expect(waiting.waiting).to.match(
            /^collect\/0x[0-9a-f]{64}: sent \(0x[0-9a-f]{64}\), and the RPC node shows no block after \d+; the next run goes on/,
          );
          expect(waiting.actions).to.deep.equal([]);
        } finally {
          await provider.send("evm_setAutomine", [true]);
        }
        expect([await sentBy(), (await remembered(oracle)).pending.length]).to.deep.equal([
          before,
          1,
        ]);
        await provider.send("evm_mine", []);
        const { code, outcome } = await oracle.close();
        expect([code, await sentBy()]).to.deep.equal([0, before + 1]);
        expect(outcome.waiting).to.contain("no finalized block has reached the seal time");
        expect(outcome.actions).to.deep.equal([]);
      });
    });

    describe("of a due epoch", () => {
      let toTheSealTime: () => Promise<void>;
      before(async () => {
        await toTheGrace();
        await oracle.close();
        await world.sealEpoch(1);
        toTheSealTime = await checkpoint(world);
      });
      beforeEach(() => toTheSealTime());

      it("takes it to a proposal, and after the window to its end; a repeated run does nothing", async () => {
        const first = await oracle.close();
        expect(first.code).to.equal(0);
        expect(stepsOf(first.outcome, 1)).to.deep.equal(ALL_STEPS);
        const files = await publishedFiles(oracle, 1);
        const again = await oracle.close();
        expect(again.outcome.actions).to.deep.equal([]);
        expect(again.outcome.waiting).to.contain("the window is open");
        await world.passWindow();
        expect(stepsOf((await oracle.close()).outcome, 1)).to.deep.equal(["final"]);
        expect((await oracle.close()).outcome)
          .to.include({ epoch: 2 })
          .and.not.have.property("held");
        expect(await publishedFiles(oracle, 1)).to.deep.equal(files);
        expect(await proposals(world)).to.deep.equal([[1, 0]]);
      });

      it("says in a dry run what it would do, and proposes nothing", async () => {
        const { outcome } = await oracle.plan();
        expect(stepsOf(outcome, 1)).to.deep.equal(["as far as it goes"]);
        expect(await proposals(world)).to.deep.equal([]);
        expect((await remembered(oracle)).epochs.map(({ state }) => state)).to.deep.equal(["open"]);
      });

      it("works once when two are run at a time (WeatherXM: paid twice on two days)", async () => {
        const proxy = await startRpcProxy(world.devnet.rpcUrl);
        const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
        const { promise: released, resolve: release } = Promise.withResolvers<void>();
        proxy.handle(async ({ methods }, forward) => {
          if (methods.includes("eth_sendRawTransaction")) {
            reach();
            await released;
          }
          return forward();
        });
        const { devnet } = world;
        const slow = await memberOracle({
          devnet,
          name: "slow",
          wallet: oracle.wallet,
          rpcUrl: proxy.url,
          data: oracle.data,
          database: oracle.database,
        });
        const first = slow.startClose();
        await reached;
        const second = await oracle.close();
        expect(second.code).to.equal(0);
        expect(second.outcome).to.deep.include({
          actions: [],
          waiting: "another close is running",
        });
        release();
        expect((await first.finished).code).to.equal(0);
        await proxy.close();
        expect(await proposals(world)).to.deep.equal([[1, 0]]);
      });

      it("counts only what a customer that pays half has paid", async () => {
        await oracle.close();
        const { value, counted, delta, fee, paid } = manifestOf(await bundleOf(oracle, 1));
        expect(value).to.equal(3n * LTK);
        expect(counted).to.equal((5n * LTK) / 2n);
        expect(delta).to.equal((counted * 9n) / 10n);
        expect(fee).to.equal(counted / 10n);
        expect(paid.map(({ amount }) => amount)).to.have.members([2n * LTK, LTK / 2n]);
      });

      it("takes a backlog of due epochs in their order, idle ones too (Lido: an empty epoch cannot be reported)", async () => {
        await world.sealEpoch(2);
        await oracle.close();
        await world.passWindow();
        // Nobody served in epoch 2, which the guards would have a person look at.
        const next = await oracle.close("--least-share-bps", "0");
        expect(stepsOf(next.outcome, 1)).to.deep.equal(["final"]);
        expect(stepsOf(next.outcome, 2)).to.deep.equal(ALL_STEPS);
        await world.passWindow();
        const last = await oracle.close();
        expect(stepsOf(last.outcome, 2)).to.deep.equal(["final"]);
        expect(await lastFinalEpoch(world)).to.equal(2);
        expect(await proposals(world)).to.deep.equal([
          [1, 0],
          [2, 0],
        ]);
        const [first, idle] = [
          manifestOf(await bundleOf(oracle, 1)),
          manifestOf(await bundleOf(oracle, 2)),
        ];
        expect(idle.contributions).to.equal(0);
        expect(idle.total).to.equal(first.total);
        expect(idle.root).to.equal(first.root);
      });
    });
  });
}
