import { readdir } from "node:fs/promises";
import { bundleHashOf } from "@link-rewards/core/epoch/manifest";
import { expect } from "chai";
import { openBundles } from "../../../oracle/edge/bundles.ts";
import { type RpcProxy, startRpcProxy } from "../../../scripts/local/rpc-proxy.ts";
import { type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { lastFinalEpoch, proposals, publishedFiles } from "../support/chronicle.ts";
import { bundleOf, manifestOf } from "../support/forger.ts";
import { freePort } from "../support/free-port.ts";
import {
  type Closed,
  type MemberOracle,
  memberOracle,
  type Serving,
} from "../support/member-oracle.ts";

describe("members who come second", () => {
  let world: MemberWorld;
  let first: MemberOracle;
  let second: MemberOracle;
  let serving: Serving;
  let third: Serving;
  /** Where the others look for the second. */
  let aside: readonly string[];
  /** The second member's way to the chain, in its next runs. */
  let proxy: RpcProxy;
  let behind: MemberOracle;

  before(async () => {
    world = await startMemberWorld({ members: 3, threshold: 2 });
    const { devnet } = world;
    const oracles = world.oracles as [MemberOracle, MemberOracle, MemberOracle];
    [first, second] = oracles;
    const port = await freePort();
    aside = ["--port", String(port)];
    const toSecond = `http://127.0.0.1:${port}`;
    serving = await first.serve("--peer", toSecond);
    third = await oracles[2].serve("--peer", `${serving.url},${toSecond}`);
    proxy = await startRpcProxy(devnet.rpcUrl);
    const { wallet, data } = second;
    behind = await memberOracle({ devnet, name: "behind", wallet, rpcUrl: proxy.url, data });
  });
  after(async () => {
    await proxy?.close();
    await world.stop();
  });

  /** Lets the second come as far as asking the node what this call costs; then the first does all of it. */
  async function overtake(call: "propose" | "finalize", peers: readonly string[]): Promise<Closed> {
    const { selector } = world.devnet.suite.ledger.getFunction(call).fragment;
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    proxy.handle(async ({ methods, body }, forward) => {
      if (methods.includes("eth_estimateGas") && body.includes(selector)) {
        reached.resolve();
        await released.promise;
      }
      return forward();
    });
    const slow = behind.close(...peers);
    await Promise.race([reached.promise, slow.then(({ stderr }) => expect.fail(stderr))]);
    const fast = await first.close("--peer", third.url);
    expect(fast.code, fast.stderr).to.equal(0);
    released.resolve();
    return slow;
  }

  it("publish the chain's bundle in place of their own of the same root", async () => {
    await world.submit(serving.url, [{ egressBytes: 1n }]);
    // Alone: nobody pays, so that other contributions lead to the same rewards.
    const alone = await second.serve();
    await world.submit(alone.url, [{ egressBytes: 2n }, { egressBytes: 2n }]);
    await world.endEpoch(1);
    await world.sealEpoch(1);
    const proposing = await first.close("--peer", third.url);
    expect(proposing.code, proposing.stderr).to.equal(0);
    const held = await second.close();
    expect(held.outcome.held, held.stderr).to.match(/^the report pending on chain, .* is not ours/);
    const [theirs, ours] = [await bundleOf(first, 1), await bundleOf(second, 1)];
    expect(manifestOf(ours).root).to.equal(manifestOf(theirs).root);
    const hashOf = (files: typeof ours) => bundleHashOf(files.get("manifest.json") as Uint8Array);
    expect(hashOf(ours)).not.to.equal(hashOf(theirs));
    await world.passWindow();
    await first.close();
    expect(await lastFinalEpoch(world)).to.equal(1);
    // Nobody to ask: what is not the chain's is not served all the same.
    const lost = await second.close();
    expect([lost.code, lost.outcome.held], lost.stderr).to.match(/^1,epoch 1 is final with bundle/);
    expect((await fetch(new URL("/bundles/1/manifest.json", alone.url))).status).to.equal(404);
    const filled = await second.close("--peer", serving.url);
    expect(filled.code, filled.stderr).to.equal(0);
    expect(await publishedFiles(second, 1)).to.deep.include(await filesOf(first, 1));
    const served = await openBundles(new URL("/bundles", alone.url).href).bundle(1);
    expect(bundleHashOf(served.manifest)).to.equal(hashOf(theirs));
    // What was put aside is kept under its name.
    expect(await readdir(second.bundles)).to.include(`1-${hashOf(ours)}`);
    await alone.stop();
  });

  it("propose nothing a second time, and say who was faster", async () => {
    await second.serve(...aside, "--peer", serving.url);
    await world.submit(serving.url, [{ epoch: 2 }, { epoch: 2 }]);
    await world.sealEpoch(2);
    const peers = ["--peer", serving.url, "--peer", third.url];
    const { code, outcome, stderr } = await overtake("propose", peers);
    expect(code, stderr).to.equal(0);
    expect(outcome.waiting).to.match(
      /^another member was faster: ProposalPending\(.*\); the next run goes on from there$/,
    );
    expect(await proposals(world)).to.deep.equal([
      [1, 0],
      [2, 0],
    ]);
    proxy.handle((_, forward) => forward());
    const next = await behind.close(...peers);
    expect([next.code, next.outcome.waiting], next.stderr).to.match(/^0,the window is open/);
  });

  it("finalize nothing a second time, and end with 0 (a bare NoProposal(), and 2)", async () => {
    await world.passWindow();
    const { code, outcome, stderr } = await overtake("finalize", []);
    expect(code, stderr).to.equal(0);
    expect(outcome.waiting).to.equal(
      "another member was faster: NoProposal(); the next run goes on from there",
    );
    expect(await lastFinalEpoch(world)).to.equal(2);
    proxy.handle((_, forward) => forward());
    const next = await behind.close();
    expect(next.code, next.stderr).to.equal(0);
    expect(next.outcome.actions).to.deep.include({
      action: "advance",
      epoch: 2,
      from: "proposed",
      to: "final",
    });
  });
});

/** Of the bundle alone: what stands beside it differs from member to member. */
async function filesOf(oracle: MemberOracle, epoch: number) {
  const files = Object.entries(await publishedFiles(oracle, epoch));
  return Object.fromEntries(files.filter(([name]) => !name.endsWith(".ndjson")));
}
