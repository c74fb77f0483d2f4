import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import type {
  ContractName,
  DeployedContract,
  DeploymentFile,
} from "@link-rewards/client/deployment-file";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Suite } from "@link-rewards/host/chain/suite";
import {
  AbiCoder,
  getCreateAddress,
  Interface,
  id,
  keccak256,
  type Log,
  type ParamType,
  type TransactionResponse,
  VoidSigner,
  ZeroHash,
} from "ethers";
import hre from "hardhat";
import type { NetworkConnection } from "hardhat/types/network";
import LinkRewards from "../ignition/modules/LinkRewards.ts";

/** What a suite is deployed with. Times are unix seconds, amounts wei, prices wei per 10^12 units. */
export type SuiteParameters = {
  readonly tokenName: string;
  readonly tokenSymbol: string;
  /** All tokens there will ever be. */
  readonly initialSupply: bigint;
  /** What the programme may issue in all; the rest of the supply goes to the treasury. */
  readonly emissionShare: bigint;
  readonly genesis: number;
  readonly epochSeconds: number;
  readonly graceSeconds: number;
  readonly proposalTimeoutSeconds: number;
  readonly windowSeconds: number;
  readonly thawSeconds: number;
  readonly minimumBond: bigint;
  /** How long there is for an answer to a demand, and how much longer for each that waits. */
  readonly answerSeconds: number;
  readonly spacingSeconds: number;
  /** The least bond of a demand, in wei of the chain's coin. */
  readonly demandBond: bigint;
  readonly rulesHash: Hex;
  readonly egressPrice: bigint;
  readonly storagePrice: bigint;
  readonly computePrice: bigint;
  readonly feeBps: number;
  readonly governance: Address;
  readonly guardian: Address;
  readonly manufacturer: Address;
  readonly admission: Address;
  readonly treasury: Address;
};

const NAMES = {
  token: "LinkToken",
  registry: "DeviceRegistry",
  programme: "RewardProgramme",
  escrow: "CustomerEscrow",
  quorum: "OracleQuorum",
  judge: "Judge",
  demands: "Demands",
  distributor: "RewardDistributor",
  ledger: "EpochLedger",
} as const satisfies Record<keyof Suite, ContractName>;

/** The chain id of Hardhat's and anvil's local chains: nothing of a run there is worth resuming. */
const LOCAL_CHAIN_ID = 31337;

/**
 * The one way a suite comes to a chain: scripts, tests and the demo all use it. It deploys from the connection's first
 * account, resumes on a public chain where an earlier run stopped, and throws unless wiring, links, parameters, roles and
 * balances on the chain are as meant.
 */
export async function deploySuite(
  connection: NetworkConnection,
  parameters: SuiteParameters,
): Promise<{ readonly suite: Suite; readonly deployment: DeploymentFile }> {
  const { provider } = connection.ethers;
  const chainId = Number((await provider.getNetwork()).chainId);
  const nextBlock = (await provider.getBlockNumber()) + 1;
  const local = chainId === LOCAL_CHAIN_ID;
  const deploymentId = local ? `local-${randomBytes(8).toString("hex")}` : `chain-${chainId}`;
  const journal = path.join(hre.config.paths.ignition, "deployments", deploymentId);
  try {
    const contracts = await connection.ignition.deploy(LinkRewards, {
      deploymentId,
      parameters: { LinkRewards: { ...parameters } },
    });
    const suite = contracts as unknown as Suite;
    const startBlock = (await firstBlockIn(journal)) ?? nextBlock;
    await checkSuite(connection, suite, parameters, startBlock);
    return { suite, deployment: await describeSuite(connection, suite, parameters, startBlock) };
  } finally {
    if (local) await rm(journal, { recursive: true, force: true });
  }
}

/** Where an Ignition journal's first transaction was mined; undefined when there is no journal, as on a simulated chain. */
async function firstBlockIn(journal: string): Promise<number | undefined> {
  const lines = await readFile(path.join(journal, "journal.jsonl"), "utf8").catch(() => "");
  const blocks = lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { receipt?: { blockNumber: number } })
    .flatMap(({ receipt }) => (receipt === undefined ? [] : [receipt.blockNumber]));
  return blocks.length === 0 ? undefined : Math.min(...blocks);
}

async function logsSince(
  connection: NetworkConnection,
  suite: Suite,
  fromBlock: number,
): Promise<readonly Log[]> {
  const addresses = await Promise.all(
    Object.values(suite).map((contract) => contract.getAddress()),
  );
  return connection.ethers.provider.getLogs({ address: addresses, fromBlock });
}

/** Throws unless the suite on the chain is the one that `parameters` describe, and the deployer holds nothing. */
export async function checkSuite(
  connection: NetworkConnection,
  suite: Suite,
  parameters: SuiteParameters,
  startBlock: number,
): Promise<void> {
  const logs = await logsSince(connection, suite, startBlock);
  const deployer = await deployerOf(connection);
  const wrong = [
    ...(await wronglyWired(suite)),
    ...(await wronglyLinked(connection, suite, deployer, logs)),
    ...(await wronglySet(suite, parameters)),
    ...(await wronglyGranted(suite, parameters, logs)),
    ...(await wronglyFunded(suite, parameters, deployer)),
  ];
  if (wrong.length > 0) throw new Error(`the deployed suite is not as meant: ${wrong.join("; ")}`);
}

async function deployerOf({ ethers }: NetworkConnection): Promise<string> {
  const [deployer] = await ethers.getSigners();
  if (deployer === undefined) throw new Error("the network has no account to deploy from");
  return deployer.address;
}

async function wronglyWired(suite: Suite): Promise<readonly string[]> {
  const { token, registry, programme, escrow, quorum, judge, demands, distributor, ledger } = suite;
  const wires = [
    ["programme.token", programme.token(), token],
    ["escrow.token", escrow.token(), token],
    ["escrow.programme", escrow.programme(), programme],
    ["quorum.token", quorum.token(), token],
    ["distributor.token", distributor.token(), token],
    ["ledger.registry", ledger.registry(), registry],
    ["ledger.escrow", ledger.escrow(), escrow],
    ["ledger.quorum", ledger.quorum(), quorum],
    ["ledger.distributor", ledger.distributor(), distributor],
    ["ledger.demands", ledger.demands(), demands],
    ["ledger.judgeOf", ledger.judgeOf(await ledger.rulesAt(1)), judge],
    ["judge.registry", judge.registry(), registry],
    ["judge.escrow", judge.escrow(), escrow],
    ["demands.ledger", demands.ledger(), ledger],
    ["programme.ledger", programme.ledger(), ledger],
    ["escrow.ledger", escrow.ledger(), ledger],
    ["quorum.ledger", quorum.ledger(), ledger],
    ["distributor.ledger", distributor.ledger(), ledger],
  ] as const;
  const wrong: string[] = [];
  for (const [wire, leadsTo, target] of wires) {
    const [actual, expected] = [await leadsTo, await target.getAddress()];
    if (actual !== expected) wrong.push(`${wire} is ${actual}, not ${expected}`);
  }
  // Of the rest of the suite the distributor only says that it pays nothing there.
  const { judge: _, demands: __, ...known } = suite;
  for (const [name, contract] of Object.entries(known)) {
    const address = await contract.getAddress();
    const isPayee = await distributor.setPayee.staticCall(address).then(
      () => true,
      () => false,
    );
    if (isPayee) wrong.push(`the distributor would pay to the ${name} at ${address}`);
  }
  return wrong;
}

/**
 * A link that another account made between two of the deployment's transactions would stand for ever. It cannot: each of
 * these contracts takes its link from the account that created it, and here it is shown that this account did both.
 */
async function wronglyLinked(
  { ethers }: NetworkConnection,
  { programme, escrow, quorum, distributor, demands, ledger }: Suite,
  deployer: string,
  logs: readonly Log[],
): Promise<readonly string[]> {
  const stranger = new VoidSigner(`0x${"00".repeat(19)}01`, ethers.provider);
  const wrong: string[] = [];
  for (const [name, contract] of Object.entries({
    programme,
    escrow,
    quorum,
    distributor,
    demands,
  })) {
    const address = await contract.getAddress();
    const own = logs.filter((log) => log.address === address);
    const links = own.filter((log) => contract.interface.parseLog(log)?.name === "LedgerLinked");
    if (links.length !== 1) wrong.push(`the ${name} was linked ${links.length} times`);
    for (const log of [...own.slice(0, 1), ...links]) {
      const { from } = await log.getTransaction();
      if (from !== deployer) wrong.push(`the ${name} was created or linked by ${from}`);
    }
    // Also of the code that is there now, and not only of what happened.
    const refusal = await contract
      .connect(stranger)
      .linkLedger.staticCall(ledger)
      // Nodes word it each in their own way; the data are the contract's.
      .then(
        () => undefined,
        ({ data }) => contract.interface.parseError(data)?.name,
      );
    if (refusal !== "NotDeployer") wrong.push(`the ${name} may take a stranger's link`);
  }
  return wrong;
}

/** Every parameter, as the contracts say it. */
async function wronglySet(
  { token, registry, programme, escrow, quorum, demands, distributor, ledger }: Suite,
  parameters: SuiteParameters,
): Promise<readonly string[]> {
  const tariff = await ledger.tariffAt(1);
  const actual = {
    tokenName: await token.name(),
    tokenSymbol: await token.symbol(),
    initialSupply: await token.initialSupply(),
    emissionShare: await programme.emissionShare(),
    proposalTimeoutSeconds: await ledger.proposalTimeoutSeconds(),
    windowSeconds: await ledger.windowSeconds(),
    thawSeconds: await escrow.thawSeconds(),
    minimumBond: await quorum.minimumBond(),
    answerSeconds: await demands.answerSeconds(),
    spacingSeconds: await demands.spacingSeconds(),
    demandBond: await demands.minimumBond(),
    rulesHash: await ledger.rulesAt(1),
    egressPrice: tariff.egressPrice,
    storagePrice: tariff.storagePrice,
    computePrice: tariff.computePrice,
    feeBps: tariff.feeBps,
  };
  const wrong = Object.entries(actual).filter(
    ([name, value]) => String(value) !== String(parameters[name as keyof typeof actual]),
  );
  const said = wrong.map(([name, value]) => `${name} is ${value}`);
  for (const clock of [registry, programme, escrow, quorum, distributor, ledger]) {
    for (const name of ["genesis", "epochSeconds", "graceSeconds"] as const) {
      const value = await clock[name]();
      if (value !== BigInt(parameters[name]))
        said.push(`${name} of ${await clock.getAddress()} is ${value}`);
    }
  }
  for (const [name, guarded] of Object.entries({ distributor, ledger })) {
    const guardian = await guarded.guardianAt(await guarded.currentEpoch());
    if (lowercaseHex(guardian) !== lowercaseHex(parameters.guardian)) {
      said.push(`the guardian of the ${name} is ${guardian}`);
    }
  }
  return said;
}

/** Every role that was ever granted or revoked, not only those that were asked for. */
async function wronglyGranted(
  suite: Suite,
  parameters: SuiteParameters,
  logs: readonly Log[],
): Promise<readonly string[]> {
  const { registry, programme, escrow, quorum, distributor, ledger } = suite;
  const { governance, manufacturer, admission } = parameters;
  const meant = [
    [registry, "DEFAULT_ADMIN_ROLE", governance],
    [programme, "DEFAULT_ADMIN_ROLE", governance],
    [escrow, "DEFAULT_ADMIN_ROLE", governance],
    [quorum, "DEFAULT_ADMIN_ROLE", governance],
    [distributor, "DEFAULT_ADMIN_ROLE", governance],
    [ledger, "DEFAULT_ADMIN_ROLE", governance],
    [registry, "MANUFACTURER_ROLE", manufacturer],
    [escrow, "ADMISSION_ROLE", admission],
  ] as const;
  const expected = await Promise.all(
    meant.map(async ([contract, role, holder]) =>
      grantKey(
        await contract.getAddress(),
        role === "DEFAULT_ADMIN_ROLE" ? ZeroHash : id(role),
        holder,
      ),
    ),
  );
  const actual = grantsIn(logs);
  return [
    ...expected.filter((grant) => !actual.has(grant)).map((grant) => `missing role ${grant}`),
    ...[...actual]
      .filter((grant) => !expected.includes(grant))
      .map((grant) => `extra role ${grant}`),
  ];
}

const ROLE_EVENTS = new Interface([
  "event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)",
  "event RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender)",
]);

function grantsIn(logs: readonly Log[]): ReadonlySet<string> {
  const grants = new Set<string>();
  for (const log of logs) {
    const event = ROLE_EVENTS.parseLog(log);
    if (event === null) continue;
    const [role, holder] = event.args;
    const grant = grantKey(log.address, role, holder);
    if (event.name === "RoleGranted") grants.add(grant);
    else grants.delete(grant);
  }
  return grants;
}

function grantKey(contract: string, role: string, holder: string): string {
  return lowercaseHex(`${contract} ${role} ${holder}`);
}

async function wronglyFunded(
  { token, programme }: Suite,
  { emissionShare, initialSupply, treasury }: SuiteParameters,
  deployer: string,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  const issuable = await token.balanceOf(programme);
  if (issuable < emissionShare) {
    wrong.push(`the programme holds ${issuable} wei, not ${emissionShare}`);
  }
  const rest = initialSupply - emissionShare;
  const kept = await token.balanceOf(treasury);
  if (kept < rest) wrong.push(`the treasury holds ${kept} wei, not ${rest}`);
  const left = await token.balanceOf(deployer);
  if (left !== 0n && lowercaseHex(deployer) !== lowercaseHex(treasury)) {
    wrong.push(`the deployer still holds ${left} wei`);
  }
  return wrong;
}

async function describeSuite(
  connection: NetworkConnection,
  suite: Suite,
  { genesis, epochSeconds, graceSeconds }: SuiteParameters,
  fromBlock: number,
): Promise<DeploymentFile> {
  const logs = await logsSince(connection, suite, fromBlock);
  const { chainId } = await connection.ethers.provider.getNetwork();
  // The suite is linked after all of it is there, and that is logged.
  const linkedAt = Math.max(...logs.map(({ blockNumber }) => blockNumber));
  const creations = await creationsIn(connection, fromBlock, linkedAt);
  const contracts = {} as Record<ContractName, DeployedContract>;
  for (const [role, name] of Object.entries(NAMES) as [keyof Suite, ContractName][]) {
    const address = await suite[role].getAddress();
    contracts[name] = await describeContract(connection, name, address, creations.get(address));
  }
  const startBlock = Math.min(...Object.values(contracts).map(({ block }) => block));
  return { chainId: Number(chainId), genesis, epochSeconds, graceSeconds, startBlock, contracts };
}

/** The transactions that created contracts, by the contracts' addresses: not every contract logs something then. */
async function creationsIn(
  { ethers }: NetworkConnection,
  fromBlock: number,
  toBlock: number,
): Promise<ReadonlyMap<string, TransactionResponse>> {
  const creations = new Map<string, TransactionResponse>();
  for (let number = fromBlock; number <= toBlock; number++) {
    const block = await ethers.provider.getBlock(number, true);
    for (const transaction of block?.prefetchedTransactions ?? []) {
      if (transaction.to === null) creations.set(getCreateAddress(transaction), transaction);
    }
  }
  return creations;
}

async function describeContract(
  connection: NetworkConnection,
  name: ContractName,
  address: string,
  transaction: TransactionResponse | undefined,
): Promise<DeployedContract> {
  if (transaction === undefined) {
    throw new Error(`no transaction is known that created ${name} at ${address}`);
  }
  const { abi, bytecode } = await hre.artifacts.readArtifact(name);
  const { inputs } = new Interface(abi).deploy;
  if (!transaction.data.startsWith(bytecode)) {
    throw new Error(
      `${name} at ${address} was not created from this build: compile the commit it came from`,
    );
  }
  const encoded = `0x${transaction.data.slice(bytecode.length)}`;
  const values = AbiCoder.defaultAbiCoder().decode(inputs, encoded);
  return {
    address: lowercaseHex(address),
    block: transaction.blockNumber as number,
    arguments: inputs.map((input, i) => toJson(input, values[i])),
    bytecodeHash: lowercaseHex(keccak256(await connection.ethers.provider.getCode(address))),
  };
}

function toJson({ baseType, type, components }: ParamType, value: unknown): unknown {
  if (baseType === "tuple") {
    return (components ?? []).map((component, i) => toJson(component, (value as unknown[])[i]));
  }
  if (type === "string") return value;
  if (typeof value === "bigint")
    return /^uint(8|16|32)$/.test(type) ? Number(value) : value.toString();
  return lowercaseHex(value as string);
}
