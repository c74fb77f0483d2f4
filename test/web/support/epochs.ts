import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import type { HDNodeWallet } from "ethers";
import type { LocalDevice } from "../../../scripts/local/local-device.ts";
import { LTK, type MemberWorld, TERABYTE } from "../../worlds/network.ts";

/** Three epochs are final, and a fourth is in its window. */
export const FINAL_EPOCHS = 3;
export const PENDING_EPOCH = 4;
/** In this epoch a device signs one sequence twice, and another is revoked after it has served. */
export const CONTESTED_EPOCH = 3;
export const REVOKED_FOR = "Its key was found in a second device.";

/** What each device served, in tenths of a terabyte, and how much of it the second customer pays. */
const EPOCHS = [
  { served: [41n, 27n, 12n], percentPaid: 100n },
  { served: [58n, 22n, 30n], percentPaid: 100n },
  { served: [49n, 35n, 9n], percentPaid: 60n },
  { served: [72n, 31n, 18n], percentPaid: 100n },
] as const;

const HOUR_SECONDS = 3_600n;
const HOUR_MILLISECONDS = 3_600_000n;

/** Serves, pays and closes them. The fourth owner's device earns nothing: the one epoch it serves in, it is revoked. */
export async function playEpochs(world: MemberWorld): Promise<void> {
  const { url, stop } = await world.oracle.serve();
  for (const [i, { served, percentPaid }] of EPOCHS.entries()) {
    const epoch = i + 1;
    for (const c of world.customers.keys()) {
      const share = BigInt(c + 1);
      const receipts = served.map((tenths) => receiptOf(world, epoch, c, tenths));
      await world.submit(url, receipts);
      await world.owe(
        url,
        epoch,
        (worthOf(served, share) * (c === 1 ? percentPaid : 100n)) / 100n,
        c,
      );
    }
    if (epoch === CONTESTED_EPOCH) await contest(world, url, served[0]);
    await propose(world, epoch);
    if (epoch === PENDING_EPOCH) break;
    await world.passWindow();
    await closeOnce(world);
  }
  await stop();
}

/** A customer's share of what one device served, in tenths of a terabyte. */
function receiptOf(world: MemberWorld, epoch: number, c: number, tenths: bigint): Partial<Receipt> {
  const share = BigInt(c + 1);
  return {
    epoch,
    customer: lowercaseHex((world.customers[c] as HDNodeWallet).address),
    egressBytes: (tenths * TERABYTE) / (10n * share),
    storageByteSeconds: (tenths * TERABYTE * HOUR_SECONDS) / 10n,
    computeMilliseconds: tenths * HOUR_MILLISECONDS * share,
  };
}

/** After its honest receipts: the first device signs the first of them, of `tenths`, anew with a byte more. */
async function contest(world: MemberWorld, url: string, tenths: bigint): Promise<void> {
  const { devnet, devices } = world;
  const epoch = CONTESTED_EPOCH;
  const again = receiptOf(world, epoch, 0, tenths);
  await world.submit(url, [{ ...again, egressBytes: (again.egressBytes ?? 0n) + 1n }]);
  const device = (devices[3] as LocalDevice).address;
  const more = world.customers.map((_, c) => ({ ...receiptOf(world, epoch, c, 1n), device }));
  await world.submit(url, more);
  const manufacturer = devnet.suite.registry.connect(devnet.role("manufacturer"));
  await (await manufacturer.revoke([device], REVOKED_FOR)).wait();
}

/** One epoch, in its window: each device serves each customer. */
export async function playOneEpoch(world: MemberWorld): Promise<void> {
  const { url, stop } = await world.oracle.serve();
  for (const [c, customer] of world.customers.entries()) {
    const served = world.devices.map((_, d) => ({
      ...{ epoch: 1, customer: lowercaseHex(customer.address) },
      egressBytes: (TERABYTE * BigInt(1 + (d % 7))) / 1_000n,
    }));
    await world.submit(url, served);
    await world.owe(url, 1, LTK, c);
  }
  await propose(world, 1);
  await stop();
}

async function propose(world: MemberWorld, epoch: number): Promise<void> {
  await world.endEpoch(epoch);
  await closeOnce(world);
  await world.sealEpoch(epoch);
  await closeOnce(world);
}

/** At the devnet's prices, and a little more: who pays more than it owes has paid in full. */
function worthOf(served: readonly bigint[], share: bigint): bigint {
  const tenths = served.reduce((sum, part) => sum + part, 0n);
  return (tenths * LTK) / (10n * share) + (tenths * LTK * share) / 270n + LTK / 10n;
}

async function closeOnce({ oracle }: MemberWorld): Promise<void> {
  const { code, stderr } = await oracle.close();
  if (code !== 0) throw new Error(`close ended with ${code}: ${stderr}`);
}
