import { type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Evidence } from "@link-rewards/core/judge/evidence";
import type { Judgement } from "@link-rewards/core/judge/judge";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import type { Wallet } from "ethers";
import { accountOf, from, walletOf } from "../worlds/contracts.ts";
import {
  deviceAt,
  LIMIT,
  OLD_KEY,
  REVOKED_DEVICE,
  resign,
  SECOND_DEVICE,
  type Served,
  SMALL_KEY,
  servedWorld,
  UNBOUND_DEVICE,
  YOUNG_DEVICE,
  YOUNG_KEY,
} from "./support/served.ts";
import type { DeviceWallet } from "./support/signing.ts";
import { bend, LAST_ADDRESS, NOBODY, rowOf, type Tables } from "./support/tables.ts";
import { evidenceOf, judged } from "./support/trial.ts";

/** Rows of epoch 2 by devices with a key on each curve. */
const SECP256K1 = 1;
const P256 = 3;

const ask = (position: number) =>
  ({ proof: "contribution", table: "contributions", position }) as const;

/**
 * What the judge says of a row, as it is and with nobody for an account: whom an unlawful receipt earns for must not
 * matter.
 */
async function verdictOn(world: Served, tables: Tables, position: number): Promise<Judgement> {
  const verdict = await judged(world, tables, ask(position));
  const nobodys = bend(tables, "contributions", position, { account: NOBODY });
  expect(await judged(world, nobodys, ask(position)), "of nobody").to.equal("unlawful");
  return verdict;
}

/** A row's receipt is changed and signed anew. */
async function verdictOnReceipt(
  change: Partial<Receipt>,
  keys: { readonly gateway?: Wallet; readonly device?: DeviceWallet } = {},
  position = SECP256K1,
): Promise<Judgement> {
  const world = await from(servedWorld);
  return verdictOn(world, resign(world, world.second, position, change, keys), position);
}

const addressOf = ({ address }: { readonly address: string }): Hex => lowercaseHex(address);

/** The receipt of another device, with an account that could be its own. */
async function verdictOnDevice(device: DeviceWallet, account: string): Promise<Judgement> {
  const world = await from(servedWorld);
  const tables = resign(world, world.second, SECP256K1, { device: addressOf(device) }, { device });
  const change = { account: lowercaseHex(account) };
  return verdictOn(world, bend(tables, "contributions", SECP256K1, change), SECP256K1);
}

describe("Judge", () => {
  describe("of a contribution", () => {
    it("convicts no row of an honest table, of a key on either curve", async () => {
      const world = await from(servedWorld);
      for (const tables of [world.first, world.second]) {
        for (const position of tables.contributions.keys()) {
          expect(await judged(world, tables, ask(position)), `row ${position}`).to.equal("lawful");
        }
      }
    });

    it("convicts a receipt of another epoch, in which it was lawful", async () => {
      for (const epoch of [1, 3]) {
        expect(await verdictOnReceipt({ epoch }), `epoch ${epoch}`).to.equal("unlawful");
      }
    });

    it("convicts sequence 0, and no other", async () => {
      expect(await verdictOnReceipt({ sequence: 0 })).to.equal("unlawful");
      for (const sequence of [1, 2, 2 ** 32 - 1]) {
        expect(await verdictOnReceipt({ sequence })).to.equal("lawful");
      }
    });

    it("convicts a device that was never enrolled, is bound to nobody, or is bound later", async () => {
      for (const device of [walletOf("unknown device"), UNBOUND_DEVICE, YOUNG_DEVICE]) {
        expect(await verdictOnDevice(device, accountOf(2))).to.equal("unlawful");
      }
    });

    it("convicts a device that was revoked in that epoch", async () => {
      expect(await verdictOnDevice(REVOKED_DEVICE, accountOf(2))).to.equal("unlawful");
    });

    it("convicts another account than the device's", async () => {
      expect(await verdictOnDevice(deviceAt(2), accountOf(2))).to.equal("lawful");
      for (const account of [accountOf(0), accountOf(1), accountOf(9), LAST_ADDRESS]) {
        expect(await verdictOnDevice(deviceAt(2), account), account).to.equal("unlawful");
      }
    });

    for (const resource of Object.keys(LIMIT) as (keyof typeof LIMIT)[]) {
      it(`convicts ${resource} over the limit of the device's class, by one`, async () => {
        const limit = LIMIT[resource];
        expect(await verdictOnReceipt({ [resource]: limit })).to.equal("lawful");
        expect(await verdictOnReceipt({ [resource]: limit + 1n })).to.equal("unlawful");
      });
    }

    it("takes every key of the customer, however little it may promise", async () => {
      expect(await verdictOnReceipt({}, { gateway: SMALL_KEY })).to.equal("lawful");
    });

    it("convicts a key that is nobody's, another customer's, taken back, or used later", async () => {
      const { buyers } = await from(servedWorld);
      const keys = [walletOf("stranger's key"), buyers[1].gateway, OLD_KEY, YOUNG_KEY];
      for (const gateway of keys) {
        expect(await verdictOnReceipt({}, { gateway }), gateway.address).to.equal("unlawful");
      }
    });

    it("convicts a customer that was never admitted", async () => {
      const customer = addressOf(walletOf("walk-in customer"));
      expect(await verdictOnReceipt({ customer })).to.equal("unlawful");
    });

    it("convicts a signature of another device, on the same curve or the other", async () => {
      const signers = [deviceAt(3), deviceAt(1), SECOND_DEVICE];
      for (const device of signers) {
        expect(await verdictOnReceipt({}, { device }, SECP256K1)).to.equal("unlawful");
      }
      for (const device of [deviceAt(0), SECOND_DEVICE]) {
        expect(await verdictOnReceipt({}, { device }, P256)).to.equal("unlawful");
      }
    });

    it("convicts signatures over another receipt", async () => {
      const world = await from(servedWorld);
      for (const position of [SECP256K1, P256]) {
        const { customerSignature, deviceSignature } = rowOf(
          resign(world, world.second, position, { sequence: 2 }),
          "contributions",
          position,
        );
        for (const change of [{ customerSignature }, { deviceSignature }]) {
          const tables = bend(world.second, "contributions", position, change);
          expect(await verdictOn(world, tables, position)).to.equal("unlawful");
        }
      }
    });
  });

  describe("of a device's public key", () => {
    /** The evidence of an honest P-256 row, and of one that its device did not sign. */
    async function trials() {
      const world = await from(servedWorld);
      const { second } = world;
      const unsigned = resign(world, second, P256, {}, { device: SECOND_DEVICE });
      const shown = (tables: Tables, publicKey: Hex): Evidence => ({
        ...evidenceOf(world, tables, ask(P256)),
        publicKey,
      });
      return { world, second, unsigned, shown };
    }

    const keyOf = (device: DeviceWallet): Hex =>
      "publicKey" in device ? lowercaseHex(device.publicKey) : "0x";

    it("fails, whatever it signed, when it is not shown, cut, too long or another device's", async () => {
      const { world, second, unsigned, shown } = await trials();
      const own = keyOf(deviceAt(1));
      const others = keyOf(SECOND_DEVICE);
      for (const key of ["0x", own.slice(0, -2), `${own}00`, others, `0x${"00".repeat(64)}`]) {
        for (const tables of [second, unsigned]) {
          expect(await judged(world, tables, shown(tables, key as Hex))).to.equal("invalid");
        }
      }
      expect(await judged(world, second, shown(second, own))).to.equal("lawful");
      expect(await judged(world, unsigned, shown(unsigned, own))).to.equal("unlawful");
    });

    it("is not looked at when something else speaks against the receipt", async () => {
      const { world, shown } = await trials();
      const revoked = { device: addressOf(REVOKED_DEVICE) };
      for (const change of [{ sequence: 0 }, { egressBytes: LIMIT.egressBytes + 1n }, revoked]) {
        const tables = resign(world, world.second, P256, change);
        expect(await judged(world, tables, shown(tables, "0x"))).to.equal("unlawful");
      }
    });

    it("is not looked at when the device's key is secp256k1", async () => {
      const { world, second } = await trials();
      const evidence = evidenceOf(world, second, ask(SECP256K1));
      const shown = { ...evidence, publicKey: keyOf(SECOND_DEVICE) };
      expect(await judged(world, second, shown)).to.equal("lawful");
    });
  });
});
