import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import { CHUNK_BYTES } from "../../device/content.ts";
import type { LinkedDevice } from "../../device/gateway/door.ts";
import type { KeptFile } from "../../device/gateway/peer.ts";
import { openPlaces } from "../../device/gateway/places.ts";
import type { RunningGateway } from "../../device/gateway/start.ts";
import { address, NO_CAP, tariff } from "../worlds/paper.ts";
import {
  deviceKey,
  type Service,
  type ServiceGateway,
  type ServiceNode,
  startService,
} from "./support/service.ts";

const NO_WORK = { ranges: 0, chunksPerRange: 0, challenges: 0, jobPercent: 0, checkPercent: 0 };
const NAMES = ["device-1", "device-3", "device-4", "device-5"];

describe("places of contents", () => {
  const [a, b, c] = ["a", "b", "c"].map(address) as [Address, Address, Address];
  const file: KeptFile = {
    file: "film",
    contentTree: { root: "0x01", size: 1, tree: { levels: [], length: 1 } as never },
  };
  const { root } = file.contentTree;
  const MINUTE = 60_000;
  let now: number;

  const open = (replicas = 2) =>
    openPlaces({ files: [file], replicas, log: () => undefined, clock: () => now });

  beforeEach(() => {
    now = 0;
  });

  it("are those that were given a copy", () => {
    const places = open();
    expect([places.missing(file), places.mayKeep(root, a)]).to.deep.equal([2, true]);
    places.kept(file, a);
    expect([places.missing(file), places.mayKeep(root, a)]).to.deep.equal([1, false]);
    expect(places.keepers(root)).to.deep.equal([a]);
    expect(places.keptBy(a)).to.deep.equal([file]);
    expect(places.keptBy(b)).to.deep.equal([]);
  });

  it("are also those that say so, as far as any are missing", () => {
    const places = open();
    for (const each of [a, b, c]) places.heard(each, [root, "0x02"]);
    expect(places.keepers(root)).to.deep.equal([a, b]);
  });

  it("are not those that say it is not there, nor for a while after they say it is there again", () => {
    const places = open();
    places.heard(a, [root]);
    places.heard(a, []);
    expect(places.keepers(root)).to.deep.equal([]);
    places.heard(a, [root]);
    now = 10 * MINUTE - 1;
    places.heard(a, [root]);
    expect([places.keepers(root), places.mayKeep(root, a)]).to.deep.equal([[], false]);
    now = 10 * MINUTE;
    expect(places.mayKeep(root, a)).to.equal(true);
    places.heard(a, [root]);
    expect(places.keepers(root)).to.deep.equal([a]);
  });

  it("stay those that are away, but not for long", () => {
    const places = open();
    for (const each of [a, b]) places.kept(file, each);
    now = 10 * MINUTE;
    places.connected([a]);
    now = 15 * MINUTE - 1;
    places.connected([a]);
    expect(places.keepers(root)).to.deep.equal([a, b]);
    now = 15 * MINUTE;
    places.connected([a]);
    expect(places.keepers(root)).to.deep.equal([a]);
    // It may have it again as soon as it is there.
    expect(places.mayKeep(root, b)).to.equal(true);
  });

  describe("on devices", () => {
    let service: Service;
    let gateway: RunningGateway;
    let nodes: readonly ServiceNode[];

    beforeEach(async () => {
      service = await startService();
    });

    afterEach(() => service.close());

    async function start(
      devices: number,
      options: Partial<ServiceGateway> = {},
      sizes: readonly number[] = [40_000],
    ): Promise<void> {
      nodes = await Promise.all(
        NAMES.slice(0, devices).map((name) =>
          service.node({ key: deviceKey(name), folder: join(service.folder, name) }),
        ),
      );
      const files = await Promise.all(sizes.map((size, i) => service.file(`film-${i}`, size)));
      gateway = await service.gateway({
        ...{ jobs: [], files, work: NO_WORK, replicas: 2, between: distant },
        nodes: () => nodes,
        ...options,
      });
      await gateway.serveRound();
    }

    /** Each farther than the one before. */
    const distant = (link: LinkedDevice): LinkedDevice => ({
      ...link,
      roundTrip: () => 1_000 ** NAMES.map(address).indexOf(link.device),
    });

    /** Which of the devices keep the first file, as they say. */
    async function keepers(): Promise<readonly number[]> {
      const { root: wanted } = (gateway.files[0] as KeptFile).contentTree;
      const said = await Promise.all(nodes.map((node) => node.fetch("/v1/device")));
      const all = await Promise.all(said.map((answer) => answer.json()));
      return all.flatMap(({ contents }, i) =>
        contents.some((each: { root: string }) => each.root === wanted) ? [i] : [],
      );
    }

    it("are as many as they are to be, the nearest", async () => {
      await start(4);
      expect(await keepers()).to.deep.equal([0, 1]);
      await gateway.serveRound();
      expect(await keepers()).to.deep.equal([0, 1]);
    });

    it("are as many as there are, and more when more come", async () => {
      await start(1);
      expect(await keepers()).to.deep.equal([0]);
      const second = { key: deviceKey("device-3"), folder: join(service.folder, "second") };
      nodes = [...nodes, await service.node(second)];
      await gateway.serveRound();
      expect(await keepers()).to.deep.equal([0, 1]);
    });

    it("are those with room", async () => {
      const full = await service.node({
        ...{ key: deviceKey("device-1"), folder: join(service.folder, "full") },
        contentLimitBytes: 39_999,
      });
      const others = ["device-3", "device-4"].map((name) =>
        service.node({ key: deviceKey(name), folder: join(service.folder, name) }),
      );
      nodes = [full, ...(await Promise.all(others))];
      const given: Address[] = [];
      const between = (link: LinkedDevice): LinkedDevice => ({
        ...distant(link),
        ask(path, request) {
          if (request?.method === "PUT") given.push(link.device);
          return link.ask(path, request);
        },
      });
      gateway = await service.gateway({
        ...{ jobs: [], files: [await service.file("film", 40_000)], work: NO_WORK, replicas: 2 },
        ...{ between, nodes: () => nodes },
      });
      await gateway.serveRound();
      expect(await keepers()).to.deep.equal([1, 2]);
      expect(given).to.not.include(full.device);
    });

    it("are those that refused before for what has passed", async () => {
      let isCovered = true;
      const node = await service.node({
        standingMilliseconds: 0,
        standingOf: async () =>
          isCovered
            ? { cap: NO_CAP, tariff }
            : { refusal: "customer-uncovered", message: "nothing is there to pay with" },
      });
      nodes = [node];
      gateway = await service.gateway({
        ...{ jobs: [], files: [await service.file("film", 40_000)], work: NO_WORK },
        nodes: () => nodes,
      });
      // Who is not covered is not connected either: it was when the device dialled.
      await service.linked(node.device);
      isCovered = false;
      await gateway.serveRound();
      expect(await keepers()).to.deep.equal([]);
      isCovered = true;
      await gateway.serveRound();
      expect(await keepers()).to.deep.equal([0]);
    });

    it("are others when one says that it has lost it", async () => {
      await start(3);
      const [first] = nodes as [ServiceNode, ServiceNode, ServiceNode];
      await first.close();
      await rm(join(service.folder, "device-1", "contents"), { recursive: true });
      const again = { key: deviceKey("device-1"), folder: join(service.folder, "device-1") };
      nodes = [await service.node(again), ...nodes.slice(1)];
      await gateway.serveRound();
      expect(await keepers()).to.deep.equal([1, 2]);
    });

    it("are others when one cannot prove that it keeps it", async () => {
      const work = { ...NO_WORK, challenges: 2 };
      await start(3, { work }, [CHUNK_BYTES]);
      expect(await keepers()).to.deep.equal([0, 1]);
      const { root: kept } = (gateway.files[0] as KeptFile).contentTree;
      const path = join(service.folder, "device-1", "contents", kept);
      const rotten = await readFile(path);
      rotten[7] = Number(rotten[7]) ^ 1;
      await writeFile(path, rotten);
      const { visits } = await gateway.serveRound();
      expect(visits.flatMap(({ failures }) => failures)).to.have.length(1);
      await gateway.serveRound();
      expect(await keepers()).to.deep.equal([0, 1, 2]);
      // It says that it keeps it, and is not asked for it any more.
      const { visits: after } = await gateway.serveRound();
      expect(after.flatMap(({ failures }) => failures)).to.deep.equal([]);
    });

    it("are others when one is gone for long", async () => {
      await start(3, { goneMilliseconds: 0 });
      await nodes[0]?.close();
      nodes = nodes.slice(1);
      await gateway.serveRound();
      expect(await keepers()).to.deep.equal([0, 1]);
    });

    it("are filled two at a time", async () => {
      let underWay = 0;
      let most = 0;
      const between = (link: LinkedDevice): LinkedDevice => ({
        ...link,
        async ask(path, request) {
          if (request?.method !== "PUT") return link.ask(path, request);
          underWay += 1;
          most = Math.max(most, underWay);
          try {
            const answer = await link.ask(path, request);
            answer.body.resume();
            await once(answer.body, "close");
            return { ...answer, body: [Buffer.from("{}")] as never };
          } finally {
            underWay -= 1;
          }
        },
      });
      await start(3, { between }, [10_000, 20_000, 30_000, 40_000, 50_000]);
      expect(most).to.equal(2);
      expect(await keepers()).to.have.length(2);
    });
  });
});
