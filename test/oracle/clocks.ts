import { join } from "node:path";
import { expect } from "chai";
import { createClock, type MachineClock } from "../../scripts/faults/clocks.ts";
import { mannerOf } from "../../scripts/faults/rpc-manners.ts";
import { type Finished, runOracle } from "../../scripts/local/oracle-process.ts";
import { callByCall, type RpcProxy, startRpcProxy, truly } from "../../scripts/local/rpc-proxy.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../worlds/network.ts";
import { checkpoint } from "./support/checkpoint.ts";
import { proposals, remembered } from "./support/chronicle.ts";
import { type MemberOracle, memberOracle, type Serving } from "./support/member-oracle.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;
/** As they are when nobody says otherwise: these tests' clocks follow the chain. */
const BOUNDS = ["--max-head-age", "1800", "--max-head-lead", "120"];
const NEVER = Promise.withResolvers<void>().promise;

/** A member on a machine of its own: with its clock, and its node. */
type Machine = MemberOracle & { readonly clock: MachineClock; readonly node: RpcProxy };

describe("a clock or a node that is off", () => {
  let world: MemberWorld;
  let machines: readonly Machine[];
  let first: Machine;
  let second: Machine;
  const running: Serving[] = [];
  /** Epoch 1 is running, and a receipt of it is stored at the first member. */
  let toTheReceipt: () => Promise<void>;

  before(async () => {
    world = await startMemberWorld({ members: 2, threshold: 2 });
    machines = await Promise.all(world.oracles.map(machineOf));
    [first, second] = machines as [Machine, Machine];
    await setClocks();
    const serving = await serve(first);
    await world.submit(serving.url, [{}]);
    await world.owe(serving.url, 1, LTK);
    await serving.stop();
    await (await serve(second)).stop();
    running.splice(0);
    toTheReceipt = await checkpoint({ ...world, oracles: machines });
  });
  after(async () => {
    for (const { node } of machines) await node.close();
    await world.stop();
  });
  beforeEach(async () => {
    await toTheReceipt();
    await setClocks();
    for (const { node } of machines) node.handle(truly);
  });
  afterEach(async () => {
    for (const serving of running.splice(0)) await serving.kill();
  });

  async function machineOf({ wallet }: MemberOracle, index: number): Promise<Machine> {
    const { devnet } = world;
    const name = `machine-${index + 1}`;
    const node = await startRpcProxy(devnet.rpcUrl);
    const clock = await createClock(devnet.folder, name);
    const oracle = await memberOracle({ devnet, name, wallet, rpcUrl: node.url, ...clock });
    return { ...oracle, clock, node };
  }

  /** All as the chain's, and one this much off, in seconds. */
  async function setClocks(off?: { readonly of: Machine; readonly seconds: number }) {
    const aheadMs = (await world.devnet.now()) * 1000 - Date.now();
    for (const machine of machines) {
      const own = machine === off?.of ? off.seconds * 1000 : 0;
      await machine.clock.set(aheadMs + own);
    }
  }

  const at = async (time: number) => {
    await world.devnet.warpTo(time);
    await setClocks();
  };
  async function serve(machine: Machine, ...more: readonly string[]): Promise<Serving> {
    const serving = await machine.serve(...BOUNDS, ...more);
    running.push(serving);
    return serving;
  }
  const seal = () => at(world.devnet.parameters.genesis + HOUR + 600);
  const close = (machine: Machine, ...more: readonly string[]) => machine.close(...BOUNDS, ...more);
  const stranger = (machine: Machine, command: string, ...args: readonly string[]) =>
    runOracle(
      [command, "--rpc", machine.node.url, ...world.chainArgs.slice(2, 4), ...BOUNDS, ...args],
      machine.clock,
    );
  const refused = ({ code, stdout, stderr }: Finished, reason: RegExp) => {
    expect([code, stdout], stderr).to.deep.equal([2, ""]);
    expect(stderr).to.match(reason);
    expect(stderr).to.match(/the newest block, \d+, is of .*, this machine's clock says /);
  };

  for (const [name, seconds, reason] of [
    ["a day fast", DAY, /late, the chain stands still, or the clock is fast/],
    ["an hour fast", HOUR, /late, the chain stands still, or the clock is fast/],
    ["an hour slow", -HOUR, /The clock is slow, or the node is wrong/],
    ["a day slow", -DAY, /The clock is slow, or the node is wrong/],
  ] as const) {
    describe(`where the clock is ${name}`, () => {
      it("every command says so, with both times, and does nothing (exit code 2)", async () => {
        await seal();
        await setClocks({ of: first, seconds });
        const { customer, owners, devices, devnet } = world;
        const bundles = ["--bundles", first.bundles];
        const key = ["--key-file", join(devnet.folder, "member-1.key")];
        const owner = owners[0]?.address as string;
        const commands: readonly (() => Promise<Finished>)[] = [
          () => stranger(first, "status"),
          () => stranger(first, "audit", "all", ...bundles),
          () => stranger(first, "watch", "--once", ...bundles),
          () => stranger(first, "proof", owner, ...bundles),
          () => stranger(first, "claim", owner, ...bundles, ...key),
          () => stranger(first, "refund", customer.address, "1", ...bundles),
          () => stranger(first, "why", devices[0]?.address as string, "1", ...bundles),
          () => stranger(first, "omission", "--receipts", first.data, ...bundles),
          () => first.run("close", ...BOUNDS, "--execute"),
          () => first.run("close", ...BOUNDS),
          () => first.run("serve", ...BOUNDS, "--port", "0"),
          () => first.run("forgo", ...BOUNDS),
          () => first.run("recompute", "1", ...BOUNDS),
        ];
        for (const command of commands) refused(await command(), reason);
        const { epochs } = await remembered(first);
        expect(epochs).to.deep.equal([]);
        expect(await proposals(world)).to.deep.equal([]);
      });

      it("check names it, tells what does not depend on it, and cannot tell the rest", async () => {
        await setClocks({ of: first, seconds });
        const { code, stdout } = await first.run("check", ...BOUNDS, "--json");
        const { ok, findings } = JSON.parse(stdout);
        expect([code, ok]).to.deep.equal([2, false]);
        const byName = new Map(findings.map((each: { name: string }) => [each.name, each]));
        expect([...byName.keys()]).to.deep.equal(["clock", "contracts", "storage"]);
        expect(byName.get("clock")).to.deep.include({ ok: false });
      });

      it("serve acknowledges nothing and drops nothing until it is right again", async () => {
        const { url, process } = await serve(first);
        const peer = await serve(second, "--peer", url);
        const ask = async (path: string) => {
          const response = await fetch(new URL(path, url));
          return { status: response.status, body: await response.json() };
        };
        await world.submit(url, [{ sequence: 2 }]);
        await setClocks({ of: first, seconds });
        const error = await failure(world.submit(url, [{ sequence: 3 }]));
        expect(error).to.match(/HTTP 503 .*"busy".*this machine's clock says/);
        // Not by the clock it has, either.
        expect(await failure(world.owe(url, 1, 2n * LTK))).to.match(/HTTP 503 .*"busy"/);
        expect((await ask("/v1/epochs/open")).status).to.equal(503);
        const reason = seconds > 0 ? "head-old" : "head-ahead";
        const { status, body } = await ask("/readyz");
        expect([status, body.ready, body.reasons[0].reason]).to.deep.equal([503, false, reason]);
        const metrics = await (await fetch(new URL("/metrics", url))).text();
        expect(metrics).to.contain(`unready{reason="${reason}"} 1`);
        await process.line(/the chain cannot be followed.*|this machine's clock/);
        // What it acknowledged before still goes to its peers.
        await until(async () => (await sequenceAt(peer.url)) === 2);
        await setClocks();
        const [taken] = await world.submit(url, [{ sequence: 3 }]);
        expect(taken).to.include({ status: "accepted" });
        await until(async () => (await ask("/readyz")).status === 200);
      });

      it("its member signs for nobody, and proposals wait for it", async () => {
        const { url: own } = await serve(first);
        const { url } = await serve(second, "--peer", own);
        await seal();
        await setClocks({ of: second, seconds });
        const { code, outcome, stderr } = await close(first, "--peer", url);
        expect([code, outcome.waiting]).to.deep.equal([
          0,
          "1 of 2 signatures of active members for attempt 0 can be had",
        ]);
        // By the request's time, or by its own look at the chain, whichever it comes to first.
        expect(stderr).to.match(/set both clocks by NTP|this machine's clock says/);
        await setClocks();
        const again = await close(first, "--peer", url);
        expect(again.outcome.waiting, again.stderr).to.match(/the window is open until/);
      });
    });
  }

  it("peers' clocks say which of the two is off", async () => {
    const { url } = await serve(second);
    await setClocks({ of: first, seconds: DAY });
    expect((await close(first, "--peer", url)).stderr).to.match(
      /0 of 1 peers have this machine's time.*look at this machine's clock first/,
    );
    await setClocks();
    first.node.handle(callByCall(mannerOf("behind", 0, NEVER)));
    expect((await close(first, "--peer", url)).stderr).to.match(
      /1 of 1 peers have this machine's time.*look at the node first/,
    );
    const { stdout } = await first.run("check", ...BOUNDS, "--peer", url, "--json");
    expect(stdout).to.contain("look at the node first");
  });

  it("a node a day late, or fast, is not acted on, and the next one is asked", async () => {
    await seal();
    for (const manner of ["behind", "ahead"] as const) {
      first.node.handle(callByCall(mannerOf(manner, 0, NEVER)));
      expect((await close(first)).code).to.equal(2);
      const others = ["--rpc", world.devnet.rpcUrl];
      const { code, stderr, outcome } = await close(first, ...others);
      expect([code, outcome.epoch]).to.deep.equal([0, 1]);
      expect(stderr).to.match(/a node's word is not taken/);
      const status = await stranger(first, "status", ...others);
      expect([status.code, status.stderr]).to.match(/^0,link-oracle: .* is passed over/);
    }
  });

  it("a node that falls back behind what was final before is not believed by a later run", async () => {
    const before = await world.devnet.provider.getBlockNumber();
    await seal();
    const data = ["--data", join(world.devnet.folder, "outsider")];
    const audit = () => stranger(first, "audit", "all", "--bundles", first.bundles, ...data);
    await close(first);
    expect((await audit()).code).to.equal(0);
    // Within the half hour that a head may be old.
    first.node.handle(callByCall(mannerOf("stale", before, NEVER)));
    await first.clock.set((await timeOf(before)) * 1000 - Date.now());
    for (const { code, stderr } of [await close(first), await audit()]) {
      expect(code).to.equal(2);
      expect(stderr).to.match(/block \d+ was final before: the node fell behind/);
    }
  });

  it("a chain that stands still is said, and followed where that is asked for", async () => {
    await first.clock.set((await world.devnet.now()) * 1000 - Date.now() + 3 * HOUR * 1000);
    expect((await close(first)).code).to.equal(2);
    const { code } = await first.close("--max-head-age", "20000", "--max-head-lead", "120");
    expect(code).to.equal(0);
  });

  const timeOf = async (block: number) =>
    (await world.devnet.provider.getBlock(block))?.timestamp ?? 0;

  async function sequenceAt(url: string): Promise<number | undefined> {
    const { device, customer } = world.sign({}).receipt;
    const response = await fetch(new URL(`/v1/receipts/1/${device}/${customer}`, url));
    const { receipt } = (await response.json()) as { receipt?: { sequence: number } };
    return receipt?.sequence;
  }
});

async function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "it did not fail",
    (error: Error) => error.message,
  );
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((passed) => setTimeout(passed, 20));
}
