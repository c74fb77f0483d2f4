import { concatBytes, toHex } from "@link-rewards/core/encoding/bytes";
import { type Keccak, keccak, loadKernel, pureKeccak } from "@link-rewards/core/encoding/keccak";
import { expect } from "chai";
import { keccak256 as ethersKeccak } from "ethers";
import fc from "fast-check";

const RATE = 136;
const messageOf = (length: number, salt = 0) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + length + salt) % 256);

function hashesLikeEthers(name: string, load: () => Keccak | undefined): void {
  describe(`keccak, ${name}`, () => {
    const tested = load();
    if (tested === undefined) throw new Error(`${name} does not load here`);

    it("hashes a message of any length around the block size", () => {
      for (const length of [
        0,
        1,
        7,
        8,
        31,
        32,
        44,
        64,
        RATE - 1,
        RATE,
        RATE + 1,
        2 * RATE,
        1_000,
      ]) {
        const message = messageOf(length);
        expect(toHex(tested.hash(message)), `${length} bytes`).to.equal(ethersKeccak(message));
      }
    });

    it("hashes records of any size and number, each as the message it is", () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 300 }),
          fc.integer({ min: 0, max: 9 }),
          fc.nat(),
          (size, count, salt) => {
            const records = Array.from({ length: count }, (_, i) => messageOf(size, salt + i));
            const hashes = toHex(tested.hashRecords(concatBytes(...records), size));
            const expected = records.map((record) => ethersKeccak(record).slice(2)).join("");
            expect(hashes).to.equal(`0x${expected}`);
          },
        ),
        { numRuns: 200 },
      );
    });

    it("hashes more than it takes in at once", () => {
      const records = messageOf(64 * 3_001);
      const hashes = tested.hashRecords(records, 64);
      for (const i of [0, 1_023, 1_024, 2_047, 3_000]) {
        const expected = ethersKeccak(records.slice(64 * i, 64 * (i + 1)));
        expect(toHex(hashes.subarray(32 * i, 32 * (i + 1)))).to.equal(expected);
      }
      const long = messageOf(200_000);
      expect(toHex(tested.hash(long))).to.equal(ethersKeccak(long));
      expect(toHex(tested.hashRecords(long, 100_000))).to.equal(
        toHex(concatBytes(tested.hash(long.slice(0, 100_000)), tested.hash(long.slice(100_000)))),
      );
    });

    it("refuses bytes that are not whole records", () => {
      expect(() => tested.hashRecords(new Uint8Array(65), 64)).to.throw(
        "65 bytes are not whole records",
      );
    });
  });
}

hashesLikeEthers("by the kernel", loadKernel);
hashesLikeEthers("in plain JavaScript", () => pureKeccak);

describe("keccak", () => {
  it("is the kernel's here, and the plain one's where the kernel does not load", () => {
    expect(keccak).to.not.equal(pureKeccak);
    expect(loadKernel(btoa("no WebAssembly"))).to.equal(undefined);
  });
});
