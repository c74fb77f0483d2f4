import { lowercaseHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { maxOf } from "@link-rewards/core/encoding/fields";
import type { RewardLeaf } from "@link-rewards/core/epoch/records";
import { accountsIn, capAt, type Law, ownerAt } from "@link-rewards/core/law/law";
import fc from "fast-check";
import {
  accountOf,
  bindAccounts,
  bindDevice,
  deployedWorld,
  deviceOf,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  sender,
} from "../../worlds/contracts.ts";
import { MAX_96, signVoucher } from "./customers.ts";
import { deploymentOf, lawOf } from "./law.ts";
import {
  admitBuyer,
  type Buyer,
  type Served,
  type Service,
  signService,
  tablesFrom,
} from "./served.ts";
import type { DeviceWallet } from "./signing.ts";
import { caseOf, cumulatives, MOST, type Tables } from "./tables.ts";

/*
 * A few epochs in which everything changes that can: prices, fees, payments, keys, limits, owners. Whatever is served in
 * them, and whatever was final before, an honest member makes lawful tables of it.
 */

export const EPOCHS = 8;

const LIMITS = {
  egressBytes: maxOf("uint64"),
  storageByteSeconds: maxOf("uint96"),
  computeMilliseconds: maxOf("uint64"),
};
const WEI = 10n ** 12n;
/** Of epochs 1 to 8. Mostly a wei for a unit, so that small amounts meet in ties. */
const TARIFFS = [
  { egressPrice: WEI, storagePrice: WEI, computePrice: WEI, feeBps: 1_000 },
  { egressPrice: WEI, storagePrice: 2n * WEI, computePrice: 3n * WEI, feeBps: 0 },
  { egressPrice: WEI, storagePrice: 0n, computePrice: 0n, feeBps: 5_000 },
  { egressPrice: MOST, storagePrice: MOST, computePrice: MOST, feeBps: 1_000 },
  { egressPrice: WEI, storagePrice: WEI, computePrice: WEI, feeBps: 333 },
  { egressPrice: 1n, storagePrice: 1n, computePrice: 1n, feeBps: 1 },
  { egressPrice: 7n * WEI, storagePrice: WEI, computePrice: WEI, feeBps: 1_000 },
  { egressPrice: WEI, storagePrice: WEI, computePrice: 0n, feeBps: 4_999 },
];
/** What each of the customers paid for epochs 1 to 8, in wei. */
const PAID: readonly (readonly bigint[])[] = [
  [0n, 1n, 5n, 10n ** 21n, 9n, 3n, 100n, 12n],
  [10n, 0n, 2n, 4n, 10n ** 20n, 0n, 7n, 6n],
  [3n, 8n, 0n, 10n ** 21n, 2n, 1n, 0n, 25n],
];

export type History = Omit<Served, "first" | "second" | "accounts" | "members"> & {
  readonly devices: readonly DeviceWallet[];
};

export async function history(): Promise<History> {
  const world = await from(deployedWorld);
  const { registry, ledger, escrow, governance, manufacturer, bystander } = world;
  await registry.connect(governance).setClassLimit(1, LIMITS);
  await bindAccounts(world, 3);
  await bindDevice(world, deviceOf("device 10"), accountOf(0));
  await bindDevice(world, deviceOf("device 11"), accountOf(2));
  const buyers: Buyer[] = [];
  for (const name of ["first buyer", "second buyer", "third buyer"]) {
    buyers.push(await admitBuyer(world, name));
  }
  const [first] = buyers as [Buyer, Buyer, Buyer];
  const changes: Readonly<Record<number, () => Promise<unknown>>> = {
    1: () => bindAccounts(world, 1),
    2: () => bindAccounts(world, 2),
    // From epoch 4 on the second device earns for nobody.
    4: () => registry.connect(manufacturer).revoke([deviceOf("device 1").address], "broken"),
    5: async () => escrow.connect(await sender(world, first.address)).setKey(first.gateway, 0),
    6: async () => {
      const own = await sender(world, first.address);
      await escrow.connect(own).setKey(first.gateway, MAX_96);
      const device = deviceOf("device 10");
      const owner = await sender(world, accountOf(0));
      await registry.connect(owner).transfer(device.address, accountOf(5));
      await registry.connect(await sender(world, accountOf(5))).acceptTransfer(device.address);
    },
  };
  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    const tariff = TARIFFS[epoch - 1];
    if (tariff !== undefined) await ledger.connect(governance).setTariff(tariff);
    await goTo(world, epoch === 1 ? GENESIS : sealTimeOf(epoch - 1));
    for (const [i, buyer] of buyers.entries()) {
      const amount = PAID[i]?.[epoch - 1] ?? 0n;
      if (amount === 0n) continue;
      const voucher = { customer: buyer.address, epoch, amount };
      // Its key may sign nothing in that epoch.
      if ((await escrow.capAt(buyer.address, buyer.gateway, epoch)) === 0n) continue;
      const signature = await signVoucher(world, voucher, buyer.gateway);
      await escrow.connect(bystander).collect([voucher], [signature]);
    }
    await changes[epoch]?.();
  }
  await goTo(world, sealTimeOf(EPOCHS));
  const names = [0, 1, 2, 3, 4, 5, 10, 11].map((i) => deviceOf(`device ${i}`));
  return {
    ...world,
    buyers: buyers as unknown as Served["buyers"],
    devices: names,
    law: await lawOf(world),
    deployment: await deploymentOf(world),
  };
}

const few = fc.bigInt({ min: 0n, max: 6n });
const sketch = fc.record({
  epoch: fc.integer({ min: 1, max: EPOCHS }),
  served: fc.uniqueArray(
    fc.record({
      device: fc.nat(7),
      buyer: fc.nat(2),
      sequence: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 2 ** 32 - 1 })),
      egressBytes: fc.oneof(few, fc.bigInt({ min: 0n, max: maxOf("uint64") })),
      storageByteSeconds: fc.oneof(few, fc.bigInt({ min: 0n, max: MOST })),
      computeMilliseconds: fc.oneof(few, fc.bigInt({ min: 0n, max: maxOf("uint64") })),
    }),
    { selector: ({ device, buyer }) => `${device} ${buyer}`, maxLength: 8 },
  ),
  earned: fc.array(fc.oneof(few, fc.bigInt({ min: 0n, max: 2n ** 90n })), {
    minLength: 6,
    maxLength: 6,
  }),
});

/** Which epoch, who served whom in it, and what all had earned before. */
export type Sketch = typeof sketch extends fc.Arbitrary<infer S> ? S : never;
export const anEpoch: fc.Arbitrary<Sketch> = sketch;

export type Lived = { readonly court: History; readonly tables: Tables };

/** The tables that an honest member makes. What the law refuses never gets to it. */
export function live(world: History, { epoch, served, earned }: Sketch): Lived {
  const court = { ...world, law: lawAfter(world.law, epoch - 1, earned) };
  const { law, deployment, devices, buyers } = court;
  const services = served.flatMap(({ device, buyer, ...rest }): Service[] => {
    const service = {
      ...rest,
      epoch,
      device: devices[device] as DeviceWallet,
      buyer: buyers[buyer] as Buyer,
    };
    const { address, gateway } = service.buyer;
    const key = lowercaseHex(gateway.address);
    const isTaken =
      ownerAt(law, lowercaseHex(service.device.address), epoch) !== undefined &&
      capAt(law, lowercaseHex(address), key, epoch) > 0n;
    return isTaken ? [service] : [];
  });
  const signed = services.map((service) => signService(deployment, service));
  const tables = tablesFrom(law, deployment, epoch, signed, leavesOf(law, epoch - 1, earned));
  return { court, tables };
}

/** The law as if that epoch had become final with these rewards. */
function lawAfter(law: Law, epoch: number, earned: readonly bigint[]): Law {
  const lastRewards = leavesOf(law, epoch, earned);
  const tables = { epoch, contributions: [], invoices: [], rewards: lastRewards, lastRewards: [] };
  const total = cumulatives(lastRewards).reduce((sum, each) => sum + each, 0n);
  const { root, leaves } = caseOf({ ...tables, total, lastTotal: 0n });
  const final = {
    epoch,
    root,
    total,
    leaves,
    delta: 0n,
    fee: 0n,
    bundleHash: ZERO_HASH,
    proposal: undefined,
  };
  return { ...law, finals: new Map([[epoch, final]]), lastFinal: final };
}

function leavesOf(law: Law, epoch: number, earned: readonly bigint[]): readonly RewardLeaf[] {
  let prefix = 0n;
  return accountsIn(law, epoch).map((account, i) => {
    const leaf = { account, cumulative: earned[i] ?? 0n, prefix };
    prefix += leaf.cumulative;
    return leaf;
  });
}

/** How many epochs the random tests judge: each takes a signature for each row, and a call for each question. */
export const RUNS = Number(process.env.JUDGE_RUNS ?? 15);
