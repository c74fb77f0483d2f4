import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { sumOf, valueAtTariff } from "@link-rewards/core/epoch/value";
import type { OpenEpoch } from "@link-rewards/core/law/clock";
import type { DeviceKey } from "@link-rewards/host/keys";
import { expect } from "chai";
import { CHUNK_BYTES, contentTreeOf } from "../../device/content.ts";
import type { GatewayOptions, RunningGateway } from "../../device/gateway/start.ts";
import { address, NO_CAP, tariff } from "../worlds/paper.ts";
import { ENDLESS, moduleOf, running } from "./support/modules.ts";
import {
  customer,
  device,
  deviceKey,
  JOB_MILLISECONDS,
  NOTHING_SERVED,
  type Service,
  type ServiceGateway,
  type ServiceNode,
  SMALL_WORK,
  type Spoil,
  startService,
} from "./support/service.ts";
import { layWire, type Wire } from "./support/wire.ts";

const SETTLES_WHEN_TOLD = fileURLToPath(new URL("support/settles-when-told.ts", import.meta.url));

const JOB = BigInt(JOB_MILLISECONDS);

describe("gateway", () => {
  let service: Service;
  let node: ServiceNode;
  let gateway: RunningGateway;
  const wires: Wire[] = [];

  /** 40,000 bytes are two whole chunks and a part of one. */
  async function start({
    spoil,
    size = 40_000,
    key,
  }: {
    spoil?: Spoil;
    size?: number;
    key?: DeviceKey;
  } = {}): Promise<void> {
    node = await service.node(key && { key });
    gateway = await service.gateway({
      ...(spoil && { spoil }),
      files: [await service.file("film", size)],
    });
  }

  beforeEach(async () => {
    service = await startService();
  });

  afterEach(async () => {
    for (const wire of wires.splice(0)) await wire.close();
    await service.close();
  });

  describe("serveRound", () => {
    it("counts what it fetched, had kept and had computed, and the node counts the same", async () => {
      await start();
      await gateway.serveRound();
      const { visits } = await gateway.serveRound();
      expect(visits).to.have.length(1);
      expect(visits[0]?.device).to.equal(device);
      expect(visits[0]?.failures).to.deep.equal([]);
      const [tally] = gateway.tallies();
      const metered = node.metered(1, customer);
      expect(tally?.verified.computeMilliseconds).to.equal(2n * JOB);
      expect(metered.computeMilliseconds).to.equal(2n * JOB);
      expect(tally?.verified.egressBytes).to.equal(metered.egressBytes);
      expect(Number(metered.egressBytes)).to.be.greaterThan(0);
      expect(Number(tally?.verified.storageByteSeconds)).to.be.greaterThan(0);
    });

    it("does not pay for a chunk that is corrupt", async () => {
      await start({
        spoil: (path, body) =>
          path.includes("/contents/") && !path.includes("proofs") ? flip(body) : undefined,
      });
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.failures.join()).to.match(
        /chunk \d of 0x[0-9a-f]{64} is not what was asked for/,
      );
      const paid = Number(visits[0]?.amounts.egressBytes);
      expect(paid).to.be.lessThan(Number(node.metered(1, customer).egressBytes));
    });

    it("finds a chunk that rotted on the node's disk", async () => {
      await start({ size: 10_000 });
      await gateway.serveRound();
      const contents = join(service.folder, "node", "contents");
      const { root } = await contentTreeOf([await readFile(join(service.folder, "film"))]);
      const path = join(contents, root);
      await writeFile(path, flip(await readFile(path)));
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.amounts.egressBytes).to.equal(0n);
      expect(visits[0]?.amounts.storageByteSeconds).to.equal(0n);
      expect(visits[0]?.amounts.computeMilliseconds).to.equal(JOB);
      expect(visits[0]?.failures).to.have.length(SMALL_WORK.ranges + 1);
    });

    it("does not count storage without its proof", async () => {
      let spoiled = false;
      await start({
        spoil: (path, body) => {
          if (!spoiled || !path.includes("proofs")) return undefined;
          const { chunk, proof } = JSON.parse(body.toString());
          return Buffer.from(JSON.stringify({ chunk, proof: proof.toReversed() }));
        },
      });
      await gateway.serveRound();
      spoiled = true;
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.failures.join()).to.match(/storage: no proof of chunk \d/);
      expect(visits[0]?.amounts.storageByteSeconds).to.equal(0n);
      spoiled = false;
      const { visits: after } = await gateway.serveRound();
      // The failed challenge ended the stretch: the next good one begins a new one.
      expect(after[0]?.amounts.storageByteSeconds).to.equal(0n);
      expect(after[0]?.failures).to.deep.equal([]);
    });

    it("reads no more than it asked for", async () => {
      await start({
        spoil: (path, body) =>
          path.includes("/contents/") && !path.includes("proofs")
            ? Buffer.concat([body, Buffer.alloc(40_000)])
            : undefined,
      });
      const { visits } = await gateway.serveRound();
      const failure = "fetch: more came than was asked for";
      expect(visits[0]?.failures).to.deep.equal([failure, failure]);
      // What was asked for came all the same.
      expect(Number(visits[0]?.amounts.egressBytes)).to.be.within(1, 4 * CHUNK_BYTES);
    });

    it("goes on with the other nodes when one answers nonsense", async () => {
      const other = await service.node({
        key: deviceKey("device-3"),
        folder: join(service.folder, "other"),
      });
      await start({
        spoil: (_path, _body, of) => (of === other.device ? Buffer.from("?") : undefined),
      });
      const { visits } = await gateway.serveRound();
      const failing = visits.filter(({ failures }) => failures.length > 0);
      expect(failing.map((visit) => visit.device)).to.deep.equal([other.device]);
      expect(visits).to.have.length(2);
    });
  });

  describe("has jobs done", () => {
    const WRONG = Buffer.alloc(100);
    const onlyJobs = { ...SMALL_WORK, ranges: 0, challenges: 0 };
    let said: readonly Readonly<Record<string, unknown>>[];

    /** Gateways that check every job, and one or two devices, of which the second may lie. */
    async function startChecking(
      { devices, lies = () => true }: { devices: number; lies?: () => boolean },
      options: Partial<ServiceGateway> = {},
    ): Promise<readonly ServiceNode[]> {
      const nodes: ServiceNode[] = [];
      for (const name of ["device-1", "device-3"].slice(0, devices))
        nodes.push(
          await service.node({ key: deviceKey(name), folder: join(service.folder, name) }),
        );
      const liar = nodes.at(-1)?.device;
      said = [];
      gateway = await service.gateway({
        spoil: (path, _body, of) =>
          path === "/v1/jobs" && of === liar && lies() ? WRONG : undefined,
        work: { ...onlyJobs, checkPercent: 100 },
        log: (_level, event, detail) => {
          said = [...said, { event, ...detail }];
        },
        ...options,
      });
      return nodes;
    }

    const named = () => said.filter(({ event }) => event === "answer-wrong");
    const verified = (of: Address) =>
      gateway.tallies().find((tally) => tally.device === of)?.verified.computeMilliseconds;

    it("counts what was offered when the answer is right, and keeps the answer", async () => {
      const job = await service.job();
      const answers = join(service.folder, "answers");
      await startChecking({ devices: 1, lies: () => false }, { jobs: [job], answers });
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.failures).to.deep.equal([]);
      expect(verified(device)).to.equal(JOB);
      const [name] = await readdir(answers);
      expect(name).to.match(/^0x[0-9a-f]{64}-0x[0-9a-f]{64}$/);
      const input = await readFile(job.input);
      expect(input.equals(await readFile(join(answers, String(name))))).to.equal(true);
    });

    it("signs for no wrong answer, and names the device", async () => {
      await startChecking({ devices: 1 });
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.failures).to.deep.equal(["compute: the answer is wrong"]);
      expect(visits[0]?.amounts.computeMilliseconds).to.equal(0n);
      expect(named()).to.have.length(1);
      expect(named()[0]).to.deep.include({ device, until: 2, milliseconds: JOB_MILLISECONDS });
      expect((await gateway.settle()).signed).to.deep.equal([]);
    });

    it("pays the device that is right when two answers differ, whoever of them checks", async () => {
      const work = { ...onlyJobs, checkPercent: 100 };
      const [honest, liar] = await startChecking({ devices: 2 }, { work });
      await gateway.serveRound();
      expect(verified(liar?.device as Address)).to.equal(0n);
      const paid = verified(honest?.device as Address);
      expect(paid).to.equal(honest?.metered(1, customer).computeMilliseconds);
      expect([JOB, 2n * JOB]).to.include(paid);
      for (const each of named()) expect(each.device).to.equal(liar?.device);
      expect(named()).not.to.deep.equal([]);
    });

    it("pays both devices, and none twice for one job, when they are right", async () => {
      const nodes = await startChecking({ devices: 2, lies: () => false });
      for (const _round of [1, 2, 3]) await gateway.serveRound();
      for (const node of nodes)
        expect(verified(node.device)).to.equal(node.metered(1, customer).computeMilliseconds);
      expect(named()).to.deep.equal([]);
    });

    it("does not use who answered wrong up to the end of the next epoch, after a restart too", async () => {
      let lies = true;
      const job = await service.job();
      await startChecking({ devices: 1, lies: () => lies }, { jobs: [job] });
      await gateway.serveRound();
      lies = false;
      const reason = "it answered a job wrong: not used up to epoch 2";
      expect((await gateway.serveRound()).visits[0]?.failures).to.deep.equal([reason]);
      gateway = await service.gateway({ work: onlyJobs, jobs: [job] });
      service.enter(2);
      expect((await gateway.serveRound()).visits[0]?.failures).to.deep.equal([reason]);
      service.enter(3);
      expect((await gateway.serveRound()).visits[0]?.failures).to.deep.equal([]);
    });

    it("blames nobody when its own run comes to no answer", async () => {
      const job = await service.job();
      await startChecking({ devices: 1, lies: () => false }, { jobs: [job] });
      await gateway.serveRound();
      await writeFile(job.module, await moduleOf(ENDLESS));
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.failures).to.deep.equal(["compute: cannot be checked"]);
      expect(named()).to.deep.equal([]);
      const [undecided] = said.filter(({ event }) => event === "job-undecided");
      expect(undecided?.reason).to.equal(`${job.module} is not what it was at the start`);
      expect((await gateway.serveRound()).visits[0]?.device).to.equal(device);
    });

    it("does not check what no check is drawn for", async () => {
      await startChecking({ devices: 1 }, { work: { ...onlyJobs, checkPercent: 0 } });
      expect((await gateway.serveRound()).visits[0]?.failures).to.deep.equal([]);
      expect(verified(device)).to.equal(JOB);
    });

    it("says why there is no answer, and does not count it", async () => {
      const jobs = [await service.job(await moduleOf(running("(unreachable)")))];
      await startChecking({ devices: 1, lies: () => false }, { jobs });
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.failures.join()).to.match(/^compute: job-unfinished: trap: RuntimeError/);
      expect(verified(device)).to.equal(0n);
      expect(named()).to.deep.equal([]);
    });

    it("refuses a job that no device would take", async () => {
      const job = await service.job();
      for (const milliseconds of [0, 60_001, 1.5]) {
        const failure = await service
          .gateway({ nodes: () => [], jobs: [{ ...job, milliseconds }] })
          .catch(String);
        expect(failure).to.match(/a job is worth 1 to 60000 milliseconds/);
      }
    });
  });

  describe("settle", () => {
    it("signs for what it verified, and its receipt counts at the oracle", async () => {
      await start();
      await gateway.serveRound();
      const { signed, failures } = await gateway.settle();
      expect(failures).to.deep.equal([]);
      await node.idle();
      const [tally] = gateway.tallies();
      const head = await service.oracle.store.head(1, device, customer);
      expect(head?.receipt).to.deep.include({ device, customer, epoch: 1, ...tally?.verified });
      expect(signed[0]?.receipt).to.deep.equal(head?.receipt);
      expect(node.receipts()[0]?.fate.status).to.equal("acknowledged");
    });

    it("takes the signature of a device with a P-256 key, after a restart too", async () => {
      await start({ key: deviceKey("device-2") });
      await gateway.serveRound();
      gateway = await service.gateway({});
      const { failures } = await gateway.settle();
      expect(failures).to.deep.equal([]);
      await node.idle();
      const head = await service.oracle.store.head(1, address("device-2"), customer);
      expect(head?.receipt).to.deep.include(gateway.tallies()[0]?.verified);
      expect(node.receipts()[0]?.fate.status).to.equal("acknowledged");
    });

    it("promises the value of what it signed for", async () => {
      await start();
      await gateway.serveRound();
      const { vouchers } = await gateway.settle();
      const [tally] = gateway.tallies();
      const value = valueAtTariff(tally?.verified ?? NOTHING_SERVED, tariff);
      expect(vouchers).to.deep.equal([{ epoch: 1, amount: value, delivered: true }]);
      expect(await promisedAtOracle()).to.deep.equal([{ customer, epoch: 1, amount: value }]);
    });

    it("has nothing more to sign when nothing more was served", async () => {
      await start();
      await gateway.serveRound();
      await gateway.settle();
      const { signed, failures } = await gateway.settle();
      expect([signed, failures]).to.deep.equal([[], []]);
    });

    it("replaces its receipt and raises its voucher as totals grow", async () => {
      await start();
      await gateway.serveRound();
      const first = await gateway.settle();
      await gateway.serveRound();
      const second = await gateway.settle();
      await node.idle();
      expect(second.signed[0]?.receipt.sequence).to.equal(
        (first.signed[0]?.receipt.sequence ?? 0) + 1,
      );
      expect(Number(second.vouchers[0]?.amount)).to.be.greaterThan(
        Number(first.vouchers[0]?.amount),
      );
      const head = await service.oracle.store.head(1, device, customer);
      expect(head?.receipt).to.deep.equal(second.signed[0]?.receipt);
    });

    it("promises only the share it is told to, and each epoch by itself", async () => {
      node = await service.node();
      gateway = await service.gateway({
        nodes: () => [node],
        files: [await service.file("film", 40_000)],
        payBasisPoints: (epoch) => (epoch === 1 ? 5_000 : 10_000),
      });
      await gateway.serveRound();
      const first = await gateway.settle();
      const half = { epoch: 1, amount: valueIn(1) / 2n, delivered: true };
      expect(first.vouchers).to.deep.equal([half]);
      service.enter(2);
      await gateway.serveRound();
      const second = await gateway.settle();
      expect(second.failures).to.deep.equal([]);
      expect(second.vouchers).to.deep.equal([{ epoch: 2, amount: valueIn(2), delivered: true }]);
    });

    it("still signs and pays for an epoch in its grace, and no more after it", async () => {
      await start();
      await gateway.serveRound();
      const before = await gateway.settle();
      await gateway.serveRound();
      const { endsAt, closesAt, sealTime } = (await openEpochs()).at(-1) as OpenEpoch;
      service.oracle.at(endsAt + 1);
      const inGrace = await gateway.settle();
      expect(inGrace.signed[0]?.receipt.epoch).to.equal(1);
      expect(inGrace.vouchers).to.deep.equal([{ epoch: 1, amount: valueIn(1), delivered: true }]);
      expect(Number(valueIn(1))).to.be.greaterThan(Number(before.vouchers[0]?.amount));
      expect(await promisedAtOracle()).to.deep.equal([{ customer, epoch: 1, amount: valueIn(1) }]);
      await node.idle();
      expect(node.receipts()[0]?.fate.status).to.equal("acknowledged");
      service.oracle.at(closesAt);
      const after = await gateway.settle();
      expect([after.signed, after.vouchers]).to.deep.equal([[], inGrace.vouchers]);
      expect(gateway.tallies()).to.deep.equal([]);
      service.oracle.at(sealTime - 1);
      expect((await gateway.settle()).vouchers).to.deep.equal(inGrace.vouchers);
      service.oracle.at(sealTime);
      expect((await gateway.settle()).vouchers).to.deep.equal([]);
    });

    it("says once that a voucher came too late, and forgets what it promised with it", async () => {
      node = await service.node();
      const wire = await layWire(() => service.oracle.url);
      wires.push(wire);
      gateway = await service.gateway({
        nodes: () => [node],
        files: [await service.file("film", 40_000)],
        oracles: [wire.url],
        backoff: { firstMilliseconds: 1, longestMilliseconds: 1, retries: 1 },
      });
      await gateway.serveRound();
      wire.cut(true);
      const failed = await gateway.settle();
      expect(failed.failures.join()).to.match(/voucher: .* did not answer/);
      expect(failed.vouchers.map(({ delivered }) => delivered)).to.deep.equal([false]);
      service.enter(3);
      wire.cut(false);
      const late = await gateway.settle();
      expect(late.failures.join()).to.match(/^voucher: epoch-closed: /);
      const { failures, vouchers } = await gateway.settle();
      expect([failures, vouchers, gateway.tallies()]).to.deep.equal([[], [], []]);
    });

    it("delivers later what it could not deliver", async () => {
      node = await service.node();
      const wire = await layWire(() => service.oracle.url);
      wires.push(wire);
      gateway = await service.gateway({
        nodes: () => [node],
        files: [await service.file("film", 40_000)],
        oracles: [wire.url],
        backoff: { firstMilliseconds: 1, longestMilliseconds: 1, retries: 1 },
      });
      await gateway.serveRound();
      wire.cut(true);
      const failed = await gateway.settle();
      expect(failed.failures.join()).to.match(/voucher: .* did not answer/);
      expect(failed.vouchers[0]?.delivered).to.equal(false);
      wire.cut(false);
      const { failures, vouchers } = await gateway.settle();
      expect(failures).to.deep.equal([]);
      expect(vouchers[0]?.delivered).to.equal(true);
    });

    it("promises nothing while the chain does not answer, and forgets nothing", async () => {
      node = await service.node();
      let isDown = false;
      gateway = await service.gateway({
        nodes: () => [node],
        files: [await service.file("film", 40_000)],
        chain: {
          tariffAt: async () => {
            if (isDown) throw new Error("the RPC node is down");
            return tariff;
          },
        },
      });
      await gateway.serveRound();
      isDown = true;
      expect((await gateway.serveRound()).visits).to.deep.equal([]);
      const { failures, signed } = await gateway.settle();
      expect([signed, failures]).to.deep.equal([
        [],
        ["receipt: the RPC node is down", "voucher: the RPC node is down"],
      ]);
      isDown = false;
      const after = await gateway.settle();
      expect(after.failures).to.deep.equal([]);
      expect(after.vouchers).to.deep.equal([{ epoch: 1, amount: valueIn(1), delivered: true }]);
    });

    it("goes on with its totals and its promise after a restart", async () => {
      await start();
      await gateway.serveRound();
      const before = await gateway.settle();
      await gateway.close();
      gateway = await service.gateway({ nodes: () => [node] });
      const same = await gateway.settle();
      expect(same).to.deep.equal({ signed: [], vouchers: before.vouchers, failures: [] });
      await gateway.serveRound();
      const after = await gateway.settle();
      expect(after.failures).to.deep.equal([]);
      expect(after.signed[0]?.receipt.sequence).to.equal(
        (before.signed[0]?.receipt.sequence ?? 0) + 1,
      );
      expect(after.vouchers).to.deep.equal([{ epoch: 1, amount: valueIn(1), delivered: true }]);
      expect(Number(valueIn(1))).to.be.greaterThan(Number(before.vouchers[0]?.amount));
    });

    it("loses nothing when it is killed between its signature and the oracle", async () => {
      node = await service.node();
      const wire = await layWire(() => service.oracle.url);
      wires.push(wire);
      const folder = join(service.folder, "gateway");
      const file = await service.file("film", 40_000);
      const options = { oracles: [wire.url], folder, file };
      const child = spawn(process.execPath, [SETTLES_WHEN_TOLD, JSON.stringify(options)], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const killed = once(child, "exit");
      const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      service.publish(String((await said.next()).value));
      expect((await said.next()).value).to.equal("served");
      wire.cut(true);
      child.stdin.write("settle\n");
      while (!wire.requests.some(({ path }) => path === "/v1/vouchers")) await sleep(10);
      child.kill("SIGKILL");
      expect(await killed).to.deep.equal([null, "SIGKILL"]);
      expect(await promisedAtOracle()).to.deep.equal([]);
      const stored = JSON.parse(await readFile(join(folder, "ledger.json"), "utf8"));
      expect(stored.promised).to.have.length(1);
      expect(stored.promised[0].delivered).to.equal(false);

      wire.cut(false);
      gateway = await service.gateway({ nodes: () => [node] });
      const { signed, failures } = await gateway.settle();
      expect([signed, failures]).to.deep.equal([[], []]);
      const [entry] = node.receipts();
      expect(entry?.signed?.receipt).to.deep.include(gateway.tallies()[0]?.verified);
      expect(await promisedAtOracle()).to.deep.equal([{ customer, epoch: 1, amount: valueIn(1) }]);
    });

    it("goes on from the oracle's head when it lost its own ledger", async () => {
      await start();
      await gateway.serveRound();
      const before = await gateway.settle();
      await node.idle();
      gateway = await service.gateway({
        nodes: () => [node],
        files: [await service.file("film", 40_000)],
        folder: join(service.folder, "gateway-2"),
      });
      await gateway.serveRound();
      const after = await gateway.settle();
      expect(after.failures).to.deep.equal([]);
      const [tally] = gateway.tallies();
      expect(Number(tally?.verified.egressBytes)).to.be.greaterThan(
        Number(before.signed[0]?.receipt.egressBytes),
      );
      expect(after.vouchers).to.deep.equal([{ epoch: 1, amount: valueIn(1), delivered: true }]);
    });

    it("takes no receipt that another key than the device's signed", async () => {
      await start({
        spoil: (path, body) => {
          if (path !== "/v1/receipts") return undefined;
          const answer = JSON.parse(body.toString());
          if (answer.deviceSignature === undefined) return undefined;
          return Buffer.from(
            JSON.stringify({ ...answer, deviceSignature: answer.customerSignature }),
          );
        },
      });
      await gateway.serveRound();
      const { signed, failures } = await gateway.settle();
      expect(signed).to.deep.equal([]);
      expect(failures.join()).to.match(/the signature is not that of device 0x/);
    });
  });

  describe("buys no more than can be collected", () => {
    /** What a visit comes to that is nothing but one job. */
    const VISIT = valueAtTariff({ ...NOTHING_SERVED, computeMilliseconds: JOB }, tariff);

    type Said = { readonly event: string; readonly reason: unknown };

    /** A gateway that has a job done at each visit, and what it said it does not buy. */
    async function startLimited(changes: Partial<GatewayOptions["chain"]>, nodes = [node]) {
      const said: Said[] = [];
      const started = await service.gateway({
        nodes: () => nodes,
        chain: changes,
        log: (_level, event, detail) => {
          if (event === "not-bought") said.push({ event, reason: detail?.reason });
        },
      });
      return { started, said };
    }

    beforeEach(async () => {
      node = await service.node();
    });

    it("up to the cap of its key, which may just be reached", async () => {
      const { started, said } = await startLimited({ capAt: async () => VISIT + 1n });
      gateway = started;
      expect((await gateway.serveRound()).visits).to.have.length(1);
      const { failures, vouchers } = await gateway.settle();
      expect(failures).to.deep.equal([]);
      expect(vouchers).to.deep.equal([{ epoch: 1, amount: valueIn(1), delivered: true }]);
      expect(said).to.deep.equal([]);
    });

    it("nothing that could come to more than the cap, and says so once an epoch", async () => {
      const { started, said } = await startLimited({ capAt: async () => VISIT });
      gateway = started;
      for (const _round of [1, 2]) {
        expect((await gateway.serveRound()).visits).to.deep.equal([]);
      }
      const told = {
        event: "not-bought",
        reason: `the cap of its key is ${VISIT} wei for epoch 1`,
      };
      expect(said).to.deep.equal([told]);
      expect(node.metered(1, customer)).to.deep.equal(NOTHING_SERVED);
      service.enter(2);
      await gateway.serveRound();
      expect(said).to.have.length(2);
    });

    it("from as many nodes at once as the cap covers together", async () => {
      const second = await service.node({
        key: deviceKey("device-2"),
        folder: join(service.folder, "node-2"),
      });
      const nodes = [node, second];
      const short = await startLimited({ capAt: async () => 2n * VISIT + 1n }, nodes);
      expect((await short.started.serveRound()).visits).to.have.length(1);
      service.enter(2);
      const enough = await startLimited({ capAt: async () => 2n * VISIT + 2n }, nodes);
      expect((await enough.started.serveRound()).visits).to.have.length(2);
    });

    it("with what the balance has, less what is thawing, and was paid for the epoch already", async () => {
      let spendable = 0n;
      let paid = VISIT;
      const { started, said } = await startLimited({
        spendable: async () => spendable,
        paid: async () => paid,
      });
      gateway = started;
      expect((await gateway.serveRound()).visits).to.deep.equal([]);
      expect(said[0]?.reason).to.equal(`what the balance covers is ${VISIT} wei for epoch 1`);
      [spendable, paid] = [1n, VISIT];
      expect((await gateway.serveRound()).visits).to.have.length(1);
      expect((await gateway.settle()).failures).to.deep.equal([]);
    });

    it("without what it owes for the epoch before and has not paid", async () => {
      let spendable = VISIT + 1n;
      const paid = new Map<number, bigint>();
      const { started } = await startLimited({
        spendable: async () => spendable,
        paid: async (_customer, epoch) => paid.get(epoch) ?? 0n,
      });
      gateway = started;
      await gateway.serveRound();
      const { endsAt } = (await openEpochs()).at(-1) as OpenEpoch;
      service.oracle.at(endsAt + 1);
      spendable = valueIn(1) + VISIT;
      expect((await gateway.serveRound()).visits).to.deep.equal([]);
      spendable = valueIn(1) + VISIT + 1n;
      expect((await gateway.serveRound()).visits).to.have.length(1);
      const { failures, vouchers } = await gateway.settle();
      expect(failures).to.deep.equal([]);
      expect(vouchers.map(({ amount }) => amount)).to.deep.equal([valueIn(1), valueIn(2)]);
      // Collected, it is neither in the balance nor owed any more.
      paid.set(1, valueIn(1));
      spendable = valueIn(2) + VISIT;
      expect((await gateway.serveRound()).visits).to.deep.equal([]);
      spendable = valueIn(2) + VISIT + 1n;
      expect((await gateway.serveRound()).visits).to.have.length(1);
    });

    it("and signs for nothing that is not covered when it comes to signing", async () => {
      let cap = NO_CAP;
      const { started } = await startLimited({ capAt: async () => cap });
      gateway = started;
      await gateway.serveRound();
      cap = valueIn(1) - 1n;
      const uncovered = await gateway.settle();
      expect(uncovered.failures.join()).to.match(/receipt: not signed for: the cap of its key is/);
      expect([uncovered.signed, uncovered.vouchers]).to.deep.equal([[], []]);
      cap = valueIn(1);
      const { failures, vouchers } = await gateway.settle();
      expect(failures).to.deep.equal([]);
      expect(vouchers).to.deep.equal([{ epoch: 1, amount: cap, delivered: true }]);
    });

    it("and signs for as many nodes as are covered together when it comes to signing", async () => {
      const second = await service.node({
        key: deviceKey("device-2"),
        folder: join(service.folder, "node-2"),
      });
      let cap = NO_CAP;
      const { started } = await startLimited({ capAt: async () => cap }, [node, second]);
      gateway = started;
      await gateway.serveRound();
      cap = valueIn(1) - 1n;
      const { signed, failures, vouchers } = await gateway.settle();
      expect([signed.length, failures.length]).to.deep.equal([1, 1]);
      expect(vouchers.map(({ amount }) => amount)).to.deep.equal([VISIT]);
    });

    it("without what it promised for an epoch that takes no receipts any more, until it is sealed", async () => {
      const { started } = await startLimited({ spendable: async () => 2n * VISIT });
      gateway = started;
      await gateway.serveRound();
      await gateway.settle();
      const { closesAt, sealTime } = (await openEpochs()).at(-1) as OpenEpoch;
      service.oracle.at(closesAt);
      await gateway.settle();
      expect((await gateway.serveRound()).visits).to.deep.equal([]);
      service.oracle.at(sealTime);
      expect((await gateway.serveRound()).visits).to.have.length(1);
    });

    it("and never promises more than the cap, whatever a lost ledger has signed for", async () => {
      let cap = NO_CAP;
      const { started } = await startLimited({ capAt: async () => cap });
      gateway = started;
      await gateway.serveRound();
      const owed = valueIn(1);
      expect((await gateway.settle()).failures).to.deep.equal([]);
      await node.idle();
      cap = owed - 1n;
      gateway = await service.gateway({
        nodes: () => [node],
        chain: { capAt: async () => cap },
        folder: join(service.folder, "gateway-2"),
      });
      await gateway.serveRound();
      const { vouchers } = await gateway.settle();
      expect(vouchers.map(({ amount }) => amount)).to.deep.equal([cap]);
    });
  });

  const promisedAtOracle = async () =>
    (await Array.fromAsync(service.oracle.store.vouchers())).map(({ voucher }) => voucher);

  /** What the gateway verified in an epoch is worth. */
  function valueIn(epoch: number): bigint {
    const values = gateway
      .tallies()
      .filter((tally) => tally.epoch === epoch)
      .map(({ verified }) => valueAtTariff(verified, tariff));
    return sumOf(values);
  }

  async function openEpochs() {
    const { body } = await service.oracle.request("/v1/epochs/open");
    return body.epochs as readonly OpenEpoch[];
  }
});

/** One bit, in the first byte. */
function flip(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}
