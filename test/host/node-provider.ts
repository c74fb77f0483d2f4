import { reasonOf } from "@link-rewards/host/chain/errors";
import { readLogs } from "@link-rewards/host/chain/logs";
import { isNodeFault } from "@link-rewards/host/chain/node-fault";
import { NodeProvider } from "@link-rewards/host/chain/node-provider";
import { expect } from "chai";
import { type Devnet, startDevnet } from "../../scripts/local/devnet.ts";
import { type RpcProxy, startRpcProxy } from "../oracle/support/rpc-proxy.ts";

type Call = { readonly id: number; readonly method: string; readonly params: readonly unknown[] };

describe("asking a node", () => {
  let devnet: Devnet;
  let proxy: RpcProxy;
  let provider: NodeProvider;

  before(async () => {
    devnet = await startDevnet();
    proxy = await startRpcProxy(devnet.rpcUrl);
  });
  after(async () => {
    await proxy.close();
    await devnet.close();
  });
  beforeEach(() => {
    proxy.handle((_, forward) => forward());
    provider = new NodeProvider([proxy.url], 31337);
  });
  afterEach(() => provider.destroy());

  const address = "0x00000000000000000000000000000000000000aa";
  const through = async (to: number) => {
    const ends: number[] = [];
    for await (const page of readLogs(provider, { address }, 0, to)) ends.push(page.through);
    return ends;
  };

  for (const message of [
    "rate limit exceeded",
    "Too Many Requests",
    "daily request count exceeded, request rate limited",
  ]) {
    it(`asks for the same range again after "${message}" (hoprnet 6498, rindexer 327)`, async () => {
      const asked: string[] = [];
      proxy.handle(async ({ body }, forward) => {
        const { id, method, params } = JSON.parse(body) as Call;
        if (method !== "eth_getLogs") return forward();
        asked.push(JSON.stringify(params));
        if (asked.length > 1) return forward();
        return JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32005, message } });
      });
      expect(await through(10)).to.deep.equal([10]);
      expect(asked).to.have.lengthOf(2);
      expect(asked[0]).to.equal(asked[1]);
    });
  }

  for (const message of [
    "query returned more than 10000 results",
    "block range is too large",
    "eth_getLogs is limited to a 10,000 range",
    "Log response size exceeded",
    "block range limit exceeded",
  ]) {
    it(`halves the range after "${message}"`, async () => {
      proxy.handle(async ({ body }, forward) => {
        const { id, method, params } = JSON.parse(body) as Call;
        if (method !== "eth_getLogs") return forward();
        const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string };
        if (Number(toBlock) - Number(fromBlock) < 8) return forward();
        return JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32005, message } });
      });
      expect(await through(15)).to.deep.equal([7, 15]);
    });
  }

  for (const message of [
    "exceeds block gas limit",
    "gas limit exceeded",
    "block gas range exceeded",
  ]) {
    it(`takes "${message}" for what it says of the call, and asks once`, async () => {
      let asked = 0;
      proxy.handle(async ({ body }) => {
        asked++;
        const { id } = JSON.parse(body) as Call;
        return JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message } });
      });
      const error = await provider.send("eth_estimateGas", [{}]).catch((thrown) => thrown);
      expect(isNodeFault(error)).to.equal(false);
      expect(reasonOf(error)).to.contain(message);
      expect(asked).to.equal(1);
    });
  }

  it("fails of a batch only what was too large", async () => {
    proxy.handle(async ({ body }, forward) => {
      const answers = JSON.parse(await forward()) as { id: number }[];
      const logs = (JSON.parse(body) as Call[]).find(({ method }) => method === "eth_getLogs");
      const error = { code: -32005, message: "query returned more than 10000 results" };
      return JSON.stringify(
        answers.map((answer) =>
          answer.id === logs?.id ? { jsonrpc: "2.0", id: answer.id, error } : answer,
        ),
      );
    });
    const [logs, block] = await Promise.allSettled([
      provider.send("eth_getLogs", [{ address, fromBlock: "0x0", toBlock: "0x1" }]),
      provider.send("eth_getBlockByNumber", ["0x0", false]),
    ]);
    expect(block.status).to.equal("fulfilled");
    expect(logs.status === "rejected" && isNodeFault(logs.reason)).to.equal(true);
  });

  it("asks one by one where a node takes no batches", async () => {
    proxy.handle(async ({ body }, forward) => {
      if (!body.startsWith("[")) return forward();
      const error = { code: -32600, message: "batch requests are not supported" };
      return JSON.stringify({ jsonrpc: "2.0", id: null, error });
    });
    const answers = await Promise.all([provider.getBlock(0), provider.getBlockNumber()]);
    expect(answers[0]?.number).to.equal(0);
  });

  it("asks the next node when one cannot be reached, or is none", async () => {
    proxy.handle(async () => "<html>welcome</html>");
    const several = new NodeProvider(["http://127.0.0.1:1", proxy.url, devnet.rpcUrl], 31337);
    expect((await several.getBlock(0))?.number).to.equal(0);
    several.destroy();
  });

  it("ends with the node's host, and not its key, when it hangs", async () => {
    proxy.handle(() => new Promise(() => undefined));
    const hanging = new NodeProvider([`${proxy.url}secret`], 31337, { timeoutMs: 50 });
    const ended = await hanging.send("eth_chainId", []).catch((error: Error) => error.message);
    hanging.destroy();
    expect(ended).to.contain("127.0.0.1").and.contain("no answer within 50 ms");
    expect(ended).not.to.contain("secret");
  });
});
