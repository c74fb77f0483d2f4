import { request } from "node:http";
import { expect } from "chai";
import { address, receiptOf, signReceipt } from "../../worlds/paper.ts";
import { envelope, type Served, serve } from "./served.ts";

const POINTS = 20;
const otherDevice = () =>
  signReceipt(receiptOf({ device: address("device-3") }), { device: "device-3" });

describe("a sender of what is good for nothing", () => {
  let served: Served;
  beforeEach(async () => {
    served = await serve({ pointsPerAddress: POINTS });
  });
  afterEach(() => served.close());

  const good = (sequence: number) => signReceipt(receiptOf({ sequence }));
  /** Of an honest device, by somebody who has not its key. */
  const forged = (sequence: number) => ({ ...good(1), receipt: receiptOf({ sequence }) });

  /** From one of loopback's other addresses. */
  function postFrom(localAddress: string, ...items: readonly unknown[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json" };
      const options = { method: "POST", headers, localAddress, agent: false };
      request(`${served.url}/v1/receipts`, options, (response) => {
        response.resume().once("end", () => resolve(response.statusCode ?? 0));
      })
        .once("error", reject)
        .end(JSON.stringify(envelope(...items)));
    });
  }

  it("is turned away, and the device it named is served", async () => {
    const flood = Array.from({ length: POINTS }, (_, i) => forged(i + 2));
    expect(await postFrom("127.0.0.2", ...flood)).to.equal(200);
    expect(await postFrom("127.0.0.2", good(2))).to.equal(503);
    expect(await postFrom("127.0.0.3", good(2))).to.equal(200);
  });

  it("is turned away that sends again and again what others sent", async () => {
    const same = Array.from({ length: POINTS + 1 }, () => good(1));
    expect(await postFrom("127.0.0.2", ...same)).to.equal(200);
    expect(await postFrom("127.0.0.2", good(2))).to.equal(503);
    expect(await postFrom("127.0.0.3", good(2))).to.equal(200);
  });

  it("is turned away that sends what cannot be read", async () => {
    expect(await postFrom("127.0.0.2", ...Array.from({ length: 100 }, () => 0))).to.equal(400);
    expect(await postFrom("127.0.0.2", 0, ...Array.from({ length: 100 }, () => 0))).to.equal(400);
    expect(await postFrom("127.0.0.2", good(1))).to.equal(503);
  });

  it("may still read", async () => {
    await postFrom("127.0.0.1", ...Array.from({ length: POINTS }, (_, i) => forged(i + 2)));
    expect((await served.request("/v1/epochs/open")).status).to.equal(200);
  });
});

describe("an insider with ever higher sequences", () => {
  it("spends what its own device may, and no other's", async () => {
    const served = await serve();
    try {
      const batches = [1, 501].map((from) =>
        Array.from({ length: 500 }, (_, i) => signReceipt(receiptOf({ sequence: from + i }))),
      );
      for (const batch of batches) {
        const results = await served.hand(...batch);
        expect(results.filter(({ status }) => status === "accepted")).to.have.length(500);
      }
      const [next, other] = await served.hand(
        signReceipt(receiptOf({ sequence: 2_000 })),
        otherDevice(),
      );
      expect(next).to.deep.include({ status: "refused", refusal: "busy" });
      expect(other).to.deep.include({ status: "accepted" });
    } finally {
      await served.close();
    }
  });
});
