import { NodeProvider } from "@link-rewards/host/chain/node-provider";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { connectChain as connectDeviceChain } from "../../device/chain.ts";
import { mannerOf } from "../../scripts/faults/rpc-manners.ts";
import { type Devnet, startDevnet } from "../../scripts/local/devnet.ts";
import { runOracle } from "../../scripts/local/oracle-process.ts";
import {
  callByCall,
  type RpcManner,
  type RpcProxy,
  startRpcProxy,
  truly,
} from "../../scripts/local/rpc-proxy.ts";

describe("several nodes that must agree", () => {
  let devnet: Devnet;
  let nodes: RpcProxy[];
  let provider: NodeProvider;

  before(async () => {
    devnet = await startDevnet();
    nodes = await Promise.all([1, 2, 3, 4].map(() => startRpcProxy(devnet.rpcUrl)));
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await devnet.close();
  });
  beforeEach(() => {
    for (const node of nodes) node.handle(truly);
    provider = withQuorum(2, 2);
  });
  afterEach(() => provider.destroy());

  const urls = (count: number) => nodes.slice(0, count).map(({ url }) => `${url}/secret`);
  const hostOf = (index: number) => new URL((nodes[index] as RpcProxy).url).host;
  const withQuorum = (quorum: number, count: number) =>
    new NodeProvider(urls(count), 31337, { quorum });
  const behave = (index: number, manner: RpcManner) =>
    (nodes[index] as RpcProxy).handle(callByCall(manner));
  const failure = (asked: Promise<unknown>) =>
    asked.then(
      () => expect.fail("it was answered"),
      (error: Error) => error.message,
    );
  const allLogs = { fromBlock: "0x0", toBlock: "0x5" };

  it("fails with which said what, hosts only, when one has left out logs", async () => {
    behave(1, mannerOf("empty", 0, Promise.resolve()));
    const count = (await devnet.provider.send("eth_getLogs", [allLogs])).length;
    expect(count).to.be.greaterThan(0);
    const said = await failure(provider.send("eth_getLogs", [allLogs]));
    expect(said).to.equal(
      `the RPC nodes disagree about eth_getLogs of the blocks 0 to 5: ${hostOf(0)} says ${count} logs, ${hostOf(1)} says 0 logs`,
    );
  });

  const lies: readonly [string, string, readonly unknown[], (truth: unknown) => unknown][] = [
    [
      "the hash of a block",
      "eth_getBlockByNumber",
      ["0x2", false],
      (block) => ({ ...(block as object), hash: `0x${"ab".repeat(32)}` }),
    ],
    [
      "its time",
      "eth_getBlockByNumber",
      ["0x2", false],
      (block) => ({ ...(block as object), timestamp: "0x1" }),
    ],
    ["a contract's answer", "eth_call", [], () => `0x${"01".repeat(32)}`],
    ["a number of transactions", "eth_getTransactionCount", [], () => "0x63"],
  ];
  for (const [what, method, params, lie] of lies) {
    it(`fails when they disagree about ${what}`, async () => {
      behave(0, async (call, ask) => {
        const answer = await ask(call);
        return call.method === method && "result" in answer
          ? { result: lie(answer.result) }
          : answer;
      });
      const { registry } = devnet.suite;
      const asked: Record<string, () => Promise<unknown>> = {
        eth_call: () => provider.call(devnetCall),
        eth_getTransactionCount: () => provider.getTransactionCount(devnet.role("treasury")),
      };
      const devnetCall = {
        to: await registry.getAddress(),
        data: registry.interface.encodeFunctionData("genesis"),
      };
      const said = await failure((asked[method] ?? (() => provider.send(method, [...params])))());
      expect(said).to.contain(`disagree about ${method}`);
      expect(said).to.contain(hostOf(0)).and.contain(hostOf(1)).and.not.contain("secret");
    });
  }

  it("does not call it disagreement that one is some blocks behind, and takes what both have", async () => {
    const head = await devnet.provider.getBlockNumber();
    behave(1, mannerOf("stale", head - 3, Promise.resolve()));
    const block = await provider.getBlock("latest");
    expect(block?.number).to.equal(head - 3);
    expect(block?.hash).to.equal((await devnet.provider.getBlock(head - 3))?.hash);
    expect(await provider.getBlockNumber()).to.equal(head - 3);
    const treasury = devnet.role("treasury").address;
    expect(await provider.getTransactionCount(treasury)).to.equal(
      await devnet.provider.getTransactionCount(treasury, head - 3),
    );
  });

  it("waits with a receipt that not all have", async () => {
    const block = await devnet.provider.getBlock("latest");
    const hash = block?.transactions[0] as string;
    behave(1, async (call, ask) =>
      call.method === "eth_getTransactionReceipt" ? { result: null } : ask(call),
    );
    expect(await provider.getTransactionReceipt(hash)).to.equal(null);
    behave(1, (call, ask) => ask(call));
    expect((await provider.getTransactionReceipt(hash))?.status).to.equal(1);
  });

  it("outvotes one of three that lies, and does without one that is down", async () => {
    provider.destroy();
    provider = withQuorum(2, 3);
    behave(0, mannerOf("empty", 0, Promise.resolve()));
    expect((await provider.send("eth_getLogs", [allLogs])).length).to.be.greaterThan(0);
    behave(0, mannerOf("dead", 0, Promise.resolve()));
    expect((await provider.send("eth_getLogs", [allLogs])).length).to.be.greaterThan(0);
  });

  it("asks the others first where two that stand still, and agree about it, were passed over", async () => {
    provider.destroy();
    provider = withQuorum(2, 4);
    const head = await devnet.provider.getBlockNumber();
    for (const i of [0, 1]) behave(i, mannerOf("stale", head - 3, Promise.resolve()));
    expect((await provider.getBlock("latest"))?.number).to.equal(head - 3);
    provider.nodes.passOver(0);
    provider.nodes.passOver(1);
    expect((await provider.getBlock("latest"))?.number).to.equal(head);
  });

  it("fails when fewer answer than must agree", async () => {
    behave(1, mannerOf("dead", 0, Promise.resolve()));
    const said = await failure(provider.getBlock(0));
    expect(said)
      .to.contain("1 of 2 RPC nodes answer, --rpc-quorum asks for 2")
      .and.contain(hostOf(1));
    expect(said).not.to.contain("secret");
  });

  it("ends a command with 2 and one line, and with 3 when there are not so many nodes", async () => {
    behave(1, mannerOf("empty", 0, Promise.resolve()));
    const [one, other] = urls(2) as [string, string];
    const status = ["audit", "all", "--deployment", devnet.deploymentFile, "--bundles", "/nowhere"];
    const both = ["--rpc", `${one},${other}`, "--rpc-quorum"];
    const lied = await runOracle([...status, ...both, "2"]);
    expect([lied.code, lied.stdout]).to.deep.equal([2, ""]);
    expect(lied.stderr).to.match(
      /^link-oracle: the RPC nodes disagree about eth_getLogs [^\n]+\n$/,
    );
    expect(lied.stderr).not.to.contain("secret");
    for (const [quorum, rpc] of [
      ["3", `${one},${other}`],
      ["2", `${one},${one}`],
      ["0", one],
    ] as const) {
      const { code, stderr } = await runOracle([...status, "--rpc", rpc, "--rpc-quorum", quorum]);
      expect([code, stderr]).to.deep.equal([
        3,
        `link-oracle: --rpc-quorum is ${quorum}, with ${rpc === `${one},${other}` ? 2 : 1} different --rpc: it must be from 1 to their number\n`,
      ]);
    }
  });

  it("keeps a device from believing one node about its customer's cap", async () => {
    const deployment = await readDeploymentFile(devnet.deploymentFile);
    const customer = devnet.role("treasury").address.toLowerCase() as `0x${string}`;
    const chain = connectDeviceChain(urls(2), deployment, 2);
    expect(await chain.capAt(customer, customer, 1)).to.equal(0n);
    behave(1, async (call, ask) =>
      call.method === "eth_call" ? { result: `0x${"0".repeat(56)}ffffffff` } : ask(call),
    );
    expect(await failure(chain.capAt(customer, customer, 1))).to.contain("disagree about eth_call");
    chain.close();
  });
});
