import { contractsOf } from "@link-rewards/client/deployment-file";
import { connectChain } from "@link-rewards/host/chain/chain";
import { reasonOf } from "@link-rewards/host/chain/errors";
import { readLogs } from "@link-rewards/host/chain/logs";
import { isNodeFault } from "@link-rewards/host/chain/node-fault";
import { NodeProvider } from "@link-rewards/host/chain/node-provider";
import { checkWiring, connectSuite } from "@link-rewards/host/chain/suite";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { type Devnet, startDevnet } from "../../scripts/local/devnet.ts";
import { runOracle } from "../../scripts/local/oracle-process.ts";
import { type RpcProxy, startRpcProxy } from "../../scripts/local/rpc-proxy.ts";

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

  const isLogs = (body: string) => (JSON.parse(body) as Call).method === "eth_getLogs";
  const answerTo = (body: string, answer: object) =>
    JSON.stringify({ jsonrpc: "2.0", id: (JSON.parse(body) as Call).id, ...answer });

  /** Answers each call for logs, of a batch too, the last one first. */
  const answerLogs = (
    answer: (from: number, to: number) => object,
    onAsked: (calls: number) => void,
  ) =>
    proxy.handle(async ({ body }, forward) => {
      const calls: Call[] = [JSON.parse(body)].flat();
      if (calls.some(({ method }) => method !== "eth_getLogs")) return forward();
      onAsked(calls.length);
      const answers = calls.map(({ id, params }) => {
        const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string };
        return { jsonrpc: "2.0", id, ...answer(Number(fromBlock), Number(toBlock)) };
      });
      return JSON.stringify(body.startsWith("[") ? answers.reverse() : answers[0]);
    });

  it("asks for more blocks again once the node gives them (rindexer 327: the range never grew back)", async () => {
    const given: number[] = [];
    let asked = 0;
    answerLogs(
      (from, to) => {
        // Only the first blocks are crowded.
        if (from < 5_000 && to - from >= 1_000)
          return { error: { code: -32005, message: "query returned more than 10000 results" } };
        given.push(to - from + 1);
        return { result: [] };
      },
      (calls) => {
        asked += calls;
      },
    );
    const ends = await through(99_999);
    expect(ends.at(-1)).to.equal(99_999);
    expect(Math.min(...given)).to.be.lessThan(1_001);
    expect(Math.max(...given.slice(-10))).to.equal(5_000);
    // In ranges of what was given in the crowded part it would be a hundred and more.
    expect(asked).to.be.lessThan(60);
  });

  it("asks for several ranges at a time, and gives them in the order of the chain", async () => {
    let most = 0;
    answerLogs(
      (from) => ({
        result: [
          {
            address,
            topics: [],
            data: "0x",
            logIndex: "0x0",
            blockNumber: `0x${from.toString(16)}`,
          },
        ],
      }),
      (calls) => {
        most = Math.max(most, calls);
      },
    );
    const blocks: number[] = [];
    for await (const { logs } of readLogs(provider, { address }, 0, 29_999))
      blocks.push(...logs.map(({ blockNumber }) => blockNumber));
    expect(most).to.equal(3);
    expect(blocks).to.deep.equal([0, 5_000, 10_000, 15_000, 20_000, 25_000]);
  });

  for (const [what, status, headers] of [
    ["429 with Retry-After in seconds", 429, { "retry-after": "1" }],
    ["503 with Retry-After in seconds", 503, { "retry-after": "1" }],
    ["503 without one", 503, {}],
  ] as const) {
    it(`asks the same again after ${what}, and not sooner`, async () => {
      let refusedAt: number | undefined;
      let waited = 0;
      proxy.handle(async (_, forward) => {
        if (refusedAt === undefined) {
          refusedAt = performance.now();
          return { status, headers };
        }
        waited = performance.now() - refusedAt;
        return forward();
      });
      expect((await provider.getBlock(0))?.number).to.equal(0);
      expect(waited).to.be.at.least(990);
    });
  }

  for (const [what, change] of [
    ["another contract's", { address: "0x00000000000000000000000000000000000000bb" }],
    ["a block's that was not asked for", { blockNumber: "0x63" }],
    ["one without a place", { logIndex: null }],
    ["one whose data is no hex", { data: "0x0g" }],
    ["one that a reorg removed", { removed: true }],
    ["one with a topic that was not asked for", { topics: [`0x${"02".repeat(32)}`] }],
    ["nothing", undefined],
  ] as const) {
    it(`refuses a log that is ${what}`, async () => {
      const topic = `0x${"01".repeat(32)}` as const;
      const good = { address, topics: [topic], data: "0x", blockNumber: "0x1", logIndex: "0x0" };
      const read = async (result: unknown) => {
        proxy.handle(async ({ body }, forward) =>
          isLogs(body) ? answerTo(body, { result }) : forward(),
        );
        const filter = { address, topics: [topic] } as const;
        const logs: unknown[] = [];
        for await (const page of readLogs(provider, filter, 0, 5)) logs.push(...page.logs);
        return logs;
      };
      expect(await read([good])).to.have.lengthOf(1);
      const bad = change === undefined ? null : { ...good, logIndex: "0x1", ...change };
      const refused = await read([good, bad]).catch((error: Error) => error.message);
      expect(refused).to.equal(
        "the RPC node's log 1 of the blocks 0 to 5 is not what was asked for; use another node",
      );
      const twice = await read([good, good]).catch((error: Error) => error.message);
      expect(twice).to.contain("log 1 of the blocks 0 to 5 comes again");
      const none = await read("0x").catch((error: Error) => error.message);
      expect(none).to.contain("are no list");
    });
  }

  describe("that a program begins with", () => {
    const connect = async (rpcUrls: readonly string[]) =>
      connectChain({ rpcUrls, deploymentFile: await readDeploymentFile(devnet.deploymentFile) });
    const failure = (connecting: Promise<unknown>) =>
      connecting.then(
        () => expect.fail("it connected"),
        (error: Error) => error.message,
      );

    for (const [what, answer] of [
      ["null", { result: null }],
      ["that it knows no such tag", { error: { code: -32602, message: "invalid block tag" } }],
    ] as const) {
      it(`names --confirmations when it answers ${what} for the finalized block`, async () => {
        proxy.handle(async ({ body }, forward) =>
          body.includes('"finalized"') ? answerTo(body, answer) : forward(),
        );
        const chain = await connect([proxy.url]);
        const said = await failure(chain.finalized());
        chain.close();
        expect(said).to.contain("names no finalized block").and.contain("--confirmations <blocks>");
      });
    }

    it("is named, and not the deployment file, when it fails in the middle of the wiring check; and the program ends", async () => {
      let calls = 0;
      proxy.handle(async ({ methods }, forward) => {
        if (methods.includes("eth_call") && ++calls > 3) throw new Error("cut");
        return forward();
      });
      const { code, stdout, stderr } = await runOracle([
        ...["status", "--rpc", `${proxy.url}secret`, "--deployment", devnet.deploymentFile],
      ]);
      expect([code, stdout]).to.deep.equal([2, ""]);
      const { host } = new URL(proxy.url);
      expect(stderr).to.contain(`the RPC node at ${host} cannot be reached`);
      expect(stderr).not.to.match(/deployment file|secret/);
    });

    it("is named when it hangs in the middle of the wiring check", async () => {
      let calls = 0;
      proxy.handle(async ({ methods }, forward) => {
        if (methods.includes("eth_call") && ++calls > 3) return new Promise(() => undefined);
        return forward();
      });
      const hanging = new NodeProvider([proxy.url], 31337, { timeoutMs: 50 });
      const contracts = contractsOf(await readDeploymentFile(devnet.deploymentFile));
      const said = await failure(checkWiring(connectSuite(contracts, hanging), contracts));
      hanging.destroy();
      expect(said).to.equal(
        `the RPC node at ${new URL(proxy.url).host} gave no answer within 50 ms`,
      );
    });
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
