import { expect } from "chai";
import fc from "fast-check";
import { keccak256, utf8 } from "../../oracle/core/bytes.ts";
import { addressOf, recover, sign as signPure } from "../../oracle/core/signature.ts";
import { loadSign } from "../../oracle/edge/sign.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe("loadSign", () => {
  it("gives the same bytes as the pure one, for any digest and key", () => {
    const sign = loadSign();
    fc.assert(
      fc.property(bytes32, fc.string(), (digest, name) => {
        const key = keccak256(utf8(name));
        const signature = sign(digest, key);
        expect(signature).to.deep.equal(signPure(digest, key));
        expect(recover(digest, signature)).to.equal(addressOf(key));
      }),
      { numRuns: 50 },
    );
  });

  it("is the pure one where the native one does not load", () => {
    const sign = loadSign(() => {
      throw new Error("no build for this platform");
    });
    expect(sign).to.equal(signPure);
  });
});
