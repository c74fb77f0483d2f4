import type { DeviceRegistry } from "@link-rewards/contracts/types/DeviceRegistry";
import {
  fromHex,
  type Hex,
  lowercaseHex,
  toHex,
  writeUint,
} from "@link-rewards/core/encoding/bytes";
import { isSignedBy } from "@link-rewards/core/encoding/p256";
import { nativeVerifyP256 } from "@link-rewards/host/p256";
import { expect } from "chai";
import { concat, id, sha256, ZeroAddress } from "ethers";
import fc from "fast-check";
import hre from "hardhat";
import {
  bindDevice,
  consentOf,
  deployedWorld,
  deviceOf,
  EPOCH_SECONDS,
  enrol,
  from,
  GENESIS,
  GRACE_SECONDS,
  goTo,
  signConsent,
  startOf,
  walletOf,
} from "../worlds/contracts.ts";
import { numbered } from "./support/revisions.ts";
import { type DeviceWallet, isP256, signDigestAsDevice } from "./support/signing.ts";

const SECP256K1 = walletOf("device 0");
const P256 = deviceOf("device 1");
const OTHER_P256 = deviceOf("device 4");
const DIGEST = id("digest");

/** Orders of the curves. */
const ORDERS = {
  secp256k1: 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n,
  "P-256": 0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff_bce6_faad_a717_9e84_f3b9_cac2_fc63_2551n,
} as const;
/** The field of P-256. */
const FIELD = 0xffff_ffff_0000_0001_0000_0000_0000_0000_0000_0000_ffff_ffff_ffff_ffff_ffff_ffffn;

function publicKeyOf(device: DeviceWallet): string {
  if (!isP256(device)) throw new Error("its key is secp256k1");
  return device.publicKey;
}

function word(value: bigint): Hex {
  const bytes = new Uint8Array(32);
  writeUint(bytes, 0, 32, BigInt.asUintN(256, value));
  return toHex(bytes);
}

describe("DeviceRegistry", () => {
  describe("enrolP256", () => {
    it("authorises the device whose address the public key has, and says the key", async () => {
      const { registry, manufacturer } = await from(deployedWorld);
      const keys = [P256, OTHER_P256].map(publicKeyOf);
      await expect(registry.connect(manufacturer).enrolP256(keys, 255))
        .to.emit(registry, "DeviceEnrolled")
        .withArgs(P256.address, 255, keys[0], 1)
        .and.to.emit(registry, "DeviceEnrolled")
        .withArgs(OTHER_P256.address, 255, keys[1], 2);
      expect(await registry.deviceOf(P256.address)).to.deep.equal([
        2n,
        255n,
        0n,
        ZeroAddress,
        ZeroAddress,
      ]);
    });

    it("refuses a device that is enrolled already", async () => {
      const world = await from(deployedWorld);
      await enrol(world, [P256]);
      await expect(enrol(world, [P256]))
        .to.be.revertedWithCustomError(world.registry, "DeviceAlreadyEnrolled")
        .withArgs(P256.address);
    });

    it("refuses what is not a point of the curve, in its one spelling", async () => {
      const { registry, manufacturer } = await from(deployedWorld);
      const key = publicKeyOf(P256);
      const [x, y] = [key.slice(0, 66), key.slice(66)];
      const none = [
        "0x",
        `0x04${key.slice(2)}`,
        key.slice(0, -2),
        `0x${"00".repeat(64)}`,
        concat([word(FIELD), word(0n)]),
        `${x}${word(FIELD - BigInt(`0x${y}`) - 1n).slice(2)}`,
      ];
      for (const bytes of none) {
        await expect(registry.connect(manufacturer).enrolP256([bytes], 1))
          .to.be.revertedWithCustomError(registry, "InvalidPublicKey")
          .withArgs(bytes);
      }
    });
  });

  describe("bind, with a P-256 key", () => {
    it("takes the device's consent, and none by another key", async () => {
      const world = await from(deployedWorld);
      const { registry, stranger } = world;
      await enrol(world, [P256, SECP256K1]);
      await goTo(world, startOf(3));
      const consent = await consentOf(world, P256, stranger.address);
      const own = await signConsent(world, consent, P256);
      const others = await signConsent(world, consent, OTHER_P256);
      await expect(registry.bind([consent], [{ ...others, publicKey: own.publicKey }]))
        .to.be.revertedWithCustomError(registry, "NotSignedByDevice")
        .withArgs(P256.address);
      await expect(registry.bind([consent], [others]))
        .to.be.revertedWithCustomError(registry, "PublicKeyMismatch")
        .withArgs(P256.address, others.publicKey);
      await expect(registry.bind([consent], [own]))
        .to.emit(registry, "DeviceBound")
        .withArgs(P256.address, stranger.address, 4, numbered);
    });

    it("binds devices of both kinds in one transaction", async () => {
      const world = await from(deployedWorld);
      const { registry, stranger } = world;
      await enrol(world, [P256, SECP256K1]);
      const consents = await Promise.all(
        [P256, SECP256K1].map((device) => consentOf(world, device, stranger.address)),
      );
      const signatures = [P256, SECP256K1].map((device, i) =>
        signConsent(world, consents[i] as (typeof consents)[0], device),
      );
      await registry.bind(consents, await Promise.all(signatures));
      for (const { address } of [P256, SECP256K1])
        expect((await registry.deviceOf(address)).account).to.equal(stranger.address);
    });

    it("asks the enrolment for the curve: one address, one key", async () => {
      const world = await from(deployedWorld);
      // The same secret on the other curve is another device.
      const twin = walletOf("device 1");
      await bindDevice(world, P256, world.stranger.address);
      const consent = await consentOf(world, P256, world.customer.address);
      const { r, vs } = await signConsent(world, consent, twin);
      const shown = { r, vs, publicKey: publicKeyOf(P256) };
      await expect(world.registry.bind([consent], [shown])).to.be.revertedWithCustomError(
        world.registry,
        "NotSignedByDevice",
      );
    });
  });

  for (const hardfork of ["osaka", "prague"]) {
    describe(`isSignedBy, ${hardfork === "osaka" ? "with" : "without"} the precompile of EIP-7951`, () => {
      let registry: DeviceRegistry;
      const enrolled = [SECP256K1, P256, OTHER_P256];

      before(async () => {
        const { ethers } = await hre.network.create({ override: { hardfork } });
        const [maker] = await ethers.getSigners();
        registry = (await ethers.deployContract("DeviceRegistry", [
          ...[GENESIS, EPOCH_SECONDS, GRACE_SECONDS, maker, maker],
        ])) as unknown as DeviceRegistry;
        await registry.enrol([SECP256K1.address], 1);
        await registry.enrolP256([P256, OTHER_P256].map(publicKeyOf), 1);
        const keys = [publicKeyOf(P256).slice(0, 66), `0x${publicKeyOf(P256).slice(66)}`];
        const { r, vs } = signDigestAsDevice(P256, DIGEST);
        const direct = await ethers.provider.call({
          to: "0x0000000000000000000000000000000000000100",
          data: concat([sha256(DIGEST), r, vs, ...keys]),
        });
        expect(direct).to.equal(hardfork === "osaka" ? word(1n) : "0x");
      });

      /** The registry's answer, which core must give too, by either of its libraries. */
      async function answer(device: DeviceWallet, digest: string, signature: string) {
        const publicKey = isP256(device) ? device.publicKey : "0x";
        const parts = { r: signature.slice(0, 66), vs: `0x${signature.slice(66)}`, publicKey };
        const theirs = await registry.isSignedBy(device.address, digest, parts);
        const [hash, bytes] = [fromHex(digest as Hex), fromHex(signature as Hex)];
        const address = lowercaseHex(device.address);
        expect(isSignedBy(address, hash, bytes, publicKey as Hex), signature).to.equal(theirs);
        if (isP256(device))
          expect(nativeVerifyP256(hash, bytes, publicKey as Hex), signature).to.equal(theirs);
        return theirs;
      }

      const signed = (device: DeviceWallet, digest = DIGEST) => {
        const { r, vs } = signDigestAsDevice(device, digest);
        return concat([r, vs]);
      };

      it("knows each device's own signature, and no other's", async () => {
        for (const device of enrolled) {
          for (const signer of enrolled)
            expect(await answer(device, DIGEST, signed(signer))).to.equal(device === signer);
          expect(await answer(device, DIGEST, signed(device, id("another")))).to.equal(false);
        }
      });

      for (const [name, device] of [
        ["secp256k1", SECP256K1],
        ["P-256", P256],
      ] as const) {
        it(`takes no ${name} signature out of range or with a high s, and never reverts`, async () => {
          const order = ORDERS[name];
          const good = signed(device);
          const [r, vs] = [good.slice(0, 66), `0x${good.slice(66)}`];
          const s = BigInt(vs) & (2n ** 255n - 1n);
          const ends = [0n, 1n, order - 1n, order, order + 1n, 2n ** 255n, 2n ** 256n - 1n];
          const bent = [
            ...ends.map((value) => concat([word(value), vs])),
            ...ends.map((value) => concat([r, word(value)])),
            ...[order >> 1n, (order >> 1n) + 1n].map((value) => concat([r, word(value)])),
            concat([r, word(order - s)]),
            concat([r, word((order - s) | (1n << 255n))]),
            `0x${"00".repeat(64)}`,
          ];
          for (const signature of bent)
            expect(await answer(device, DIGEST, signature)).to.equal(false);
        });

        it(`answers for any bytes as core does, with a ${name} key`, async () => {
          const good = fromHex(signed(device) as Hex);
          const signatures = fc.oneof(
            fc.uint8Array({ minLength: 64, maxLength: 64 }),
            fc.tuple(fc.nat(63), fc.nat(255)).map(([at, value]) => {
              const bytes = good.slice();
              bytes[at] = value;
              return bytes;
            }),
          );
          await fc.assert(
            fc.asyncProperty(signatures, async (signature) => {
              await answer(device, DIGEST, toHex(signature));
            }),
            { numRuns: 40 },
          );
        });
      }

      it("is false for who was never enrolled, and refuses another public key", async () => {
        const { r, vs } = signDigestAsDevice(P256, DIGEST);
        const stranger = deviceOf("device 7");
        const theirs = signDigestAsDevice(stranger, DIGEST);
        expect(await registry.isSignedBy(stranger.address, DIGEST, theirs)).to.equal(false);
        for (const publicKey of ["0x", publicKeyOf(OTHER_P256), `${publicKeyOf(P256)}00`]) {
          await expect(registry.isSignedBy(P256.address, DIGEST, { r, vs, publicKey }))
            .to.be.revertedWithCustomError(registry, "PublicKeyMismatch")
            .withArgs(P256.address, publicKey);
        }
      });
    });
  }
});
