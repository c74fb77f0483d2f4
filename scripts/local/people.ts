import { type HDNodeWallet, Wallet } from "ethers";
import { addMember, admitCustomer, bindDevices, DEVNET_CLASS, type Devnet } from "./devnet.ts";
import { type LocalDevice, newDevice, newP256Device } from "./local-device.ts";

/**
 * Who lives on a devnet: everything about them is in effect from epoch 1 on, except that members sign from epoch 2 on,
 * in which the report of epoch 1 is due.
 */
export type People = {
  /** Funded as far as the chain's own accounts go. */
  readonly owners: readonly HDNodeWallet[];
  /** Device i belongs to owner i, going round. Devices 1, 4, 7 and so on have P-256 keys. */
  readonly devices: readonly LocalDevice[];
  readonly customers: readonly HDNodeWallet[];
  /** The key that each customer signs with. */
  readonly gateways: readonly Wallet[];
  readonly members: readonly HDNodeWallet[];
};

export type PeopleOptions = {
  readonly owners: number;
  readonly devices: number;
  readonly customers: number;
  readonly members: number;
  readonly threshold: number;
  /** What a device may deliver to one customer in an epoch. */
  readonly limit: {
    readonly egressBytes: bigint;
    readonly storageByteSeconds: bigint;
    readonly computeMilliseconds: bigint;
  };
  /** What each customer has in the escrow, in wei. */
  readonly deposit: bigint;
};

/** Enrols, binds, admits and pays for everybody, and lets epoch 1 begin. */
export async function settle(devnet: Devnet, options: PeopleOptions): Promise<People> {
  const { suite, role, parameters } = devnet;
  let next = 0;
  const wallets = (count: number) => Array.from({ length: count }, () => devnet.wallet(next++));
  // Customers first, as only the first accounts of a chain are funded: they send transactions, owners need not.
  const customers = wallets(options.customers);
  const owners = wallets(options.owners);
  const members = [role("member"), ...wallets(options.members - 1)];
  const gateways = customers.map(newKey);
  const devices = Array.from({ length: options.devices }, (_, i) =>
    i % 3 === 1 ? newP256Device() : newDevice(),
  );

  const governed = suite.registry.connect(role("governance"));
  await (await governed.setClassLimit(DEVNET_CLASS, options.limit)).wait();
  for (const [i, { address }] of members.entries()) {
    await addMember(devnet, address, Math.min(options.threshold, i + 1));
  }
  await bindDevices(
    devnet,
    devices.map((key, i) => ({ key, account: ownerOf(owners, i).address })),
  );
  for (const [i, customer] of customers.entries()) {
    await admitCustomer(devnet, customer, (gateways[i] as Wallet).address, options.deposit);
  }
  await devnet.warpTo(parameters.genesis + 1);
  return { owners, devices, customers, gateways, members };
}

export function ownerOf(owners: readonly HDNodeWallet[], device: number): HDNodeWallet {
  return owners[device % owners.length] as HDNodeWallet;
}

function newKey(): Wallet {
  return new Wallet(Wallet.createRandom().privateKey);
}
