import { createRequire } from "node:module";
import { keccak256, utf8 } from "@link-rewards/core/encoding/bytes";
import {
  addressOf,
  recover as recoverPure,
  sign as signPure,
} from "@link-rewards/core/encoding/signature";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import { expect } from "chai";
import fc from "fast-check";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe("loadSecp256k1", () => {
  it("is the native one where the addon loads, and the pure one with the reason where it does not", () => {
    expect(loadSecp256k1().name).to.equal(isAddonThere() ? "native" : "pure");
    const fallen = loadSecp256k1(() => {
      throw new Error("no build for this platform\nlooked in: somewhere");
    });
    expect(fallen).to.deep.equal({
      recover: recoverPure,
      sign: signPure,
      name: "pure",
      reason: "no build for this platform",
    });
  });

  it("recovers as the pure one does, from any bytes", () => {
    const { recover } = loadSecp256k1();
    const signatures = fc.uint8Array({ minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(bytes32, signatures, (digest, signature) => {
        expect(recover(digest, signature)).to.equal(recoverPure(digest, signature));
      }),
    );
  });

  it("signs as the pure one does, byte for byte, with any digest and key", () => {
    const { sign, recover } = loadSecp256k1();
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
});

function isAddonThere(): boolean {
  try {
    createRequire(import.meta.url)("secp256k1/bindings.js");
    return true;
  } catch {
    return false;
  }
}
