import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Chain, connectChain } from "@link-rewards/host/chain/chain";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { followLaw } from "../../oracle/member/follow.ts";
import { readLaw } from "../../oracle/outsider/read-law.ts";
import { openSqliteStore } from "../../oracle/store/sqlite.ts";
import { chainArgsOf, MOVED_TIME } from "../../scripts/local/local-chain.ts";
import { runOracle } from "../../scripts/local/oracle-process.ts";
import { type RpcHandler, type RpcProxy, startRpcProxy } from "../../scripts/local/rpc-proxy.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../worlds/network.ts";
import { checkpoint } from "./support/checkpoint.ts";
import { proposals, remembered } from "./support/chronicle.ts";
import { type MemberOracle, memberOracle } from "./support/member-oracle.ts";
import { spellLaw } from "./support/spell-law.ts";

type RpcLog = { readonly address: string; readonly topics: readonly string[]; data: string };
type RpcCall = { readonly id: number; readonly method: string; readonly params: unknown[] };
type RpcAnswer = { readonly id: number; result?: unknown; error?: unknown };

/** Puts something else in the place of a node's answers. */
function answering(change: (call: RpcCall, answer: RpcAnswer) => RpcAnswer): RpcHandler {
  return async ({ body }, forward) => {
    const calls: RpcCall[] = [JSON.parse(body)].flat();
    const parsed: RpcAnswer | RpcAnswer[] = JSON.parse(await forward());
    const changed = (answer: RpcAnswer) =>
      change(calls.find(({ id }) => id === answer.id) as RpcCall, answer);
    return JSON.stringify(Array.isArray(parsed) ? parsed.map(changed) : changed(parsed));
  };
}

/** As a node that lags behind, or leaves something out, answers for logs. */
function withLogs(change: (logs: readonly RpcLog[]) => readonly RpcLog[]): RpcHandler {
  return answering(({ method }, answer) =>
    method === "eth_getLogs" ? { ...answer, result: change(answer.result as RpcLog[]) } : answer,
  );
}

/** As full nodes do, that keep the state of the newest blocks only. */
function withoutOldState(then: RpcHandler): RpcHandler {
  const head = { number: 0 };
  const prune = answering(({ method, params }, answer) => {
    if (method === "eth_blockNumber") head.number = Number(answer.result);
    const block = params[1];
    if (method !== "eth_call" || block === "latest" || Number(block) === head.number) return answer;
    return { id: answer.id, error: { code: -32000, message: "missing trie node 0xabc (path )" } };
  });
  return (request, forward) => prune(request, async () => (await then(request, forward)) as string);
}

describe("a node that does not give all events", () => {
  let world: MemberWorld;
  let oracle: MemberOracle;
  let proxy: RpcProxy;
  /** The same member, behind the proxy. */
  let misled: MemberOracle;
  let proxied: readonly string[];
  /** Epoch 1 is due; nothing is proposed. */
  let toTheSealTime: () => Promise<void>;
  let addressOf: Readonly<Record<"registry" | "escrow", string>>;

  before(async () => {
    world = await startMemberWorld();
    oracle = world.oracle;
    const serving = await oracle.serve();
    await world.submit(serving.url, [{}, {}, {}]);
    await world.owe(serving.url, 1, 3n * LTK);
    await serving.stop();
    await world.endEpoch(1);
    await oracle.close();
    await world.sealEpoch(1);
    toTheSealTime = await checkpoint(world);
    const { devnet } = world;
    proxy = await startRpcProxy(devnet.rpcUrl);
    misled = await memberOracle({
      devnet,
      name: "misled",
      wallet: oracle.wallet,
      rpcUrl: proxy.url,
    });
    proxied = chainArgsOf(devnet, proxy.url);
    const { registry, escrow } = devnet.suite;
    const lower = async (contract: { getAddress(): Promise<string> }) =>
      (await contract.getAddress()).toLowerCase();
    addressOf = {
      registry: await lower(registry),
      escrow: await lower(escrow),
    };
  });
  after(async () => {
    await proxy.close();
    await world.stop();
  });
  beforeEach(async () => {
    proxy.handle((_, forward) => forward());
    await toTheSealTime();
    await rm(misled.data, { recursive: true, force: true });
  });

  const isOf = (contract: keyof typeof addressOf) => (log: RpcLog) =>
    log.address.toLowerCase() === addressOf[contract];
  /** Leaves out the contract's event at this place among its own, counted from the end where negative. */
  const without = (contract: keyof typeof addressOf, place: number) =>
    withLogs((logs) => {
      const left = logs.filter(isOf(contract)).at(place);
      return logs.filter((log) => log !== left);
    });

  const bundles = () => ["--bundles", oracle.bundles];
  const audit = () => runOracle(["audit", "all", ...proxied, ...bundles()]);
  const runs: Record<string, () => Promise<{ code: number | null; stderr: string }>> = {
    close: () => misled.close(),
    watch: () => runOracle(["watch", "--once", ...proxied, ...bundles()]),
    audit,
  };

  for (const [name, run] of Object.entries(runs)) {
    it(`is refused by ${name} when its answer is empty: it lags behind`, async () => {
      proxy.handle(withLogs(() => []));
      const { code, stderr } = await run();
      expect(code).to.equal(2);
      expect(stderr).to.match(
        /did not give all events of DeviceRegistry: expected 1?\d, its revision at block \d+, found 0; ask again later, or another node\n$/,
      );
      expect(await proposals(world)).to.deep.equal([]);
    });

    it(`is refused by ${name} when the last event of a contract is missing`, async () => {
      proxy.handle(without("escrow", -1));
      const { code, stderr } = await run();
      expect(code).to.equal(2);
      expect(stderr).to.match(
        /all events of CustomerEscrow: expected 3, its revision at block \d+, found 2;/,
      );
    });

    it(`is refused by ${name} when one in between is missing`, async () => {
      proxy.handle(without("registry", -2));
      const { code, stderr } = await run();
      expect(code).to.equal(2);
      expect(stderr).to.match(
        /all events of DeviceRegistry: expected number \d+, found that \w+ in block \d+ is number \d+;/,
      );
    });

    it(`is refused by ${name} also where it has no state of that block any more`, async () => {
      proxy.handle(withoutOldState(without("escrow", -1)));
      await world.devnet.provider.send("hardhat_mine", ["0x5"]);
      const { code, stderr } = await run();
      expect(code).to.equal(2);
      expect(stderr).to.contain("all events of CustomerEscrow");
    });
  }

  it("costs nothing once it answers in full", async () => {
    proxy.handle(withLogs(() => []));
    expect((await misled.close()).code).to.equal(2);
    proxy.handle((_, forward) => forward());
    expect((await misled.close()).code).to.equal(0);
    expect((await remembered(misled)).epochs[0]).to.include({ epoch: 1, state: "proposed" });
  });

  it("is followed where it has no old state, up to a block before its newest", async () => {
    proxy.handle(withoutOldState((_, forward) => forward() as Promise<string>));
    const { code, stderr } = await misled.close("--confirmations", "2");
    expect(code, stderr).to.equal(0);
    expect((await remembered(misled)).epochs[0]).to.include({ epoch: 1 });
  });

  it("is refused when a text in its answer is none that a contract emits", async () => {
    const { escrow } = world.devnet.suite;
    await (await escrow.connect(world.customer).setEndpoint("https://gateway.example")).wait();
    const hex = Buffer.from("https").toString("hex");
    const says =
      /a log of EndpointSet .*: its data have no url, at most 256 characters of printable ASCII; use another node\n$/;
    for (const bad of ["00", "0a", "ff"]) {
      proxy.handle(
        withLogs((logs) =>
          logs.map((log) => ({ ...log, data: log.data.replace(hex, bad.repeat(5)) })),
        ),
      );
      const { code, stderr } = await audit();
      expect(code, bad).to.equal(2);
      expect(stderr, bad)
        .to.match(/^link-oracle: [^\n]+\n$/)
        .and.match(says);
    }
    proxy.handle((_, forward) => forward());
    expect((await misled.close()).code).to.equal(0);
  });

  describe("while a member reads a long history for the first time", () => {
    const chains: Chain[] = [];
    let folder: string;
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), "link-rewards-incomplete-"));
    });
    afterEach(async () => {
      for (const chain of chains.splice(0)) chain.close();
      await rm(folder, { recursive: true, force: true });
    });

    it("has it read again from where all was known to be there", async () => {
      // More blocks than are asked for at a time.
      await world.devnet.provider.send("hardhat_mine", ["0x1500"]);
      const chain = await connectChain({
        rpcUrls: [proxy.url],
        deploymentFile: await readDeploymentFile(world.devnet.deploymentFile),
        bounds: MOVED_TIME,
      });
      chains.push(chain);
      const store = await openSqliteStore(folder);
      const follower = followLaw(chain, store);
      proxy.handle(without("escrow", -1));
      const failure = await follower.refresh().catch((error: Error) => error.message);
      expect(failure).to.contain("all events of CustomerEscrow");
      expect(follower.law().revisions.customerEscrow).to.equal(0);
      expect(await Array.fromAsync(store.events(0))).to.deep.equal([]);
      proxy.handle((_, forward) => forward());
      await follower.refresh();
      expect(spellLaw(follower.law())).to.deep.equal(spellLaw(await readLaw(chain)));
      await store.close();
    });
  });
});
