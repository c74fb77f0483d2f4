import { once } from "node:events";
import { createServer as createHttp2Server } from "node:http2";
import { connect as connectPlain } from "node:net";
import { connect, createServer, type TLSSocket } from "node:tls";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { toHex } from "@link-rewards/core/encoding/bytes";
import { type DeviceKey, signerOf } from "@link-rewards/host/keys";
import { expect } from "chai";
import fastify from "fastify";
import { generate } from "selfsigned";
import { type Door, openDoor } from "../../../device/gateway/door.ts";
import { channelOf, deviceConnectionDigest, LINK_TLS } from "../../../device/link/proof.ts";
import type { Log } from "../../../device/log.ts";
import { type Reach, reachGateways } from "../../../device/node/reach.ts";
import type { NodeRefused } from "../../../device/refusal.ts";
import {
  address,
  registryDomain as domain,
  keyOf,
  publicKey as publicKeyOf,
} from "../../worlds/paper.ts";
import { deviceKey } from "../support/service.ts";
import { settled } from "../support/settled.ts";

const customer = address("customer-1");
const QUICK = { firstMilliseconds: 10, longestMilliseconds: 50, retries: Number.POSITIVE_INFINITY };

type Judge<A extends unknown[]> = (...about: A) => Promise<NodeRefused | undefined>;

/** A gateway and devices as far as their connection goes; each is closed when the test is over. */
function ends() {
  const closing: (() => Promise<unknown>)[] = [];
  const epoch = async () => 1;

  async function gateway(
    parts: { key?: string; judge?: Judge<[Address, number]>; epoch?: () => Promise<number> } = {},
  ): Promise<Door> {
    const door = await openDoor({
      host: "127.0.0.1",
      port: 0,
      end: {
        key: signerOf(keyOf(parts.key ?? "gateway-1")),
        domain,
        customer,
        epoch: parts.epoch ?? epoch,
        judge: parts.judge ?? (async () => undefined),
      },
      pingMilliseconds: 50,
      log: () => undefined,
    });
    closing.push(() => door.close());
    return door;
  }

  async function device(
    urls: readonly string[],
    parts: {
      name?: string;
      key?: DeviceKey;
      allowPrivate?: boolean;
      judge?: Judge<[Address, Address, number]>;
      epoch?: () => Promise<number>;
      lastingMilliseconds?: number;
      log?: Log;
    } = {},
  ): Promise<Reach> {
    const app = fastify({ http2: true, http2SessionTimeout: 0 });
    const key = parts.key ?? deviceKey(parts.name ?? "device-1");
    app.get("/who", async ({ raw }) => ({
      device: key.address,
      customer: reach.customerAt(raw.stream.session),
    }));
    await app.ready();
    const reach = reachGateways({
      server: app.server,
      endpoints: async () => urls.map((url) => ({ customer, url })),
      end: {
        key,
        domain,
        epoch: parts.epoch ?? epoch,
        judge:
          parts.judge ??
          (async (_customer, signer) =>
            signer === address("gateway-1")
              ? undefined
              : { refusal: "key-unknown", message: `${signer} is no key of it` }),
      },
      allowPrivate: parts.allowPrivate ?? true,
      everyMilliseconds: 50,
      backoff: QUICK,
      ...(parts.lastingMilliseconds !== undefined && {
        lastingMilliseconds: parts.lastingMilliseconds,
      }),
      log: parts.log ?? (() => undefined),
    });
    closing.push(async () => {
      await reach.close();
      await app.close();
    });
    return reach;
  }

  return {
    gateway,
    device,
    closing,
    async close() {
      for (const close of closing.reverse()) await close();
    },
  };
}

const urlOf = ({ port }: { readonly port: number }) => `https://127.0.0.1:${port}`;

/** The first link's word, once there is one. */
async function wordOf(reach: Reach): Promise<string> {
  return settled(() => reach.links()[0]?.word);
}

describe("a link between a device and a gateway", () => {
  let world: ReturnType<typeof ends>;
  beforeEach(() => {
    world = ends();
  });
  afterEach(() => world.close());

  it("is dialled by the device, and the gateway asks over it", async () => {
    const door = await world.gateway();
    await world.device([urlOf(door)]);
    const { ask, device } = await settled(() => door.devices()[0]);
    expect(device).to.equal(address("device-1"));
    const { status, body } = await ask("/who");
    const text = (await Array.fromAsync(body)).join("");
    expect([status, JSON.parse(text)]).to.deep.equal([200, { device, customer }]);
  });

  it("is proven by a P-256 key as well", async () => {
    const door = await world.gateway();
    await world.device([urlOf(door)], { name: "device-2" });
    const { device, publicKey } = await settled(() => door.devices()[0]);
    expect(device).to.equal(address("device-2"));
    expect(publicKey).to.equal(deviceKey("device-2").publicKey);
  });

  it("goes to several gateways at once", async () => {
    const doors = [await world.gateway(), await world.gateway(), await world.gateway()];
    const reach = await world.device(doors.map(urlOf));
    for (const door of doors) await settled(() => door.devices()[0]);
    await settled(() => reach.links().every(({ state }) => state === "connected") || undefined);
  });

  it("comes back after the gateway broke it off, and measures the way", async () => {
    const door = await world.gateway();
    const reach = await world.device([urlOf(door)]);
    const first = await settled(() => door.devices()[0]);
    expect(first.roundTrip()).to.be.greaterThan(0);
    await settled(() => reach.links()[0]?.roundTrip);
    first.hangUp();
    const second = await settled(() => door.devices().find((each) => each !== first));
    expect(second.device).to.equal(first.device);
  });

  it("that ends at once is one that did not come about: the device waits, longer each time", async () => {
    const door = await world.gateway();
    const said: Record<string, unknown>[] = [];
    const log: Log = (_level, event, detail) => void said.push({ event, ...detail });
    await world.device([urlOf(door)], { log });
    const failed = () => said.filter(({ event }) => event === "not-connected");
    for (const time of [1, 2, 3]) {
      (await settled(() => door.devices()[0])).hangUp();
      await settled(() => failed()[time - 1]);
    }
    for (const { word, reason } of failed()) {
      expect(word).to.equal("unreachable");
      expect(reason).to.match(/^the connection ended after \d+ ms$/);
    }
  });

  it("that lasted and ends is dialled again without blame", async () => {
    const door = await world.gateway();
    const said: string[] = [];
    const log: Log = (_level, event) => void said.push(event);
    await world.device([urlOf(door)], { log, lastingMilliseconds: 0 });
    (await settled(() => door.devices()[0])).hangUp();
    await settled(() => (said.includes("disconnected") ? true : undefined));
    expect(said).to.deep.equal(["connected", "disconnected"]);
  });

  it("is found among hosts without end that nobody answers at", async () => {
    const door = await world.gateway();
    const dead = Array.from({ length: 100 }, (_, i) => `https://127.0.1.${i + 1}:9`);
    await world.device([...dead, urlOf(door)]);
    await settled(() => door.devices()[0]);
  });

  it("is tried again when what judges it fails, whatever the failure", async () => {
    const door = await world.gateway();
    let isIll = true;
    const reach = await world.device([urlOf(door)], {
      async judge() {
        if (!isIll) return undefined;
        isIll = false;
        throw new TypeError("a field is not there");
      },
    });
    await settled(() => reach.links()[0]?.word);
    await settled(() => door.devices()[0]);
  });

  it("of a device that dials twice the newer one stays", async () => {
    const door = await world.gateway();
    await world.device([urlOf(door)]);
    const first = await settled(() => door.devices()[0]);
    await world.device([urlOf(door)]);
    await settled(() => door.devices().find((each) => each !== first));
    expect(await first.ask("/who").catch(String)).to.contain("the connection is gone");
    expect(door.devices()).to.have.length(1);
  });

  it("is refused by the device when the key is none of the customer's", async () => {
    const door = await world.gateway({ key: "gateway-2" });
    const reach = await world.device([urlOf(door)]);
    expect(await wordOf(reach)).to.equal("key-unknown");
    expect(door.devices()).to.deep.equal([]);
  });

  it("is refused by either with its reason, and the other is told", async () => {
    const refused = { refusal: "device-unbound", message: "belongs to nobody" } as const;
    const door = await world.gateway({ judge: async () => refused });
    const reach = await world.device([urlOf(door)]);
    expect(await wordOf(reach)).to.equal("device-unbound");
    expect(reach.links()[0]?.reason).to.contain("belongs to nobody");
  });

  for (const [what, publicKey] of [
    ["shows the public key of another", publicKeyOf("device-5")],
    ["has a P-256 key and does not show it", "0x"],
  ] as const) {
    it(`is refused by the gateway to a device that ${what}`, async () => {
      const door = await world.gateway();
      const key = { ...deviceKey("device-2"), publicKey };
      const reach = await world.device([urlOf(door)], { key });
      expect(await wordOf(reach)).to.equal("device-signature-invalid");
    });
  }

  it("is for nobody to blame while the gateway's chain cannot be asked, however often it is tried", async () => {
    let asked = 0;
    const door = await world.gateway({
      async judge() {
        asked += 1;
        if (asked > 70) return undefined;
        throw new Error("the node is down at https://rpc.example/secret");
      },
    });
    const reach = await world.device([urlOf(door)]);
    const words = new Set<string | undefined>();
    await settled(() => {
      words.add(reach.links()[0]?.word);
      expect(String(reach.links()[0]?.reason)).not.to.contain("secret");
      return door.devices()[0];
    });
    expect([...words].filter((word) => word !== undefined)).to.deep.equal(["busy"]);
  });

  it("is refused when the two are in different epochs", async () => {
    const door = await world.gateway({ epoch: async () => 2 });
    const reach = await world.device([urlOf(door)]);
    expect(await wordOf(reach)).to.equal("epoch-closed");
  });

  it("is not dialled into the network that the device stands in, unless its owner allows it", async () => {
    const door = await world.gateway();
    const urls = [
      urlOf(door),
      `https://localhost:${door.port}`,
      `https://[::1]:${door.port}`,
      `https://[::ffff:127.0.0.1]:${door.port}`,
      `https://2130706433:${door.port}`,
      "https://192.168.1.1",
      "https://10.0.0.1",
      "https://169.254.169.254",
      "https://100.64.0.1",
      "https://[fd00::1]",
      "https://[64:ff9b::7f00:1]",
      "https://0.0.0.0",
    ];
    const reach = await world.device(urls, { allowPrivate: false });
    await settled(() => reach.links().every(({ word }) => word === "unreachable") || undefined);
    for (const { reason } of reach.links()) expect(reason).to.contain("not public addresses");
    expect(door.devices()).to.deep.equal([]);
  });

  it("is dialled by https alone, at a host and nothing more", async () => {
    const odd = [
      "http://127.0.0.1:1",
      "https://user@127.0.0.1:1",
      "https://127.0.0.1:1/path",
      "ftp://127.0.0.1",
      "nonsense",
    ];
    const reach = await world.device(odd);
    await settled(() => reach.links().every(({ word }) => word === "unreachable") || undefined);
    for (const { reason } of reach.links()) expect(reason).to.contain("is no gateway's URL");
  });

  it("proves nothing on another connection: who stands between is neither", async () => {
    const door = await world.gateway();
    const pems = await generate(undefined, { keyType: "ec" });
    const between = createServer(
      { ...LINK_TLS, key: pems.private, cert: pems.cert },
      (near: TLSSocket) => {
        const far = connect({
          ...LINK_TLS,
          port: door.port,
          host: "127.0.0.1",
          rejectUnauthorized: false,
        });
        near.pipe(far).pipe(near);
        near.on("error", () => undefined);
        far.on("error", () => undefined);
      },
    );
    between.listen(0, "127.0.0.1");
    await once(between, "listening");
    world.closing.push(async () => between.close());
    const { port } = between.address() as { port: number };
    const reach = await world.device([urlOf({ port })]);
    expect(await wordOf(reach)).to.equal("key-unknown");
    expect(door.devices()).to.deep.equal([]);
  });

  describe("of whoever dials a gateway", () => {
    const stranger = async (door: Door) => {
      const socket = connect({
        ...LINK_TLS,
        port: door.port,
        host: "127.0.0.1",
        rejectUnauthorized: false,
      });
      socket.on("error", () => undefined);
      await once(socket, "secureConnect");
      const [line] = await once(socket, "data");
      return { socket, line: JSON.parse(String(line)) };
    };
    const answerTo = async (socket: TLSSocket, line: string) => {
      socket.write(line);
      const pieces = await Array.fromAsync(socket as AsyncIterable<Buffer>);
      return pieces.join("");
    };

    it("the gateway's own proof is no device's", async () => {
      const door = await world.gateway();
      const { socket, line } = await stranger(door);
      const echoed = JSON.stringify({ ...line, device: address("gateway-1") });
      expect(await answerTo(socket, `${echoed}\n`)).to.contain("device-signature-invalid");
      expect(door.devices()).to.deep.equal([]);
    });

    it("a device's proof of another connection is none", async () => {
      const door = await world.gateway();
      const { socket: first } = await stranger(door);
      const channel = channelOf(first);
      const key = signerOf(keyOf("device-1"));
      const about = { device: key.address, customer, epoch: 1, channel };
      const digest = deviceConnectionDigest(domain, about);
      const { socket: second } = await stranger(door);
      const said = { device: key.address, epoch: 1, signature: toHex(key.sign(digest)) };
      expect(await answerTo(second, `${JSON.stringify(said)}\n`)).to.contain(
        "device-signature-invalid",
      );
      first.destroy();
    });

    for (const [what, line] of [
      ["no JSON", "GET / HTTP/1.1\r\n\r\n"],
      ["another object", '{"device":1}\n'],
      ["an endless line", "x".repeat(5_000)],
    ] as const) {
      it(`${what} ends the connection, and nothing else`, async () => {
        const door = await world.gateway();
        const { socket } = await stranger(door);
        expect(await answerTo(socket, line)).to.equal("");
        await world.device([urlOf(door)]);
        await settled(() => door.devices()[0]);
      });
    }

    it("a network whose greetings come to nothing again and again is not greeted for a while", async () => {
      const door = await world.gateway();
      const greeted = async (localAddress: string) => {
        const raw = connectPlain({ port: door.port, host: "127.0.0.1", localAddress });
        const socket = connect({ ...LINK_TLS, socket: raw, rejectUnauthorized: false });
        raw.on("error", () => undefined);
        socket.on("error", () => undefined);
        const line = await Promise.race([
          once(socket, "data").then(([data]) => String(data)),
          once(socket, "close").then(() => ""),
        ]);
        if (line !== "") await answerTo(socket, "?\n");
        return line !== "";
      };
      let greetings = 0;
      while (await greeted("127.0.0.2")) greetings += 1;
      expect(greetings).to.equal(60);
      expect(await greeted("127.0.0.3")).to.equal(true);
    });

    it("those that say nothing take no place from others", async () => {
      const door = await world.gateway();
      const from = (localAddress: string) => {
        const socket = connectPlain({ port: door.port, host: "127.0.0.1", localAddress });
        socket.on("error", () => undefined);
        world.closing.push(async () => void socket.destroy());
        return socket;
      };
      const silent = Array.from({ length: 100 }, () => from("127.0.0.2"));
      for (const socket of silent) socket.resume();
      await settled(() => silent.filter(({ closed }) => closed).length === 68 || undefined);
      const other = from("127.0.0.3");
      const secured = connect({ ...LINK_TLS, socket: other, rejectUnauthorized: false });
      secured.on("error", () => undefined);
      const [line] = await once(secured, "data");
      expect(JSON.parse(String(line))).to.include({ customer });
    });
  });

  it("is given up by a device whose gateway speaks something else", async () => {
    const plain = createHttp2Server();
    plain.listen(0, "127.0.0.1");
    await once(plain, "listening");
    world.closing.push(async () => plain.close());
    const { port } = plain.address() as { port: number };
    const reach = await world.device([urlOf({ port })]);
    expect(await wordOf(reach)).to.equal("unreachable");
  });
});
