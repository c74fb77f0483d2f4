import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { valueAtTariff } from "@link-rewards/core/epoch/value";
import { expect } from "chai";
import type { RunningGateway } from "../../device/gateway/start.ts";
import type { RunningNode } from "../../device/node/start.ts";
import { tariff } from "../worlds/paper.ts";
import {
  customer,
  device,
  NOTHING_SERVED,
  type Service,
  SMALL_WORK,
  startService,
} from "./support/service.ts";
import { layWire, type Spoil, type Wire } from "./support/wire.ts";

describe("gateway", () => {
  let service: Service;
  let node: RunningNode;
  let gateway: RunningGateway;
  const wires: Wire[] = [];

  /** 40,000 bytes are two whole chunks and a part of one. */
  async function start({
    spoil,
    size = 40_000,
  }: {
    spoil?: Spoil;
    size?: number;
  } = {}): Promise<void> {
    node = await service.node();
    const wire = await layWire(() => node.url, spoil);
    wires.push(wire);
    gateway = await service.gateway({
      nodes: () => [wire.url],
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
      expect(tally?.verified.computeMilliseconds).to.equal(16n);
      expect(metered.computeMilliseconds).to.equal(16n);
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
      const [root] = await readdir(contents);
      const path = join(contents, String(root));
      await writeFile(path, flip(await readFile(path)));
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.amounts.egressBytes).to.equal(0n);
      expect(visits[0]?.amounts.storageByteSeconds).to.equal(0n);
      expect(visits[0]?.amounts.computeMilliseconds).to.equal(8n);
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

    it("does not count a job whose result does not hold", async () => {
      await start({
        spoil: (path, body) =>
          path === "/v1/jobs" ? Buffer.from(body.toString().replace(/0x../, "0x00")) : undefined,
      });
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.failures).to.deep.equal(["compute: the result does not hold"]);
      expect(visits[0]?.amounts.computeMilliseconds).to.equal(0n);
      expect(Number(visits[0]?.amounts.egressBytes)).to.be.greaterThan(0);
    });

    it("reads no more than it asked for", async () => {
      await start({
        spoil: (path, body) =>
          path.includes("/contents/") && !path.includes("proofs")
            ? Buffer.concat([body, Buffer.alloc(40_000)])
            : undefined,
      });
      const { visits } = await gateway.serveRound();
      expect(visits[0]?.failures).to.deep.equal([
        "fetch: more than the 32768 bytes that were asked for",
      ]);
      expect(visits[0]?.amounts.egressBytes).to.equal(0n);
    });

    it("goes on with the other nodes when one does not answer", async () => {
      await start();
      const lonely = await service.gateway({
        folder: join(service.folder, "second"),
        nodes: () => ["http://127.0.0.1:9", node.url],
        files: [await service.file("song", 20_000)],
      });
      const { visits } = await lonely.serveRound();
      expect(visits.map(({ failures }) => failures.length)).to.deep.equal([1, 0]);
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

    it("promises the value of what it signed for", async () => {
      await start();
      await gateway.serveRound();
      const { vouchers } = await gateway.settle();
      const [tally] = gateway.tallies();
      const value = valueAtTariff(tally?.verified ?? NOTHING_SERVED, tariff);
      expect(vouchers).to.deep.equal([{ epoch: 1, cumulative: value, delivered: true }]);
      const [stored] = await service.oracle.store.vouchers();
      expect(stored?.voucher).to.deep.equal({ customer, epoch: 1, cumulative: value });
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
      expect(Number(second.vouchers[0]?.cumulative)).to.be.greaterThan(
        Number(first.vouchers[0]?.cumulative),
      );
      const head = await service.oracle.store.head(1, device, customer);
      expect(head?.receipt).to.deep.equal(second.signed[0]?.receipt);
    });

    it("promises only the share it is told to, and does not make up for it later", async () => {
      node = await service.node();
      gateway = await service.gateway({
        nodes: () => [node.url],
        files: [await service.file("film", 40_000)],
        payBasisPoints: (epoch) => (epoch === 1 ? 5_000 : 10_000),
      });
      await gateway.serveRound();
      const first = await gateway.settle();
      const value = (epoch: number) =>
        valueAtTariff(
          gateway.tallies().find((tally) => tally.epoch === epoch)?.verified ?? NOTHING_SERVED,
          tariff,
        );
      const half = value(1) / 2n;
      expect(first.vouchers[0]?.cumulative).to.equal(half);
      service.enter(2);
      await gateway.serveRound();
      const second = await gateway.settle();
      expect(second.failures).to.deep.equal([]);
      expect(second.vouchers.at(-1)).to.deep.equal({
        epoch: 2,
        cumulative: half + value(2),
        delivered: true,
      });
    });

    it("still signs for an epoch in its grace, and no more after it", async () => {
      await start();
      await gateway.serveRound();
      const { endsAt, closesAt } = (await openEpochs()).at(-1) as {
        endsAt: number;
        closesAt: number;
      };
      service.oracle.at(endsAt + 1);
      const inGrace = await gateway.settle();
      expect(inGrace.signed[0]?.receipt.epoch).to.equal(1);
      await node.idle();
      expect(node.receipts()[0]?.fate.status).to.equal("acknowledged");
      service.oracle.at(closesAt);
      const after = await gateway.settle();
      expect([after.signed, after.vouchers, gateway.tallies()]).to.deep.equal([[], [], []]);
    });

    it("carries what it owes over closed epochs", async () => {
      await start();
      await gateway.serveRound();
      const first = await gateway.settle();
      service.enter(3);
      await gateway.serveRound();
      const third = await gateway.settle();
      const [tally] = gateway.tallies();
      const owed = valueAtTariff(tally?.verified ?? NOTHING_SERVED, tariff);
      expect(third.vouchers).to.deep.equal([
        { epoch: 3, cumulative: (first.vouchers[0]?.cumulative ?? 0n) + owed, delivered: true },
      ]);
    });

    it("delivers later what it could not deliver", async () => {
      node = await service.node();
      const wire = await layWire(() => service.oracle.url);
      wires.push(wire);
      gateway = await service.gateway({
        nodes: () => [node.url],
        files: [await service.file("film", 40_000)],
        oracleUrl: wire.url,
        backoff: { firstMilliseconds: 1, longestMilliseconds: 1, retries: 1 },
      });
      await gateway.serveRound();
      wire.cut(true);
      const unpromised = await gateway.settle();
      expect(unpromised.failures.join()).to.match(/voucher: .* did not answer/);
      wire.cut(false);
      await gateway.settle();
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

    it("goes on with its totals and debts after a restart", async () => {
      await start();
      await gateway.serveRound();
      const before = await gateway.settle();
      await gateway.serveRound();
      const totals = gateway.tallies()[0]?.verified;
      await gateway.close();
      gateway = await service.gateway({ nodes: () => [node.url] });
      expect(gateway.tallies()[0]?.verified).to.deep.equal(totals);
      const after = await gateway.settle();
      expect(after.failures).to.deep.equal([]);
      expect(after.signed[0]?.receipt.sequence).to.equal(
        (before.signed[0]?.receipt.sequence ?? 0) + 1,
      );
    });

    it("goes on from the oracle's head and vouchers when it lost its own ledger", async () => {
      await start();
      await gateway.serveRound();
      const before = await gateway.settle();
      await node.idle();
      const another = await service.gateway({
        nodes: () => [node.url],
        files: [await service.file("film", 40_000)],
        folder: join(service.folder, "gateway-2"),
      });
      await another.serveRound();
      const after = await another.settle();
      expect(after.failures).to.deep.equal([]);
      const [tally] = another.tallies();
      expect(Number(tally?.verified.egressBytes)).to.be.greaterThan(
        Number(before.signed[0]?.receipt.egressBytes),
      );
      expect(after.vouchers[0]?.cumulative).to.equal(
        valueAtTariff(tally?.verified ?? NOTHING_SERVED, tariff),
      );
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

  async function openEpochs() {
    const { body } = await service.oracle.request("/v1/epochs/open");
    return body.epochs as readonly { endsAt: number; closesAt: number }[];
  }
});

/** One bit, in the first byte. */
function flip(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}
