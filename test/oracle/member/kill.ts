import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeContributions } from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import { openBundles } from "../../../oracle/edge/bundles.ts";
import type { EpochState, Store } from "../../../oracle/store/store.ts";
import type { OracleProcess } from "../../../scripts/local/oracle-process.ts";
import {
  type RpcHandler,
  type RpcProxy,
  type RpcRequest,
  startRpcProxy,
} from "../../../scripts/local/rpc-proxy.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import { lastFinalEpoch, proposals, publishedFiles, remembered } from "../support/chronicle.ts";
import { ENGINES } from "../support/engines.ts";
import { endLeases, LEASE_SECONDS } from "../support/lease.ts";
import { type MemberOracle, memberOracle } from "../support/member-oracle.ts";
import { randomNumbers, seedOf } from "../support/random.ts";

/** Nobody waits for the lease of a killed run; there is a test for that alone. */
const NO_LEASE = ["--lease-seconds", "0"];

/** Whether a run is to be killed at this request, before the node has it; `forward` gives it to the node first. */
type Fatal = (request: RpcRequest, forward: () => Promise<string>) => Promise<boolean>;

const isSending = ({ methods }: RpcRequest) => methods.includes("eth_sendRawTransaction");
const beforeSending: Fatal = async (request) => isSending(request);
const afterSending: Fatal = async (request, forward) => {
  if (!isSending(request)) return false;
  await forward();
  return true;
};
const atRequest = (number: number): Fatal => {
  let left = number;
  return async () => --left === 0;
};

for (const engine of ENGINES) {
  describe(`on ${engine.name}, killed with SIGKILL and started again (Helium, Spark, DIMO: a crash between two phases loses or pays twice)`, () => {
    let databases: Awaited<ReturnType<typeof engine.start>>;
    let world: MemberWorld;
    let proxy: RpcProxy;
    let oracle: MemberOracle;
    let toTheGrace: () => Promise<void>;
    let toTheSealTime: () => Promise<void>;
    /** What a run that nobody disturbs comes to. */
    let files: Record<string, string>;
    let sent: number;
    let requests = 0;

    const sentByMember = () => world.devnet.provider.getTransactionCount(oracle.wallet.address);

    before(async () => {
      databases = await engine.start();
      world = await startMemberWorld({ createDatabase: databases.createDatabase });
      proxy = await startRpcProxy(world.devnet.rpcUrl);
      const { devnet } = world;
      const { wallet, data, database } = world.oracle;
      oracle = await memberOracle({
        devnet,
        name: "killed",
        wallet,
        data,
        database,
        rpcUrl: proxy.url,
      });
      const serving = await oracle.serve();
      await world.submit(serving.url, [{}, {}, {}]);
      await world.owe(serving.url, 1, 3n * LTK);
      await serving.stop();
      await world.endEpoch(1);
      toTheGrace = await checkpoint(world);
      await oracle.close();
      await world.sealEpoch(1);
      toTheSealTime = await checkpoint(world);
      proxy.handle((_, forward) => {
        requests++;
        return forward();
      });
      await oracle.close();
      files = await publishedFiles(oracle, 1);
      await world.passWindow();
      await oracle.close();
      sent = await sentByMember();
    });
    after(async () => {
      await world.stop();
      await proxy.close();
      await databases.stop();
    });

    const undisturbed: RpcHandler = (_, forward) => forward();

    /** Runs `close` until `isFatal` says so, or to its end. */
    async function killedClose(isFatal: Fatal): Promise<void> {
      let process: OracleProcess | undefined;
      proxy.handle(async (request, forward) => {
        if (!(await isFatal(request, forward))) return forward();
        process?.child.kill("SIGKILL");
        throw new Error("killed");
      });
      process = oracle.startClose(...NO_LEASE);
      await process.finished;
      proxy.handle(undisturbed);
    }

    /** Killed once at each of these, one run after the other. */
    async function killedAt(...fatal: readonly Fatal[]): Promise<void> {
      for (const isFatal of fatal) await killedClose(isFatal);
    }

    async function expectUndisturbedEnd(): Promise<void> {
      const last = await oracle.close(...NO_LEASE);
      expect([last.code, last.stderr.includes('"level":"error"')]).to.deep.equal([0, false]);
      expect(await lastFinalEpoch(world)).to.equal(1);
      expect(await publishedFiles(oracle, 1)).to.deep.equal(files);
      expect(await proposals(world)).to.deep.equal([[1, 0]]);
      expect((await remembered(oracle)).epochs[0]).to.include({ epoch: 1, state: "final" });
      expect(await sentByMember()).to.equal(sent);
    }

    describe("close", () => {
      let store: Store;
      beforeEach(async () => {
        await toTheSealTime();
        store = await oracle.openStore();
      });
      afterEach(() => store.close());

      /** At the first thing it asks of the node after it has committed this state. */
      const reached =
        (state: EpochState): Fatal =>
        async () =>
          (await store.getEpoch(1))?.state === state;

      it("comes to the same bytes and one proposal, killed after every state", async () => {
        for (const state of ["open", "sealed", "computed", "published", "attested"] as const) {
          await killedClose(reached(state));
          expect((await store.getEpoch(1))?.state).to.equal(state);
        }
        await killedClose(reached("proposed"));
        await world.passWindow();
        await killedClose(reached("final"));
        expect((await store.getEpoch(1))?.state).to.equal("final");
        await expectUndisturbedEnd();
      });

      it("writes a bundle anew that it had written in part (Layr-Labs 415: stuck for ever)", async () => {
        await killedClose(reached("computed"));
        const { bundleHash } = (await store.getEpoch(1)) ?? {};
        await toTheSealTime();
        const staged = join(oracle.bundles, `.staged-1-${bundleHash}`);
        await mkdir(staged, { recursive: true });
        await writeFile(join(staged, "rewards.bin"), "half a fi");
        await oracle.close(...NO_LEASE);
        await world.passWindow();
        await expectUndisturbedEnd();
      });

      it("takes a bundle for published that it had moved to its place", async () => {
        await killedClose(reached("computed"));
        const { bundleHash } = (await store.getEpoch(1)) ?? {};
        const staged = join(oracle.bundles, `.staged-1-${bundleHash}`);
        await rename(staged, join(oracle.bundles, "1"));
        await oracle.close(...NO_LEASE);
        await world.passWindow();
        await expectUndisturbedEnd();
      });

      it("sends nothing twice, killed before the node had a transaction and after", async () => {
        await killedAt(beforeSending, afterSending);
        await oracle.close(...NO_LEASE);
        await world.passWindow();
        await killedAt(beforeSending, afterSending);
        await expectUndisturbedEnd();
      });

      it("comes to the same bytes and one proposal, killed anywhere", async () => {
        const random = randomNumbers(seedOf());
        await killedAt(...Array.from({ length: 4 }, () => atRequest(1 + random(requests))));
        await oracle.close(...NO_LEASE);
        await world.passWindow();
        await killedAt(atRequest(1 + random(requests / 2)));
        await expectUndisturbedEnd();
      });

      it("keeps others from working only until its lease has run out", async () => {
        let process: OracleProcess | undefined;
        proxy.handle(async (request, forward) => {
          if (isSending(request)) process?.child.kill("SIGKILL");
          return forward();
        });
        process = oracle.startClose("--lease-seconds", String(LEASE_SECONDS));
        await process.finished;
        proxy.handle(undisturbed);
        expect((await oracle.close()).outcome.waiting).to.equal("another close is running");
        await endLeases(oracle);
        expect((await oracle.close()).outcome.waiting).to.contain("the window is open");
      });
    });

    describe("in the grace, and in the running epoch", () => {
      beforeEach(() => toTheGrace());

      it("collects a voucher once, killed before the node had the transaction and after", async () => {
        await killedAt(beforeSending, afterSending);
        await oracle.close(...NO_LEASE);
        const { escrow } = world.devnet.suite;
        const collected = await escrow.queryFilter(escrow.filters.VoucherCollected());
        expect(collected.map(({ args }) => args.amount)).to.deep.equal([3n * LTK]);
        expect(await escrow.paid(world.customer.address, 1)).to.equal(3n * LTK);
      });

      it("has every acknowledged receipt in the bundle, serve killed under load (Helium: OK sent although the write failed)", async () => {
        const acknowledged = new Map<number, number>();
        let sequence = 1;
        for (let life = 0; life < 2; life++) {
          const serving = await world.oracle.serve();
          let alive = true;
          const load = async () => {
            while (alive) {
              const mine = ++sequence;
              try {
                const results = await world.submit(
                  serving.url,
                  world.devices.map(() => ({
                    epoch: 2,
                    sequence: mine,
                    egressBytes: BigInt(mine),
                  })),
                );
                for (const [device, { status }] of results.entries()) {
                  if (status === "accepted")
                    acknowledged.set(device, Math.max(mine, acknowledged.get(device) ?? 0));
                }
              } catch {
                return;
              }
            }
          };
          const loads = [load(), load(), load(), load()];
          // In the middle of what the second life has begun, too.
          const enough = sequence + 10 * (1 + life);
          while (Math.max(0, ...acknowledged.values()) < enough) await soon();
          await serving.kill();
          alive = false;
          await Promise.all(loads);
        }
        expect(acknowledged.size).to.equal(world.devices.length);
        await world.sealEpoch(2);
        await oracle.close(...NO_LEASE);
        await world.passWindow();
        await oracle.close(...NO_LEASE, "--least-share-bps", "0");
        const bytes = await openBundles(oracle.bundles).read(2, "contributions.bin");
        const counted = new Map(
          decodeContributions(bytes).map(({ receipt }) => [receipt.device, receipt.sequence]),
        );
        for (const [device, highest] of acknowledged) {
          const address = world.devices[device]?.address.toLowerCase() as `0x${string}`;
          expect(counted.get(address)).to.be.at.least(highest);
        }
      });
    });
  });
}

function soon(): Promise<void> {
  return new Promise((passed) => setTimeout(passed, 5));
}
