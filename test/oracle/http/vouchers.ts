import { toHex } from "@link-rewards/core/encoding/bytes";
import { sign } from "@link-rewards/core/encoding/signature";
import { endOf } from "@link-rewards/core/law/clock";
import { signedVoucherToJson } from "@link-rewards/core/signed/submission";
import { type SignedVoucher, type Voucher, voucherDigest } from "@link-rewards/core/signed/voucher";
import { expect } from "chai";
import { address, collected, deployment, escrowDomain, keyOf, lawOf } from "../../worlds/paper.ts";
import { type Served, serve } from "./served.ts";

function signed(fields: Partial<Voucher> = {}, key = "gateway-1"): SignedVoucher {
  const voucher = { customer: address("customer-1"), epoch: 1, cumulative: 100n, ...fields };
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
    expect(await refusalOf(signed({ cumulative: 101n }))).to.deep.equal([200, "accepted"]);
    expect(await refusalOf(signed())).to.deep.equal([409, "stale"]);
  });

  it("refuses as stale what is paid already", async () => {
    served.under(lawOf(collected("customer-1", 1, 100n)));
    expect(await refusalOf(signed())).to.deep.equal([409, "stale"]);
    expect(await refusalOf(signed({ cumulative: 101n }))).to.deep.equal([200, "accepted"]);
  });

  it("refuses one for an epoch that has not begun, and takes it when it has", async () => {
    expect(await refusalOf(signed({ epoch: 2 }))).to.deep.equal([422, "epoch-closed"]);
    served.at(endOf(deployment, 1));
    expect(await refusalOf(signed({ epoch: 2 }))).to.deep.equal([200, "accepted"]);
  });

  it("refuses a customer nobody admitted, and a key that is not the customer's", async () => {
    const stranger = signed({ customer: address("stranger") });
    expect(await refusalOf(stranger)).to.deep.equal([422, "customer-unknown"]);
    expect(await refusalOf(signed({}, "gateway-2"))).to.deep.equal([422, "key-unknown"]);
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
      { voucher: { ...voucher, cumulative: 100 }, signature },
      { voucher: { ...voucher, more: 1 }, signature },
    ];
    for (const body of wrong) {
      const answer = await hand(body);
      expect([answer.status, answer.body.refusal]).to.deep.equal([400, "malformed"]);
    }
  });
});
