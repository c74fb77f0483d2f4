import { lowercaseHex } from "../../../oracle/core/bytes.ts";
import { LTK, type MemberWorld, TERABYTE } from "../../oracle/support/member.ts";

/** Three epochs are final, and a fourth is in its window. */
export const FINAL_EPOCHS = 3;
export const PENDING_EPOCH = 4;

/** What each device served, in tenths of a terabyte, and how much of it the second customer pays. */
const EPOCHS = [
  { served: [41n, 27n, 12n], percentPaid: 100n },
  { served: [58n, 22n, 30n], percentPaid: 100n },
  { served: [49n, 35n, 9n], percentPaid: 60n },
  { served: [72n, 31n, 18n], percentPaid: 100n },
] as const;

const HOUR_SECONDS = 3_600n;
const HOUR_MILLISECONDS = 3_600_000n;

/** Serves, pays and closes them. The fourth owner's device serves nobody. */
export async function playEpochs(world: MemberWorld): Promise<void> {
  const { url, stop } = await world.oracle.serve();
  const owed = world.customers.map(() => 0n);
  for (const [i, { served, percentPaid }] of EPOCHS.entries()) {
    const epoch = i + 1;
    for (const [c, { address }] of world.customers.entries()) {
      const share = BigInt(c + 1);
      await world.submit(
        url,
        served.map((tenths) => ({
          epoch,
          customer: lowercaseHex(address),
          egressBytes: (tenths * TERABYTE) / (10n * share),
          storageByteSeconds: (tenths * TERABYTE * HOUR_SECONDS) / 10n,
          computeMilliseconds: tenths * HOUR_MILLISECONDS * share,
        })),
      );
      owed[c] = (owed[c] ?? 0n) + (worthOf(served, share) * (c === 1 ? percentPaid : 100n)) / 100n;
      await world.owe(url, epoch, owed[c] ?? 0n, c);
    }
    await propose(world, epoch);
    if (epoch === PENDING_EPOCH) break;
    await world.passWindow();
    await closeOnce(world);
  }
  await stop();
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
