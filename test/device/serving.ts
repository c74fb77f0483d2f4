import { randomBytes } from "node:crypto";
import { sign } from "@link-rewards/core/encoding/signature";
import { expect } from "chai";
import { contentTreeOf } from "../../device/content.ts";
import { authorizationOf, sessionDigest } from "../../device/session.ts";
import { address, keyOf, NO_CAP, registryDomain, tariff } from "../worlds/paper.ts";
import {
  ask,
  authorization,
  customer,
  device,
  NOTHING_SERVED,
  type Service,
  type ServiceNode,
  startService,
} from "./support/service.ts";
import { settled } from "./support/settled.ts";

const OCTETS = { "content-type": "application/octet-stream" };

describe("node", () => {
  let service: Service;

  beforeEach(async () => {
    service = await startService();
  });

  afterEach(() => service.close());

  async function holding(
    bytes: Buffer,
    options = {},
  ): Promise<{ node: ServiceNode; path: string }> {
    const node = await service.node(options);
    const { root, size } = await contentTreeOf([bytes]);
    const path = `/v1/contents/${root}`;
    const put = await ask(node, path, {
      method: "PUT",
      headers: OCTETS,
      body: new Uint8Array(bytes),
    });
    expect(put).to.deep.equal({ status: 201, body: { root, size } });
    return { node, path };
  }

  const get = (node: ServiceNode, path: string, headers = {}) =>
    node.fetch(`${path}`, { headers: { authorization: authorization(), ...headers } });

  describe("serves", () => {
    const bytes = randomBytes(50_000);

    it("the range asked for, and meters what it sent", async () => {
      const { node, path } = await holding(bytes);
      const response = await get(node, path, { range: "bytes=16384-32767" });
      expect(response.status).to.equal(206);
      expect(response.headers.get("content-range")).to.equal("bytes 16384-32767/50000");
      const body = Buffer.from(await response.arrayBuffer());
      expect(body.equals(bytes.subarray(16_384, 32_768))).to.equal(true);
      expect(node.metered(1, customer)).to.deep.equal({ ...NOTHING_SERVED, egressBytes: 16_384n });
    });

    it("the whole without a range, and a range that ends beyond the end", async () => {
      const { node, path } = await holding(bytes);
      expect(Buffer.from(await (await get(node, path)).arrayBuffer()).equals(bytes)).to.equal(true);
      const rest = await get(node, path, { range: "bytes=49990-99999" });
      expect([rest.status, (await rest.arrayBuffer()).byteLength]).to.deep.equal([206, 10]);
      const open = await get(node, path, { range: "bytes=49999-" });
      expect([open.status, (await open.arrayBuffer()).byteLength]).to.deep.equal([206, 1]);
    });

    it("no range outside the content", async () => {
      const { node, path } = await holding(bytes);
      for (const range of ["bytes=50000-", "bytes=5-4", "bytes=-", "bytes=0-1,3-4", "chunks=1-2"]) {
        const response = await get(node, path, { range });
        expect(response.status, range).to.equal(416);
        expect(response.headers.get("content-range")).to.equal("bytes */50000");
      }
      expect(node.metered(1, customer)).to.deep.equal(NOTHING_SERVED);
    });

    it("what it kept, after a restart too", async () => {
      const { node, path } = await holding(bytes);
      await node.close();
      const again = await service.node();
      expect((await get(again, path)).status).to.equal(200);
    });
  });

  describe("keeps", () => {
    it("nothing under a root it does not have", async () => {
      const node = await service.node();
      const path = `/v1/contents/0x${"ab".repeat(32)}`;
      const put = await ask(node, path, { method: "PUT", headers: OCTETS, body: "something else" });
      expect([put.status, put.body.refusal]).to.deep.equal([422, "content-mismatch"]);
      const { status, body } = await ask(node, path);
      expect([status, body.refusal]).to.deep.equal([404, "content-unknown"]);
      const nothing = `/v1/contents/0x${"00".repeat(32)}`;
      const empty = await ask(node, nothing, { method: "PUT", headers: OCTETS, body: "" });
      expect(empty.status).to.equal(422);
    });

    it("no more than it has room for", async () => {
      const { node } = await holding(randomBytes(600), { contentLimitBytes: 1_000 });
      const more = randomBytes(401);
      const { root } = await contentTreeOf([more]);
      const path = `/v1/contents/${root}`;
      const put = await ask(node, path, { method: "PUT", headers: OCTETS, body: more });
      expect([put.status, put.body.refusal]).to.deep.equal([413, "too-large"]);
    });

    it("nothing on the part of the disk that is its owner's", async () => {
      const keepFreeBytes = Number.MAX_SAFE_INTEGER;
      const node = await service.node({ keepFreeBytes });
      const content = randomBytes(600);
      const path = `/v1/contents/${(await contentTreeOf([content])).root}`;
      const put = await ask(node, path, { method: "PUT", headers: OCTETS, body: content });
      expect([put.status, put.body.message]).to.deep.equal([
        413,
        `${keepFreeBytes} bytes of the disk are for its owner`,
      ]);
    });
  });

  describe("refuses", () => {
    const about = `/v1/contents/0x${"ab".repeat(32)}`;

    it("who does not say, signed, who is served", async () => {
      const node = await service.node();
      const headers = { authorization: "Bearer me" };
      const { status, body } = await ask(node, about, { headers });
      expect([status, body.refusal]).to.deep.equal([400, "malformed"]);
    });

    it("a signature for another device: a key that nobody knows", async () => {
      const node = await service.node({
        standingOf: async (_customer, key) =>
          key === address("gateway-1")
            ? { cap: NO_CAP, tariff }
            : { refusal: "key-unknown", message: key },
      });
      const headers = { authorization: authorization(1, "gateway-1", address("device-2")) };
      const { status, body } = await ask(node, about, { headers });
      expect([status, body.refusal]).to.deep.equal([403, "key-unknown"]);
    });

    it("a customer without cover", async () => {
      let isCovered = true;
      const uncovered = { refusal: "customer-uncovered", message: "nothing there" } as const;
      const standing = { cap: NO_CAP, tariff };
      const node = await service.node({
        standingOf: async () => (isCovered ? standing : uncovered),
        standingMilliseconds: 0,
      });
      expect((await ask(node, about)).body.refusal).to.equal("content-unknown");
      isCovered = false;
      const { status, body } = await ask(node, about);
      expect([status, body.refusal]).to.deep.equal([402, "customer-uncovered"]);
    });

    it("a connection to the gateway of a customer without cover", async () => {
      const node = await service.node({
        standingOf: async () => ({ refusal: "customer-uncovered", message: "nothing there" }),
      });
      const [link] = await settled(() => (node.links()[0]?.word ? node.links() : undefined));
      expect(link).to.include({ customer, state: "waiting", word: "customer-uncovered" });
    });

    it("no gateway that its owner named, where the chain judges and no oracle lists customers", async () => {
      const lonely = await startService({
        customers: {
          list: async () => ({ refusal: "busy", message: "not now" }),
          standing: async () => undefined,
        },
      });
      try {
        const [named] = await service.customers.list().then((list) => Object(list).customers);
        const node = await lonely.node({
          standingOf: async () => ({ cap: NO_CAP, tariff }),
          gateways: [{ customer, url: named.endpoint }],
        });
        await settled(() => (node.links()[0]?.state === "connected" ? true : undefined));
      } finally {
        await lonely.close();
      }
    });

    it("a request in the name of another customer than the connection's", async () => {
      const node = await service.node();
      const other = { device, customer: address("customer-2"), epoch: 1 };
      const signature = sign(sessionDigest(registryDomain, other), keyOf("gateway-2"));
      const headers = { authorization: authorizationOf({ ...other, signature }) };
      const { status, body } = await ask(node, about, { headers });
      expect([status, body.refusal]).to.deep.equal([403, "customer-unknown"]);
    });

    it("an epoch that is not the running one", async () => {
      const node = await service.node();
      const headers = { authorization: authorization(2) };
      const { status, body } = await ask(node, about, { headers });
      expect([status, body.refusal]).to.deep.equal([409, "epoch-closed"]);
    });

    it("more than its credit until a receipt covers it", async () => {
      const { node, path } = await holding(randomBytes(5_000), {
        credit: { ...NOTHING_SERVED, egressBytes: 8_000n },
      });
      for (const status of [200, 200, 402]) {
        const response = await get(node, path);
        await response.arrayBuffer();
        expect(response.status).to.equal(status);
      }
    });

    it("to go on with a customer once the cap of its key is reached", async () => {
      // A megawei a byte: 5,000 bytes are under the cap, 10,000 reach it.
      const { node, path } = await holding(randomBytes(5_000), {
        standingOf: async () => ({ cap: 10_000n * 10n ** 6n, tariff }),
      });
      for (const bytes of [5_000, 5_000]) {
        expect((await (await get(node, path)).arrayBuffer()).byteLength).to.equal(bytes);
      }
      const { status, body } = await ask(node, path);
      expect([status, body.refusal]).to.deep.equal([402, "over-cap"]);
    });

    it("more than its owner allows, in the middle of an answer too", async () => {
      // A megawei a byte: 20,000 bytes of 500,000.
      const { node, path } = await holding(randomBytes(500_000), {
        standingOf: async () => ({ cap: NO_CAP, tariff }),
        allowance: { most: 20_000n * 10n ** 6n, of: new Map() },
      });
      // However the end that comes too early shows.
      const bytes = await get(node, path).then(
        async (answer) => (await answer.arrayBuffer()).byteLength,
        () => 0,
      );
      // What was read from the disk at once is all that goes out beyond it.
      const { egressBytes } = node.metered(1, customer);
      expect(bytes).to.be.at.most(Number(egressBytes));
      expect(egressBytes < 20_000n + 65_536n).to.equal(true);
      const { status, body } = await ask(node, path);
      expect([status, body.refusal]).to.deep.equal([402, "exposure-reached"]);
    });

    it("a job that is none", async () => {
      const node = await service.node();
      const root = `0x${"00".repeat(32)}`;
      const job = { module: root, input: root, milliseconds: 1 };
      for (const wrong of [
        { ...job, module: "0x00" },
        { ...job, input: undefined },
        { ...job, more: 1 },
        ...[0, -1, 1.5, 60_001, "1", null].map((milliseconds) => ({ ...job, milliseconds })),
        "x",
        null,
      ]) {
        const { status, body } = await ask(node, "/v1/jobs", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(wrong),
        });
        expect([status, body.refusal]).to.deep.equal([400, "malformed"]);
      }
    });

    it("a proof of a chunk that there is not", async () => {
      const { node, path } = await holding(randomBytes(40_000));
      for (const index of ["3", "-1", "x", "1.5"]) {
        const { status, body } = await ask(node, `${path}/proofs/${index}`);
        expect([status, body.refusal], index).to.deep.equal([416, "range-invalid"]);
      }
    });
  });
});
