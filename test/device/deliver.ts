import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { valueAtTariff } from "@link-rewards/core/epoch/value";
import { expect } from "chai";
import { CHUNK_BYTES } from "../../device/content.ts";
import { isUndelivered } from "../../device/gateway/deliver.ts";
import type { LinkedDevice } from "../../device/gateway/door.ts";
import type { KeptFile } from "../../device/gateway/peer.ts";
import type { RunningGateway } from "../../device/gateway/start.ts";
import { address, NO_CAP, tariff } from "../worlds/paper.ts";
import {
  customer,
  deviceKey,
  NOTHING_SERVED,
  type Service,
  type ServiceGateway,
  type ServiceNode,
  startService,
} from "./support/service.ts";

const SERVES = fileURLToPath(new URL("support/serves.ts", import.meta.url));

/** Nothing is bought but what users ask for. */
const NO_WORK = { ranges: 0, chunksPerRange: 0, challenges: 0, jobPercent: 0, checkPercent: 0 };
/** Nine whole chunks, and a part of one. */
const SIZE = 9 * CHUNK_BYTES + 5_000;
const NAMES = ["device-1", "device-3", "device-4"];

/** What a device does to the bytes from a place in the content on. */
type Trouble = { readonly from: number; readonly how: "break" | "stall" | "lie" };

describe("delivery", () => {
  let service: Service;
  let gateway: RunningGateway;
  let nodes: readonly ServiceNode[];
  let file: KeptFile;
  let bytes: Buffer;
  const troubles = new Map<Address, Trouble>();
  /** Those of content, as gateways asked them, by device. */
  let asked: readonly { readonly device: Address; readonly range: string }[];

  beforeEach(async () => {
    service = await startService();
    troubles.clear();
    asked = [];
  });

  afterEach(() => service.close());

  /** Devices that keep the content, each farther than the one before. */
  async function start(
    { devices = 2, size = SIZE }: { devices?: number; size?: number } = {},
    options: Partial<ServiceGateway> = {},
  ): Promise<void> {
    nodes = await Promise.all(
      NAMES.slice(0, devices).map((name) =>
        service.node({ key: deviceKey(name), folder: join(service.folder, name) }),
      ),
    );
    const path = await service.file("film", size);
    bytes = await readFile(path);
    gateway = await service.gateway({
      jobs: [],
      files: [path],
      work: NO_WORK,
      between: troubled,
      // On a busy machine everything takes its time.
      stallMilliseconds: 60_000,
      ...options,
    });
    await gateway.serveRound();
    file = gateway.files[0] as KeptFile;
  }

  const deviceOf = (i: number) => (nodes[i] as ServiceNode).device;

  function troubled(link: LinkedDevice): LinkedDevice {
    const place = NAMES.map(address).indexOf(link.device);
    return {
      ...link,
      roundTrip: () => 1_000 ** place,
      async ask(path, request) {
        const answer = await link.ask(path, request);
        const range = request?.headers?.range;
        if (range === undefined) return answer;
        asked = [...asked, { device: link.device, range }];
        const trouble = troubles.get(link.device);
        if (trouble === undefined) return answer;
        const first = Number(range.slice("bytes=".length).split("-")[0]);
        const body = Readable.from(spoilt(answer.body, first, trouble, request?.signal));
        return { ...answer, body };
      },
    };
  }

  async function read(range = { first: 0, last: bytes.length - 1 }): Promise<Buffer> {
    return Buffer.concat(await Array.fromAsync(gateway.deliver(file, range)));
  }

  const egressOf = (device: Address, epoch = 1) =>
    Number(
      gateway.tallies().find((each) => each.device === device && each.epoch === epoch)?.verified
        .egressBytes ?? 0n,
    );

  it("comes from the nearest alone, and each byte is counted once", async () => {
    await start();
    expect((await read()).equals(bytes)).to.equal(true);
    await gateway.close();
    expect([egressOf(deviceOf(0)), egressOf(deviceOf(1))]).to.deep.equal([bytes.length, 0]);
    expect(Number(nodes[0]?.metered(1, customer).egressBytes)).to.equal(bytes.length);
    const { signed, failures } = await gateway.settle();
    expect(failures).to.deep.equal([]);
    expect(signed.map(({ receipt }) => Number(receipt.egressBytes))).to.deep.equal([bytes.length]);
  });

  it("asks for a little at first, then for twice as much, and of whole chunks", async () => {
    await start({ size: 100 * CHUNK_BYTES });
    await read({ first: CHUNK_BYTES + 1, last: 100 * CHUNK_BYTES - 2 });
    await gateway.close();
    const chunks = asked.map(({ range }) => {
      const [from, to] = range.slice("bytes=".length).split("-").map(Number);
      return [Number(from) / CHUNK_BYTES, (Number(to) + 1) / CHUNK_BYTES];
    });
    expect(chunks).to.deep.equal([
      [1, 5],
      [5, 13],
      [13, 29],
      [29, 61],
      [61, 93],
      [93, 100],
    ]);
  });

  it("is any range, to the byte", async () => {
    await start();
    const border = 3 * CHUNK_BYTES;
    const ranges = [
      [0, 0],
      [border - 1, border],
      [border, border],
      [border, 2 * border - 1],
      [5, bytes.length - 2],
      [bytes.length - 1, bytes.length - 1],
    ] as const;
    for (const [first, last] of ranges) {
      const got = await read({ first, last });
      expect(got.equals(bytes.subarray(first, last + 1)), `${first}-${last}`).to.equal(true);
    }
  });

  it("goes on at the next nearest wherever a device breaks off, at no byte twice, and pays both for what came", async () => {
    await start();
    const places = [0, 1, CHUNK_BYTES / 2];
    for (let border = CHUNK_BYTES; border < SIZE; border += CHUNK_BYTES)
      places.push(border - 1, border, border + 1);
    places.push(SIZE - 1);
    for (const [i, from] of places.entries()) {
      service.enter(i + 1);
      await gateway.close();
      const folder = join(service.folder, `gateway-${i}`);
      gateway = await service.gateway({
        ...{ jobs: [], files: [file.file], work: NO_WORK, between: troubled, folder },
      });
      await gateway.serveRound();
      troubles.clear();
      troubles.set(deviceOf(0), { from, how: "break" });
      expect((await read()).equals(bytes), `from ${from}`).to.equal(true);
      await gateway.close();
      const counted = [egressOf(deviceOf(0), i + 1), egressOf(deviceOf(1), i + 1)];
      const again = from - (from % CHUNK_BYTES);
      expect(counted, `from ${from}`).to.deep.equal([from, SIZE - again]);
    }
  });

  it("counts no byte of a chunk that began otherwise than it is", async () => {
    await start();
    const from = CHUNK_BYTES + 100;
    troubles.set(deviceOf(0), { from, how: "break" });
    gateway = await service.gateway({
      ...{ jobs: [], files: [file.file], work: NO_WORK, folder: join(service.folder, "other") },
      between: (link) => flipping(troubled(link), deviceOf(0), CHUNK_BYTES + 50),
    });
    await gateway.serveRound();
    expect((await read()).equals(bytes)).to.equal(true);
    await gateway.close();
    expect(egressOf(deviceOf(0))).to.equal(CHUNK_BYTES);
  });

  it("hands on nothing of a wrong chunk, does not pay it, and goes on at the next nearest", async () => {
    await start();
    const from = 2 * CHUNK_BYTES + 7;
    troubles.set(deviceOf(0), { from, how: "lie" });
    expect((await read()).equals(bytes)).to.equal(true);
    await gateway.close();
    expect(egressOf(deviceOf(0))).to.equal(2 * CHUNK_BYTES);
    expect(egressOf(deviceOf(1))).to.equal(SIZE - 2 * CHUNK_BYTES);
    expect((await gateway.settle()).failures).to.deep.equal([]);
    // It comes last from then on.
    troubles.clear();
    await read();
    expect(egressOf(deviceOf(0))).to.equal(2 * CHUNK_BYTES);
  });

  it("does not wait for a device that stalls", async () => {
    await start({}, { stallMilliseconds: 200 });
    troubles.set(deviceOf(0), { from: CHUNK_BYTES + 9, how: "stall" });
    expect((await read()).equals(bytes)).to.equal(true);
    await gateway.close();
    expect(egressOf(deviceOf(0))).to.equal(CHUNK_BYTES + 9);
    expect(egressOf(deviceOf(1))).to.equal(SIZE - CHUNK_BYTES);
  });

  it("goes on when a device is killed in the middle, and when all are, from its own copy", async () => {
    const child = spawn(
      process.execPath,
      [
        SERVES,
        JSON.stringify({
          name: "device-1",
          oracles: [service.oracle.url],
          folder: join(service.folder, "killed"),
        }),
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    const killed = address("device-1");
    await service.linked(killed);
    const other = await service.node({ key: deviceKey("device-3") });
    const path = await service.file("film", 3_000_000);
    bytes = await readFile(path);
    gateway = await service.gateway({
      ...{ jobs: [], files: [path], work: NO_WORK, between: troubled },
      nodes: () => [{ device: killed }, other],
    });
    await gateway.serveRound();
    file = gateway.files[0] as KeptFile;
    const transfer = gateway.deliver(file, { first: 0, last: bytes.length - 1 });
    const got = [(await transfer.next()).value as Uint8Array];
    child.kill("SIGKILL");
    await once(child, "exit");
    for (let i = 0; i < 60; i++) got.push((await transfer.next()).value as Uint8Array);
    await other.close();
    got.push(...(await Array.fromAsync(transfer)));
    expect(Buffer.concat(got).equals(bytes)).to.equal(true);
    await gateway.close();
    const [first, second] = [egressOf(killed), egressOf(other.device)];
    expect(first).to.be.greaterThan(0);
    expect(second).to.be.greaterThan(0);
    expect(first + second).to.be.lessThan(bytes.length);
  });

  it("stops asking when the user hangs up, and what had been asked for is counted", async () => {
    await start({ size: 200 * CHUNK_BYTES });
    const transfer = gateway.deliver(file, { first: 0, last: bytes.length - 1 });
    for (let i = 0; i < 3; i++) await transfer.next();
    await transfer.return();
    await gateway.close();
    // Four chunks, and eight that were under way.
    expect(egressOf(deviceOf(0))).to.equal(12 * CHUNK_BYTES);
    expect(Number(nodes[0]?.metered(1, customer).egressBytes)).to.equal(12 * CHUNK_BYTES);
  });

  it("asks for no more than two segments ahead of a user that takes nothing", async () => {
    await start({ size: 200 * CHUNK_BYTES });
    const transfer = gateway.deliver(file, { first: 0, last: bytes.length - 1 });
    for (let i = 0; i < 30; i++) await transfer.next();
    await gateway.close();
    // It took 30 of 4 + 8 + 16 + 32, and the next comes when it is in the middle of the last.
    expect(egressOf(deviceOf(0))).to.equal(60 * CHUNK_BYTES);
    for (let i = 30; i < 44; i++) await transfer.next();
    await gateway.close();
    expect(egressOf(deviceOf(0))).to.equal(92 * CHUNK_BYTES);
    await transfer.return();
  });

  it("serves many users at once, each its own range", async () => {
    await start({ devices: 3 });
    const ranges = Array.from({ length: 40 }, (_, i) => ({ first: i * 1_000, last: SIZE - 1 - i }));
    const all = await Promise.all(ranges.map((range) => read(range)));
    for (const [i, { first, last }] of ranges.entries())
      expect(all[i]?.equals(bytes.subarray(first, last + 1))).to.equal(true);
    await gateway.close();
    for (const node of nodes)
      expect(egressOf(node.device)).to.equal(Number(node.metered(1, customer).egressBytes));
    expect((await gateway.settle()).failures).to.deep.equal([]);
  });

  it("buys no more than the budget covers, and serves the rest from its own copy", async () => {
    const five = valueAtTariff({ ...NOTHING_SERVED, egressBytes: BigInt(5 * CHUNK_BYTES) }, tariff);
    await start({}, { chain: { capAt: async () => five } });
    expect((await read()).equals(bytes)).to.equal(true);
    await gateway.close();
    expect(egressOf(deviceOf(0))).to.equal(4 * CHUNK_BYTES);
    expect(egressOf(deviceOf(1))).to.equal(0);
    expect((await gateway.settle()).failures).to.deep.equal([]);
  });

  it("covers all that is under way together", async () => {
    const four = valueAtTariff({ ...NOTHING_SERVED, egressBytes: BigInt(4 * CHUNK_BYTES) }, tariff);
    await start({}, { chain: { capAt: async () => four + 1n } });
    const range = { first: 0, last: 4 * CHUNK_BYTES - 1 };
    const all = await Promise.all([read(range), read(range), read(range)]);
    for (const each of all) expect(each.equals(bytes.subarray(0, range.last + 1))).to.equal(true);
    await gateway.close();
    expect(egressOf(deviceOf(0)) + egressOf(deviceOf(1))).to.equal(4 * CHUNK_BYTES);
  });

  it("serves from its own copy while the chain does not answer", async () => {
    let isDown = false;
    await start(
      {},
      {
        chain: {
          capAt: async () => {
            if (isDown) throw new Error("the RPC node is down");
            return NO_CAP;
          },
        },
      },
    );
    isDown = true;
    expect((await read()).equals(bytes)).to.equal(true);
    await gateway.close();
    expect(egressOf(deviceOf(0))).to.equal(0);
  });

  it("goes on when the epoch ends in between", async () => {
    await start({ size: 100 * CHUNK_BYTES });
    await read({ first: 0, last: 10 });
    service.enter(2);
    expect((await read()).equals(bytes)).to.equal(true);
    await gateway.close();
    expect(egressOf(deviceOf(0), 1)).to.equal(CHUNK_BYTES);
    expect(egressOf(deviceOf(0), 2)).to.equal(bytes.length);
  });

  it("asks no device again that does not keep the content, and does not count on it", async () => {
    const lost: unknown[] = [];
    await start(
      {},
      {
        log: (_level, event, detail) => {
          if (event === "content-lost") lost.push(detail?.device, detail?.reason);
        },
      },
    );
    await rm(join(service.folder, "device-1", "contents"), { recursive: true });
    await nodes[0]?.close();
    const again = await service.node({
      key: deviceKey("device-1"),
      folder: join(service.folder, "device-1"),
    });
    await service.linked(again.device);
    nodes = [again, nodes[1] as ServiceNode];
    asked = [];
    expect((await read()).equals(bytes)).to.equal(true);
    expect((await read()).equals(bytes)).to.equal(true);
    expect(asked.filter(({ device }) => device === again.device)).to.have.length(1);
    const { root } = file.contentTree;
    expect(lost).to.deep.equal([again.device, `content-unknown: no content ${root}`]);
  });

  describe("without a good copy of its own", () => {
    beforeEach(() => start());

    it("comes from devices all the same, and a partial chunk is compared with theirs", async () => {
      await rm(file.file);
      troubles.set(deviceOf(0), { from: CHUNK_BYTES + 9, how: "break" });
      expect((await read()).equals(bytes)).to.equal(true);
      await gateway.close();
      expect(egressOf(deviceOf(0))).to.equal(CHUNK_BYTES + 9);
    });

    it("asks devices that failed before when there is nobody else", async () => {
      await rm(file.file);
      for (const node of nodes) troubles.set(node.device, { from: 0, how: "break" });
      await read().catch(() => undefined);
      troubles.clear();
      expect((await read()).equals(bytes)).to.equal(true);
    });

    it("fails, and says why, when nobody can, and never serves what the file has become", async () => {
      const changed = Buffer.from(bytes);
      changed[0] = Number(changed[0]) ^ 1;
      await writeFile(file.file, changed);
      for (const node of nodes) troubles.set(node.device, { from: 0, how: "break" });
      const error = await read().catch((failure: unknown) => failure);
      if (!isUndelivered(error)) throw new Error(`it was delivered, or ${error}`);
      expect(error.tried).to.equal(2);
      expect(error.message).to.match(/device 0x.*; .*film is not what it was at the start/);
      for (const node of nodes) await node.close();
      const without = await read().catch((failure: unknown) => failure);
      if (!isUndelivered(without)) throw new Error(`it was delivered, or ${without}`);
      expect(without.tried).to.equal(0);
      expect(without.message).to.match(/^no device that keeps it is connected; /);
    });
  });
});

/** The bytes of an answer, which begins at `first` of the content. */
async function* spoilt(
  body: Readable,
  first: number,
  { from, how }: Trouble,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  let at = first;
  for await (const piece of body as AsyncIterable<Buffer>) {
    const good = Math.max(0, Math.min(piece.length, from - at));
    if (how === "lie") {
      const copy = Buffer.from(piece);
      if (good < copy.length) copy[good] = Number(copy[good]) ^ 1;
      yield copy;
    } else {
      if (good > 0) yield piece.subarray(0, good);
      if (good < piece.length && how === "break") throw new Error("the connection broke off");
      if (good < piece.length && signal !== undefined) {
        await once(signal, "abort");
        throw new Error("it was given up");
      }
    }
    at += piece.length;
  }
}

/** Another byte of what one device sends is wrong. */
function flipping(link: LinkedDevice, device: Address, place: number): LinkedDevice {
  if (link.device !== device) return link;
  return {
    ...link,
    async ask(path, request) {
      const answer = await link.ask(path, request);
      const range = request?.headers?.range;
      if (range === undefined) return answer;
      async function* flipped(): AsyncGenerator<Buffer> {
        let at = Number(String(range).slice("bytes=".length).split("-")[0]);
        for await (const piece of answer.body as AsyncIterable<Buffer>) {
          const copy = Buffer.from(piece);
          const i = place - at;
          if (i >= 0 && i < copy.length) copy[i] = Number(copy[i]) ^ 1;
          at += piece.length;
          yield copy;
        }
      }
      return { ...answer, body: Readable.from(flipped()) };
    },
  };
}
