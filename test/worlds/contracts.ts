import { at as itemAt } from "@link-rewards/core/encoding/at";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import type { Suite } from "@link-rewards/host/chain/suite";
import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { getBytes, id, MaxUint256, parseEther, Wallet } from "ethers";
import hre from "hardhat";
import type { NetworkConnection } from "hardhat/types/network";
import { deploySuite, type SuiteParameters } from "../../scripts/deployment.ts";
import {
  type DeviceSignature,
  type DeviceWallet,
  isP256,
  p256WalletOf,
  signAsDevice,
} from "../contracts/support/signing.ts";

/**
 * The world of the contracts: a chain in this process with the suite on it, gone back to a snapshot for each test. What
 * each rule of the contracts, and the gas of each call, is tested on. Its roles are accounts of the chain.
 */

/** A fixed genesis and a chain that begins a day before it: the same bytes, so the same gas, in every run. */
export const GENESIS = 2_000_000_000;
export const EPOCH_SECONDS = 86_400;
export const GRACE_SECONDS = 3_600;
export const TIMEOUT_SECONDS = 7_200;
export const WINDOW_SECONDS = 14_400;
export const ANSWER_SECONDS = 3_600;
export const SPACING_SECONDS = 60;
export const DEMAND_BOND = 10n ** 16n;
export const THAW_SECONDS = 2 * EPOCH_SECONDS + GRACE_SECONDS;
export const BOND = parseEther("1000");
/** A tenth: of 10 LTK that counted 9 are earned. */
export const FEE_BPS = 1_000;

export type World = Suite & {
  readonly connection: NetworkConnection;
  readonly deployer: HardhatEthersSigner;
  readonly governance: HardhatEthersSigner;
  readonly guardian: HardhatEthersSigner;
  readonly manufacturer: HardhatEthersSigner;
  readonly admission: HardhatEthersSigner;
  readonly treasury: HardhatEthersSigner;
  readonly bystander: HardhatEthersSigner;
  readonly customer: HardhatEthersSigner;
  readonly stranger: HardhatEthersSigner;
};

let shared: Promise<NetworkConnection> | undefined;

/** One chain for all contract tests: each test goes back to the snapshot of its fixture. */
export function chain(): Promise<NetworkConnection> {
  shared ??= newChain();
  return shared;
}

/** A chain of its own, which begins a day before genesis. */
export function newChain(
  override: { readonly hardfork?: string } = {},
): Promise<NetworkConnection> {
  const initialDate = new Date(1000 * (GENESIS - EPOCH_SECONDS));
  return hre.network.create({ override: { ...override, initialDate } });
}

type Stage = {
  readonly fixture: () => Promise<unknown>;
  readonly state: unknown;
  readonly snapshot: { restore(): Promise<void> };
};

/** Each stage was built upon the one before it. */
const stages: Stage[] = [];

/**
 * The state that `fixture`, a named function, leaves behind: built once, gone back to afterwards. A fixture begins with
 * `from` another one. (Hardhat's loadFixture loses its snapshots when fixtures stand on fixtures.)
 */
export async function from<T>(fixture: () => Promise<T>): Promise<T> {
  const { networkHelpers } = await chain();
  const known = stages.findIndex((stage) => stage.fixture === fixture);
  const stage = stages[known];
  if (stage !== undefined) {
    stages.length = known + 1;
    await stage.snapshot.restore();
    return stage.state as T;
  }
  const state = await fixture();
  stages.push({ fixture, state, snapshot: await networkHelpers.takeSnapshot() });
  return state;
}

/** Where every fixture begins. */
export async function emptyChain(): Promise<NetworkConnection> {
  return chain();
}

export function parametersFor(holders: readonly HardhatEthersSigner[]): SuiteParameters {
  const address = (position: number) => lowercaseHex(holders[position]?.address ?? "");
  return {
    tokenName: "LinkToken",
    tokenSymbol: "LTK",
    initialSupply: parseEther("1500000000"),
    emissionShare: parseEther("750000000"),
    genesis: GENESIS,
    epochSeconds: EPOCH_SECONDS,
    graceSeconds: GRACE_SECONDS,
    proposalTimeoutSeconds: TIMEOUT_SECONDS,
    windowSeconds: WINDOW_SECONDS,
    answerSeconds: ANSWER_SECONDS,
    spacingSeconds: SPACING_SECONDS,
    demandBond: DEMAND_BOND,
    thawSeconds: THAW_SECONDS,
    minimumBond: BOND,
    rulesHash: RULES_HASH,
    egressPrice: parseEther("100"),
    storagePrice: 8_000_000_000_000n,
    computePrice: parseEther("10000"),
    feeBps: FEE_BPS,
    governance: address(1),
    guardian: address(2),
    manufacturer: address(3),
    admission: address(4),
    treasury: address(5),
  };
}

/** A day before genesis: deployed, the customer holds tokens, nothing else has happened. */
export async function deployedWorld(): Promise<World> {
  return deployOn(await from(emptyChain));
}

export async function deployOn(connection: NetworkConnection): Promise<World> {
  const signers = await connection.ethers.getSigners();
  const { suite } = await deploySuite(connection, parametersFor(signers));
  const [deployer, governance, guardian, manufacturer, admission, treasury, ...rest] = signers;
  const [bystander, customer, stranger] = rest;
  const world = { connection, ...suite, deployer, governance, guardian, manufacturer, admission };
  const whole = { ...world, treasury, bystander, customer, stranger } as World;
  await whole.token.connect(whole.treasury).transfer(whole.customer, parseEther("1000000"));
  return whole;
}

/** Time, by setting when the next block is: `await at(world, time)` and then the transaction. */
export async function at({ connection }: World, time: number | bigint): Promise<void> {
  await connection.networkHelpers.time.setNextBlockTimestamp(time);
}

/** Mines a block at `time` unless the chain is there already. */
export async function goTo({ connection }: World, time: number | bigint): Promise<void> {
  const { time: clock } = connection.networkHelpers;
  if ((await clock.latest()) < time) await clock.increaseTo(time);
}

export function startOf(epoch: number): number {
  return GENESIS + (epoch - 1) * EPOCH_SECONDS;
}

export function endOf(epoch: number): number {
  return startOf(epoch + 1);
}

export function sealTimeOf(epoch: number): number {
  return endOf(epoch) + GRACE_SECONDS;
}

const wallets = new Map<string, Wallet>();

/** A key that is the same in every run, and worked out once. */
export function walletOf(name: string): Wallet {
  const wallet = wallets.get(name) ?? new Wallet(id(name));
  wallets.set(name, wallet);
  return wallet;
}

const devices = new Map<string, DeviceWallet>();

/** As {@link walletOf}; devices 1, 4, 7 and so on have P-256 keys. */
export function deviceOf(name: string): DeviceWallet {
  const [, number] = /^device ([0-9]+)$/.exec(name) ?? [];
  if (Number(number) % 3 !== 1) return walletOf(name);
  const device = devices.get(name) ?? p256WalletOf(getBytes(id(name)));
  devices.set(name, device);
  return device;
}

/** Somebody who can send: a contract or a wallet, whatever its key. */
export async function sender({ connection }: World, address: string): Promise<HardhatEthersSigner> {
  await connection.networkHelpers.setBalance(address, parseEther("10"));
  return connection.ethers.getImpersonatedSigner(address);
}

export const NO_DEADLINE = MaxUint256;

export type Consent = {
  readonly device: string;
  readonly account: string;
  readonly nonce: bigint;
  readonly deadline: bigint | number;
};

/** A device's consent to earn for `account`, fresher than those it gave before; `change` bends it. */
export async function consentOf(
  { registry }: World,
  device: Pick<DeviceWallet, "address">,
  account: string,
  change: Partial<Consent> = {},
): Promise<Consent> {
  const nonce = (await registry.nonceOf(device.address)) + 1n;
  return { device: device.address, account, nonce, deadline: NO_DEADLINE, ...change };
}

export function signConsent(
  { registry }: World,
  consent: Consent,
  device: DeviceWallet,
): Promise<DeviceSignature> {
  return signAsDevice(registry, "Bind", consent, device);
}

/** Each as what its key is. */
export async function enrol(
  { registry, manufacturer }: World,
  enrolled: readonly DeviceWallet[],
  deviceClass = 1,
): Promise<void> {
  const maker = registry.connect(manufacturer);
  const addresses = enrolled.filter((device) => !isP256(device)).map(({ address }) => address);
  const publicKeys = enrolled.filter(isP256).map(({ publicKey }) => publicKey);
  if (addresses.length > 0) await maker.enrol(addresses, deviceClass);
  if (publicKeys.length > 0) await maker.enrolP256(publicKeys, deviceClass);
}

/** Devices bound in one transaction, so that it stays under the gas limit of one. */
const BINDINGS = 100;

/** Enrols each device and binds it to its account, from the next epoch on. */
export async function bindDevices(
  world: World,
  bindings: readonly (readonly [device: DeviceWallet, account: string])[],
): Promise<void> {
  const { registry, bystander } = world;
  for (let first = 0; first < bindings.length; first += BINDINGS) {
    const batch = bindings.slice(first, first + BINDINGS);
    await enrol(
      world,
      batch.map(([device]) => device),
    );
    const consents = batch.map(([device, account]) => ({
      device: device.address,
      account,
      nonce: 1n,
      deadline: NO_DEADLINE,
    }));
    const signing = batch.map(([device], i) => signConsent(world, itemAt(consents, i), device));
    await registry.connect(bystander).bind(consents, await Promise.all(signing));
  }
}

export async function bindDevice(
  world: World,
  device: DeviceWallet,
  account: string,
): Promise<void> {
  await bindDevices(world, [[device, account]]);
}

/** Accounts that get the next registry indexes, each by a device of its own. */
export async function bindAccounts(world: World, count: number): Promise<readonly string[]> {
  const first = Number(await world.registry.accounts());
  const accounts = Array.from({ length: count }, (_, i) => accountOf(first + i));
  await bindDevices(
    world,
    accounts.map((account, i) => [deviceOf(`device ${first + i}`), account]),
  );
  return accounts;
}

/** The account that {@link bindAccounts} gives an index. */
export function accountOf(index: number): string {
  return walletOf(`account ${index}`).address;
}

/** Members 0 to `count` − 1, with their bonds paid: active from the epoch after the next on. */
export async function addMembers(
  { quorum, token, governance, treasury }: World,
  count: number,
  threshold: number,
): Promise<readonly Wallet[]> {
  await token.connect(treasury).approve(quorum, MaxUint256);
  const members: Wallet[] = [];
  for (let i = 0; i < count; i++) {
    const member = walletOf(`member ${i}`);
    const enough = Math.max(threshold, Math.floor((i + 1) / 2) + 1);
    await quorum.connect(governance).addMember(member, Math.min(enough, i + 1));
    await quorum.connect(treasury).depositBond(member, BOND);
    members.push(member);
  }
  return members;
}
