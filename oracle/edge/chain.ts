import { contractsOf, type DeploymentFile } from "@link-rewards/client/deployment-file";
import { lastBlockBefore } from "@link-rewards/client/last-block-before";
import escrowArtifact from "@link-rewards/contracts/CustomerEscrow.json" with { type: "json" };
import registryArtifact from "@link-rewards/contracts/DeviceRegistry.json" with { type: "json" };
import ledgerArtifact from "@link-rewards/contracts/EpochLedger.json" with { type: "json" };
import tokenArtifact from "@link-rewards/contracts/LinkToken.json" with { type: "json" };
import quorumArtifact from "@link-rewards/contracts/OracleQuorum.json" with { type: "json" };
import distributorArtifact from "@link-rewards/contracts/RewardDistributor.json" with {
  type: "json",
};
import type { CustomerEscrow } from "@link-rewards/contracts/types/CustomerEscrow";
import type { DeviceRegistry } from "@link-rewards/contracts/types/DeviceRegistry";
import type { EpochLedger } from "@link-rewards/contracts/types/EpochLedger";
import type { LinkToken } from "@link-rewards/contracts/types/LinkToken";
import type { OracleQuorum } from "@link-rewards/contracts/types/OracleQuorum";
import type { RewardDistributor } from "@link-rewards/contracts/types/RewardDistributor";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Block, BlockMark } from "@link-rewards/core/law/block";
import { sealTimeOf } from "@link-rewards/core/law/clock";
import { eventFromLog } from "@link-rewards/core/law/event-from-log";
import { isLawEventName, type LawEvent } from "@link-rewards/core/law/events";
import type { Contracts, Deployment } from "@link-rewards/core/signed/deployment";
import {
  type BaseContract,
  Contract,
  type ContractRunner,
  FetchRequest,
  Interface,
  isError,
  JsonRpcProvider,
  type Log,
} from "ethers";

const ARTIFACTS = {
  LinkToken: tokenArtifact,
  DeviceRegistry: registryArtifact,
  CustomerEscrow: escrowArtifact,
  OracleQuorum: quorumArtifact,
  EpochLedger: ledgerArtifact,
  RewardDistributor: distributorArtifact,
} as const;

/** Blocks in one `eth_getLogs`; halved when a node refuses the answer as too large. */
const LOG_BLOCKS = 5_000;
/** One request must not hang a cron job: a node that does not answer in this time is down. */
const RPC_TIMEOUT_MS = 30_000;

/** The contracts, sent to from whatever they are `connect`ed to. */
export type Suite = {
  readonly token: LinkToken;
  readonly registry: DeviceRegistry;
  readonly escrow: CustomerEscrow;
  readonly quorum: OracleQuorum;
  readonly ledger: EpochLedger;
  readonly distributor: RewardDistributor;
};

export type Chain = {
  readonly provider: JsonRpcProvider;
  readonly suite: Suite;
  readonly deployment: Deployment;
  readonly startBlock: number;
  head(): Promise<Block>;
  /** The newest block that no reorg undoes: the chain's own word, or `confirmations` below the head. */
  finalized(): Promise<Block>;
  /** Undefined when the chain has no block of that number. */
  block(number: number): Promise<Block | undefined>;
  /** The law's events of the blocks from..to, in the order of the chain. */
  events(from: number, to: number): AsyncIterable<{ events: LawEvent[]; through: number }>;
  close(): void;
};

/**
 * Connects, and checks that the chain is the deployment's and that its contracts name each other: a wrong address would
 * make every later answer wrong.
 */
export async function connectChain(options: {
  readonly rpcUrl: string;
  readonly deploymentFile: DeploymentFile;
  readonly confirmations?: number | undefined;
}): Promise<Chain> {
  const { rpcUrl, deploymentFile, confirmations } = options;
  const provider = new JsonRpcProvider(withTimeout(rpcUrl), deploymentFile.chainId, {
    staticNetwork: true,
    cacheTimeout: -1,
    // Calls made at once still go as one batch; what is asked one after the other waits for no others.
    batchStallTime: 0,
  });
  try {
    const contracts = contractsOf(deploymentFile);
    const suite = connectSuite(contracts, provider);
    await checkChainId(provider, rpcUrl, deploymentFile.chainId);
    await checkWiring(suite, contracts);
    const deployment = {
      chainId: deploymentFile.chainId,
      contracts,
      genesis: Number(await suite.registry.genesis()),
      epochSeconds: Number(await suite.registry.epochSeconds()),
      graceSeconds: Number(await suite.registry.graceSeconds()),
      emissionShare: await suite.ledger.emissionShare(),
    };
    const block = (tag: number | "latest" | "finalized") => blockOf(provider, tag);
    const head = async () => required(await block("latest"), "a latest block");
    return {
      provider,
      suite,
      deployment,
      startBlock: deploymentFile.startBlock,
      head,
      finalized: async () => {
        if (confirmations === undefined)
          return required(await block("finalized"), "a finalized block");
        const { number } = await head();
        return required(await block(Math.max(0, number - confirmations)), "a confirmed block");
      },
      block,
      events: (from, to) => readEvents(provider, contracts, from, to),
      close: () => provider.destroy(),
    };
  } catch (error) {
    provider.destroy();
    throw error;
  }
}

function connectSuite(contracts: Contracts, runner: ContractRunner): Suite {
  const connect = <C extends BaseContract>(address: Address, { abi }: { abi: unknown }) =>
    new Contract(address, abi as string[], runner) as unknown as C;
  return {
    token: connect<LinkToken>(contracts.linkToken, ARTIFACTS.LinkToken),
    registry: connect<DeviceRegistry>(contracts.deviceRegistry, ARTIFACTS.DeviceRegistry),
    escrow: connect<CustomerEscrow>(contracts.customerEscrow, ARTIFACTS.CustomerEscrow),
    quorum: connect<OracleQuorum>(contracts.oracleQuorum, ARTIFACTS.OracleQuorum),
    ledger: connect<EpochLedger>(contracts.epochLedger, ARTIFACTS.EpochLedger),
    distributor: connect<RewardDistributor>(
      contracts.rewardDistributor,
      ARTIFACTS.RewardDistributor,
    ),
  };
}

/**
 * The last block before an epoch's seal time, by which its payments are fixed; undefined while no finalized block has
 * reached that time.
 */
export async function sealBlockOf(chain: Chain, epoch: number): Promise<BlockMark | undefined> {
  const time = sealTimeOf(chain.deployment, epoch);
  const blockAt = async (number: number) => required(await chain.block(number), `block ${number}`);
  return lastBlockBefore(blockAt, time, chain.startBlock, await chain.finalized());
}

/** What a contract answered with a revert, in one line; undefined when the error is another one. */
export function revertReason(error: unknown): string | undefined {
  if (!isError(error, "CALL_EXCEPTION")) return undefined;
  const parsed = error.revert ?? (error.data ? parseRevert(error.data) : undefined);
  if (!parsed) return error.reason ?? error.shortMessage;
  return `${parsed.name}(${[...parsed.args].map(String).join(", ")})`;
}

/** One line. A node's own words are in the middle of what ethers says around them, which has the RPC URL in it. */
export function reasonOf(error: unknown): string {
  const {
    shortMessage,
    error: answer,
    message,
  } = Object(error) as {
    shortMessage?: string;
    error?: { message?: string };
    message?: string;
  };
  const reason = revertReason(error) ?? answer?.message ?? shortMessage ?? message ?? String(error);
  return reason.replaceAll(/\s*\n\s*/g, " ");
}

const ALL_ERRORS = new Interface(
  Object.values(ARTIFACTS).flatMap(({ abi }) =>
    (abi as { type: string; name?: string; inputs?: unknown }[]).filter(
      (item) => item.type === "error",
    ),
  ) as unknown as string[],
);

function parseRevert(data: string) {
  const parsed = ALL_ERRORS.parseError(data);
  return parsed === null ? undefined : { name: parsed.name, args: parsed.args };
}

function withTimeout(rpcUrl: string): FetchRequest {
  const request = new FetchRequest(rpcUrl);
  request.timeout = RPC_TIMEOUT_MS;
  return request;
}

async function checkChainId(provider: JsonRpcProvider, rpcUrl: string, expected: number) {
  let answered: string;
  try {
    answered = await provider.send("eth_chainId", []);
  } catch (cause) {
    throw new Error(
      `no answer from the RPC node: ${reasonOf(cause)}; is --rpc right and the node up?`,
      { cause },
    );
  }
  if (Number(answered) !== expected) {
    const host = new URL(rpcUrl).host;
    throw new Error(
      `the node at ${host} serves chain ${Number(answered)}, the deployment is on ${expected}`,
    );
  }
}

async function checkWiring(suite: Suite, contracts: Contracts): Promise<void> {
  const links: readonly [string, () => Promise<string>, Address][] = [
    ["EpochLedger.registry", () => suite.ledger.registry(), contracts.deviceRegistry],
    ["EpochLedger.escrow", () => suite.ledger.escrow(), contracts.customerEscrow],
    ["EpochLedger.quorum", () => suite.ledger.quorum(), contracts.oracleQuorum],
    ["EpochLedger.distributor", () => suite.ledger.distributor(), contracts.rewardDistributor],
    ["EpochLedger.token", () => suite.ledger.token(), contracts.linkToken],
    ["CustomerEscrow.ledger", () => suite.escrow.ledger(), contracts.epochLedger],
    ["OracleQuorum.ledger", () => suite.quorum.ledger(), contracts.epochLedger],
    ["RewardDistributor.ledger", () => suite.distributor.ledger(), contracts.epochLedger],
  ];
  for (const [name, read, expected] of links) {
    let found: string;
    try {
      found = lowercaseHex(await read());
    } catch (cause) {
      throw new Error(`${name} cannot be read: is this the deployment file of this chain?`, {
        cause,
      });
    }
    if (found !== expected)
      throw new Error(`${name} is ${found}, the deployment file says ${expected}`);
  }
}

async function blockOf(
  provider: JsonRpcProvider,
  tag: number | "latest" | "finalized",
): Promise<Block | undefined> {
  const block = await provider.getBlock(tag);
  return block === null
    ? undefined
    : { number: block.number, hash: block.hash as Hex, timestamp: block.timestamp };
}

async function* readEvents(
  provider: JsonRpcProvider,
  contracts: Contracts,
  from: number,
  to: number,
) {
  const emitters = [
    contracts.deviceRegistry,
    contracts.customerEscrow,
    contracts.epochLedger,
    contracts.oracleQuorum,
  ];
  let size = LOG_BLOCKS;
  for (let start = from; start <= to; ) {
    const through = Math.min(to, start + size - 1);
    let logs: Log[];
    try {
      logs = await provider.getLogs({
        address: emitters as unknown as string,
        fromBlock: start,
        toBlock: through,
      });
    } catch (error) {
      if (size === 1) throw error;
      size = Math.ceil(size / 2);
      continue;
    }
    yield { events: logs.map(toLawEvent).filter((event) => event !== undefined), through };
    start = through + 1;
  }
}

const LAW_INTERFACE = new Interface(
  [registryArtifact, escrowArtifact, ledgerArtifact, quorumArtifact].flatMap(({ abi }) =>
    (abi as { type: string; name?: string }[]).filter(
      ({ type, name }) => type === "event" && isLawEventName(name ?? ""),
    ),
  ) as unknown as string[],
);

function toLawEvent(log: Log): LawEvent | undefined {
  const parsed = LAW_INTERFACE.parseLog(log);
  if (parsed === null || !isLawEventName(parsed.name)) return undefined;
  return eventFromLog(parsed.name, parsed.args, log.blockNumber, log.index);
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the RPC node does not have ${what}`);
  return value;
}
