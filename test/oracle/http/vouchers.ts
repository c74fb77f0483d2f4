import { toHex } from "@link-rewards/core/encoding/bytes";
import { recover, sign } from "@link-rewards/core/encoding/signature";
import { endOf, sealTimeOf } from "@link-rewards/core/law/clock";
import { signedVoucherToJson } from "@link-rewards/core/signed/submission";
import { type SignedVoucher, type Voucher, voucherDigest } from "@link-rewards/core/signed/voucher";
import { expect } from "chai";
import {
  address,
  collected,
  deployment,
  escrowDomain,
  keyOf,
  keySet,
  lawOf,
} from "../../worlds/paper.ts";
import { MARGIN_SECONDS, type Served, serve } from "./served.ts";

function signed(fields: Partial<Voucher> = {}, key = "gateway-1"): SignedVoucher {
  const voucher = { customer: address("customer-1"), epoch: 1, amount: 100n, ...fields };
  return { voucher, signature: sign(voucherDigest(escrowDomain, voucher), keyOf(key)) };
}

describe("POST /v1/vouchers", () => {
  let served: Served;
  beforeEach(async () => {
    served = await serve();
  });
  afterEach(() => served.close());

  const hand = (voucher: unknown) => served.post(voucher, "/v1/vouchers");
  const refusalOf = async (voucher: SignedVoucher) => {
    const { status, body } = await hand(signedVoucherToJson(voucher));
    return [status, body.refusal ?? body.status];
  };

  it("stores a voucher and gives it to whoever collects", async () => {
    const { status, body } = await hand(signedVoucherToJson(signed()));
    const digest = toHex(voucherDigest(escrowDomain, signed().voucher));
    expect([status, body]).to.deep.equal([200, { status: "accepted", digest }]);
    const listed = await served.request("/v1/vouchers");
    expect(listed.body).to.deep.equal({ vouchers: [signedVoucherToJson(signed())] });
  });

  it("knows the same one again, takes a higher one, and refuses a lower one as stale", async () => {
    expect(await refusalOf(signed())).to.deep.equal([200, "accepted"]);
    expect(await refusalOf(signed())).to.deep.equal([200, "known"]);
    expect(await refusalOf(signed({ amount: 101n }))).to.deep.equal([200, "accepted"]);
    expect(await refusalOf(signed())).to.deep.equal([409, "stale"]);
  });

  it("refuses as stale what is paid for that epoch already", async () => {
    served.at(endOf(deployment, 1));
    served.under(lawOf(collected("customer-1", 1, 100n)));
    expect(await refusalOf(signed())).to.deep.equal([409, "stale"]);
    expect(await refusalOf(signed({ epoch: 2 }))).to.deep.equal([200, "accepted"]);
    expect(await refusalOf(signed({ amount: 101n }))).to.deep.equal([200, "accepted"]);
  });

  it("refuses one for an epoch that has not begun, and takes it when it has", async () => {
    expect(await refusalOf(signed({ epoch: 2 }))).to.deep.equal([503, "busy"]);
    served.at(endOf(deployment, 1));
    expect(await refusalOf(signed({ epoch: 2 }))).to.deep.equal([200, "accepted"]);
  });

  it("says nothing final about one while its clock and the chain are too far apart", async () => {
    served.doubting("a day apart");
    served.at(sealTimeOf(deployment, 1));
    expect(await refusalOf(signed())).to.deep.equal([503, "busy"]);
  });

  it("refuses one that is too late to be collected before its epoch is sealed", async () => {
    const closesAt = sealTimeOf(deployment, 1) - MARGIN_SECONDS;
    served.at(closesAt - 1);
    expect(await refusalOf(signed())).to.deep.equal([200, "accepted"]);
    served.at(closesAt);
    expect(await refusalOf(signed({ amount: 101n }))).to.deep.equal([422, "epoch-closed"]);
  });

  it("refuses what is over its key's cap: more would never be collected", async () => {
    served.under(lawOf(keySet("customer-1", "gateway-1", 150n)));
    expect(await refusalOf(signed({ amount: 151n }))).to.deep.equal([422, "over-cap"]);
    expect(await refusalOf(signed({ amount: 150n }))).to.deep.equal([200, "accepted"]);
  });

  it("no longer lists what is paid, or void because its epoch is sealed", async () => {
    const listed = async () => (await served.request("/v1/vouchers")).body.vouchers;
    await hand(signedVoucherToJson(signed()));
    expect(await listed()).to.have.length(1);
    served.under(lawOf(collected("customer-1", 1, 100n)));
    expect(await listed()).to.deep.equal([]);
    served.under(lawOf(collected("customer-1", 1, 99n)));
    expect(await listed()).to.have.length(1);
    served.at(sealTimeOf(deployment, 1));
    expect(await listed()).to.deep.equal([]);
  });

  it("refuses a customer nobody admitted, and a key that is not the customer's", async () => {
    const stranger = signed({ customer: address("stranger") });
    expect(await refusalOf(stranger)).to.deep.equal([422, "customer-unknown"]);
    expect(await refusalOf(signed({}, "gateway-2"))).to.deep.equal([422, "key-unknown"]);
  });

  it("looks at no signature of what is refused without it", async () => {
    let looked = 0;
    const counting = await serve({
      keyRecovery: async (digest, signature) => {
        looked++;
        return recover(digest, signature);
      },
    });
    try {
      const said = async (voucher: SignedVoucher) =>
        (await counting.post(signedVoucherToJson(voucher), "/v1/vouchers")).status;
      counting.under(lawOf(collected("customer-1", 1, 100n)));
      expect(await said(signed())).to.equal(409);
      expect(await said(signed({ epoch: 3 }))).to.equal(422);
      expect(await said(signed({ customer: address("customer-9") }))).to.equal(422);
      expect(looked).to.equal(0);
      expect(await said(signed({ amount: 101n }))).to.equal(200);
      expect(looked).to.equal(1);
    } finally {
      await counting.close();
    }
  });

  it("refuses what is not a signature", async () => {
    const voucher = { ...signed(), signature: new Uint8Array(64) };
    expect(await refusalOf(voucher)).to.deep.equal([422, "customer-signature-invalid"]);
  });

  it("refuses what is malformed", async () => {
    const { voucher, signature } = signedVoucherToJson(signed());
    const wrong = [
      null,
      [],
      {},
      { voucher },
      { voucher, signature: "0x" },
      { voucher: { ...voucher, amount: 100 }, signature },
      { voucher: { ...voucher, more: 1 }, signature },
    ];
    for (const body of wrong) {
      const answer = await hand(body);
      expect([answer.status, answer.body.refusal]).to.deep.equal([400, "malformed"]);
    }
  });
});

describe("GET /v1/vouchers", () => {
  for (const count of [0, 1, 250, 500, 501]) {
    it(`lists ${count}, a page at a time`, async () => {
      const promised = Array.from({ length: count }, (_, i) => ({
        voucher: {
          customer: `0x${i.toString(16).padStart(40, "0")}` as const,
          epoch: 1,
          amount: 1n,
        },
        signature: signed().signature,
      }));
      const served = await serve({
        between: (store) => ({
          ...store,
          async *vouchers() {
            yield* promised;
          },
        }),
      });
      try {
        const { text } = await served.request("/v1/vouchers");
        expect(text).to.equal(JSON.stringify({ vouchers: promised.map(signedVoucherToJson) }));
      } finally {
        await served.close();
      }
    });
  }
});
