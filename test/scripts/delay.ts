import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { type Delay, layDelay } from "../../scripts/delay.ts";

describe("a delayed way", () => {
  let server: Server;
  let delay: Delay;
  /** What is asked for each piece. */
  let asked: number;

  beforeEach(async () => {
    server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.pipe(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    asked = 0;
    delay = await layDelay((server.address() as AddressInfo).port, () => {
      asked += 1;
      return 5 * Math.random();
    });
  });

  afterEach(async () => {
    await delay.close();
    server.close();
  });

  async function dial(): Promise<Socket> {
    const socket = connect(delay.port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  }

  it("loses nothing, and lets nothing overtake", async () => {
    const socket = await dial();
    const sent = randomBytes(20_000_000);
    socket.write(sent);
    let got = 0;
    for await (const piece of socket as AsyncIterable<Buffer>) {
      expect(piece.equals(sent.subarray(got, got + piece.length))).to.equal(true);
      got += piece.length;
      if (got === sent.length) break;
    }
    expect(got).to.equal(sent.length);
    expect(asked).to.be.greaterThan(1);
  });

  it("takes as long as it is told to, there and back", async () => {
    await delay.close();
    delay = await layDelay((server.address() as AddressInfo).port, () => 50);
    const socket = await dial();
    const from = performance.now();
    socket.write("a");
    await once(socket, "data");
    // Timers may be a millisecond early each.
    expect(performance.now() - from).to.be.at.least(98);
    socket.destroy();
  });

  it("ends when either end does", async () => {
    const socket = await dial();
    socket.write("a");
    await once(socket, "data");
    const closed = once(socket, "close");
    await delay.close();
    await closed;
    delay = await layDelay((server.address() as AddressInfo).port, () => 0);
  });
});
