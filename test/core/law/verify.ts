import { isRefused, REFUSALS, type Refusal, refuse } from "@link-rewards/core/encoding/refusal";
import { sign } from "@link-rewards/core/encoding/signature";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import {
  checkAllSigned,
  checkLawful,
  type LawfulArrival,
  refuseUnlessOpen,
  verifyReceipt,
  verifyVoucher,
} from "@link-rewards/core/law/verify";
import {
  packSignedReceipt,
  type Receipt,
  receiptDigest,
  type SignedReceipt,
} from "@link-rewards/core/signed/receipt";
import {
  PURE_CURVES,
  publicKeysAmong,
  recoverSigners,
  type SignedRecords,
} from "@link-rewards/core/signed/signers";
import { type Voucher, voucherDigest } from "@link-rewards/core/signed/voucher";
import { expect } from "chai";
import {
  address,
  collected,
  deployment,
  enrolled,
  escrowDomain,
  keyOf,
  keySet,
  lawOf,
  limit,
  opened,
  publicKey,
  receiptOf,
  registryDomain,
  signReceipt,
} from "../../worlds/paper.ts";

const law = lawOf();
const device = address("device-1");
const customer = address("customer-1");
const gateway = address("gateway-1");

function refusalOf(signed: SignedReceipt, under = law): Refusal | "verified" {
  const outcome = verifyReceipt(signed, { law: under, domain: registryDomain });
  if (!isRefused(outcome)) return "verified";
  expect(outcome.refusal in REFUSALS).to.equal(true);
  expect(outcome.message).to.have.length.above(10);
  return outcome.refusal;
}

const context = { law, domain: registryDomain };
const of = (fields: Partial<Receipt>, keys = {}) => signReceipt(receiptOf(fields), keys);

describe("verifyReceipt", () => {
  it("names the account, the key and the digest of a valid receipt", () => {
    const signed = of({});
    const outcome = verifyReceipt(signed, { law, domain: registryDomain });
    expect(outcome).to.deep.include({ ...signed, account: address("alice"), key: gateway });
  });

  it("refuses a device that was never enrolled", () => {
    expect(refusalOf(of({ device: address("stranger") }, { device: "stranger" }))).to.equal(
      "device-unknown",
    );
  });

  it("refuses a device that is bound to nobody in that epoch, and takes it in the next", () => {
    const under = lawOf(enrolled("device-9"), [
      "DeviceBound",
      { device: address("device-9"), account: address("alice"), fromEpoch: 2 },
    ]);
    const at = (epoch: number) =>
      refusalOf(of({ device: address("device-9"), epoch }, { device: "device-9" }), under);
    expect([at(1), at(2)]).to.deep.equal(["device-unbound", "verified"]);
  });

  it("refuses a revoked device from the epoch of the revocation on, and no earlier one", () => {
    const under = lawOf(["DeviceRevoked", { device, fromEpoch: 2, reason: "stolen" }]);
    const at = (epoch: number) => refusalOf(of({ epoch }), under);
    expect([at(1), at(2), at(3)]).to.deep.equal(["verified", "device-revoked", "device-revoked"]);
  });

  it("tells the manufacturer's reason for a revocation", () => {
    const messageFor = (reason: string) => {
      const under = lawOf(["DeviceRevoked", { device, fromEpoch: 2, reason }]);
      return verifyReceipt(of({ epoch: 3 }), { law: under, domain: registryDomain });
    };
    const revoked = `device ${device} is revoked from epoch 2 on:`;
    expect(messageFor("stolen")).to.have.property("message", `${revoked} stolen`);
    expect(messageFor("")).to.have.property("message", `${revoked} no reason was given`);
  });

  it("refuses a customer that is not admitted in that epoch", () => {
    const under = lawOf(["CustomerDismissed", { customer, fromEpoch: 2 }]);
    expect([1, 2].map((epoch) => refusalOf(of({ epoch }), under))).to.deep.equal([
      "verified",
      "customer-unknown",
    ]);
    expect(refusalOf(of({ customer: address("stranger") }))).to.equal("customer-unknown");
  });

  it("refuses a key that is not the customer's in that epoch", () => {
    const under = lawOf(keySet("customer-1", "gateway-1", 0n, 2));
    expect([1, 2].map((epoch) => refusalOf(of({ epoch }), under))).to.deep.equal([
      "verified",
      "key-unknown",
    ]);
    expect(refusalOf(of({}, { gateway: "gateway-2" }))).to.equal("key-unknown");
    expect(refusalOf(of({}, { gateway: "customer-1" }))).to.equal("key-unknown");
  });

  it("takes a sequence from 1 on", () => {
    const refusals = [0, 1].map((sequence) => refusalOf(of({ sequence })));
    expect(refusals).to.deep.equal(["malformed", "verified"]);
  });

  for (const resource of ["egressBytes", "storageByteSeconds", "computeMilliseconds"] as const) {
    it(`takes ${resource} up to the class limit and refuses one more as implausible`, () => {
      expect(refusalOf(of({ [resource]: limit[resource] }))).to.equal("verified");
      expect(refusalOf(of({ [resource]: limit[resource] + 1n }))).to.equal("implausible");
    });
  }

  it("finds nothing plausible for a class without a limit", () => {
    const under = lawOf(enrolled("device-9", 9), [
      "DeviceBound",
      { device: address("device-9"), account: address("alice"), fromEpoch: 1 },
    ]);
    const nothing = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };
    const by = (amounts: Partial<Receipt>) =>
      refusalOf(of({ device: address("device-9"), ...amounts }, { device: "device-9" }), under);
    expect([by(nothing), by({ ...nothing, egressBytes: 1n })]).to.deep.equal([
      "verified",
      "implausible",
    ]);
  });

  it("refuses a device signature by another key", () => {
    expect(refusalOf(of({}, { device: "device-2" }))).to.equal("device-signature-invalid");
    expect(refusalOf(of({}, { device: "gateway-1" }))).to.equal("device-signature-invalid");
  });

  it("takes a device whose key is P-256 by that key, and no signature of a secp256k1 one", () => {
    const to = address("device-2");
    const signed = of({ device: to });
    expect(refusalOf(signed)).to.equal("verified");
    const outcome = verifyReceipt(of({ device: to }, { device: "gateway-1" }), context);
    expect(outcome).to.deep.include({ refusal: "device-signature-invalid" });
    expect(outcome).to.have.property("message").that.includes("its key is P-256");
    expect(refusalOf(of({ device: to }, { device: "device-5" }))).to.equal(
      "device-signature-invalid",
    );
  });

  it("takes a device whose key is secp256k1 by no P-256 signature, whoever says that it is one", () => {
    const outcome = verifyReceipt(of({}, { device: "device-2" }), context);
    expect(outcome).to.deep.include({ refusal: "device-signature-invalid" });
    expect(outcome).to.have.property("message").that.includes("its key is secp256k1");
  });

  it("asks the law for the curve: one secret on both curves is two devices", () => {
    const { receipt, customerSignature } = of({ device: address("device-2") });
    const digest = receiptDigest(registryDomain, receipt);
    const deviceSignature = sign(digest, keyOf("device-2"));
    expect(refusalOf({ receipt, customerSignature, deviceSignature })).to.equal(
      "device-signature-invalid",
    );
  });

  it("refuses the two signatures in each other's place", () => {
    const { receipt, customerSignature, deviceSignature } = of({});
    const swapped = {
      receipt,
      customerSignature: deviceSignature,
      deviceSignature: customerSignature,
    };
    expect(refusalOf(swapped)).to.equal("device-signature-invalid");
  });

  it("refuses what is not a signature", () => {
    const none = new Uint8Array(64);
    expect(refusalOf({ ...of({}), customerSignature: none })).to.equal(
      "customer-signature-invalid",
    );
    expect(refusalOf({ ...of({}), deviceSignature: none })).to.equal("device-signature-invalid");
    expect(refusalOf({ ...of({}), deviceSignature: new Uint8Array(65) })).to.equal(
      "device-signature-invalid",
    );
  });

  it("refuses a receipt of another chain or another deployment", () => {
    const { deviceRegistry, customerEscrow } = deployment.contracts;
    for (const domain of [
      domainSeparator(1, deviceRegistry),
      domainSeparator(31337, customerEscrow),
    ]) {
      expect(refusalOf(of({}, { domain }))).to.equal("device-signature-invalid");
    }
  });

  it("refuses a receipt of which any field was changed after it was signed", () => {
    const signed = of({});
    const changes: Partial<Receipt>[] = [
      { device: address("device-2") },
      { customer: address("customer-2") },
      { epoch: 2 },
      { sequence: 2 },
      { egressBytes: 1n },
      { storageByteSeconds: 1n },
      { computeMilliseconds: 1n },
    ];
    for (const change of changes) {
      const forged = { ...signed, receipt: { ...signed.receipt, ...change } };
      const changed = JSON.stringify(Object.keys(change));
      expect(refusalOf(forged), changed).to.equal("device-signature-invalid");
    }
  });

  it("checks what is cheap before it recovers a signature", () => {
    let recovered = 0;
    const recover = () => {
      recovered += 1;
      return undefined;
    };
    const context = { law, domain: registryDomain, curves: { ...PURE_CURVES, recover } };
    verifyReceipt(of({ device: address("stranger") }), context);
    verifyReceipt(of({ egressBytes: limit.egressBytes + 1n }), context);
    expect(recovered).to.equal(0);
    verifyReceipt(of({}), context);
    expect(recovered).to.equal(1);
  });
});

describe("checkAllSigned", () => {
  const broken = { ...of({}), deviceSignature: new Uint8Array(64).fill(255) };
  const all = [of({}), broken, of({ device: address("device-2") })];
  const lawful = all.map((signed) => {
    const checked = checkLawful(signed, law);
    if (isRefused(checked)) throw new Error(checked.message);
    return { lawful: checked, packed: packSignedReceipt(signed) };
  });

  it("finds what verifyReceipt finds one by one, and works each digest out once", async () => {
    const asked: SignedRecords[] = [];
    const outcomes = await checkAllSigned(lawful, context, async (records) => {
      asked.push(records);
      return recoverSigners(records);
    });
    expect(outcomes).to.deep.equal(all.map((each) => verifyReceipt(each, context)));
    expect(outcomes.map(isRefused)).to.deep.equal([false, true, false]);
    expect(asked.map(({ digests }) => digests?.length)).to.deep.equal([3 * 32]);
    expect(
      asked.map(({ records, recordBytes, publicKeys }) => [
        ...publicKeysAmong({ records, recordBytes, publicKeys }),
      ]),
    ).to.deep.equal([[[address("device-2"), publicKey("device-2")]]]);
  });

  it("leaves what was refused before in its place", async () => {
    const refused = refuse("malformed", "it was not read");
    const [first, , last] = lawful as [LawfulArrival, LawfulArrival, LawfulArrival];
    const outcomes = await checkAllSigned([first, refused, last], context, async (records) =>
      recoverSigners(records),
    );
    expect(outcomes[1]).to.equal(refused);
    expect(outcomes.map(isRefused)).to.deep.equal([false, true, false]);
  });
});

describe("refuseUnlessOpen", () => {
  const open = opened(4, 5);

  it("passes open epochs and names them when it refuses another", () => {
    expect([4, 5].map((epoch) => refuseUnlessOpen(epoch, open))).to.deep.equal([
      undefined,
      undefined,
    ]);
    expect(refuseUnlessOpen(3, open)).to.deep.equal({
      refusal: "epoch-closed",
      message: "epoch 3 is not open; open: 4 and 5",
    });
    expect(refuseUnlessOpen(6, open)).to.have.property("refusal", "epoch-closed");
    expect(refuseUnlessOpen(1, [])).to.have.property("message", "epoch 1 is not open; open: none");
  });
});

describe("verifyVoucher", () => {
  const context = { law, domain: escrowDomain, open: opened(1, 2) };
  const check = (fields: Partial<Voucher>, under = law, key = "gateway-1") => {
    const voucher = { customer, epoch: 1, amount: 100n, ...fields };
    const signature = sign(voucherDigest(escrowDomain, voucher), keyOf(key));
    const outcome = verifyVoucher({ voucher, signature }, { ...context, law: under });
    return isRefused(outcome) ? outcome.refusal : outcome.key;
  };

  it("names the key of a valid voucher", () => {
    expect(check({})).to.equal(gateway);
  });

  it("takes the open epochs, and none that is sealed or has not begun", () => {
    expect([0, 1, 2, 3].map((epoch) => check({ epoch }))).to.deep.equal([
      "epoch-closed",
      gateway,
      gateway,
      "epoch-closed",
    ]);
  });

  it("refuses strangers, keys of others and forgeries", () => {
    expect(check({ customer: address("stranger") })).to.equal("customer-unknown");
    expect(check({}, law, "gateway-2")).to.equal("key-unknown");
    const voucher = { customer, epoch: 1, amount: 1n };
    const forged = verifyVoucher({ voucher, signature: new Uint8Array(64) }, context);
    expect(forged).to.have.property("refusal", "customer-signature-invalid");
  });

  it("refuses a customer and a key from the epoch on in which they no longer count", () => {
    const dismissed = lawOf(["CustomerDismissed", { customer, fromEpoch: 2 }]);
    expect([1, 2].map((epoch) => check({ epoch }, dismissed))).to.deep.equal([
      gateway,
      "customer-unknown",
    ]);
    const removed = lawOf(keySet("customer-1", "gateway-1", 0n, 2));
    expect([1, 2].map((epoch) => check({ epoch }, removed))).to.deep.equal([
      gateway,
      "key-unknown",
    ]);
  });

  it("refuses one that promises nothing beyond what is paid for its epoch", () => {
    const under = lawOf(collected("customer-1", 1, 100n), collected("customer-2", 2, 999n));
    expect([100n, 101n].map((amount) => check({ amount }, under))).to.deep.equal([
      "stale",
      gateway,
    ]);
    expect(check({ epoch: 2, amount: 1n }, under)).to.equal(gateway);
  });

  it("refuses one that promises more than its key may in that epoch", () => {
    const under = lawOf(
      keySet("customer-1", "gateway-1", 100n),
      keySet("customer-1", "gateway-2", 300n),
      keySet("customer-1", "gateway-1", 200n, 2),
    );
    const at = (epoch: number, amount: bigint, key?: string) =>
      check({ epoch, amount }, under, key);
    expect([at(1, 100n), at(1, 101n)]).to.deep.equal([gateway, "over-cap"]);
    expect([at(2, 200n), at(2, 201n)]).to.deep.equal([gateway, "over-cap"]);
    expect(at(1, 300n, "gateway-2")).to.equal(address("gateway-2"));
  });

  it("checks what is cheap before it recovers the signature", () => {
    const voucher = { customer, epoch: 1, amount: 0n };
    const recover = () => {
      throw new Error("recovered for nothing");
    };
    const signed = { voucher, signature: new Uint8Array(64) };
    const curves = { ...PURE_CURVES, recover };
    expect(verifyVoucher(signed, { ...context, curves })).to.have.property("refusal", "stale");
  });
});
