import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { type Circumstances, type Served, serve } from "./served.ts";

const POINTS = 40;
const PLAIN = "/v1/epochs/open";

describe("a reader", () => {
  let served: Served;
  const start = async (circumstances: Circumstances = {}) => {
    served = await serve({ readPointsPerAddress: POINTS, ...circumstances });
  };
  afterEach(() => served.close());

  /** From one of loopback's other addresses. */
  async function begin(localAddress: string, path: string): Promise<IncomingMessage> {
    const asked = request(`${served.url}${path}`, { localAddress, agent: false }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    return answer;
  }

  async function read(localAddress: string, path: string) {
    const answer = await begin(localAddress, path);
    const bytes = Buffer.concat(await Array.fromAsync(answer as AsyncIterable<Buffer>));
    return { status: answer.statusCode, headers: answer.headers, text: bytes.toString() };
  }

  /** Which of them is answered first, both asked at once. */
  function firstOf(...paths: readonly string[]): Promise<string> {
    return Promise.race(
      paths.map(async (path) => {
        await read("127.0.0.2", path);
        return path;
      }),
    );
  }

  it("that asks without end is turned away for a while; others, and probes, are not", async () => {
    await start();
    for (let i = 0; i < POINTS; i++) {
      const path = i % 2 === 0 ? PLAIN : "/no/such/thing";
      expect((await read("127.0.0.2", path)).status).to.equal(i % 2 === 0 ? 200 : 404);
    }
    const refused = await read("127.0.0.2", PLAIN);
    expect(refused.status).to.equal(503);
    expect(refused.headers["retry-after"]).to.equal("5");
    expect(JSON.parse(refused.text)).to.deep.include({ refusal: "busy" });
    for (const path of ["/livez", "/readyz"])
      expect((await read("127.0.0.2", path)).status).to.equal(200);
    expect((await read("127.0.0.3", PLAIN)).status).to.equal(200);
  });

  it("that asks probes without end waits for them, and is told the truth; its other reading is not touched", async () => {
    await start({ readiness: async () => [{ reason: "a-reason", message: "why" }] });
    const all = await Promise.all(
      Array.from({ length: 2 * POINTS }, () => read("127.0.0.2", "/readyz")),
    );
    expect(all.map(({ text }) => JSON.parse(text).reasons.length)).to.deep.equal(all.map(() => 1));
    expect(await firstOf("/livez", PLAIN)).to.equal(PLAIN);
    expect((await read("127.0.0.2", PLAIN)).status).to.equal(200);
  });

  it("that claims to be a member has few signatures looked at; a member is answered, only later", async () => {
    const message = "the signature is not by it";
    const door = { recognize: () => ({ refusal: "not-a-member", message }) };
    await start({ members: door as unknown as NonNullable<Circumstances["members"]> });
    const ask = () => read("127.0.0.2", "/v1/arrivals/receipts");
    for (let i = 0; i < POINTS / 10; i++) expect((await ask()).status).to.equal(401);
    expect(await firstOf("/v1/arrivals/receipts", PLAIN)).to.equal(PLAIN);
    expect((await ask()).status).to.equal(401);
    expect((await read("127.0.0.2", PLAIN)).status).to.equal(200);
  });

  it("that reads posts where nothing is, or nothing may be posted, is turned away as well", async () => {
    await start();
    const post = async () => {
      const sent = request(`${served.url}/no/such/thing`, {
        ...{ method: "POST", localAddress: "127.0.0.2", agent: false },
      }).end();
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      answer.resume();
      return answer.statusCode;
    };
    const all = await Promise.all(Array.from({ length: 2 * POINTS }, post));
    expect(all.filter((status) => status === 404)).to.have.length(POINTS);
  });

  it("counts before it is answered: many at once are no way around it", async () => {
    await start();
    const all = await Promise.all(
      Array.from({ length: 2 * POINTS }, () => read("127.0.0.2", PLAIN)),
    );
    expect(all.filter(({ status }) => status === 200)).to.have.length(POINTS);
  });

  for (const [path, times] of [
    ["/metrics", 2],
    ["/openapi.json", 20],
  ] as const) {
    it(`has fewer of what costs more: ${path}`, async () => {
      await start();
      let taken = 0;
      while ((await read("127.0.0.2", path)).status === 200) taken++;
      expect(taken).to.be.within(1, times);
    });
  }

  it("has one stream of an epoch's receipts at a time, and it is free again when it goes away", async () => {
    let more = Promise.withResolvers<void>();
    await start({
      readPointsPerAddress: 1_000,
      async *receipts() {
        yield Buffer.alloc(204);
        await more.promise;
      },
    });
    const first = await begin("127.0.0.2", "/v1/receipts/1");
    expect((await read("127.0.0.2", "/v1/receipts/1")).status).to.equal(503);
    const other = await begin("127.0.0.3", "/v1/receipts/1");
    expect([first.statusCode, other.statusCode]).to.deep.equal([200, 200]);
    more.resolve();
    for (const each of [first, other])
      expect((await Array.fromAsync(each as AsyncIterable<Buffer>)).join("")).to.have.length(204);
    more = Promise.withResolvers();
    const again = await begin("127.0.0.2", "/v1/receipts/1");
    expect(again.statusCode).to.equal(200);
    again.destroy();
    more.resolve();
    while ((await read("127.0.0.2", "/v1/receipts/1")).status !== 200);
  });

  it("is not kept from an epoch's receipts for ever by eight who take theirs slowly", async () => {
    const more = Promise.withResolvers<void>();
    await start({
      readPointsPerAddress: 1_000,
      async *receipts() {
        yield Buffer.alloc(204);
        await more.promise;
      },
    });
    const held = await Promise.all(
      Array.from({ length: 8 }, (_, i) => begin(`127.0.0.${i + 10}`, "/v1/receipts/1")),
    );
    expect((await read("127.0.0.2", "/v1/receipts/1")).status).to.equal(503);
    more.resolve();
    for (const each of held) each.resume();
    while ((await read("127.0.0.2", "/v1/receipts/1")).status !== 200);
  });

  it("has its share of connections, and leaves the others theirs", async () => {
    await start();
    const { hostname, port } = new URL(served.url);
    const sockets: Socket[] = [];
    const ended = Promise.withResolvers<void>();
    for (let i = 0; i < 501; i++) {
      const socket = connect({ host: hostname, port: Number(port), localAddress: "127.0.0.2" });
      socket.once("error", () => undefined).once("close", () => ended.resolve());
      sockets.push(socket);
    }
    await ended.promise;
    expect(sockets.filter(({ destroyed }) => !destroyed)).to.have.length(500);
    expect((await read("127.0.0.3", PLAIN)).status).to.equal(200);
    for (const socket of sockets) socket.destroy();
    // A place is free as soon as a connection is gone.
    while (!(await read("127.0.0.2", PLAIN).catch(() => undefined)));
  });
});
