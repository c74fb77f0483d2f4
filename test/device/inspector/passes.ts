import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Address, type Hex, keccak256, toHex, utf8 } from "@link-rewards/core/encoding/bytes";
import { sumOf, valueAtTariff } from "@link-rewards/core/epoch/value";
import { RESOURCES } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import { divergenceIn } from "../../../device/inspector/check.ts";
import { drawOrder, type Order } from "../../../device/inspector/order.ts";
import { parseRecord, recordPath } from "../../../device/inspector/record.ts";
import type { RunningInspector } from "../../../device/inspector/start.ts";
import { address, NO_CAP, tariff } from "../../worlds/paper.ts";
import {
  customer,
  deviceKey,
  JOB_MILLISECONDS,
  type Service,
  type ServiceInspector,
  type ServiceNode,
  startService,
} from "../support/service.ts";

const SEED = toHex(keccak256(utf8("seed")));
const DEVICES = ["device-1", "device-2", "device-3"];
/** Bound, and never connected. */
const ABSENT = Array.from({ length: 300 }, (_, i) => address(`absent ${i}`));

describe("inspector", () => {
  let service: Service;
  let inspector: RunningInspector;
  /** Those of the devices that are connected. */
  let present: readonly ServiceNode[];

  beforeEach(async () => {
    service = await startService();
  });

  afterEach(() => service.close());

  function orderOf(devices: readonly Address[], seed: (epoch: number) => Hex = () => SEED) {
    return async (epoch: number): Promise<Order> => ({
      epoch,
      block: { number: epoch, hash: seed(epoch) },
      devices: drawOrder(seed(epoch), devices),
    });
  }

  /** The order of the three alone. */
  const drawn = drawOrder(SEED, DEVICES.map(address));

  /** In the drawn order. */
  async function startNodes(): Promise<readonly ServiceNode[]> {
    const nodes = await Promise.all(
      DEVICES.map((name) =>
        service.node({ key: deviceKey(name), folder: join(service.folder, name) }),
      ),
    );
    for (const { device } of nodes) await service.linked(device);
    present = drawn.map((device) => nodes.find((each) => each.device === device) as ServiceNode);
    return present;
  }

  async function inspect(options: Partial<ServiceInspector> = {}): Promise<RunningInspector> {
    inspector = await service.inspector({
      nodes: () => present,
      files: [await service.file("film", 40_000)],
      orderOf: orderOf(DEVICES.map(address)),
      atOnce: 1,
      ...options,
    });
    return inspector;
  }

  const visitedIn = ({ visits }: { visits: readonly { device: Address }[] }) =>
    visits.map(({ device }) => device);
  const verified = (device: Address, epoch = 1) =>
    inspector.tallies().find((each) => each.device === device && each.epoch === epoch)?.verified;
  const valueIn = (epoch: number) =>
    sumOf(
      inspector
        .tallies()
        .filter((each) => each.epoch === epoch)
        .map((each) => valueAtTariff(each.verified, tariff)),
    );

  async function recordOf(epoch: number) {
    return parseRecord(
      await readFile(recordPath(join(service.folder, "gateway", "turns"), epoch), "utf8"),
    );
  }

  it("visits in the drawn order, and buys all three resources of each, without a balance", async () => {
    await startNodes();
    await inspect();
    for (const pass of [1, 2]) {
      const done = await inspector.servePass();
      expect(done).to.deep.include({ epoch: 1, pass, devices: 3, missed: [] });
      expect(visitedIn(done)).to.deep.equal(drawn);
      expect(done.visits.flatMap(({ failures }) => failures)).to.deep.equal([]);
    }
    for (const device of drawn)
      for (const resource of RESOURCES)
        expect(Number(verified(device)?.[resource])).to.be.greaterThan(0);
    const { failures, vouchers } = await inspector.settle();
    expect(failures).to.deep.equal([]);
    expect(vouchers).to.deep.equal([{ epoch: 1, amount: valueIn(1), delivered: true }]);
  });

  it("notes each of hundreds that are bound and not connected, and pays them nothing", async () => {
    await startNodes();
    const said: unknown[] = [];
    const devices = [...ABSENT, ...DEVICES.map(address)];
    await inspect({
      orderOf: orderOf(devices),
      log: (_level, event, detail) => {
        if (event === "missed") said.push(detail?.device);
      },
    });
    const pass = await inspector.servePass();
    const order = drawOrder(SEED, devices);
    expect(visitedIn(pass)).to.deep.equal(order.filter((each) => drawn.includes(each)));
    expect(pass.missed).to.deep.equal(order.filter((each) => ABSENT.includes(each)));
    expect(said).to.deep.equal(pass.missed);
    expect(inspector.tallies().map(({ device }) => device)).to.have.members([...drawn]);
    expect(divergenceIn(await recordOf(1), await orderOf(devices)(1))).to.equal(undefined);
  });

  it("gives who comes late its turn before anybody else has another", async () => {
    const [a, b, c] = (await startNodes()) as [ServiceNode, ServiceNode, ServiceNode];
    await inspect();
    present = [b, c];
    expect(await inspector.servePass()).to.deep.include({ missed: [a.device] });
    expect(visitedIn(await inspector.serveLate())).to.deep.equal([]);
    present = [a, b, c];
    const late = await inspector.serveLate();
    expect([visitedIn(late), late.pass, late.missed]).to.deep.equal([[a.device], 1, []]);
    expect(visitedIn(await inspector.serveLate())).to.deep.equal([]);
    // Who went away after its turn has none left in the pass.
    expect(visitedIn(await inspector.servePass())).to.deep.equal(drawn);
  });

  it("goes on in the pass to who came while it was under way", async () => {
    const [a, b, c] = (await startNodes()) as [ServiceNode, ServiceNode, ServiceNode];
    present = [b, c];
    await inspect({
      spoil: (_path, _body, of) => {
        if (of === b.device) present = [a, b, c];
        return undefined;
      },
    });
    expect(visitedIn(await inspector.servePass())).to.deep.equal([b.device, a.device, c.device]);
  });

  it("has a turn used up by who answers the first request alone, and goes on", async () => {
    const [, broken] = (await startNodes()) as [ServiceNode, ServiceNode, ServiceNode];
    let answered = 0;
    await inspect({
      spoil: (_path, _body, of) =>
        of === broken.device && ++answered > 1 ? Buffer.from("?") : undefined,
    });
    for (const _pass of [1, 2]) {
      const pass = await inspector.servePass();
      expect(visitedIn(pass)).to.deep.equal(drawn);
      const failing = pass.visits.filter(({ failures }) => failures.length > 0);
      expect(visitedIn({ visits: failing })).to.deep.equal([broken.device]);
      expect(failing[0]?.amounts.computeMilliseconds).to.equal(0n);
      expect(visitedIn(await inspector.serveLate())).to.deep.equal([]);
    }
  });

  it("checks every answer, and signs for none that is wrong", async () => {
    const [liar] = (await startNodes()) as [ServiceNode, ServiceNode, ServiceNode];
    await inspect({
      spoil: (path, _body, of) =>
        path === "/v1/jobs" && of === liar.device ? Buffer.alloc(100) : undefined,
    });
    const { visits } = await inspector.servePass();
    const failures = visits.map((each) => [each.device, ...each.failures]);
    expect(failures).to.deep.equal([
      [drawn[0], "compute: the answer is wrong"],
      [drawn[1]],
      [drawn[2]],
    ]);
    expect(verified(liar.device)?.computeMilliseconds).to.equal(0n);
  });

  it("buys nothing of a device that was revoked since the order was drawn", async () => {
    await startNodes();
    await inspect({ chain: { isEarningAt: async (each) => each !== drawn[1] } });
    const { visits } = await inspector.servePass();
    expect(visits.map((each) => each.failures)).to.deep.equal([
      [],
      ["the device earns for nobody in epoch 1"],
      [],
    ]);
  });

  describe("has a budget that is enough for every bound device", () => {
    const JOB = BigInt(JOB_MILLISECONDS);
    const jobs = (count: bigint) =>
      3n *
      valueAtTariff(
        { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: count * JOB },
        tariff,
      );

    it("so those that are connected do not get the part of those that are not", async () => {
      await startNodes();
      const devices = [...ABSENT.slice(0, 3), ...DEVICES.map(address)];
      await inspect({ orderOf: orderOf(devices), chain: { shareAt: async () => jobs(6n) } });
      for (const _pass of [1, 2, 3]) await inspector.servePass();
      for (const device of drawn) expect(verified(device)?.computeMilliseconds).to.equal(JOB);
      expect(Number(valueIn(1))).to.be.at.most(Number(jobs(6n)));
    });

    it("and where it is not, the draw says who is left out", async () => {
      await startNodes();
      await inspect({ chain: { shareAt: async () => jobs(2n) } });
      for (const _pass of [1, 2]) await inspector.servePass();
      const bought = drawn.map((device) => verified(device)?.computeMilliseconds);
      expect(bought).to.deep.equal([JOB, JOB, 0n]);
      const { failures, vouchers } = await inspector.settle();
      expect(failures).to.deep.equal([]);
      expect(Number(vouchers[0]?.amount)).to.be.at.most(Number(jobs(2n)));
    });

    it("and visits nobody who has had all that there is for it", async () => {
      await startNodes();
      await inspect({ chain: { shareAt: async () => 0n } });
      const pass = await inspector.servePass();
      expect([visitedIn(pass), pass.missed]).to.deep.equal([[], []]);
      const fates = (await recordOf(1)).lines.map((line) => "fate" in line && line.fate);
      expect(fates).to.deep.equal(["spent", "spent", "spent"]);
    });

    it("and never promises more, whatever a lost ledger has signed for", async () => {
      await startNodes();
      await inspect();
      await inspector.servePass();
      const share = valueIn(1) - 1n;
      expect((await inspector.settle()).failures).to.deep.equal([]);
      for (const node of present) await node.idle();
      const folder = join(service.folder, "gateway-2");
      await inspect({ chain: { shareAt: async () => share }, folder });
      await inspector.servePass();
      const { vouchers } = await inspector.settle();
      expect(vouchers.map(({ amount }) => amount)).to.deep.equal([share]);
    });
  });

  it("begins anew with each epoch, in another order", async () => {
    await startNodes();
    const seeds = [SEED, toHex(keccak256(utf8("another seed")))];
    const orders = orderOf(DEVICES.map(address), (epoch) => seeds[epoch - 1] as Hex);
    await inspect({ orderOf: orders });
    await inspector.servePass();
    service.enter(2);
    expect(await inspector.serveLate()).to.deep.include({ epoch: 2, pass: 0, visits: [] });
    const pass = await inspector.servePass();
    expect([pass.epoch, pass.pass]).to.deep.equal([2, 1]);
    expect(visitedIn(pass)).to.deep.equal((await orders(2)).devices);
    for (const epoch of [1, 2])
      expect(divergenceIn(await recordOf(epoch), await orders(epoch))).to.equal(undefined);
  });

  it("goes on after a restart with the pass that comes next, and not with the first", async () => {
    await startNodes();
    await inspect();
    await inspector.servePass();
    await inspector.close();
    await inspect();
    const late = await inspector.serveLate();
    expect(late).to.deep.include({ epoch: 1, pass: 1, visits: [], missed: [] });
    expect(late.began).to.be.at.most(Date.now() / 1_000);
    expect(await inspector.servePass()).to.deep.include({ pass: 2 });
  });

  it("waits for an order that is not drawn yet, and begins none without the chain", async () => {
    await startNodes();
    const said: unknown[] = [];
    await inspect({
      orderOf: async () => undefined,
      log: (_level, event) => void said.push(event),
    });
    expect(await inspector.servePass()).to.deep.include({ pass: 0, visits: [] });
    expect(said).to.deep.equal(["not-drawn"]);
    await inspect({
      orderOf: async () => {
        throw new Error("no chain");
      },
    });
    expect(await inspector.servePass()).to.deep.include({ pass: 0, visits: [] });
  });

  it("does not go on with a record of another order", async () => {
    await startNodes();
    await inspect();
    await inspector.servePass();
    await inspector.close();
    const said: unknown[] = [];
    const other = toHex(keccak256(utf8("another seed")));
    await inspect({
      orderOf: orderOf(DEVICES.map(address), () => other),
      log: (_level, _event, detail) => void said.push(detail?.reason),
    });
    expect((await inspector.servePass()).visits).to.deep.equal([]);
    expect(said.join()).to.match(
      /turns-1\.jsonl cannot be used: it is of another customer or order/,
    );
  });

  it("does not start for who is none, or without a file to keep or a job", async () => {
    present = [];
    const none = await inspect({ chain: { shareAt: async () => undefined } }).catch(String);
    expect(none).to.match(/0x[0-9a-f]{40} is no inspector in epoch 1; who is added now/);
    for (const lacking of [{ files: [] }, { jobs: [] }]) {
      const without = await inspect(lacking).catch(String);
      expect(without).to.match(/buys all three resources: it needs a file .*, and a job/);
    }
  });

  it("serves the customers' epoch with the programme's money alone", async () => {
    await startNodes();
    await inspect({ chain: { spendable: async () => NO_CAP, shareAt: async () => 0n } });
    await inspector.servePass();
    expect((await inspector.settle()).vouchers).to.deep.equal([]);
    for (const node of present) expect(node.metered(1, customer).computeMilliseconds).to.equal(0n);
  });
});
