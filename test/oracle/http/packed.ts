import { gzipSync } from "node:zlib";
import { concatBytes } from "@link-rewards/core/encoding/bytes";
import { REFUSALS } from "@link-rewards/core/encoding/refusal";
import { SIGNED_RECEIPT_BYTES, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import {
  PACKED_BATCH_TYPE,
  PACKED_HEADER_BYTES,
  packBatch,
} from "@link-rewards/core/signed/submission";
import { expect } from "chai";
import fc from "fast-check";
import { deployment, receiptOf, signReceipt } from "../../worlds/paper.ts";
import { type Answer, type Served, serve } from "./served.ts";

const RUNS = 200;
const ENVELOPE = { chainId: deployment.chainId, registry: deployment.contracts.deviceRegistry };

function good(sequence: number): SignedReceipt {
  return signReceipt(receiptOf({ sequence }));
}

describe("POST /v1/receipts, packed", () => {
  let served: Served;
  let sequence = 0;
  before(async () => {
    served = await serve();
  });
  after(() => served.close());

  // `served.request` fails on every answer the OpenAPI document does not promise, 500 among them.
  const post = (body: Uint8Array, type = PACKED_BATCH_TYPE, more = {}): Promise<Answer> =>
    served.request("/v1/receipts", {
      method: "POST",
      headers: { "content-type": type, ...more },
      body: Uint8Array.from(body),
    });
  const resultsOf = ({ status, body }: Answer) => {
    expect([status, body.message]).to.deep.equal([200, undefined]);
    return body.results as readonly { status: string; refusal?: string }[];
  };

  it("is answered as its JSON is, in the order of the batch", async () => {
    const items = [good(++sequence), good(sequence), good(++sequence)];
    const packed = resultsOf(await post(packBatch(ENVELOPE, items)));
    expect(packed.map(({ status }) => status)).to.deep.equal(["accepted", "known", "accepted"]);
    const again = resultsOf(await post(packBatch(ENVELOPE, items)));
    expect(again).to.deep.equal(await served.hand(...items));
  });

  it("may come as application/octet-stream, and gzipped", async () => {
    const body = packBatch(ENVELOPE, [good(++sequence)]);
    const [first] = resultsOf(await post(body, "application/octet-stream"));
    const [second] = resultsOf(
      await post(gzipSync(body), PACKED_BATCH_TYPE, { "content-encoding": "gzip" }),
    );
    expect([first?.status, second?.status]).to.deep.equal(["accepted", "known"]);
  });

  it("is refused by the one name of its fault", async () => {
    const elsewhere = await post(packBatch({ ...ENVELOPE, chainId: 1 }, [good(1)]));
    expect([elsewhere.status, elsewhere.body.refusal]).to.deep.equal([400, "wrong-chain"]);
    const over = await post(packBatch(ENVELOPE, Array(1_001).fill(good(1))));
    expect([over.status, over.body.refusal]).to.deep.equal([413, "too-large"]);
    const huge = await post(new Uint8Array(1024 * 1024 + 1));
    expect([huge.status, huge.body.refusal]).to.deep.equal([413, "too-large"]);
  });

  it("is taken nowhere else", async () => {
    const answer = await served.request("/v1/vouchers", {
      method: "POST",
      headers: { "content-type": PACKED_BATCH_TYPE },
      body: Uint8Array.from(packBatch(ENVELOPE, [good(1)])),
    });
    expect([answer.status, answer.body.refusal]).to.deep.equal([400, "malformed"]);
  });

  it("gets a documented answer for any bytes", async () => {
    const header = packBatch(ENVELOPE, []);
    const bodies = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.uint8Array({ maxLength: 600 }).map((noise) => concatBytes(header, noise)),
      fc
        .uint8Array({ minLength: PACKED_HEADER_BYTES, maxLength: PACKED_HEADER_BYTES })
        .map((noise) => concatBytes(noise, packBatch(ENVELOPE, [good(1)]))),
    );
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const { status, body: answer } = await post(body);
        if (status === 200) {
          for (const { refusal } of answer.results as { refusal: string }[])
            expect(Object.keys(REFUSALS)).to.include(refusal);
        } else {
          expect(status).to.equal(400);
          expect(answer.refusal).to.be.oneOf(["malformed", "wrong-chain"]);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it("has no item that spoils another, whatever its bytes", async () => {
    const noise = fc.uint8Array({
      minLength: SIGNED_RECEIPT_BYTES,
      maxLength: SIGNED_RECEIPT_BYTES,
    });
    const spoilt = fc
      .tuple(fc.nat({ max: SIGNED_RECEIPT_BYTES - 1 }), fc.integer({ min: 1, max: 255 }))
      .map(([at, change]) =>
        packBatch(ENVELOPE, [good(1)])
          .slice(PACKED_HEADER_BYTES)
          .map((byte, i) => (i === at ? byte ^ change : byte)),
      );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(noise, spoilt), { minLength: 1, maxLength: 5 }),
        fc.nat({ max: 5 }),
        async (records, at) => {
          const place = Math.min(at, records.length);
          const mine = packBatch(ENVELOPE, [good(++sequence)]).subarray(PACKED_HEADER_BYTES);
          const items: Uint8Array[] = [...records];
          items.splice(place, 0, mine);
          const body = concatBytes(packBatch(ENVELOPE, []), ...items);
          const results = resultsOf(await post(body));
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
  });

  it("leaves no error in the log", () => {
    expect(served.logged().filter(({ level }) => level === "error")).to.deep.equal([]);
  });
});
