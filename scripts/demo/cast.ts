import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { at } from "@link-rewards/core/encoding/at";
import { fromHex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { type Chain, connectChain } from "@link-rewards/host/chain/chain";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { signerOf } from "@link-rewards/host/keys";
import type { HDNodeWallet, Wallet } from "ethers";
import {
  connectChain as connectDeviceChain,
  type Chain as DeviceChain,
} from "../../device/chain.ts";
import type { Door } from "../../device/gateway/door.ts";
import { type RunningGateway, startGateway } from "../../device/gateway/start.ts";
import { welcomeDevices } from "../../device/gateway/welcome.ts";
import { orderReader } from "../../device/inspector/order.ts";
import { startInspector } from "../../device/inspector/start.ts";
import type { Allowance } from "../../device/node/protect.ts";
import type { Endpoint } from "../../device/node/reach.ts";
import { type RunningNode, startNode } from "../../device/node/start.ts";
import { type Delay, layDelay } from "../delay.ts";
import { fileOfExample } from "../examples.ts";
import { type Devnet, startDevnet } from "../local/devnet.ts";
import { MOVED_TIME } from "../local/local-chain.ts";
import type { LocalDevice } from "../local/local-device.ts";
import { ownerOf, settle } from "../local/people.ts";
import { type Colluders, foundColluders } from "./colluders.ts";
import { foundInsolvent, type Insolvent, type RefusedCustomer } from "./insolvent.ts";
import type { Operator } from "./operator.ts";
import type { Used } from "./users.ts";

/** Who takes part. The first four owners have two devices each. */
const OWNERS = 8;
const DEVICES = 12;
const CUSTOMERS = ["customer 1", "the inspector", "customer 3"];
const INSPECTOR = 1;
/** One that nothing else happens to, and how far it is. */
const FAR = 10;
export const FAR_ROUND_TRIP_MS = 80;
const FILE_BYTES = 1_500_000;
/** A text, as a search has it before it: the word's length, the word, and where it is looked for. */
const WORD = "receipt";
const TEXT_BYTES = 200_000;
/** What one search is worth: on a busy machine it may have to wait for its turn. */
const JOB_MILLISECONDS = 10_000;
/** A job takes a process of its own, and a machine has to start those of all devices at once. */
const JOB_PERCENT = 25;
const DEPOSIT = 100_000n * 10n ** 18n;

export type DemoDevice = {
  readonly name: string;
  readonly key: LocalDevice;
  readonly owner: HDNodeWallet;
  readonly folder: string;
  /** Where it hands in what it signed: the next when one is gone. */
  readonly oracleUrls: readonly string[];
  node: RunningNode;
};

export type DemoCustomer = {
  readonly name: string;
  readonly wallet: HDNodeWallet;
  readonly key: Wallet;
  readonly folder: string;
  readonly file: string;
  readonly input: string;
  readonly oracleUrls: readonly string[];
  /** Where devices dial in. */
  readonly door: Door;
} & (
  | { readonly inspector: false; readonly gateway: RunningGateway }
  /** Buys for the reward programme. */
  | { readonly inspector: true; readonly gateway: Inspecting }
);

/** A pass of an inspector is what a round is of another gateway. */
type Inspecting = Pick<RunningGateway, "serveRound" | "settle" | "close">;

export type Cast = {
  readonly devnet: Devnet;
  readonly chain: Chain;
  /** As devices and gateways ask it. */
  readonly deviceChain: DeviceChain;
  /** Customers that use only the first so many nodes, by name. */
  readonly favourites: Map<string, number>;
  readonly colluders: Colluders;
  readonly insolvent: Insolvent;
  /** Customers that all devices refused, as it happened. */
  readonly refusedCustomers: RefusedCustomer[];
  readonly owners: readonly HDNodeWallet[];
  readonly devices: readonly DemoDevice[];
  readonly customers: readonly DemoCustomer[];
  /** The device that is far away, and what makes it so. */
  readonly far: DemoDevice;
  readonly delays: readonly Delay[];
  /** What its users were served with, once they were. */
  used: Used | undefined;
};

/** Prices at which a few megabytes, seconds and jobs are worth a readable amount. */
const DEMO_TARIFF = {
  egressPrice: 10n ** 24n,
  storagePrice: 10n ** 23n,
  computePrice: 10n ** 26n,
} as const;

/** Shorter than the grace: a late epoch is final before the next one is due. */
const DEMO_WINDOW_SECONDS = 300;

const DEMO_LIMIT = {
  egressBytes: 10n ** 12n,
  storageByteSeconds: 10n ** 15n,
  computeMilliseconds: 10n ** 9n,
};

/** A chain with the contracts, everybody enrolled, bound and admitted: all before the first epoch. */
export async function foundWorld({
  oracles,
  threshold,
}: {
  readonly oracles: number;
  readonly threshold: number;
}) {
  const devnet = await startDevnet({ ...DEMO_TARIFF, windowSeconds: DEMO_WINDOW_SECONDS });
  const { programme } = devnet.suite;
  const inspector = devnet.wallet(INSPECTOR);
  await (await programme.connect(devnet.role("governance")).addInspector(inspector)).wait();
  const colluders = await foundColluders(devnet);
  const insolvent = await foundInsolvent(devnet);
  const people = await settle(devnet, {
    owners: OWNERS,
    devices: DEVICES,
    customers: CUSTOMERS.length,
    members: oracles,
    threshold,
    limit: DEMO_LIMIT,
    deposit: DEPOSIT,
  });
  const devices = people.devices.map((key, i) => ({
    name: `device ${i + 1}`,
    key,
    owner: ownerOf(people.owners, i),
    folder: join(devnet.folder, `device-${i + 1}`),
  }));
  const deploymentFile = await readDeploymentFile(devnet.deploymentFile);
  const chain = await connectChain({
    rpcUrls: [devnet.rpcUrl],
    deploymentFile,
    bounds: MOVED_TIME,
  });
  const deviceChain = connectDeviceChain([devnet.rpcUrl], deploymentFile);
  return { devnet, chain, deviceChain, people, devices, colluders, insolvent };
}

/** Starts every device and gateway, each with another of the oracles first. Devices listen nowhere: they dial in. */
export async function startCast(
  world: Awaited<ReturnType<typeof foundWorld>>,
  operator: Operator,
  payBasisPoints: (customer: string, epoch: number) => number,
): Promise<Cast> {
  const { devnet, chain, deviceChain, people, colluders, insolvent } = world;
  const urls = [operator, ...operator.others].map(({ url }) => url);
  const urlsFrom = (first: number) => urls.map((_, i) => at(urls, (first + i) % urls.length));
  const devices: DemoDevice[] = [];
  const start = async (i: number, gateways?: readonly Endpoint[]): Promise<DemoDevice> => {
    const device = at(world.devices, i);
    const oracleUrls = urlsFrom(i);
    const node = await startDevice(world, oracleUrls, device.key, device.folder, gateways);
    return { ...device, oracleUrls, node };
  };
  for (const i of world.devices.keys()) if (i !== FAR) devices.push(await start(i));
  const favourites = new Map<string, number>();
  const customers: DemoCustomer[] = [];
  for (const [i, wallet] of people.customers.entries()) {
    const name = CUSTOMERS[i] as string;
    const folder = join(devnet.folder, `gateway-${i + 1}`);
    await mkdir(folder, { recursive: true });
    const file = join(devnet.folder, `content-${i + 1}.bin`);
    await writeFile(file, randomBytes(FILE_BYTES));
    const input = join(devnet.folder, `text-${i + 1}.bin`);
    await writeFile(input, searchInput());
    const key = people.gateways[i] as Wallet;
    const customer = { name, wallet, key, folder, file, input };
    const oracleUrls = urlsFrom(i);
    const door = await openDemoDoor(world, oracleUrls, customer);
    const { escrow } = devnet.suite;
    await (await escrow.connect(wallet).setEndpoint(endpointOf(door))).wait();
    const used = () => {
      const own = new Set(devices.slice(0, favourites.get(name)).map(({ key }) => key.address));
      return door.devices().filter(({ device }) => own.has(device));
    };
    const how = {
      door: { ...door, devices: used },
      payBasisPoints: (epoch: number) => payBasisPoints(name, epoch),
    };
    const known = [world, oracleUrls, customer, how] as const;
    const buying =
      i === INSPECTOR
        ? { inspector: true as const, gateway: await startDemoInspector(...known) }
        : { inspector: false as const, gateway: await startDemoGateway(...known) };
    customers.push({ ...customer, oracleUrls, door, ...buying });
  }
  const delays = await Promise.all(
    customers.map(({ door }) => layDelay(door.port, () => FAR_ROUND_TRIP_MS / 2)),
  );
  const delayed = customers.map(({ wallet }, i) => ({
    customer: lowercaseHex(wallet.address),
    url: endpointOf(at(delays, i)),
  }));
  devices.splice(FAR, 0, await start(FAR, delayed));
  const { owners } = people;
  const known = { devnet, chain, deviceChain, favourites, colluders, owners, devices, customers };
  return {
    ...known,
    ...{ insolvent, refusedCustomers: [] },
    ...{ far: at(devices, FAR), delays, used: undefined },
  };
}

function searchInput(): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(WORD.length);
  const text = Buffer.alloc(TEXT_BYTES, `${randomBytes(100).toString("hex")} ${WORD} `);
  return Buffer.concat([length, Buffer.from(WORD), text]);
}

/** Short waits: an epoch of the demo takes seconds. */
const BACKOFF = { firstMilliseconds: 100, longestMilliseconds: 1_000, retries: 20 };
const EPOCH_MAX_AGE_MILLISECONDS = 200;

/** How often a device looks who the customers are. */
const LOOK_MILLISECONDS = 200;
/** How often it asks the chain how they paid: twelve devices share a small node. */
const PAYMENTS_MILLISECONDS = 1_000;
/** More than any customer is served for by one device in three epochs. */
const ALLOWANCE: Allowance = { most: 1_000n * 10n ** 18n, of: new Map() };

export function startDevice(
  { chain: { deployment }, deviceChain }: Pick<Cast, "chain" | "deviceChain">,
  oracles: readonly string[],
  key: LocalDevice,
  folder: string,
  gateways?: readonly Endpoint[],
): Promise<RunningNode> {
  return startNode({
    key,
    chainId: deployment.chainId,
    registry: deployment.contracts.deviceRegistry,
    oracles,
    folder,
    // All of them are on this machine.
    allowPrivateAddresses: true,
    lookMilliseconds: LOOK_MILLISECONDS,
    paymentsMilliseconds: PAYMENTS_MILLISECONDS,
    allowance: ALLOWANCE,
    standingOf: deviceChain.standingOf,
    payments: { chain: deviceChain, escrow: deployment.contracts.customerEscrow },
    ...(gateways && { gateways }),
    epochMaxAgeMilliseconds: EPOCH_MAX_AGE_MILLISECONDS,
    backoff: { ...BACKOFF, retries: Number.POSITIVE_INFINITY },
  });
}

type Buyer = Pick<DemoCustomer, "wallet" | "key" | "folder" | "file" | "input">;

export function openDemoDoor(
  { chain, deviceChain }: Pick<Cast, "chain" | "deviceChain">,
  oracles: readonly string[],
  { wallet, key }: Pick<Buyer, "wallet" | "key">,
): Promise<Door> {
  const { contracts, chainId } = chain.deployment;
  return welcomeDevices({
    customer: lowercaseHex(wallet.address),
    key: signerOf(fromHex(lowercaseHex(key.privateKey))),
    chainId,
    registry: contracts.deviceRegistry,
    oracles,
    chain: deviceChain,
    epochMaxAgeMilliseconds: EPOCH_MAX_AGE_MILLISECONDS,
  });
}

export function endpointOf({ port }: Pick<Door, "port">): string {
  return `https://127.0.0.1:${port}`;
}

/** Until every device that runs is connected to every gateway, or refuses its customer. */
export async function untilConnected({ devices, customers }: Cast): Promise<void> {
  for (const { node } of devices)
    for (const { door, wallet } of customers) {
      const customer = lowercaseHex(wallet.address);
      const isRefused = () =>
        node.customers().some((each) => each.customer === customer && each.refusal !== undefined);
      while (door.device(node.device) === undefined && !isRefused()) await sleep(LOOK_MILLISECONDS);
    }
}

type HowItBuys = {
  readonly door: Pick<Door, "devices" | "device">;
  readonly payBasisPoints: (epoch: number) => number;
};

export function startDemoGateway(
  cast: Pick<Cast, "chain" | "deviceChain">,
  oracles: readonly string[],
  buyer: Buyer,
  how: HowItBuys,
): Promise<RunningGateway> {
  // Every device keeps every file, also the one that forgets all it had.
  const places = { replicas: DEVICES, againMilliseconds: 0 };
  return startGateway({ ...buyerOf(cast, oracles, buyer), ...places, ...how });
}

async function startDemoInspector(
  cast: Pick<Cast, "chain" | "deviceChain">,
  oracles: readonly string[],
  buyer: Buyer,
  { door }: HowItBuys,
): Promise<Inspecting> {
  const orderOf = orderReader(cast.chain);
  const inspector = await startInspector({
    ...buyerOf(cast, oracles, buyer),
    ...{ door, orderOf, atOnce: DEVICES },
  });
  return { ...inspector, serveRound: inspector.servePass };
}

function buyerOf(
  { chain, deviceChain }: Pick<Cast, "chain" | "deviceChain">,
  oracles: readonly string[],
  { wallet, key, folder, file, input }: Buyer,
) {
  const { contracts, chainId } = chain.deployment;
  return {
    customer: lowercaseHex(wallet.address),
    key: signerOf(fromHex(lowercaseHex(key.privateKey))),
    chainId,
    registry: contracts.deviceRegistry,
    escrow: contracts.customerEscrow,
    oracles,
    files: [file],
    folder,
    chain: deviceChain,
    jobs: [{ module: fileOfExample("search"), input, milliseconds: JOB_MILLISECONDS }],
    work: { ranges: 2, chunksPerRange: 16, challenges: 2, jobPercent: JOB_PERCENT },
    epochMaxAgeMilliseconds: EPOCH_MAX_AGE_MILLISECONDS,
    backoff: BACKOFF,
  };
}
