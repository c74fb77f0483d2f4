import { concatBytes, toHex } from "@link-rewards/core/encoding/bytes";
import {
  packSignedReceipt,
  receiptDigest,
  receiptDigests,
  SIGNED_RECEIPT_BYTES,
} from "@link-rewards/core/signed/receipt";
import {
  recoverSigners,
  SIGNERS_BYTES,
  type SignedRecords,
  signersAt,
} from "@link-rewards/core/signed/signers";
import { expect } from "chai";
import { openRecoverPool, recoverInPool } from "../../../oracle/edge/recover-pool.ts";
import { address, receiptOf, registryDomain, signReceipt } from "../../worlds/paper.ts";

const signed = Array.from({ length: 5 }, (_, i) => signReceipt(receiptOf({ sequence: i + 1 })));
const broken = { ...signReceipt(receiptOf()), deviceSignature: new Uint8Array(64).fill(255) };
const all = [...signed, broken];
const packed = concatBytes(...all.map(packSignedReceipt));
const recordsOf = (records: Uint8Array): SignedRecords => ({
  domain: registryDomain,
  records,
  recordBytes: SIGNED_RECEIPT_BYTES,
});

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
  const signers = recoverSigners(recordsOf(packed));

  it("names the customer's key and the device of each record", () => {
    for (const i of signed.keys()) {
      expect(signersAt(signers, i)).to.deep.equal({
        customer: address("gateway-1"),
        device: address("device-1"),
      });
    }
  });

  it("names nobody for what is not a signature", () => {
    expect(signersAt(signers, signed.length).device).to.equal(undefined);
  });

  it("finds the same for digests that are known already", () => {
    const digests = receiptDigests(registryDomain, packed, SIGNED_RECEIPT_BYTES);
    expect(recoverSigners({ ...recordsOf(packed), digests })).to.deep.equal(signers);
  });
});

describe("recoverSigners in a pool of threads", () => {
  it("gives the same for any number of records, in their order, and tells how far it is", async () => {
    const many = concatBytes(...Array.from({ length: 75 }, () => packed));
    const pool = openRecoverPool(2);
    try {
      const seen: number[] = [];
      const found = await pool.recover(recordsOf(many), (done) => seen.push(done));
      const expected = recoverSigners(recordsOf(packed));
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

  it("cuts the digests with the records", async () => {
    const many = concatBytes(...Array.from({ length: 75 }, () => packed));
    const digests = receiptDigests(registryDomain, many, SIGNED_RECEIPT_BYTES);
    const pool = openRecoverPool(2);
    try {
      expect(await pool.recover({ ...recordsOf(many), digests })).to.deep.equal(
        await pool.recover(recordsOf(many)),
      );
    } finally {
      await pool.close();
    }
  });

  it("takes a few records here, without a thread", async () => {
    const found = await recoverInPool(recordsOf(packed));
    expect(toHex(found)).to.equal(toHex(recoverSigners(recordsOf(packed))));
  });
});
