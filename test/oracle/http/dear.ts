import { request } from "node:http";
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

  it("is a body that never ends: the longest is cut off for those that come after", async () => {
    const held = Array.from({ length: 70 }, () => startBody(served.url));
    const first = held[0] as ReturnType<typeof startBody>;
    expect(await first.answer).to.equal(408);
    const { status } = await served.post(envelope(signReceipt(receiptOf({ sequence: 600 }))));
    expect(status).to.equal(200);
    for (const each of held) each.end();
    await Promise.allSettled(held.map(({ answer }) => answer));
  });
});

/** A megabyte less one byte, and then nothing. */
function startBody(url: string): { readonly answer: Promise<number | undefined>; end(): void } {
  const sent = request(`${url}/v1/receipts`, {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": MEGABYTE },
  });
  const answer = new Promise<number | undefined>((resolve) => {
    sent.once("response", ({ statusCode }) => resolve(statusCode));
    sent.on("error", () => resolve(undefined));
  });
  sent.write(Buffer.alloc(MEGABYTE - 1, " "));
  return { answer, end: () => void sent.destroy() };
}
