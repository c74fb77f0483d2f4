import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { expect } from "chai";
import fastify from "fastify";
import { limitReaders } from "../../../oracle/edge/http/readers.ts";

describe("who reads an epoch's receipts", () => {
  it("holds no place when gone before the first page (eight such would stop all readers)", async () => {
    const app = fastify();
    const readers = limitReaders(app);
    const first = Promise.withResolvers<void>();
    let asked = 0;
    const ended = Promise.withResolvers<void>();
    app.get("/receipts", async (request, reply) => {
      if (++asked === 1) {
        first.resolve();
        await once(reply.raw, "close");
      }
      const pages = (async function* () {
        yield new Uint8Array(3);
      })();
      try {
        const sent = [];
        for await (const page of readers.stream(request, reply, pages)) sent.push(page);
        return { pages: sent.length };
      } finally {
        ended.resolve();
      }
    });
    try {
      const url = new URL(await app.listen({ port: 0, host: "127.0.0.1" }));
      const socket = connect(Number(url.port), "127.0.0.1");
      socket.write("GET /receipts HTTP/1.1\r\nhost: x\r\n\r\n");
      await first.promise;
      socket.destroy();
      await ended.promise;
      const answer = await fetch(new URL("/receipts", url));
      expect([answer.status, await answer.json()]).to.deep.equal([200, { pages: 1 }]);
    } finally {
      await app.close();
    }
  });

  it("leaves the connection as it was: what is asked on it afterwards may idle and take as long as ever", async () => {
    const app = fastify({ keepAliveTimeout: 60_000 });
    const readers = limitReaders(app);
    const sockets = new Set<Socket>();
    const seen: (readonly [listeners: number, milliseconds: number])[] = [];
    app.get("/plain", async ({ raw: { socket } }) => {
      sockets.add(socket);
      seen.push([socket.listenerCount("timeout"), socket.timeout ?? 0]);
      return {};
    });
    app.get("/receipts", async (request, reply) => {
      const pages = (async function* () {
        yield new Uint8Array(3);
      })();
      return reply.send(Readable.from(readers.stream(request, reply, pages)));
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const url = await app.listen({ port: 0, host: "127.0.0.1" });
      for (const path of ["/plain", "/receipts", "/receipts", "/plain"]) {
        const asked = request(`${url}${path}`, { agent }).end();
        const [answer] = (await once(asked, "response")) as [IncomingMessage];
        await Array.fromAsync(answer);
      }
      expect(sockets.size).to.equal(1);
      expect(seen[1]).to.deep.equal(seen[0]);
      // Between two requests it is the server's own limit that holds.
      const [socket] = sockets as unknown as [Socket];
      while ((socket.timeout ?? 0) < 60_000) await new Promise(setImmediate);
    } finally {
      agent.destroy();
      await app.close();
    }
  });
});
