import {
  concatBytes,
  fromHex,
  type Hex,
  toHex,
  writeUint,
} from "@link-rewards/core/encoding/bytes";
import {
  addressOf,
  type Recover,
  recover as recoverPure,
  sign,
} from "@link-rewards/core/encoding/signature";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import { expect } from "chai";
import { computeAddress, Signature, SigningKey } from "ethers";
import fc from "fast-check";
import { keyOf } from "../../worlds/paper.ts";

const ORDER = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n;
const key = keyOf("signer");
const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });
const keys = fc.bigInt({ min: 1n, max: ORDER - 1n }).map((scalar) => word(scalar));

function word(value: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  writeUint(bytes, 0, 32, value);
  return bytes;
}

/** A signature with the r of a real one, so that only s decides. */
function withS(s: bigint, parity = 0n): Uint8Array {
  const r = sign(keyOf("some digest"), key).subarray(0, 32);
  return concatBytes(r, word((parity << 255n) | s));
}

describe("sign", () => {
  it("gives the compact signature that ethers gives (RFC 6979, EIP-2098)", () => {
    fc.assert(
      fc.property(digests, keys, (digest, privateKey) => {
        const expected = new SigningKey(privateKey).sign(digest).compactSerialized;
        expect(toHex(sign(digest, privateKey))).to.equal(expected);
      }),
      { numRuns: 50 },
    );
  });

  it("names the key's address as ethers does", () => {
    expect(addressOf(key)).to.equal(computeAddress(toHex(key)).toLowerCase());
  });
});

function recovers(name: string, recover: Recover): void {
  describe(`recover, ${name}`, () => {
    it("finds the signer of a signature by ethers", () => {
      fc.assert(
        fc.property(digests, keys, (digest, privateKey) => {
          const signature = new SigningKey(privateKey).sign(digest).compactSerialized as Hex;
          expect(recover(digest, fromHex(signature))).to.equal(addressOf(privateKey));
        }),
        { numRuns: 50 },
      );
    });

    it("finds somebody else when one bit of the digest differs", () => {
      const digest = keyOf("digest");
      const signature = sign(digest, key);
      digest[31] = (digest[31] as number) ^ 1;
      expect(recover(digest, signature)).to.not.equal(addressOf(key));
    });

    it("takes s up to half the order and nothing above", () => {
      expect(recover(keyOf("digest"), withS(ORDER >> 1n))).to.be.a("string");
      expect(recover(keyOf("digest"), withS((ORDER >> 1n) + 1n))).to.equal(undefined);
      expect(recover(keyOf("digest"), withS((1n << 255n) - 1n))).to.equal(undefined);
    });

    it("does not know the high-s twin of a good signature, which other libraries accept", () => {
      const digest = keyOf("digest");
      const { r, s, yParity } = Signature.from(toHex(sign(digest, key)));
      const twin = concatBytes(fromHex(r as Hex), word(ORDER - BigInt(s)));
      const spellings = [
        twin,
        concatBytes(twin.subarray(0, 32), word((ORDER - BigInt(s)) ^ (1n << 255n))),
      ];
      for (const spelling of spellings)
        expect(recover(digest, spelling)).to.not.equal(addressOf(key));
      expect(yParity).to.be.oneOf([0, 1]);
    });

    it("refuses zero and out-of-range r and s", () => {
      const digest = keyOf("digest");
      const good = sign(digest, key);
      expect(recover(digest, withS(0n))).to.equal(undefined);
      for (const r of [0n, ORDER, 2n ** 256n - 1n]) {
        expect(recover(digest, concatBytes(word(r), good.subarray(32)))).to.equal(undefined);
      }
    });

    it("refuses any other length, the 65 bytes with v among them", () => {
      const digest = keyOf("digest");
      const good = sign(digest, key);
      expect(recover(digest, good)).to.equal(addressOf(key));
      for (const bytes of [
        good.subarray(0, 63),
        concatBytes(good, Uint8Array.of(27)),
        new Uint8Array(),
      ]) {
        expect(recover(digest, bytes)).to.equal(undefined);
      }
    });

    it("never throws, whatever comes", () => {
      fc.assert(
        fc.property(digests, fc.uint8Array({ maxLength: 70 }), (digest, signature) => {
          const signer = recover(digest, signature);
          expect(signer === undefined || signer.length === 42).to.equal(true);
        }),
      );
    });
  });
}

recovers("pure", recoverPure);
recovers("native", loadSecp256k1().recover);
