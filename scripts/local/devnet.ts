import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { at } from "@link-rewards/core/encoding/at";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { toDeviceSignature } from "@link-rewards/core/encoding/signature";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { bindDigest } from "@link-rewards/core/signed/bind";
import type { Suite } from "@link-rewards/host/chain/suite";
import type { DeviceKey } from "@link-rewards/host/keys";
import { HDNodeWallet, JsonRpcProvider, Mnemonic } from "ethers";
import hre from "hardhat";
import { deploySuite, type SuiteParameters } from "../deployment.ts";
import { type LocalChain, startHardhatChain } from "./local-chain.ts";
import type { LocalDevice } from "./local-device.ts";

/** The accounts that Hardhat's own chain funds; known to everybody, so never for anything of value. */
export const MNEMONIC = Mnemonic.fromPhrase(
  "test test test test test test test test test test test junk",
);
const ROLES = [
  "deployer",
  "governance",
  "guardian",
  "manufacturer",
  "admission",
  "treasury",
  "member",
  "bystander",
] as const;

export type Role = (typeof ROLES)[number];

/** A chain of our own with the suite on it, whose clock can be moved. */
export type Devnet = {
  readonly rpcUrl: string;
  readonly suite: Suite;
  readonly parameters: SuiteParameters;
  /** Removed by `close`. */
  readonly folder: string;
  /** As scripts/deploy.ts writes it. */
  readonly deploymentFile: string;
  readonly provider: JsonRpcProvider;
  role(name: Role): HDNodeWallet;
  /** A funded wallet that has no role. */
  wallet(index: number): HDNodeWallet;
  /** Writes a wallet's key where a program can read it. */
  keyFile(name: string, wallet: { readonly privateKey: string }): Promise<string>;
  /** Mines a block at `time`, unix seconds, or at once when that is past, and makes it final. */
  warpTo(time: number): Promise<void>;
  /** The head block's time, unix seconds. */
  now(): Promise<number>;
  close(): Promise<void>;
};

const LOCAL_CHAIN_ID = 31337;
/** The class of every device of a devnet. */
export const DEVNET_CLASS = 1;

/** An hour an epoch: the clock is moved, so nothing waits for it. */
const DEVNET_PARAMETERS = {
  tokenName: "LinkToken",
  tokenSymbol: "LTK",
  initialSupply: 1_500_000_000n * 10n ** 18n,
  emissionShare: 900_000_000n * 10n ** 18n,
  epochSeconds: 3600,
  graceSeconds: 600,
  proposalTimeoutSeconds: 300,
  windowSeconds: 600,
  answerSeconds: 60,
  spacingSeconds: 5,
  demandBond: 10n ** 16n,
  thawSeconds: 2 * 3600 + 600,
  minimumBond: 1_000n * 10n ** 18n,
  rulesHash: RULES_HASH,
  // 1 LTK for a terabyte delivered, for a terabyte kept a month (2,592,000 s), and for 278 vCPU hours.
  egressPrice: 10n ** 18n,
  storagePrice: 10n ** 18n / 2_592_000n,
  computePrice: 10n ** 21n,
  // A tenth: of 10 LTK that counted 9 are earned.
  feeBps: 1_000,
} as const satisfies Partial<SuiteParameters>;

/** Time from the deployment to the first epoch, for enrolling and admitting. */
const BEFORE_GENESIS_SECONDS = 3600;

/** What cannot be deployed leaves no chain behind. */
export async function startDevnet(
  changes: Partial<SuiteParameters> = {},
  startChain: () => Promise<LocalChain> = startHardhatChain,
): Promise<Devnet> {
  const chain = await startChain();
  try {
    return await devnetOn(chain, changes);
  } catch (error) {
    await chain.close();
    throw error;
  }
}

async function devnetOn(chain: LocalChain, changes: Partial<SuiteParameters>): Promise<Devnet> {
  const { rpcUrl } = chain;
  const provider = new JsonRpcProvider(rpcUrl, LOCAL_CHAIN_ID, {
    staticNetwork: true,
    cacheTimeout: -1,
    batchStallTime: 0,
  });
  provider.pollingInterval = 50;
  const connection = await hre.network.create({ network: "localhost", override: { url: rpcUrl } });
  const folder = await mkdtemp(join(tmpdir(), "link-rewards-"));
  const walletAt = (index: number) =>
    HDNodeWallet.fromMnemonic(MNEMONIC, `m/44'/60'/0'/0/${index}`).connect(provider);
  const role = (name: Role) => walletAt(ROLES.indexOf(name));
  const now = async () => (await provider.getBlock("latest"))?.timestamp ?? 0;
  const holder = (name: Role) => lowercaseHex(role(name).address);
  const parameters: SuiteParameters = {
    ...DEVNET_PARAMETERS,
    genesis: (await now()) + BEFORE_GENESIS_SECONDS,
    governance: holder("governance"),
    guardian: holder("guardian"),
    manufacturer: holder("manufacturer"),
    admission: holder("admission"),
    treasury: holder("treasury"),
    ...changes,
  };
  const { suite, deployment } = await deploySuite(connection, parameters);
  const deploymentFile = join(folder, "31337.json");
  await writeFile(deploymentFile, JSON.stringify(deployment, null, 2));
  return {
    rpcUrl,
    suite,
    parameters,
    folder,
    deploymentFile,
    provider,
    role,
    wallet: (index) => walletAt(ROLES.length + index),
    now,
    async keyFile(name, { privateKey }) {
      const path = join(folder, `${name}.key`);
      await writeFile(path, privateKey, { mode: 0o600 });
      return path;
    },
    async warpTo(time) {
      if (time > (await now())) await provider.send("evm_setNextBlockTimestamp", [time]);
      for (let mined = 0; mined <= chain.finalityBlocks; mined++)
        await provider.send("evm_mine", []);
    },
    async close() {
      provider.destroy();
      await connection.close();
      await chain.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a transaction's gas is enough for. */
const DEVICES_AT_ONCE = 100;

/** Enrols devices of class 1 and binds each to its account, from the next epoch on. */
export async function bindDevices(
  { suite, role, parameters, now }: Devnet,
  devices: readonly { readonly key: LocalDevice; readonly account: string }[],
): Promise<void> {
  const registry = lowercaseHex(await suite.registry.getAddress());
  const domain = domainSeparator(LOCAL_CHAIN_ID, registry);
  const manufacturer = suite.registry.connect(role("manufacturer"));
  const bystander = suite.registry.connect(role("bystander"));
  const nonce = BigInt(await now());
  for (let first = 0; first < devices.length; first += DEVICES_AT_ONCE) {
    const batch = devices.slice(first, first + DEVICES_AT_ONCE);
    await enrol(
      manufacturer,
      batch.map(({ key }) => key),
    );
    const consents = batch.map(({ key, account }) => ({
      device: key.address,
      account: lowercaseHex(account),
      nonce,
      deadline: BigInt(parameters.genesis),
    }));
    const signatures = consents.map((consent, i) => {
      const { key } = at(batch, i);
      return toDeviceSignature(key.sign(bindDigest(domain, consent)), key.publicKey);
    });
    await (await bystander.bind(consents, signatures)).wait();
  }
}

/** Each as what its key is. */
export async function enrol(
  manufacturer: Suite["registry"],
  devices: readonly Pick<DeviceKey, "address" | "publicKey">[],
): Promise<void> {
  const addresses = devices
    .filter(({ publicKey }) => publicKey === NO_PUBLIC_KEY)
    .map(({ address }) => address);
  const publicKeys = devices
    .map(({ publicKey }) => publicKey)
    .filter((publicKey) => publicKey !== NO_PUBLIC_KEY);
  if (addresses.length > 0) await (await manufacturer.enrol(addresses, DEVNET_CLASS)).wait();
  if (publicKeys.length > 0) await (await manufacturer.enrolP256(publicKeys, DEVNET_CLASS)).wait();
}

/** In wei: more than an account sends transactions for. */
const GAS_MONEY = 10n ** 17n;

/** Only the first accounts of a chain have coins of their own. */
async function giveCoins({ role, provider }: Devnet, to: string): Promise<void> {
  if ((await provider.getBalance(to)) > 0n) return;
  await (await role("treasury").sendTransaction({ to, value: GAS_MONEY })).wait();
}

/**
 * Admits a customer with one key, from the next epoch on, and pays `funds` wei into its escrow: the key may promise as
 * much in one epoch.
 */
export async function admitCustomer(
  devnet: Devnet,
  customer: HDNodeWallet,
  key: string,
  funds: bigint,
): Promise<void> {
  const { suite, role } = devnet;
  const treasury = role("treasury");
  await giveCoins(devnet, customer.address);
  await (await suite.escrow.connect(role("admission")).admit(customer.address)).wait();
  await (await suite.escrow.connect(customer).setKey(key, funds)).wait();
  await (await suite.token.connect(treasury).approve(suite.escrow, funds)).wait();
  await (await suite.escrow.connect(treasury).depositFor(customer.address, funds)).wait();
}

/** Makes `member` an active member from the epoch after the next on, with its bond paid by the treasury. */
export async function addMember(devnet: Devnet, member: string, threshold: number): Promise<void> {
  const { suite, role, parameters } = devnet;
  await giveCoins(devnet, member);
  await (await suite.quorum.connect(role("governance")).addMember(member, threshold)).wait();
  const treasury = role("treasury");
  await (await suite.token.connect(treasury).approve(suite.quorum, parameters.minimumBond)).wait();
  await (await suite.quorum.connect(treasury).depositBond(member, parameters.minimumBond)).wait();
}
