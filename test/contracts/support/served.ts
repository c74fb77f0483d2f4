import { lowercaseHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import {
  decodeContributions,
  decodeInvoices,
  decodeRewards,
  encodeRewards,
  type RewardLeaf,
} from "@link-rewards/core/epoch/records";
import type { Law } from "@link-rewards/core/law/law";
import { type VerifiedReceipt, verifyReceipt } from "@link-rewards/core/law/verify";
import { type Deployment, registryDomain } from "@link-rewards/core/signed/deployment";
import { type Receipt, receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import { getBytes, hexlify, id, MaxUint256, type Wallet } from "ethers";
import {
  accountOf,
  addMembers,
  bindAccounts,
  bindDevice,
  deployedWorld,
  deviceOf,
  enrol,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  sender,
  type World,
  walletOf,
} from "../../worlds/contracts.ts";
import { admitCustomer, GATEWAY, ltk, MAX_96, signVoucher } from "./customers.ts";
import { finalize, propose, type Report, type Staffed } from "./epochs.ts";
import { deploymentOf, lawOf } from "./law.ts";
import {
  type CompactSignature,
  type DeviceWallet,
  signDigest,
  signDigestAsDevice,
} from "./signing.ts";
import { bend, caseOf, cumulatives, rowOf, type Tables } from "./tables.ts";

/** A customer that buys, and the key its gateway signs with. */
export type Buyer = { readonly address: string; readonly gateway: Wallet };

export type Service = Pick<
  Receipt,
  "egressBytes" | "storageByteSeconds" | "computeMilliseconds"
> & {
  readonly device: DeviceWallet;
  readonly buyer: Buyer;
  readonly epoch: number;
  readonly sequence?: number;
};

/** Epochs 1 and 2 were served and paid for; 1 is final, 2 is sealed and next. */
export type Served = Staffed & {
  readonly buyers: readonly [Buyer, Buyer, Buyer];
  readonly deployment: Deployment;
  readonly law: Law;
  readonly first: Tables;
  /** What an honest quorum would propose. */
  readonly second: Tables;
};

/** A wei for a byte, two for a byte-second, three for a millisecond, and a tenth for the members. */
export const TARIFF = {
  egressPrice: 10n ** 12n,
  storagePrice: 2n * 10n ** 12n,
  computePrice: 3n * 10n ** 12n,
  feeBps: 1_000,
};
export const LIMIT = {
  egressBytes: 10n ** 6n,
  storageByteSeconds: 2n * 10n ** 6n,
  computeMilliseconds: 3n * 10n ** 6n,
};

/** Account 0's second device; its key is P-256. */
export const SECOND_DEVICE = deviceOf("device 7");
/** Bound to account 2 and revoked in epoch 2. */
export const REVOKED_DEVICE = deviceOf("device 10");
/** Bound to account 2 from epoch 3 on. */
export const YOUNG_DEVICE = deviceOf("device 11");
/** Enrolled, and nobody's. */
export const UNBOUND_DEVICE = deviceOf("device 12");

/** Keys of the first customer: taken back from epoch 2 on; used from epoch 3 on; good for one wei an epoch. */
export const OLD_KEY = walletOf("old gateway");
export const YOUNG_KEY = walletOf("young gateway");
export const SMALL_KEY = walletOf("small gateway");

/** The device of {@link bindAccounts} for an account's index. */
export function deviceAt(index: number): DeviceWallet {
  return deviceOf(`device ${index}`);
}

const DEVICES = [
  ...[0, 1, 2, 3, 4, 5].map(deviceAt),
  SECOND_DEVICE,
  REVOKED_DEVICE,
  YOUNG_DEVICE,
  UNBOUND_DEVICE,
];

export type Market = Staffed & Pick<Served, "buyers" | "deployment">;

/** Accounts 0 to 4 with a device each, five members of whom three must sign, three customers; epoch 1 has begun. */
export async function marketWorld(): Promise<Market> {
  return openMarket(await from(deployedWorld));
}

export async function openMarket(bare: World): Promise<Market> {
  await bare.ledger.connect(bare.governance).setTariff(TARIFF);
  await bare.registry.connect(bare.governance).setClassLimit(1, LIMIT);
  const accounts = await bindAccounts(bare, 5);
  await bindDevice(bare, SECOND_DEVICE, accountOf(0));
  await bindDevice(bare, REVOKED_DEVICE, accountOf(2));
  await enrol(bare, [UNBOUND_DEVICE]);
  const members = await addMembers(bare, 5, 3);
  await admitCustomer(bare, ltk(1_000));
  await bare.escrow.connect(bare.customer).setKey(OLD_KEY, MAX_96);
  await bare.escrow.connect(bare.customer).setKey(SMALL_KEY, 1);
  const buyers = [
    { address: bare.customer.address, gateway: GATEWAY },
    await admitBuyer(bare, "second customer"),
    await admitBuyer(bare, "third customer"),
  ] as const;
  await goTo(bare, GENESIS);
  return { ...bare, accounts, members, buyers, deployment: await deploymentOf(bare) };
}

export async function admitBuyer(world: World, name: string): Promise<Buyer> {
  const { escrow, token, admission, treasury } = world;
  const { address } = walletOf(name);
  const gateway = walletOf(`gateway of the ${name}`);
  await escrow.connect(admission).admit(address);
  await escrow.connect(await sender(world, address)).setKey(gateway, MAX_96);
  await token.connect(treasury).approve(escrow, MaxUint256);
  await escrow.connect(treasury).depositFor(address, ltk(1_000));
  return { address, gateway };
}

/**
 * Account 0 serves with a device on each curve, account 1 with one of P-256, account 2 never, and account 5 comes with
 * epoch 2. The first customer always pays all that it owes, the second a part of it, the third nothing in epoch 1.
 */
export async function servedWorld(): Promise<Served> {
  const world = await from(marketWorld);
  const { buyers } = world;
  const [rich, poor, late] = buyers;
  await pay(world, rich, 1, 10_000n);
  await pay(world, poor, 1, 250n);
  // From epoch 2 on there is a sixth account, and so a leaf that no table had before.
  await bindAccounts(world, 1);
  const { escrow, customer, registry, manufacturer } = world;
  await escrow.connect(customer).setKey(OLD_KEY, 0);
  await goTo(world, sealTimeOf(1));
  await escrow.connect(customer).setKey(YOUNG_KEY, MAX_96);
  await bindDevice(world, YOUNG_DEVICE, accountOf(2));
  await registry.connect(manufacturer).revoke([REVOKED_DEVICE.address], "stolen");
  await pay(world, rich, 2, 9_000n);
  await pay(world, poor, 2, 1_001n);
  await pay(world, late, 2, 77n);
  const early = await lawOf(world);
  const first = honestTables(early, world.deployment, [
    serve(deviceAt(0), rich, 1, [100n, 200n, 300n]),
    serve(deviceAt(1), poor, 1, [70n, 80n, 90n]),
    serve(deviceAt(1), late, 1, [1n, 2n, 3n]),
    serve(deviceAt(4), rich, 1, [1_000n, 0n, 7n]),
  ]);
  const report = await reportOf(world, first);
  await propose(world, report);
  await finalize(world, report);
  await goTo(world, sealTimeOf(2));
  const law = await lawOf(world);
  const second = honestTables(
    law,
    world.deployment,
    [
      serve(deviceAt(0), rich, 2, [10n, 20n, 30n]),
      serve(deviceAt(0), poor, 2, [400n, 0n, 0n]),
      serve(SECOND_DEVICE, poor, 2, [0n, 150n, 0n]),
      serve(deviceAt(1), poor, 2, [0n, 0n, 200n]),
      serve(deviceAt(1), rich, 2, [3n, 5n, 7n]),
      serve(deviceAt(3), late, 2, [7n, 11n, 13n]),
      serve(deviceAt(5), rich, 2, [5n, 6n, 4n]),
    ],
    first.rewards,
  );
  return { ...world, law, first, second };
}

export function serve(
  device: DeviceWallet,
  buyer: Buyer,
  epoch: number,
  amounts: readonly [egress: bigint, storage: bigint, compute: bigint],
): Service {
  const [egressBytes, storageByteSeconds, computeMilliseconds] = amounts;
  return { device, buyer, epoch, egressBytes, storageByteSeconds, computeMilliseconds };
}

/** Collects what the customer owes for `epoch`: `amount` wei in all. */
export async function pay(
  world: World,
  buyer: Buyer,
  epoch: number,
  amount: bigint,
): Promise<void> {
  const voucher = { customer: buyer.address, epoch, amount };
  const signature = await signVoucher(world, voucher, buyer.gateway);
  await world.escrow.connect(world.bystander).collect([voucher], [signature]);
}

export function receiptOf(service: Service): Receipt {
  const { device, buyer, sequence = 1, ...rest } = service;
  return {
    ...rest,
    device: lowercaseHex(device.address),
    customer: lowercaseHex(buyer.address),
    sequence,
  };
}

export function signService(deployment: Deployment, service: Service): SignedReceipt {
  return signReceiptBy(deployment, receiptOf(service), service.buyer.gateway, service.device);
}

/** One row's receipt changed and signed anew, by the keys that the law asks for unless others are named. */
export function resign(
  { buyers, deployment }: Pick<Served, "buyers" | "deployment">,
  tables: Tables,
  position: number,
  change: Partial<Receipt>,
  keys: { readonly gateway?: Wallet; readonly device?: DeviceWallet } = {},
): Tables {
  const receipt = { ...rowOf(tables, "contributions", position).receipt, ...change };
  const is = (address: string) => (each: { address: string }) =>
    lowercaseHex(each.address) === address;
  const gateway = keys.gateway ?? buyers.find(is(receipt.customer))?.gateway ?? GATEWAY;
  const device = keys.device ?? DEVICES.find(is(receipt.device)) ?? deviceAt(0);
  return bend(
    tables,
    "contributions",
    position,
    signReceiptBy(deployment, receipt, gateway, device),
  );
}

/** Signed by whomever: whether these are the right keys is for the judge. */
function signReceiptBy(
  deployment: Deployment,
  receipt: Receipt,
  gateway: Wallet,
  device: DeviceWallet,
): SignedReceipt {
  const digest = hexlify(receiptDigest(registryDomain(deployment), receipt));
  return {
    receipt,
    customerSignature: compact(signDigest(gateway, digest)),
    deviceSignature: compact(signDigestAsDevice(device, digest)),
  };
}

function compact({ r, vs }: CompactSignature): Uint8Array {
  return getBytes(r + vs.slice(2));
}

/** What a member computes, from receipts that it has verified. */
export function honestTables(
  law: Law,
  deployment: Deployment,
  services: readonly Service[],
  lastRewards: readonly RewardLeaf[] = [],
  epoch = services[0]?.epoch ?? 1,
): Tables {
  const signed = services.map((service) => signService(deployment, service));
  return tablesFrom(law, deployment, epoch, signed, lastRewards);
}

export function tablesFrom(
  law: Law,
  deployment: Deployment,
  epoch: number,
  signed: readonly SignedReceipt[],
  lastRewards: readonly RewardLeaf[],
): Tables {
  const contributions = signed.map((each) => verified(law, deployment, each));
  const sealBlock = { number: 1, hash: ZERO_HASH };
  const previousRewards = encodeRewards(lastRewards);
  const { files, manifest } = computeEpoch({
    law,
    deployment,
    epoch,
    sealBlock,
    contributions,
    previousRewards,
  });
  const file = (name: "contributions.bin" | "invoices.bin" | "rewards.bin") =>
    files.get(name) ?? new Uint8Array();
  return {
    epoch,
    contributions: decodeContributions(file("contributions.bin")),
    invoices: decodeInvoices(file("invoices.bin")),
    rewards: decodeRewards(file("rewards.bin")),
    lastRewards,
    total: manifest.total,
    lastTotal: cumulatives(lastRewards).reduce((sum, each) => sum + each, 0n),
  };
}

export function verified(law: Law, deployment: Deployment, signed: SignedReceipt): VerifiedReceipt {
  const receipt = verifyReceipt(signed, { law, domain: registryDomain(deployment) });
  if (isRefused(receipt)) throw new Error(receipt.message);
  return receipt;
}

/** The report that says what these tables say; `change` bends it. */
export async function reportOf(
  { ledger }: World,
  tables: Tables,
  change: Partial<Report> = {},
): Promise<Report> {
  const { root, contributionRoot, invoiceRoot, contributions, total } = caseOf(tables);
  const last = await ledger.lastFinal();
  const { epoch, attempt } = await ledger.proposal();
  return {
    epoch: Number(epoch),
    attempt: Number(attempt),
    prevRoot: last.root,
    root,
    contributionRoot,
    invoiceRoot,
    contributions,
    total,
    bundleHash: id(`bundle of ${epoch}`),
    rulesHash: await ledger.rulesAt(epoch),
    ...change,
  };
}

/** These tables' report, pending. */
export async function proposeTables(
  world: Staffed,
  tables: Tables,
  members?: readonly Wallet[],
): Promise<Report> {
  const report = await reportOf(world, tables);
  await propose(world, report, members);
  return report;
}
