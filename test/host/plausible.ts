import type { BlockMark } from "@link-rewards/core/law/block";
import { type Chain, connectChain } from "@link-rewards/host/chain/chain";
import {
  type DoubtReason,
  doubtOfHead,
  HEAD_BOUNDS,
  type HeadBounds,
  isImplausible,
} from "@link-rewards/host/chain/plausible";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { type Devnet, startDevnet } from "../../scripts/local/devnet.ts";
import { type RpcProxy, startRpcProxy } from "../../scripts/local/rpc-proxy.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;

/** Moves the times of the blocks that are named so. */
type Moved = Readonly<Record<string, number>>;

describe("a node's newest block", () => {
  let devnet: Devnet;
  let proxies: readonly RpcProxy[];
  const chains: Chain[] = [];
  let passedOver: string[];

  before(async () => {
    devnet = await startDevnet();
    // Its newest block is of now, by this machine's clock.
    await devnet.warpTo(0);
    proxies = [await startRpcProxy(devnet.rpcUrl), await startRpcProxy(devnet.rpcUrl)];
  });
  after(async () => {
    for (const proxy of proxies) await proxy.close();
    await devnet.close();
  });
  beforeEach(() => {
    passedOver = [];
    for (const proxy of proxies) proxy.handle((_, forward) => forward());
  });
  afterEach(() => {
    for (const chain of chains.splice(0)) chain.close();
  });

  async function connect(
    nodes = 1,
    more: { readonly bounds?: HeadBounds; readonly confirmations?: number } = {},
  ): Promise<Chain> {
    const chain = await connectChain({
      rpcUrls: proxies.slice(0, nodes).map(({ url }) => url),
      deploymentFile: await readDeploymentFile(devnet.deploymentFile),
      onPassedOver: (message) => passedOver.push(message),
      ...more,
    });
    chains.push(chain);
    return chain;
  }

  function move(node: number, moved: Moved): void {
    proxies[node]?.handle(async ({ body }, forward) => {
      const calls: { id: number; method: string; params: unknown[] }[] = [JSON.parse(body)].flat();
      const answers = [JSON.parse(await forward())].flat();
      const changed = answers.map((answer) => {
        const call = calls.find(({ id }) => id === answer.id);
        const seconds = moved[String(call?.params?.[0])];
        if (call?.method !== "eth_getBlockByNumber" || seconds === undefined) return answer;
        const timestamp = `0x${(Number(answer.result.timestamp) + seconds).toString(16)}`;
        return { ...answer, result: { ...answer.result, timestamp } };
      });
      return JSON.stringify(body.startsWith("[") ? changed : changed[0]);
    });
  }

  async function doubtIn(reading: Promise<unknown>): Promise<[DoubtReason, string]> {
    const error = await reading.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!isImplausible(error)) throw new Error(`not in doubt: ${error}`);
    return [error.implausible.reason, error.message];
  }

  const seenAt = async (blocks: number): Promise<BlockMark> => {
    const head = await devnet.provider.getBlock("latest");
    return { number: (head?.number ?? 0) + blocks, hash: `0x${"ab".repeat(32)}` };
  };

  it("is taken up to both bounds and not beyond", () => {
    const head = { number: 7, hash: `0x${"00".repeat(32)}`, timestamp: 1_700_000_000 } as const;
    const { maxAgeSeconds, maxLeadSeconds } = HEAD_BOUNDS;
    const at = (clock: number) => doubtOfHead(head, clock, HEAD_BOUNDS)?.reason;
    expect(at(head.timestamp + maxAgeSeconds)).to.equal(undefined);
    expect(at(head.timestamp + maxAgeSeconds + 1)).to.equal("head-old");
    expect(at(head.timestamp - maxLeadSeconds)).to.equal(undefined);
    expect(at(head.timestamp - maxLeadSeconds - 1)).to.equal("head-ahead");
  });

  it("is believed when it is of about now", async () => {
    const chain = await connect();
    expect((await chain.head()).number).to.equal(await devnet.provider.getBlockNumber());
    expect((await chain.finalized()).number).to.equal(await devnet.provider.getBlockNumber());
  });

  for (const [what, seconds, reason] of [
    ["47 hours old", -47 * HOUR, "head-old"],
    ["an hour old", -HOUR, "head-old"],
    ["an hour ahead", HOUR, "head-ahead"],
    ["a day ahead", DAY, "head-ahead"],
  ] as const) {
    it(`is not when it is ${what}, and both times are said`, async () => {
      move(0, { latest: seconds });
      const chain = await connect();
      for (const reading of [chain.head(), chain.finalized()]) {
        const [found, message] = await doubtIn(reading);
        expect(found).to.equal(reason);
        expect(message).to.match(
          /the newest block, \d+, is of \S+Z \(\d+\), this machine's clock says \S+Z \(\d+\)/,
        );
        expect(message).to.match(/One node alone does not tell which.*timedatectl.*second --rpc/);
      }
    });
  }

  it("is believed at any age that is asked for", async () => {
    move(0, { latest: -47 * HOUR });
    const bounds = { ...HEAD_BOUNDS, maxAgeSeconds: 48 * HOUR };
    await (await connect(1, { bounds })).head();
  });

  it("is asked of the next node when one is late, and that one is said", async () => {
    move(0, { latest: -47 * HOUR });
    const chain = await connect(2);
    // At once, too: none is passed over twice.
    await Promise.all([chain.head(), chain.head(), chain.finalized()]);
    expect(passedOver[0]).to.match(/^127\.0\.0\.1:\d+ is passed over: the newest block/);
    const told = passedOver.length;
    await chain.head();
    expect(passedOver).to.have.lengthOf(told);
  });

  it("points to the clock where all nodes are off alike, and to nobody where they are not", async () => {
    for (const node of [0, 1]) move(node, { latest: -DAY });
    expect((await doubtIn((await connect(2)).head()))[1]).to.match(
      /All 2 nodes agree with each other: look at this machine's clock first/,
    );
    move(1, { latest: DAY });
    expect((await doubtIn((await connect(2)).head()))[1]).to.match(
      /The nodes do not agree with each other either/,
    );
  });

  it("is not believed below what was final before, however fresh", async () => {
    const chain = await connect();
    chain.remember(await seenAt(1));
    expect((await doubtIn(chain.finalized()))[0]).to.equal("head-behind-seen");
    chain.remember(undefined);
    await chain.finalized();
  });

  it("is asked of the next node when one has fallen behind what was final before", async () => {
    const chain = await connect(2);
    await chain.finalized();
    const behind = (await devnet.provider.getBlockNumber()) - 1;
    proxies[0]?.handle(async ({ body }, forward) => {
      const atHead = body.replaceAll(/"(latest|finalized)"/g, `"0x${behind.toString(16)}"`);
      return atHead === body ? forward() : post(devnet.rpcUrl, atHead);
    });
    expect((await chain.finalized()).number).to.equal(behind + 1);
    expect(passedOver.join()).to.match(/fell behind/);
  });

  it("remembers what it has seen to be final, and takes no other block in its place", async () => {
    const chain = await connect(1, { confirmations: 1 });
    const id = await devnet.provider.send("evm_snapshot", []);
    await devnet.warpTo(0);
    await devnet.warpTo(0);
    await chain.finalized();
    await devnet.provider.send("evm_revert", [id]);
    await devnet.provider.send("evm_setNextBlockTimestamp", [(await devnet.now()) + 7]);
    await devnet.warpTo(0);
    const [reason, message] = await doubtIn(chain.finalized());
    expect(reason).to.equal("final-block-replaced");
    expect(message).to.match(/resync --chain/);
  });

  it("is not believed with finality that stands still for more than a day, or is far above it", async () => {
    move(0, { finalized: -DAY });
    await (await connect()).finalized();
    move(0, { finalized: -DAY - 60 });
    expect((await doubtIn((await connect()).finalized()))[0]).to.equal("finality-stuck");
    proxies[0]?.handle(async ({ body }, forward) => {
      const answer = await forward();
      return body.includes('"finalized"')
        ? answer.replace(/"number":"0x[0-9a-f]+"/, '"number":"0xffffff"')
        : answer;
    });
    expect((await doubtIn((await connect()).finalized()))[0]).to.equal("finality-ahead");
  });
});

async function post(url: string, body: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  return (await fetch(url, { method: "POST", headers, body })).text();
}
