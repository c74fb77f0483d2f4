import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { readLogs } from "@link-rewards/client/node/logs";
import { isNodeFault } from "@link-rewards/client/node/node-fault";
import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { connectChain } from "@link-rewards/host/chain/chain";
import { reasonOf } from "@link-rewards/host/chain/errors";
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
            transactionHash: ZERO_HASH,
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

  for (const [what, status, retryAfter] of [
    ["429", 429, "0"],
    ["503", 503, "0"],
    ["503 with a date that is past", 503, "Thu, 01 Jan 1970 00:00:00 GMT"],
  ] as const) {
    it(`asks the same again after ${what}, and in the end tells how long it was to wait`, async () => {
      const asked: string[] = [];
      const refusing = { status, headers: { "retry-after": retryAfter } };
      proxy.handle(async ({ body }, forward) => {
        asked.push(body);
        return asked.length > 1 ? forward() : refusing;
      });
      expect((await provider.getBlock(0))?.number).to.equal(0);
      expect(asked).to.have.lengthOf(2);
      expect(asked[0]).to.equal(asked[1]);
      proxy.handle(async () => refusing);
      const fault = await provider.send("eth_chainId", []).catch((error: unknown) => error);
      expect(fault).to.include({ nodeFault: "rate-limit", retryAfterMs: 0 });
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
      const good = {
        address,
        topics: [topic],
        data: "0x",
        blockNumber: "0x1",
        logIndex: "0x0",
        transactionHash: ZERO_HASH,
      };
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

  const hosts = () => new URL(proxy.url).host;
  const failureOf = (asking: Promise<unknown>) =>
    asking.then(
      (answer) => expect.fail(`it was answered ${JSON.stringify(answer)}`),
      (error: unknown) => error,
    );

  for (const [what, error] of [
    ["new words", { code: -32000, message: "the moon\nis full" }],
    ["words without a code", { message: "the moon is full" }],
    ["a code of another type", { code: "x", message: "the moon is full" }],
    ["a string", "the moon is full"],
    ["something else", { reason: "the moon is full" }],
  ] as const) {
    it(`tells what a node says in ${what}, and asks once`, async () => {
      let asked = 0;
      proxy.handle(async ({ body }) => {
        asked++;
        return answerTo(body, { error });
      });
      for (const method of ["eth_sendRawTransaction", "eth_getLogs", "eth_getBalance"])
        expect(reasonOf(await failureOf(provider.send(method, ["0x"])))).to.contain(
          "the moon is full",
        );
      expect(asked).to.equal(3);
    });
  }

  it("does not tell more of it than a line of a log takes", async () => {
    proxy.handle(async ({ body }) =>
      answerTo(body, { error: { code: -32000, message: "moon ".repeat(200_000) } }),
    );
    const said = reasonOf(await failureOf(provider.send("eth_getBalance", ["0x"])));
    expect(said.length).to.be.lessThan(600);
  });

  for (const [what, of] of [
    ["another", 999_999],
    ["none", null],
  ] as const) {
    it(`does not take the answer to ${what} for its own, as of a cache that mixes them up`, async () => {
      let asked = 0;
      proxy.handle(async (_, forward) => {
        const answer = JSON.parse(await forward());
        return JSON.stringify(++asked === 1 ? { ...answer, id: of, result: "0x1" } : answer);
      });
      expect(await provider.send("eth_chainId", [])).to.equal("0x7a69");
      expect(asked).to.equal(2);
    });
  }

  for (const [what, change] of [
    ["in another order", (answers: object[]) => answers.reverse()],
    [
      "with one of them twice",
      (answers: object[]) => [...answers, { ...answers[0], result: "0x5" }],
    ],
    ["without one of them", (answers: object[]) => answers.slice(1)],
    ["with none of them", () => []],
    ["with others", (answers: object[]) => answers.map((answer) => ({ ...answer, id: 999_999 }))],
  ] as const) {
    it(`gives each question its own answer, of a batch that is answered ${what}`, async () => {
      proxy.handle(async ({ body }, forward) => {
        const answer = await forward();
        return body.startsWith("[") ? JSON.stringify(change(JSON.parse(answer))) : answer;
      });
      const [chainId, block, number] = await Promise.all([
        provider.send("eth_chainId", []),
        provider.send("eth_getBlockByNumber", ["0x0", false]),
        provider.send("eth_blockNumber", []),
      ]);
      expect(chainId).to.equal("0x7a69");
      expect(block.number).to.equal("0x0");
      expect(Number(number)).to.equal(await devnet.provider.getBlockNumber());
    });
  }

  for (const [client, code, message] of [
    ["Besu", -32005, "Number of requests exceeds max batch size"],
    [
      "Erigon",
      -32000,
      "batch limit 2 exceeded (can increase by --rpc.batch.limit). Requested batch of size: 3",
    ],
    ["dRPC", 31, "Batch of more than 3 requests are not allowed on free tier"],
  ] as const) {
    it(`asks one by one after ${client}'s "${message.slice(0, 30)}"`, async () => {
      let asked = 0;
      proxy.handle(async ({ body }, forward) => {
        asked++;
        if (!body.startsWith("[")) return forward();
        return JSON.stringify({ jsonrpc: "2.0", id: null, error: { code, message } });
      });
      await Promise.all([provider.getBlock(0), provider.getBlockNumber()]);
      expect(asked).to.equal(3);
    });
  }

  describe("that answers what can be no answer", () => {
    const block = ["latest", false];
    const receipt = [`0x${"01".repeat(32)}`];
    const call = [{ to: address }, "latest"];
    const huge = `0x${"f".repeat(64)}`;
    const wrong: readonly (readonly [string, readonly unknown[], unknown])[] = [
      ...["eth_chainId", "eth_blockNumber"].flatMap((method) =>
        [null, 5, {}, [], "5", "0x", "-0x5", "0x-5", huge, true].map(
          (result) => [method, [], result] as const,
        ),
      ),
      ...[null, 5, "-0x5", `${huge}f`].map((result) => ["eth_gasPrice", [], result] as const),
      ...[null, "0x0", "0x5g", `0x${"00".repeat(600_000)}`].map(
        (result) => ["eth_call", call, result] as const,
      ),
      ...[null, "0x5", {}].map((result) => ["eth_sendRawTransaction", ["0x"], result] as const),
      ...[5, "0x5", [], { number: "0x5" }].map(
        (result) => ["eth_getBlockByNumber", block, result] as const,
      ),
      ...[5, {}, []].map((result) => ["eth_getTransactionReceipt", receipt, result] as const),
    ];

    const refused = async (
      answer: (body: string) => Promise<string> | string,
      ask: () => Promise<unknown>,
    ) => {
      let asked = 0;
      proxy.handle(async ({ body }, forward) => (++asked === 1 ? answer(body) : forward()));
      await ask().catch((error: unknown) => expect(isNodeFault(error)).to.equal(false));
      expect(asked).to.be.greaterThan(1);
    };

    it("is asked again, and not believed", async () => {
      for (const [method, params, result] of wrong)
        await refused(
          (body) => answerTo(body, { result }),
          () => provider.send(method, [...params]),
        );
    }).timeout(60_000);

    it("is named with the method, and not with words of what read it", async () => {
      proxy.handle(async ({ body }) => answerTo(body, { result: {} }));
      expect(String(await failureOf(provider.getBlockNumber()))).to.contain(
        `the RPC node at ${hosts()} answered eth_blockNumber with what can be no answer to it`,
      );
    });

    it("is not read to the bottom of what is nested without end", async () => {
      const nested = JSON.stringify("@");
      const texts: readonly (readonly [string, readonly unknown[], object])[] = [
        ["eth_getBlockByNumber", block, { result: "@" }],
        ["eth_getBlockByNumber", block, { error: "@" }],
        ["eth_getBlockByNumber", block, { error: { code: "@", message: "@", data: "@" } }],
        ["eth_getLogs", [{}], { error: { message: "the moon is full", data: "@" } }],
      ];
      const depth = 100_000;
      for (const [method, params, answer] of texts) {
        proxy.handle(async ({ body }) =>
          answerTo(body, answer).replaceAll(nested, `${"[".repeat(depth)}${"]".repeat(depth)}`),
        );
        const failed = await failureOf(provider.send(method, [...params]));
        expect(String(failed)).not.to.match(/call stack/);
      }
      const log = { address, topics: [], data: "0x", blockNumber: "@", logIndex: "0x0" };
      proxy.handle(async ({ body }) =>
        answerTo(body, { result: [log] }).replace(
          nested,
          `${"[".repeat(depth)}${"]".repeat(depth)}`,
        ),
      );
      expect(String(await failureOf(through(5)))).to.contain("is not what was asked for");
    });

    it("is not the block of another number, nor the receipt of another transaction", async () => {
      await refused(
        async (body) => {
          const { result } = JSON.parse(await devnetAnswer("eth_getBlockByNumber", ["0x0", false]));
          return answerTo(body, { result });
        },
        () => provider.send("eth_getBlockByNumber", ["0x1", false]),
      );
      const { transactions } = await devnet.provider.send("eth_getBlockByNumber", ["0x1", false]);
      await refused(
        async (body) => {
          const { result } = JSON.parse(
            await devnetAnswer("eth_getTransactionReceipt", [transactions[0]]),
          );
          return answerTo(body, { result });
        },
        () => provider.send("eth_getTransactionReceipt", receipt),
      );
    });

    async function devnetAnswer(method: string, params: readonly unknown[]): Promise<string> {
      return JSON.stringify({ result: await devnet.provider.send(method, [...params]) });
    }
  });

  describe("for what it does not have", () => {
    const lacks = (answer: object) =>
      proxy.handle(async ({ body }, forward) =>
        body.includes("eth_getBalance") ? answerTo(body, answer) : forward(),
      );
    const balance = (of: NodeProvider) => of.send("eth_getBalance", [address, "0x0"]);

    for (const [what, message] of [
      ["the state", "missing trie node 5ab6 (path 0a) state 0x12 is not available"],
      ["the block", "header not found"],
    ] as const) {
      it(`asks another that has ${what}, and goes on with the first for the rest`, async () => {
        lacks({ error: { code: -32000, message } });
        const several = new NodeProvider([proxy.url, devnet.rpcUrl], 31337);
        expect(await balance(several)).to.equal("0x0");
        expect(several.nodes.current).to.equal(0);
        several.destroy();
      });
    }

    it("asks the same again where the block is not there yet, as at one of several machines behind one URL", async () => {
      let asked = 0;
      proxy.handle(async ({ body }, forward) =>
        ++asked < 3
          ? answerTo(body, { error: { code: -32000, message: "header not found" } })
          : forward(),
      );
      expect(await balance(provider)).to.equal("0x0");
      expect(asked).to.equal(3);
    });

    it("asks once for a state that is thrown away, and says so", async () => {
      let asked = 0;
      proxy.handle(async ({ body }) => {
        asked++;
        return answerTo(body, { error: { code: 4444, message: "pruned history unavailable" } });
      });
      const logs = { address, fromBlock: "0x0", toBlock: "0x9" };
      for (const ask of [() => balance(provider), () => provider.send("eth_getLogs", [logs])])
        expect(reasonOf(await failureOf(ask()))).to.contain("pruned history unavailable");
      expect(asked).to.equal(2);
    });
  });

  it("does not follow a redirect: another host would be asked, and see the key", async () => {
    let followed = 0;
    const elsewhere = await startRpcProxy(devnet.rpcUrl);
    elsewhere.handle((_, forward) => {
      followed++;
      return forward();
    });
    for (const status of [301, 308]) {
      proxy.handle(async () => ({ status, headers: { location: `${elsewhere.url}secret` } }));
      const fault = await failureOf(provider.send("eth_chainId", []));
      expect(isNodeFault(fault)).to.equal(true);
      expect(String(fault)).to.contain(
        `${hosts()} redirects to ${new URL(elsewhere.url).host} (HTTP ${status})`,
      );
      expect(String(fault)).not.to.contain("secret");
    }
    await elsewhere.close();
    expect(followed).to.equal(0);
  });

  describe("that sends more than anybody asked for", () => {
    let server: Server;
    let url: string;
    let sent: number;

    /** A thousand times as much as comes over the wire. */
    const bomb = gzipSync(Buffer.alloc(128 * 1024 * 1024, " "));

    before(async () => {
      server = createServer((request, response) => {
        request.resume();
        if (request.url === "/bomb") {
          response.setHeader("content-encoding", "gzip");
          response.end(bomb);
          return;
        }
        const part = Buffer.alloc(1024 * 1024, " ");
        const more = () => {
          while (!response.destroyed && response.write(part)) sent += part.length;
        };
        response.on("drain", more);
        more();
      });
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    });

    for (const [what, path] of [
      ["without an end", "/endless"],
      ["packed", "/bomb"],
    ] as const) {
      it(`is not listened to any longer: ${what}`, async () => {
        sent = 0;
        const flooded = new NodeProvider([url + path], 31337);
        const fault = await failureOf(flooded.send("eth_getBlockByNumber", ["latest", false]));
        flooded.destroy();
        expect(fault).to.include({ nodeFault: "too-large" });
        expect(String(fault)).to.contain("answered more than 67108864 bytes");
        // What it has on the way when the connection ends is in the buffers of two machines.
        expect(sent).to.be.lessThan(128 * 1024 * 1024);
      });
    }
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
