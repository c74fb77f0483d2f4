import { expect } from "chai";
import { concatBytes, toHex } from "../../oracle/core/bytes.ts";
import {
  packSignedReceipt,
  receiptDigest,
  receiptDigests,
  SIGNED_RECEIPT_BYTES,
} from "../../oracle/core/receipt.ts";
import { isRefused } from "../../oracle/core/refusal.ts";
import { recoverSigners, SIGNERS_BYTES, signersAt } from "../../oracle/core/signers.ts";
import { verifyReceipt, verifyReceipts } from "../../oracle/core/verify.ts";
import { openSigners, recoverSigners as recoverInThreads } from "../../oracle/edge/recover.ts";
import { address, lawOf, receiptOf, registryDomain, signReceipt } from "./world.ts";

const signed = Array.from({ length: 5 }, (_, i) => signReceipt(receiptOf({ sequence: i + 1 })));
const broken = { ...signReceipt(receiptOf()), deviceSignature: new Uint8Array(64).fill(255) };
const all = [...signed, broken];
const packed = concatBytes(...all.map(packSignedReceipt));

describe("receiptDigests", () => {
  it("are those of each receipt, in records of any length", () => {
    const wider = concatBytes(
      ...all.flatMap((each) => [packSignedReceipt(each), new Uint8Array(20).fill(9)]),
    );
    const expected = toHex(
      concatBytes(...all.map(({ receipt }) => receiptDigest(registryDomain, receipt))),
    );
    expect(toHex(receiptDigests(registryDomain, packed, SIGNED_RECEIPT_BYTES))).to.equal(expected);
    expect(toHex(receiptDigests(registryDomain, wider, SIGNED_RECEIPT_BYTES + 20))).to.equal(
      expected,
    );
  });
});

describe("recoverSigners", () => {
  const signers = recoverSigners(registryDomain, packed, SIGNED_RECEIPT_BYTES);

  it("names the customer's key and the device of each record", () => {
    for (const i of signed.keys()) {
      expect(signersAt(signers, i)).to.deep.equal({
        customer: address("gateway-1"),
        device: address("device-1"),
      });
    }
  });

  it("names nobody for what is no signature", () => {
    expect(signersAt(signers, signed.length).device).to.equal(undefined);
  });

  it("gives verifyReceipts what verifyReceipt finds one by one, also when that refuses", () => {
    const context = { law: lawOf(), domain: registryDomain };
    const outcomes = verifyReceipts(all, packed, signers, context);
    expect(outcomes).to.deep.equal(all.map((each) => verifyReceipt(each, context)));
    expect(outcomes.map(isRefused)).to.deep.equal(all.map((each) => each === broken));
    const unlawful = {
      ...context,
      law: lawOf(["DeviceRevoked", { device: address("device-1"), fromEpoch: 1 }]),
    };
    for (const outcome of verifyReceipts(all, packed, signers, unlawful)) {
      expect(outcome).to.deep.include({ refusal: "device-revoked" });
    }
  });
});

describe("recoverSigners in threads", () => {
  it("gives the same for any number of records, in their order, and tells how far it is", async () => {
    const many = concatBytes(...Array.from({ length: 75 }, () => packed));
    const pool = openSigners(2);
    try {
      const seen: number[] = [];
      const found = await pool.recoverSigners(registryDomain, many, SIGNED_RECEIPT_BYTES, (done) =>
        seen.push(done),
      );
      const expected = recoverSigners(registryDomain, packed, SIGNED_RECEIPT_BYTES);
      expect(found.length).to.equal(75 * all.length * SIGNERS_BYTES);
      for (let i = 0; i < 75; i++) {
        const part = found.subarray(i * expected.length, (i + 1) * expected.length);
        expect(toHex(part)).to.equal(toHex(expected));
      }
      expect(seen.at(-1)).to.equal(75 * all.length);
      // What was handed over is a copy.
      expect(many.length).to.equal(75 * packed.length);
    } finally {
      await pool.close();
    }
  });

  it("takes a few records here, without a thread", async () => {
    const found = await recoverInThreads(registryDomain, packed, SIGNED_RECEIPT_BYTES);
    expect(toHex(found)).to.equal(
      toHex(recoverSigners(registryDomain, packed, SIGNED_RECEIPT_BYTES)),
    );
  });
});
