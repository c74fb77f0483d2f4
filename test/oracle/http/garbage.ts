import { gzipSync } from "node:zlib";
import { REFUSALS } from "@link-rewards/core/encoding/refusal";
import { type SignedReceipt, signedReceiptToJson } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import fc from "fast-check";
import { address, receiptOf, signReceipt } from "../../worlds/paper.ts";
import { envelope, type Served, serve } from "./served.ts";

const RUNS = 200;

/** Text as it breaks things elsewhere: NUL bytes, half surrogates, prototypes, terminal escapes, SQL. */
const nastyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "\u0000",
    "0x\u0000",
    "\ud800",
    "__proto__",
    "constructor",
    "\u001b[2J",
    "'; DROP TABLE receipts; --",
    "1e999",
    "-0",
    "NaN",
    "9".repeat(400),
  ),
);
const anything = fc.jsonValue({ maxDepth: 4 });
const FIELDS = [
  "device",
  "customer",
  "epoch",
  "sequence",
  "egressBytes",
  "storageByteSeconds",
] as const;

/** A valid item with one thing in it replaced: near misses go deeper than noise. */
const spoiltItem = fc
  .tuple(
    fc.constantFrom(
      ...FIELDS,
      "computeMilliseconds",
      "customerSignature",
      "deviceSignature",
      "more",
    ),
    fc.oneof(nastyText, anything),
  )
  .map(([name, value]) => {
    const item = signedReceiptToJson(good(1)) as Record<string, unknown>;
    if (name.endsWith("Signature")) return { ...item, [name]: value };
    return { ...item, receipt: { ...(item.receipt as object), [name]: value } };
  });

function good(sequence: number): SignedReceipt {
  return signReceipt(receiptOf({ sequence }));
}

describe("garbage", () => {
  let served: Served;
  before(async () => {
    served = await serve();
  });
  after(() => served.close());

  // `served.post` and `served.request` fail on every answer the OpenAPI document does not promise, 500 among them.

  it("gets a documented answer for any body", async () => {
    const bodies = fc.oneof(
      nastyText,
      anything.map((value) => JSON.stringify(value)),
      fc.constant("[".repeat(200_000)),
      fc.constant(`{"receipts":${"[".repeat(50_000)}${"]".repeat(50_000)}}`),
    );
    const paths = fc.constantFrom("/v1/receipts", "/v1/vouchers");
    await fc.assert(
      fc.asyncProperty(bodies, paths, async (body, path) => {
        const { status, body: answer } = await served.post(body, path);
        expect(status).to.equal(400);
        expect(answer.refusal).to.equal("malformed");
      }),
      { numRuns: RUNS },
    );
  });

  it("gets a documented answer for any bytes that call themselves gzip", async () => {
    const cut = gzipSync(JSON.stringify(envelope(good(1))));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat({ max: cut.length - 1 }).map((length) => Uint8Array.from(cut.subarray(0, length))),
      fc
        .nat({ max: cut.length - 1 })
        .map((i) => cut.map((byte, at) => (at === i ? byte ^ 1 : byte))),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (body) => {
        const headers = { "content-type": "application/json", "content-encoding": "gzip" };
        const init = { method: "POST", headers, body: Uint8Array.from(body) };
        const { status } = await served.request("/v1/receipts", init);
        expect(status).to.be.oneOf([200, 400]);
      }),
      { numRuns: RUNS },
    );
  });

  it("gets a documented answer for any path", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(nastyText, { maxLength: 4 }), async (parts) => {
        const spelled = parts.map((part) => encodeURIComponent(part.toWellFormed())).join("/");
        for (const prefix of ["/v1/receipts/", "/bundles/", "/"]) {
          const response = await fetch(`${served.url}${prefix}${spelled}`);
          const text = await response.text();
          expect(response.status, spelled).to.be.oneOf([200, 400, 404, 414]);
          if (response.status !== 200) expect(JSON.parse(text)).to.have.property("message");
        }
      }),
      { numRuns: RUNS },
    );
  });

  it("spoils no other item of its batch, and is refused by its own name", async () => {
    let sequence = 1;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(anything, spoiltItem, nastyText), { minLength: 1, maxLength: 5 }),
        fc.nat({ max: 5 }),
        async (garbage, at) => {
          sequence += 1;
          const items: unknown[] = [...garbage];
          const place = Math.min(at, items.length);
          items.splice(place, 0, good(sequence));
          const results = await served.hand(...items);
          expect(results).to.have.length(items.length);
          expect(results[place]).to.deep.include({ status: "accepted" });
          for (const [i, { status, refusal }] of results.entries()) {
            if (i === place) continue;
            expect(status).to.equal("refused");
            expect(Object.keys(REFUSALS)).to.include(refusal);
          }
        },
      ),
      { numRuns: RUNS },
    );
    const head = await served.store.head(1, address("device-1"), address("customer-1"));
    expect(head).to.deep.equal(good(sequence));
  });

  it("leaves a log that can still be read, line by line", () => {
    const lines = served.logged();
    expect(lines.length).to.be.above(RUNS);
    expect(lines.filter(({ level }) => level === "error")).to.deep.equal([]);
    expect(lines.filter(({ alarm }) => alarm !== undefined)).to.deep.equal([]);
  });
});
