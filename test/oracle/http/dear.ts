import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { MAX_MALFORMED_ITEMS } from "@link-rewards/core/signed/submission";
import { expect } from "chai";
import { receiptOf, signReceipt } from "../../worlds/paper.ts";
import { envelope, type Served, serve } from "./served.ts";

const MEGABYTE = 1024 * 1024;

describe("what costs the oracle more than its sender", () => {
  let served: Served;
  before(async () => {
    served = await serve();
  });
  after(() => served.close());

  /** Whether its connections end unread. */
  function isCutOff(localAddress: string): Promise<boolean> {
    return new Promise((resolve) => {
      request(`${served.url}/livez`, { localAddress, agent: false }, (answer) => {
        answer.resume();
        resolve(false);
      })
        .once("error", () => resolve(true))
        .end();
    });
  }

  function postGzip(text: string) {
    return served.request("/v1/receipts", {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": "gzip" },
      body: Uint8Array.from(gzipSync(text)),
    });
  }

  it("is a small gzip of a large body: it is not unpacked", async () => {
    const { status, body } = await postGzip(`[${"[],".repeat(349_000)}[]]`);
    expect([status, body.refusal]).to.deep.equal([413, "too-large"]);
    expect(body.message).to.include("16 times its size");
  });

  it("is not an honest batch, however well it packs", async () => {
    const receipts = Array.from({ length: 100 }, (_, i) =>
      signReceipt(receiptOf({ sequence: i + 1 })),
    );
    const { status, body } = await postGzip(JSON.stringify(envelope(...receipts), undefined, 2));
    expect([status, body.message]).to.deep.equal([200, undefined]);
  });

  const dear: [string, string, string][] = [
    ["many empty lists", `[${"[],".repeat(300_000)}[]]`, "more than 16000 values"],
    ["many numbers", `[${"1,".repeat(300_000)}1]`, "more than 16000 values"],
    ["many keys", `{${'"":1,'.repeat(150_000)}"":1}`, "more than 16000 values"],
    ["lists in lists", "[".repeat(900_000), "more than 8 lists and objects deep"],
    ["a number without end", "9".repeat(900_000), "more than 32 characters"],
  ];
  for (const [name, text, message] of dear) {
    it(`is ${name}: it is not parsed`, async () => {
      const { status, body } = await served.post(text);
      expect([status, body.refusal]).to.deep.equal([400, "malformed"]);
      expect(body.message).to.include(message);
    });
  }

  it("is a batch of malformed items: from one too many on, they are not looked at one by one", async () => {
    const items = (count: number) => [
      signReceipt(receiptOf({ sequence: 500 })),
      ...Array.from({ length: count }, () => ({})),
    ];
    expect(await served.hand(...items(MAX_MALFORMED_ITEMS))).to.have.length(
      MAX_MALFORMED_ITEMS + 1,
    );
    const { status, body } = await served.post(envelope(...items(MAX_MALFORMED_ITEMS + 1)));
    expect([status, body.refusal]).to.deep.equal([400, "malformed"]);
  });

  it("is more headers than any client sends", async () => {
    const headers = { "x-long": "x".repeat(9 * 1024) };
    expect((await fetch(`${served.url}/livez`, { headers })).status).to.equal(431);
  });

  it("is a body in chunks of a byte", async () => {
    const { hostname, port } = new URL(served.url);
    const socket = connect({ port: Number(port), host: hostname, localAddress: "127.0.0.4" });
    const head = "POST /v1/receipts HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    socket.write(`${head}transfer-encoding: chunked\r\n\r\n${"1\r\n0\r\n".repeat(100_000)}`);
    socket.on("error", () => undefined).resume();
    await new Promise((closed) => socket.once("close", closed));
    expect(await isCutOff("127.0.0.4")).to.equal(true);
    expect((await served.request("/livez")).status).to.equal(200);
  });

  it("is not one receipt, byte by byte", async () => {
    const body = JSON.stringify(envelope(signReceipt(receiptOf({ sequence: 700 }))));
    const headers = { "content-type": "application/json" };
    const sent = request(`${served.url}/v1/receipts`, { method: "POST", headers });
    for (const byte of body) sent.write(byte);
    sent.end();
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).to.equal(200);
  });

  it("is many requests on one connection, none of them waiting for the answer before", async () => {
    const { hostname, port } = new URL(served.url);
    const answersTo = async (count: number) => {
      const socket = connect({ port: Number(port), host: hostname, localAddress: "127.0.0.5" });
      socket.on("error", () => undefined);
      socket.write("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(count - 1));
      socket.write("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
      let text = "";
      socket.on("data", (bytes) => {
        text += bytes;
      });
      await new Promise((closed) => socket.once("close", closed));
      return text.split("HTTP/1.1 200 OK").length - 1;
    };
    expect(await answersTo(16)).to.equal(16);
    expect(await answersTo(1_000)).to.be.below(1_000);
    expect(await isCutOff("127.0.0.5")).to.equal(true);
    expect((await served.request("/livez")).status).to.equal(200);
  });

  it("is a body that never ends: the longest is cut off for those that come after", async () => {
    const held = Array.from({ length: 70 }, (_, i) => startBody(served.url, `127.0.1.${i + 1}`));
    const first = held[0] as ReturnType<typeof startBody>;
    expect(await first.answer).to.equal(408);
    const { status } = await served.post(envelope(signReceipt(receiptOf({ sequence: 600 }))));
    expect(status).to.equal(200);
    for (const each of held) each.end();
    await Promise.allSettled(held.map(({ answer }) => answer));
  });

  it("is many such bodies of one address: its own are cut off, and nobody else's", async () => {
    const other = startBody(served.url, "127.0.0.2");
    const held = Array.from({ length: 10 }, () => startBody(served.url, "127.0.0.3"));
    expect(await Promise.race(held.map(({ answer }) => answer))).to.equal(408);
    other.finish();
    // Blanks are no JSON: it was read to its end.
    expect(await other.answer).to.equal(400);
    for (const each of held) each.end();
    await Promise.allSettled(held.map(({ answer }) => answer));
  });
});

/** A megabyte less one byte, and then nothing. */
function startBody(
  url: string,
  localAddress: string,
): { readonly answer: Promise<number | undefined>; finish(): void; end(): void } {
  const sent = request(`${url}/v1/receipts`, {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": MEGABYTE },
    ...{ localAddress, agent: false },
  });
  const answer = new Promise<number | undefined>((resolve) => {
    sent.once("response", ({ statusCode }) => resolve(statusCode));
    sent.on("error", () => resolve(undefined));
  });
  sent.write(Buffer.alloc(MEGABYTE - 1, " "));
  return { answer, finish: () => void sent.end(" "), end: () => void sent.destroy() };
}
