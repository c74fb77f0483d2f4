import { expect } from "chai";
import { type BaseContract, hexlify, randomBytes } from "ethers";
import {
  consentOf,
  deployedWorld,
  deviceOf,
  enrol,
  from,
  NO_DEADLINE,
  signConsent,
  walletOf,
} from "../worlds/contracts.ts";
import { collect, payingWorld, signVoucher, voucherOf } from "./support/customers.ts";
import { digestOf, domainOf, TYPES, type TypeName } from "./support/signing.ts";

const RUNS = 100;

function randomValue(type: string): string | bigint {
  if (type === "address") return hexlify(randomBytes(20));
  if (type === "bytes32") return hexlify(randomBytes(32));
  return BigInt(hexlify(randomBytes(Number(type.slice("uint".length)) / 8)));
}

/** All zeros, all ones, and whatever comes. */
function values(type: TypeName): readonly Record<string, string | bigint>[] {
  const whole = (fill: (type: string) => string | bigint) =>
    Object.fromEntries(TYPES[type].map((field) => [field.name, fill(field.type)]));
  const extreme = (byte: string) =>
    whole((field) => {
      const bytes =
        field === "address" ? 20 : field === "bytes32" ? 32 : Number(field.slice(4)) / 8;
      const hex = `0x${byte.repeat(bytes)}`;
      return field.startsWith("uint") ? BigInt(hex) : hex;
    });
  return [extreme("00"), extreme("ff"), ...Array.from({ length: RUNS }, () => whole(randomValue))];
}

describe("EIP-712 digests: lesson, The Graph H-07, a typehash wrong three times in one code base", () => {
  const direct: readonly (readonly [TypeName, "registry" | "escrow" | "ledger", string])[] = [
    ["Receipt", "registry", "receiptDigest"],
    ["Acknowledgement", "registry", "acknowledgementDigest"],
    ["Voucher", "escrow", "voucherDigest"],
    ["Report", "ledger", "reportDigest"],
  ];

  for (const [type, contract, view] of direct) {
    it(`of a ${type} are what ethers computes`, async () => {
      const world = await from(deployedWorld);
      const target: BaseContract = world[contract];
      const domain = await domainOf(target);
      for (const value of values(type)) {
        const digest = await target.getFunction(view)(value);
        expect(digest, JSON.stringify(Object.values(value).map(String))).to.equal(
          digestOf(domain, type, value),
        );
      }
    });
  }

  // The contracts show no digest of these two. A signature over ethers' digest that is taken shows that they agree:
  // with any other digest it would recover to another address.
  it("of a Bind are what ethers computes", async () => {
    const world = await from(deployedWorld);
    const { registry } = world;
    for (let i = 0; i < 10; i++) {
      const device = deviceOf(`device ${i}`);
      const account = String(randomValue("address"));
      const deadline = NO_DEADLINE - BigInt(randomValue("uint64"));
      await enrol(world, [device]);
      const nonce = BigInt(1 + (Number(randomValue("uint32")) % 1_000_000_000));
      const consent = await consentOf(world, device, account, { nonce, deadline });
      await registry.bind([consent], [await signConsent(world, consent, device)]);
      expect((await registry.deviceOf(device.address)).account.toLowerCase()).to.equal(account);
    }
  });

  it("of a SetPayee are what ethers computes", async () => {
    const { distributor } = await from(deployedWorld);
    const owner = walletOf("owner");
    const domain = await domainOf(distributor);
    for (let nonce = 0n; nonce < 10n; nonce++) {
      const payee = String(randomValue("address"));
      const deadline = NO_DEADLINE - BigInt(randomValue("uint64"));
      const consent = { account: owner.address, payee, nonce, deadline };
      const digest = digestOf(domain, "SetPayee", consent);
      const { serialized } = owner.signingKey.sign(digest);
      await distributor.setPayeeBySig(owner.address, payee, deadline, serialized);
      expect((await distributor.payeeOf(owner)).toLowerCase()).to.equal(payee);
    }
  });

  it("are bound to their contract: every domain is another", async () => {
    const { registry, escrow, distributor, ledger } = await from(deployedWorld);
    const domains = await Promise.all(
      [registry, escrow, distributor, ledger].map((c) => c.eip712Domain()),
    );
    for (const [i, contract] of [registry, escrow, distributor, ledger].entries()) {
      const { name, version, chainId, verifyingContract } = domains[i] as (typeof domains)[0];
      expect({ name, version, chainId: Number(chainId), verifyingContract }).to.deep.equal(
        await domainOf(contract),
      );
    }
  });

  it("sign every field: a voucher over all but one is not the voucher", async () => {
    const world = await from(payingWorld);
    const voucher = voucherOf(world, 1, 5);
    const signature = await signVoucher(world, voucher);
    await expect(
      world.escrow.collect([{ ...voucher, amount: 0n }], [signature]),
    ).to.be.revertedWithCustomError(world.escrow, "KeyUnknown");
    await collect(world, 1, 5);
  });
});
