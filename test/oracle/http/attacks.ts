import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "chai";
import { receiptOf, signReceipt } from "../../worlds/paper.ts";
import { envelope, type Served, serve } from "./served.ts";

const JSON_POST = "POST /v1/receipts HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

describe("a request that is none", () => {
  let served: Served;
  before(async () => {
    served = await serve();
  });
  after(() => served.close());

  /** What comes back until the oracle ends the connection. */
  async function answersTo(text: string): Promise<string> {
    const { hostname, port } = new URL(served.url);
    const socket = connect(Number(port), hostname);
    socket.write(text);
    let answers = "";
    socket
      .on("error", () => undefined)
      .on("data", (bytes) => {
        answers += bytes;
      });
    await once(socket, "close");
    return answers;
  }

  const statusesIn = (answers: string) =>
    [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

  const smuggled = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
  const none: readonly [name: string, text: string][] = [
    [
      "has two lengths",
      `${JSON_POST}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "has two lengths that differ",
      `${JSON_POST}content-length: 2\r\ncontent-length: 40\r\n\r\n{}`,
    ],
    ["has a length that is no number", `${JSON_POST}content-length: 2x\r\n\r\n{}`],
    ["has a negative length", `${JSON_POST}content-length: -1\r\n\r\n{}`],
    [
      "has an encoding that only looks like chunks",
      `${JSON_POST}transfer-encoding: xchunked\r\n\r\n`,
    ],
    [
      "has a chunk that is longer than it says",
      `${JSON_POST}transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n`,
    ],
    ["has a header with no name", "GET /livez HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n"],
    ["has no host", "GET /livez HTTP/1.1\r\n\r\n"],
    ["is of another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["is of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
  ];
  for (const [name, text] of none) {
    it(`${name}: it is refused, its connection ends, and what follows it is not read`, async () => {
      const statuses = statusesIn(await answersTo(text));
      expect(statuses).to.have.length(1);
      expect(statuses[0]).to.be.within(400, 499);
    });
  }

  it("has more headers than are read: it is answered as without them, or refused for them", async () => {
    const many = Array.from({ length: 500 }, (_, i) => `x${i}: y\r\n`).join("");
    const text = `GET /livez HTTP/1.1\r\nhost: x\r\n${many}connection: close\r\n\r\n`;
    const [status, ...others] = statusesIn(await answersTo(text));
    expect(status).to.be.oneOf([200, 431]);
    expect(others).to.deep.equal([]);
  });

  it("asks for another protocol: it is answered in this one", async () => {
    const text =
      "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n";
    const statuses = statusesIn(await answersTo(text));
    expect(statuses.filter((status) => status === 101)).to.deep.equal([]);
  });

  it("waits to be told to go on: it is", async () => {
    const body = JSON.stringify(envelope(signReceipt(receiptOf({ sequence: 1 }))));
    const text = `${JSON_POST}content-length: ${body.length}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n${body}`;
    expect(statusesIn(await answersTo(text))).to.deep.equal([100, 200]);
  });

  it("says where it came from: nobody asked it, and nobody believes it", async () => {
    await served.close();
    served = await serve({ readPointsPerAddress: 5 });
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) {
      const headers = { "x-forwarded-for": `192.0.2.${i}` };
      const { status } = await fetch(`${served.url}/v1/epochs/open`, { headers });
      statuses.push(status);
    }
    // The document was read before.
    expect(statuses.at(-1)).to.equal(503);
  });
});

describe("refusals by the thousand", () => {
  it("leave no line that says error: whoever is refused could else fill the disk", async () => {
    const served = await serve({ pointsPerAddress: 1 });
    try {
      expect((await served.post("nonsense")).status).to.equal(400);
      expect((await served.post("nonsense")).status).to.equal(503);
      const { hostname, port } = new URL(served.url);
      const socket = connect(Number(port), hostname);
      socket.write(`${JSON_POST}content-length: 10\r\n\r\n{`);
      socket.end();
      await once(socket.resume(), "close");
      expect(served.logged().filter(({ level }) => level === "error")).to.deep.equal([]);
    } finally {
      await served.close();
    }
  });
});
