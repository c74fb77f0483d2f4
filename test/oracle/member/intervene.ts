import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromHex, type Hex } from "@link-rewards/core/encoding/bytes";
import { sign as signWith } from "@link-rewards/core/encoding/signature";
import { bundleHashOf, reportOf } from "@link-rewards/core/epoch/manifest";
import { connectChain } from "@link-rewards/host/chain/chain";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { connectPeers } from "../../../oracle/edge/peers.ts";
import { MOVED_TIME } from "../../../scripts/local/local-chain.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { lastFinalEpoch, publishedFiles } from "../support/chronicle.ts";
import { bundleOf, manifestOf } from "../support/forger.ts";
import { freePort } from "../support/free-port.ts";
import type { MemberOracle, Serving } from "../support/member-oracle.ts";

type Told = { readonly done?: boolean; readonly message?: string; readonly peers?: object };

describe("what a person does to an epoch by hand", () => {
  let world: MemberWorld;
  let first: MemberOracle;
  let second: MemberOracle;
  let serving: Serving;
  let urls: readonly string[];

  /** Of two members, who both must sign, the second is away; epoch 1 is sealed. */
  before(async () => {
    world = await startMemberWorld({ members: 2, threshold: 2 });
    [first, second] = world.oracles as [MemberOracle, MemberOracle];
    const ports = [await freePort(), await freePort()];
    urls = ports.map((port) => `http://127.0.0.1:${port}`);
    serving = await first.serve("--port", String(ports[0]), "--peer", urls[1] as string);
    await world.submit(serving.url, [{}, {}, {}]);
    await world.owe(serving.url, 1, 3n * LTK);
    await world.endEpoch(1);
    await first.close();
    await world.sealEpoch(1);
  });
  after(() => world.stop());

  async function told(oracle: MemberOracle, command: string, ...more: readonly string[]) {
    const { code, stdout, stderr } = await oracle.run(command, ...more, "--json");
    const answer: Told = stdout === "" ? {} : JSON.parse(stdout);
    return { code, stderr, ...answer };
  }

  it("holds the epoch that is next, and none further on, which would be in its way", async () => {
    expect(await told(first, "hold", "1", "--reason", "a look first")).to.deep.include({
      code: 0,
      done: true,
    });
    const closed = await first.close();
    expect([closed.code, closed.outcome.held]).to.deep.equal([1, "a look first"]);
    const further = await told(first, "hold", "7", "--reason", "later");
    expect([further.code, further.done]).to.deep.equal([1, false]);
    expect(further.message).to.contain("not worked on before epoch 2");
    expect((await told(first, "hold", "1")).code).to.equal(3);
  });

  it("computes nothing anew that is held by hand", async () => {
    const { code, message } = await told(first, "recompute", "1");
    expect(code).to.equal(1);
    expect(message).to.contain("a look first; release it first");
  });

  it("releases what is held, and nothing else", async () => {
    expect((await told(first, "release", "1")).code).to.equal(0);
    const again = await told(first, "release", "1");
    expect([again.code, again.message]).to.deep.equal([1, "epoch 1 is not held"]);
    const { code, outcome } = await first.close();
    expect([code, outcome.held], outcome.waiting).to.deep.equal([0, undefined]);
    expect(outcome.waiting).to.contain("1 of 2 signatures");
  });

  it("computes anew what was not signed yet, to the same bytes", async () => {
    const before = await publishedFiles(first, 1);
    expect((await told(first, "recompute", "1")).code).to.equal(0);
    await first.close();
    expect(await publishedFiles(first, 1)).to.deep.equal(before);
  });

  it("reads all of a peer's receipts and vouchers again, as often as it is asked to", async () => {
    const peer = ["--peer", serving.url];
    const once = await told(second, "resync", ...peer);
    expect([once.code, once.peers], once.stderr).to.deep.equal([
      0,
      { [serving.url]: { receipts: 3, vouchers: 0 } },
    ]);
    expect((await told(second, "resync", ...peer)).peers).to.deep.equal({
      [serving.url]: { receipts: 0, vouchers: 0 },
    });
    expect((await told(second, "resync", "--peer", urls[1] as string)).code).to.equal(2);
  });

  it("adopts nothing that is not final", async () => {
    const { code, message } = await told(second, "adopt", "1", "--bundles", first.bundles);
    expect([code, message]).to.deep.equal([1, "epoch 1 is not final"]);
  });

  it("signs nothing for others that is held by hand, also when it had agreed to it", async () => {
    const port = new URL(urls[1] as string).port;
    const other = await second.serve("--port", port, "--peer", serving.url);
    const { wallet, member: address } = first;
    const sign = (digest: Uint8Array) => signWith(digest, fromHex(wallet.privateKey as Hex));
    const { rpcUrl, deploymentFile } = world.devnet;
    const chain = await connectChain({
      rpcUrls: [rpcUrl],
      deploymentFile: await readDeploymentFile(deploymentFile),
      bounds: MOVED_TIME,
    });
    const { deployment } = chain;
    chain.close();
    const peers = connectPeers({ urls: [], deployment, member: { address, sign } });
    const unending = new AbortController().signal;
    const files = await bundleOf(first, 1);
    const bundleHash = bundleHashOf(files.get("manifest.json") as Uint8Array);
    const report = reportOf(manifestOf(files), bundleHash, 0);
    expect(await peers.review(other.url, report, unending)).to.deep.equal({
      agrees: true,
      member: second.member,
    });
    await told(second, "hold", "1", "--reason", "something is odd");
    expect(await peers.attest(other.url, report, unending)).to.deep.equal({
      declined: "epoch 1 is held here by hand: something is odd",
    });
    expect((await told(second, "release", "1")).code).to.equal(0);
    await other.stop();
  });

  it("adopts the chain's bundle out of a mirror, and computes nothing anew that is final", async () => {
    const peers = ["--peer", serving.url];
    const port = new URL(urls[1] as string).port;
    const other = await second.serve("--port", port, ...peers);
    const toFirst = ["--peer", urls[1] as string];
    await first.close(...toFirst);
    await world.passWindow();
    await first.close(...toFirst);
    expect(await lastFinalEpoch(world)).to.equal(1);
    await other.stop();
    const mirror = join(world.devnet.folder, "mirror");
    await cp(first.bundles, mirror, { recursive: true });
    await rm(join(second.bundles, "1"), { recursive: true, force: true });
    const adopted = await told(second, "adopt", "1", "--bundles", mirror);
    expect([adopted.code, adopted.done], adopted.stderr).to.deep.equal([0, true]);
    expect((await publishedFiles(second, 1))["rewards.bin"]).to.equal(
      (await publishedFiles(first, 1))["rewards.bin"],
    );
    const { code, message } = await told(second, "recompute", "1");
    expect(code).to.equal(1);
    expect(message).to.contain("adopt 1 takes the chain's bundle");
  });
});
