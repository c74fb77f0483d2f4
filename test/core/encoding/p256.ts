import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSign,
  type KeyObject,
} from "node:crypto";
import {
  concatBytes,
  fromHex,
  type Hex,
  readUint,
  toHex,
  writeUint,
} from "@link-rewards/core/encoding/bytes";
import {
  addressOfP256,
  isLowS,
  isSignedBy,
  NO_PUBLIC_KEY,
  PUBLIC_KEY_BYTES,
  publicKeyOfP256,
  signP256,
  type VerifyP256,
  verifyP256,
  withLowS,
} from "@link-rewards/core/encoding/p256";
import { addressOf, sign } from "@link-rewards/core/encoding/signature";
import { nativeVerifyP256 } from "@link-rewards/host/p256";
import { expect } from "chai";
import { keccak256 } from "ethers";
import fc from "fast-check";
import { keyOf } from "../../worlds/paper.ts";

const ORDER = 0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff_bce6_faad_a717_9e84_f3b9_cac2_fc63_2551n;
const FIELD = 0xffff_ffff_0000_0001_0000_0000_0000_0000_0000_0000_ffff_ffff_ffff_ffff_ffff_ffffn;
const key = keyOf("device-2");
const publicKey = toHex(publicKeyOfP256(key));
const digest = keyOf("digest");
const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });
const keys = fc.bigInt({ min: 1n, max: ORDER - 1n }).map(word);

function word(value: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  writeUint(bytes, 0, 32, value);
  return bytes;
}

const sOf = (signature: Uint8Array) => readUint(signature, 32, 32);
const withS = (s: bigint) => concatBytes(signP256(digest, key).subarray(0, 32), word(s));

/** Node's own, by way of the JWK. */
function keyObject(privateKey: Uint8Array): KeyObject {
  const point = publicKeyOfP256(privateKey);
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  const [x, y] = [base64(point.subarray(0, 32)), base64(point.subarray(32))];
  const jwk = { kty: "EC", crv: "P-256", x, y, d: base64(privateKey) };
  return createPrivateKey({ key: jwk, format: "jwk" });
}

describe("signP256", () => {
  it("signs the SHA-256 of the digest, with low s, so that OpenSSL verifies it as it is", () => {
    fc.assert(
      fc.property(digests, keys, (message, privateKey) => {
        const signature = signP256(message, privateKey);
        expect(isLowS(signature)).to.equal(true);
        expect(signP256(message, privateKey)).to.deep.equal(signature);
        expect(nativeVerifyP256(message, signature, toHex(publicKeyOfP256(privateKey)))).to.equal(
          true,
        );
      }),
      { numRuns: 30 },
    );
  });

  it("is RFC 6979's own example", () => {
    const secret = "0xc9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    const signature = signP256(Buffer.from("sample"), fromHex(secret));
    const r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716";
    const s = 0xf7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8n;
    expect(toHex(signature)).to.equal(toHex(concatBytes(fromHex(`0x${r}`), word(ORDER - s))));
  });
});

describe("addressOfP256", () => {
  it("is the end of the keccak256 of the public key's x and y", () => {
    const { x, y } = createPublicKey(keyObject(key)).export({ format: "jwk" });
    const point = Buffer.concat([x, y].map((half) => Buffer.from(half as string, "base64url")));
    expect(publicKey).to.equal(toHex(point));
    expect(addressOfP256(key)).to.equal(`0x${keccak256(point).slice(-40)}`);
  });
});

describe("isLowS", () => {
  it("ends at half the order", () => {
    expect(isLowS(withS(ORDER >> 1n))).to.equal(true);
    expect(isLowS(withS((ORDER >> 1n) + 1n))).to.equal(false);
  });
});

describe("withLowS", () => {
  it("turns what OpenSSL makes, high s or low, into what counts", () => {
    const signing = keyObject(key);
    const seen = new Set<boolean>();
    while (seen.size < 2) {
      const made = createSign("sha256")
        .update(digest)
        .sign({ key: signing, dsaEncoding: "ieee-p1363" });
      seen.add(isLowS(made));
      expect(verifyP256(digest, made, publicKey)).to.equal(isLowS(made));
      expect(verifyP256(digest, withLowS(made), publicKey)).to.equal(true);
    }
  });
});

describe("isSignedBy", () => {
  const [device, good] = [addressOfP256(key), signP256(digest, key)];

  it("takes a P-256 signature with the device's own public key, and with no other", () => {
    expect(isSignedBy(device, digest, good, publicKey)).to.equal(true);
    const other = keyOf("device-5");
    const shown = toHex(publicKeyOfP256(other));
    expect(isSignedBy(device, digest, signP256(digest, other), shown)).to.equal(false);
    expect(isSignedBy(device, digest, good, NO_PUBLIC_KEY)).to.equal(false);
    expect(isSignedBy(device, digest, good, `${publicKey}00`)).to.equal(false);
  });

  it("takes a secp256k1 signature of a device that shows no public key", () => {
    const signature = sign(digest, key);
    expect(isSignedBy(addressOf(key), digest, signature, NO_PUBLIC_KEY)).to.equal(true);
    expect(isSignedBy(device, digest, signature, NO_PUBLIC_KEY)).to.equal(false);
    expect(isSignedBy(addressOf(key), digest, good, publicKey)).to.equal(false);
  });
});

function verifies(name: string, verify: VerifyP256): void {
  describe(`verifyP256, ${name}`, () => {
    const good = signP256(digest, key);

    it("knows the key's signature, and neither another key nor another digest", () => {
      expect(verify(digest, good, publicKey)).to.equal(true);
      expect(verify(digest, good, toHex(publicKeyOfP256(keyOf("device-5"))))).to.equal(false);
      const other = digest.slice();
      other[31] = (other[31] as number) ^ 1;
      expect(verify(other, good, publicKey)).to.equal(false);
    });

    it("does not know a signature over the digest itself, without its SHA-256", () => {
      const hashed = new Uint8Array(createHash("sha256").update(digest).digest());
      expect(verify(hashed, good, publicKey)).to.equal(false);
    });

    it("does not know a secp256k1 signature of the same secret", () => {
      expect(verify(digest, sign(digest, key), publicKey)).to.equal(false);
    });

    it("takes no high s, of which every good signature has a twin", () => {
      expect(verify(digest, withS(ORDER - sOf(good)), publicKey)).to.equal(false);
    });

    it("takes no zero and no r or s out of range", () => {
      const end = good.subarray(32);
      for (const s of [0n, ORDER, ORDER + 1n, 2n ** 256n - 1n])
        expect(verify(digest, withS(s), publicKey), `s ${s}`).to.equal(false);
      for (const r of [0n, ORDER, ORDER + 1n, 2n ** 256n - 1n])
        expect(verify(digest, concatBytes(word(r), end), publicKey), `r ${r}`).to.equal(false);
    });

    it("takes no other length, of the signature or of the key", () => {
      for (const bytes of [good.subarray(0, 63), concatBytes(good, good), new Uint8Array()])
        expect(verify(digest, bytes, publicKey)).to.equal(false);
      for (const hex of ["0x", `0x04${publicKey.slice(2)}`, publicKey.slice(0, -2)] as Hex[])
        expect(verify(digest, good, hex)).to.equal(false);
    });

    it("takes no key that is not on the curve, nor written beyond the field", () => {
      const [x, y] = [publicKey.slice(0, 66), publicKey.slice(66)];
      const beyond = (value: bigint) => toHex(word(value + FIELD)).slice(2);
      const small = 5n;
      const strangers = [
        `0x${"00".repeat(PUBLIC_KEY_BYTES)}`,
        `0x${"ff".repeat(PUBLIC_KEY_BYTES)}`,
        `${x}${"0".repeat(63)}1`,
        `0x${beyond(small)}${y}`,
      ] as Hex[];
      for (const hex of strangers) expect(verify(digest, good, hex)).to.equal(false);
    });
  });
}

verifies("pure", verifyP256);
verifies("native", nativeVerifyP256);

describe("verifyP256, pure and native", () => {
  it("agree on any signature and key, near to good ones too", () => {
    const good = signP256(digest, key);
    const bent = (bytes: Uint8Array) =>
      fc.oneof(
        fc.uint8Array({ maxLength: 70 }),
        fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)).map(([at, value]) => {
          const changed = bytes.slice();
          changed[at] = value;
          return changed;
        }),
        fc.constant(bytes),
      );
    fc.assert(
      fc.property(bent(good), bent(fromHex(publicKey)), (signature, point) => {
        const hex = toHex(point);
        expect(nativeVerifyP256(digest, signature, hex)).to.equal(
          verifyP256(digest, signature, hex),
        );
      }),
    );
  });
});
