import {
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  isHexOf,
  keccak256,
  readUint,
  toHex,
  utf8,
  writeUint,
} from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import { keccak256 as ethersKeccak } from "ethers";
import fc from "fast-check";

describe("bytes", () => {
  it("hashes as ethers does", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(toHex(keccak256(bytes))).to.equal(ethersKeccak(bytes));
      }),
    );
  });

  it("reads back every integer it writes, big-endian", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 32 }), fc.bigInt({ min: 0n }), (size, any) => {
        const value = BigInt.asUintN(8 * size, any);
        const bytes = new Uint8Array(size + 2);
        writeUint(bytes, 1, size, value);
        expect(readUint(bytes, 1, size)).to.equal(value);
        expect(toHex(bytes.subarray(1, 1 + size))).to.equal(
          `0x${value.toString(16).padStart(2 * size, "0")}`,
        );
        expect([bytes[0], bytes[size + 1]]).to.deep.equal([0, 0]);
      }),
    );
  });

  it("writes the largest integer of a size and refuses the next, and any below zero", () => {
    const bytes = new Uint8Array(4);
    writeUint(bytes, 0, 4, 0xffff_ffff);
    expect(toHex(bytes)).to.equal("0xffffffff");
    expect(() => writeUint(bytes, 0, 4, 0x1_0000_0000)).to.throw(RangeError, "does not fit");
    expect(() => writeUint(bytes, 0, 4, -1)).to.throw(RangeError, "does not fit");
  });

  it("refuses to read beyond the end", () => {
    expect(readUint(new Uint8Array(4), 0, 4)).to.equal(0n);
    expect(() => readUint(new Uint8Array(4), 1, 4)).to.throw(RangeError, "no 4 bytes at 1");
  });

  it("takes hex of exactly the length asked for, in either case", () => {
    expect(isHexOf("0xAbCd", 2)).to.equal(true);
    for (const value of [
      "abcd",
      "0xabc",
      "0xabcde",
      "0xabcg",
      "0xabcd00",
      "0xabc\0",
      43981,
      null,
    ]) {
      expect(isHexOf(value, 2), String(value)).to.equal(false);
    }
  });

  it("orders bytes as their hex sorts", () => {
    const some = fc.uint8Array({ maxLength: 6 });
    fc.assert(
      fc.property(some, some, (a, b) => {
        const byHex = toHex(a) < toHex(b) ? -1 : toHex(a) > toHex(b) ? 1 : 0;
        expect(Math.sign(compareBytes(a, b))).to.equal(byHex);
        expect(equalBytes(a, b)).to.equal(byHex === 0);
      }),
    );
  });

  it("joins parts in their order", () => {
    expect(concatBytes(utf8("ab"), fromHex("0x"), utf8("c"))).to.deep.equal(utf8("abc"));
  });
});
