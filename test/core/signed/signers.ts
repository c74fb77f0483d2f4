import { concatBytes, toHex } from "@link-rewards/core/encoding/bytes";
import type { PublicKeys } from "@link-rewards/core/encoding/p256";
import {
  packSignedReceipt,
  receiptDigest,
  receiptDigests,
  SIGNED_RECEIPT_BYTES,
} from "@link-rewards/core/signed/receipt";
import {
  PURE_CURVES,
  publicKeysAmong,
  recoverSigners,
  SIGNERS_BYTES,
  type SignedRecords,
  signersAt,
} from "@link-rewards/core/signed/signers";
import { expect } from "chai";
import { openRecoverPool, recoverInPool } from "../../../oracle/edge/recover-pool.ts";
import { address, publicKey, receiptOf, registryDomain, signReceipt } from "../../worlds/paper.ts";

const devices = ["device-1", "device-2", "device-3", "device-5", "device-1"];
const signed = devices.map((name, i) =>
  signReceipt(receiptOf({ device: address(name), sequence: i + 1 }), { device: name }),
);
const broken = ["device-1", "device-2"].map((name) => ({
  ...signReceipt(receiptOf({ device: address(name) })),
  deviceSignature: new Uint8Array(64).fill(255),
}));
const all = [...signed, ...broken];
const packed = concatBytes(...all.map(packSignedReceipt));
const publicKeys = new Map(
  ["device-2", "device-5", "device-8"].map((name) => [address(name), publicKey(name)]),
);
const recordsOf = (records: Uint8Array): SignedRecords => ({
  domain: registryDomain,
  records,
  recordBytes: SIGNED_RECEIPT_BYTES,
  publicKeys,
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
    for (const [i, name] of devices.entries()) {
      expect(signersAt(signers, i)).to.deep.equal({
        customer: address("gateway-1"),
        device: address(name),
      });
    }
  });

  it("names nobody for what is not a signature", () => {
    for (const i of broken.keys()) {
      expect(signersAt(signers, signed.length + i).device).to.equal(undefined);
    }
  });

  it("does not name a P-256 device without its key, nor with that of another", () => {
    const device = address("device-2");
    const position = devices.indexOf("device-2");
    const named = (keys: PublicKeys) =>
      signersAt(recoverSigners({ ...recordsOf(packed), publicKeys: keys }), position).device;
    expect(named(publicKeys)).to.equal(device);
    expect(named(new Map())).to.not.equal(device);
    expect(named(new Map([[device, publicKey("device-5")]]))).to.equal(undefined);
  });

  it("does not name a secp256k1 device when the law has a P-256 key for its address", () => {
    const keys = new Map([[address("device-1"), publicKey("device-2")]]);
    const found = recoverSigners({ ...recordsOf(packed), publicKeys: keys });
    expect(signersAt(found, 0).device).to.equal(undefined);
  });

  it("looks at the device's signature alone where that decides, and it is not the device's", () => {
    let recovered = 0;
    const recover: typeof PURE_CURVES.recover = (...signature) => {
      recovered += 1;
      return PURE_CURVES.recover(...signature);
    };
    const forged = {
      ...signReceipt(receiptOf({ sequence: 1 })),
      receipt: receiptOf({ sequence: 2 }),
    };
    const records = recordsOf(packSignedReceipt(forged));
    const curves = { ...PURE_CURVES, recover };
    const found = recoverSigners({ ...records, deviceDecides: true }, curves);
    expect([recovered, signersAt(found, 0).customer]).to.deep.equal([1, undefined]);
    expect(signersAt(recoverSigners(records, curves), 0).customer).to.be.a("string");
    expect(recovered).to.equal(3);
  });

  it("finds the same for digests that are known already", () => {
    const digests = receiptDigests(registryDomain, packed, SIGNED_RECEIPT_BYTES);
    expect(recoverSigners({ ...recordsOf(packed), digests })).to.deep.equal(signers);
  });
});

describe("publicKeysAmong", () => {
  it("are those of the records' devices alone", () => {
    const among = publicKeysAmong(recordsOf(packed));
    expect([...among.keys()]).to.have.members([address("device-2"), address("device-5")]);
    expect(among.get(address("device-5"))).to.equal(publicKey("device-5"));
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
