import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { chainArgsOf } from "../../../scripts/local/local-chain.ts";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { type RpcHandler, startRpcProxy } from "../../../scripts/local/rpc-proxy.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";

type RefundJson = {
  readonly refunds: readonly {
    readonly epoch: number;
    readonly to: string;
    readonly calldata: string;
    readonly transaction?: string;
  }[];
  readonly failed: readonly { readonly epoch: number; readonly reason: string }[];
};

describe("refund of all epochs", () => {
  let world: MemberWorld;
  let keyFile: string;
  /** Of epochs 1 and 2 an LTK each comes back to the customer. */
  let toTheRefunds: () => Promise<void>;

  before(async () => {
    world = await startMemberWorld({ owners: 1 });
    const { oracle, devnet } = world;
    keyFile = await devnet.keyFile("bystander", devnet.role("bystander"));
    const serving = await oracle.serve();
    for (const epoch of [1, 2]) {
      await world.submit(serving.url, [{ epoch }]);
      await world.owe(serving.url, epoch, 2n * LTK);
      await world.endEpoch(epoch);
      await oracle.close();
      await world.sealEpoch(epoch);
      await oracle.close();
      await world.passWindow();
      await oracle.close();
    }
    await serving.stop();
    toTheRefunds = await checkpoint(world);
  });
  after(() => world.stop());
  beforeEach(() => toTheRefunds());

  async function refundAll(bundles: string, rpcUrl: string, ...more: readonly string[]) {
    const { code, stdout, stderr } = await runOracle([
      ...["refund", world.customer.address, ...chainArgsOf(world.devnet, rpcUrl)],
      ...["--bundles", bundles, "--json", ...more],
    ]);
    const { refunds = [], failed = [] }: Partial<RefundJson> = JSON.parse(stdout || "{}");
    return { code, stderr, refunds, failed };
  }

  const balance = () => world.devnet.suite.escrow.balanceOf(world.customer.address);

  it("sends the others when the files of one cannot be read, and says so", async () => {
    const { oracle, devnet } = world;
    const before = await balance();
    const bundles = join(devnet.folder, "without-epoch-1");
    await cp(oracle.bundles, bundles, { recursive: true });
    await rm(join(bundles, "1"), { recursive: true });
    const all = await refundAll(bundles, devnet.rpcUrl, "--key-file", keyFile);
    expect(all.code, all.stderr).to.equal(2);
    expect(all.failed.map(({ epoch }) => epoch)).to.deep.equal([1]);
    expect(all.stderr).to.equal(`epoch 1: ${all.failed[0]?.reason}\n`);
    expect(all.refunds.map(({ epoch }) => epoch)).to.deep.equal([2]);
    expect(all.refunds[0]?.transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect((await balance()) - before).to.equal(LTK);
  });

  it("sends the others when somebody takes one in front of it, and says so", async () => {
    const { oracle, devnet } = world;
    const before = await balance();
    const planned = await refundAll(oracle.bundles, devnet.rpcUrl);
    expect(planned.refunds.map(({ epoch }) => epoch)).to.deep.equal([1, 2]);
    const { to = "", calldata = "" } = planned.refunds[0] ?? {};
    const somebody = devnet.wallet(9);
    let isTaken = false;
    const takeFirst: RpcHandler = async ({ methods }, forward) => {
      if (methods.includes("eth_estimateGas") && !isTaken) {
        isTaken = true;
        await (await somebody.sendTransaction({ to, data: calldata })).wait();
      }
      return forward();
    };
    const proxy = await startRpcProxy(devnet.rpcUrl);
    proxy.handle(takeFirst);
    const all = await refundAll(oracle.bundles, proxy.url, "--key-file", keyFile);
    await proxy.close();
    expect(all.code, all.stderr).to.equal(2);
    expect(all.failed.map(({ epoch }) => epoch)).to.deep.equal([1]);
    expect(all.failed[0]?.reason).to.match(/^AlreadyRefunded\(/);
    expect(all.refunds.map(({ transaction }) => transaction !== undefined)).to.deep.equal([
      false,
      true,
    ]);
    expect((await balance()) - before).to.equal(2n * LTK);
  });
});
