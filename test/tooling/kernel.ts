import { expect } from "chai";
import { KECCAK_KERNEL } from "../../core/encoding/keccak-kernel.ts";
import { compileKernel } from "../../scripts/kernel.ts";

describe("core/encoding/keccak-kernel.ts", () => {
  it("is what kernel/keccak.ts compiles to, byte for byte (else: node scripts/kernel.ts)", async () => {
    expect(await compileKernel()).to.equal(KECCAK_KERNEL);
  });
});
