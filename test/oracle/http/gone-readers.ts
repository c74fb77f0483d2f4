import { once } from "node:events";
import { connect } from "node:net";
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
});
