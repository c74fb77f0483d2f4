import { contractsOf, type DeploymentFile } from "@link-rewards/client/deployment-file";
import { lastBlockBefore } from "@link-rewards/client/last-block-before";
import escrowArtifact from "@link-rewards/contracts/CustomerEscrow.json" with { type: "json" };
import demandsArtifact from "@link-rewards/contracts/Demands.json" with { type: "json" };
import registryArtifact from "@link-rewards/contracts/DeviceRegistry.json" with { type: "json" };
import ledgerArtifact from "@link-rewards/contracts/EpochLedger.json" with { type: "json" };
import judgeArtifact from "@link-rewards/contracts/Judge.json" with { type: "json" };
import tokenArtifact from "@link-rewards/contracts/LinkToken.json" with { type: "json" };
import quorumArtifact from "@link-rewards/contracts/OracleQuorum.json" with { type: "json" };
import distributorArtifact from "@link-rewards/contracts/RewardDistributor.json" with {
  type: "json",
};
import programmeArtifact from "@link-rewards/contracts/RewardProgramme.json" with { type: "json" };
import type { CustomerEscrow } from "@link-rewards/contracts/types/CustomerEscrow";
import type { Demands } from "@link-rewards/contracts/types/Demands";
import type { DeviceRegistry } from "@link-rewards/contracts/types/DeviceRegistry";
import type { EpochLedger } from "@link-rewards/contracts/types/EpochLedger";
import type { Judge } from "@link-rewards/contracts/types/Judge";
import type { LinkToken } from "@link-rewards/contracts/types/LinkToken";
import type { OracleQuorum } from "@link-rewards/contracts/types/OracleQuorum";
import type { RewardDistributor } from "@link-rewards/contracts/types/RewardDistributor";
import type { RewardProgramme } from "@link-rewards/contracts/types/RewardProgramme";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import type { Block, BlockMark } from "@link-rewards/core/law/block";
import { sealTimeOf } from "@link-rewards/core/law/clock";
import { eventFromLog } from "@link-rewards/core/law/event-from-log";
import {
  EMITTER_OF,
  type Emitter,
  eventToJson,
  isLawEventName,
  type LawEvent,
  parseEvent,
} from "@link-rewards/core/law/events";
import type { Law } from "@link-rewards/core/law/law";
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
  RewardProgramme: programmeArtifact,
  CustomerEscrow: escrowArtifact,
  OracleQuorum: quorumArtifact,
  Judge: judgeArtifact,
  Demands: demandsArtifact,
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
  readonly programme: RewardProgramme;
  readonly escrow: CustomerEscrow;
  readonly quorum: OracleQuorum;
  /** Of the rules that the suite was deployed with: later ones bring their own. */
  readonly judge: Judge;
  readonly demands: Demands;
  readonly ledger: EpochLedger;
  readonly distributor: RewardDistributor;
};

/** How many law events of each contract are known. */
export type Revisions = Law["revisions"];

/** `through`: the last block whose events are given. */
export type EventPage = { readonly events: readonly LawEvent[]; readonly through: number };

export type LogFilter = {
  readonly address: Address | readonly Address[];
  /** By place; null for any. */
  readonly topics?: readonly (Hex | null)[];
};

/** `through`: the last block whose logs are given. */
export type LogPage = { readonly logs: readonly Log[]; readonly through: number };

/** The node's answer about events is not all there is, as that of a node that lags behind: wrong now, not for ever. */
export type IncompleteEvents = Error & { readonly incompleteEvents: true };

export function isIncompleteEvents(error: unknown): error is IncompleteEvents {
  return error instanceof Error && "incompleteEvents" in error;
}

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
  /** All logs of the blocks from..to, a page of blocks after the other; of any of the addresses, with any topics when none are named. */
  logs(filter: LogFilter, from: number, to: number): AsyncIterable<LogPage>;
  /**
   * The law's events of the blocks from..to, in the order of the chain, after those that `known` counts. Throws
   * IncompleteEvents before the last page, or at the first gap, when the node has not given them all.
   */
  events(from: number, to: number, known: Revisions): AsyncIterable<EventPage>;
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
      logs: (filter, from, to) => readLogs(provider, filter, from, to),
      events: (from, to, known) => readEvents({ provider, suite, contracts }, from, to, known),
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
    programme: connect<RewardProgramme>(contracts.rewardProgramme, ARTIFACTS.RewardProgramme),
    escrow: connect<CustomerEscrow>(contracts.customerEscrow, ARTIFACTS.CustomerEscrow),
    quorum: connect<OracleQuorum>(contracts.oracleQuorum, ARTIFACTS.OracleQuorum),
    judge: connect<Judge>(contracts.judge, ARTIFACTS.Judge),
    demands: connect<Demands>(contracts.demands, ARTIFACTS.Demands),
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
  if (parsed) return `${parsed.name}(${[...parsed.args].map(String).join(", ")})`;
  // For ethers every call that fails was a revert, also when the node could not make it.
  const words = nodesWords(error);
  if (words !== undefined && !/revert/i.test(words)) return undefined;
  return error.reason ?? error.shortMessage;
}

/** One line. A node's own words are in the middle of what ethers says around them, which has the RPC URL in it. */
export function reasonOf(error: unknown): string {
  const { shortMessage, message } = Object(error) as { shortMessage?: string; message?: string };
  const reason =
    revertReason(error) ?? nodesWords(error) ?? shortMessage ?? message ?? String(error);
  return reason.replaceAll(/\s*\n\s*/g, " ");
}

type NodesAnswer = { readonly message?: string };

function nodesWords(error: unknown): string | undefined {
  const { error: answer, info } = Object(error) as {
    error?: NodesAnswer;
    info?: { error?: NodesAnswer };
  };
  return answer?.message ?? info?.error?.message;
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
    ["EpochLedger.demands", () => suite.ledger.demands(), contracts.demands],
    ["Demands.ledger", () => suite.demands.ledger(), contracts.epochLedger],
    ["Judge.registry", () => suite.judge.registry(), contracts.deviceRegistry],
    ["Judge.escrow", () => suite.judge.escrow(), contracts.customerEscrow],
    ["RewardProgramme.token", () => suite.programme.token(), contracts.linkToken],
    ["RewardProgramme.ledger", () => suite.programme.ledger(), contracts.epochLedger],
    ["CustomerEscrow.token", () => suite.escrow.token(), contracts.linkToken],
    ["CustomerEscrow.programme", () => suite.escrow.programme(), contracts.rewardProgramme],
    ["CustomerEscrow.ledger", () => suite.escrow.ledger(), contracts.epochLedger],
    ["OracleQuorum.token", () => suite.quorum.token(), contracts.linkToken],
    ["OracleQuorum.ledger", () => suite.quorum.ledger(), contracts.epochLedger],
    ["RewardDistributor.token", () => suite.distributor.token(), contracts.linkToken],
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

type Connected = {
  readonly provider: JsonRpcProvider;
  readonly suite: Suite;
  readonly contracts: Contracts;
};

async function* readEvents(
  connected: Connected,
  from: number,
  to: number,
  known: Revisions,
): AsyncIterable<EventPage> {
  const counted = { ...known };
  for await (const page of readLawEvents(connected, from, to)) {
    countEvents(counted, page.events);
    // Before the last page is given: whoever stores it has then stored a history with nothing left out.
    if (page.through === to) await requireAll(connected, counted, to);
    yield page;
  }
  // Also what was read before, by whomever.
  if (from > to) await requireAll(connected, counted, to);
}

async function* readLogs(
  provider: JsonRpcProvider,
  { address, topics }: LogFilter,
  from: number,
  to: number,
): AsyncIterable<LogPage> {
  let size = LOG_BLOCKS;
  for (let start = from; start <= to; ) {
    const through = Math.min(to, start + size - 1);
    let logs: Log[];
    try {
      logs = await provider.getLogs({
        address: address as string,
        ...(topics && { topics: [...topics] }),
        fromBlock: start,
        toBlock: through,
      });
    } catch (error) {
      if (size === 1) throw error;
      size = Math.ceil(size / 2);
      continue;
    }
    yield { logs, through };
    start = through + 1;
  }
}

async function* readLawEvents(
  { provider, contracts }: Connected,
  from: number,
  to: number,
): AsyncIterable<EventPage> {
  const address = [...new Set(Object.values(EMITTER_OF))].map((emitter) => contracts[emitter]);
  for await (const { logs, through } of readLogs(provider, { address }, from, to))
    yield { events: logs.map(toLawEvent).filter((event) => event !== undefined), through };
}

function countEvents(counted: Revisions, events: readonly LawEvent[]): void {
  for (const { name, args, blockNumber } of events) {
    const emitter = EMITTER_OF[name];
    const expected = counted[emitter] + 1;
    if (args.revision !== expected) {
      const found = `${name} in block ${blockNumber} is number ${args.revision}`;
      throw incomplete(emitter, `expected number ${expected}, found that ${found}`);
    }
    counted[emitter] = expected;
  }
}

/** Each contract says how many events there are: an empty answer of a node that lags behind does not pass for all. */
async function requireAll(connected: Connected, counted: Revisions, block: number): Promise<void> {
  let [said, found, at] = [await revisionsAt(connected.suite, block), counted, block];
  if (said === undefined) {
    // Full nodes keep the state of the newest blocks only: what happened since is counted with it there.
    at = await connected.provider.getBlockNumber();
    found = { ...counted };
    for await (const { events } of readLawEvents(connected, block + 1, at))
      countEvents(found, events);
    said = await revisionsAt(connected.suite, at);
  }
  if (said === undefined) throw new Error(`the RPC node has no state of its own block ${at}`);
  for (const emitter of Object.keys(said) as Emitter[]) {
    if (said[emitter] === found[emitter]) continue;
    const expected = `expected ${said[emitter]}, its revision at block ${at}`;
    throw incomplete(emitter, `${expected}, found ${found[emitter]}`);
  }
}

function incomplete(emitter: Emitter, message: string): IncompleteEvents {
  const contract = `${emitter.charAt(0).toUpperCase()}${emitter.slice(1)}`;
  return Object.assign(
    new Error(
      `the RPC node did not give all events of ${contract}: ${message}; ask again later, or another node`,
    ),
    { incompleteEvents: true as const },
  );
}

/** What nodes say that have thrown the state of a block away: geth, Erigon, Nethermind, Besu, Reth. */
const PRUNED =
  /missing trie node|historical state|state .*not available|no state available|world state unavailable|pruned|pruning/i;

/** Undefined when the node has no state of that block any more. */
async function revisionsAt(suite: Suite, block: number): Promise<Revisions | undefined> {
  const revisionOf = async (contract: {
    revision(overrides: { blockTag: number }): Promise<bigint>;
  }) => {
    try {
      return Number(await contract.revision({ blockTag: block }));
    } catch (error) {
      // Nothing is at the address yet.
      if (isError(error, "BAD_DATA") && error.value === "0x") return 0;
      throw error;
    }
  };
  try {
    const [deviceRegistry, rewardProgramme, customerEscrow, epochLedger, oracleQuorum] =
      await Promise.all(
        [suite.registry, suite.programme, suite.escrow, suite.ledger, suite.quorum].map(revisionOf),
      );
    return {
      deviceRegistry,
      rewardProgramme,
      customerEscrow,
      epochLedger,
      oracleQuorum,
    } as Revisions;
  } catch (error) {
    if (PRUNED.test(reasonOf(error))) return undefined;
    throw error;
  }
}

const LAW_INTERFACE = new Interface(
  Object.values(ARTIFACTS).flatMap(({ abi }) =>
    (abi as { type: string; name?: string }[]).filter(
      ({ type, name }) => type === "event" && isLawEventName(name ?? ""),
    ),
  ) as unknown as string[],
);

function toLawEvent(log: Log): LawEvent | undefined {
  const parsed = LAW_INTERFACE.parseLog(log);
  if (parsed === null || !isLawEventName(parsed.name)) return undefined;
  const event = eventFromLog(parsed.name, parsed.args, log.blockNumber, log.index);
  // A contract emits printable text alone; a node may answer anything, and no database takes everything.
  const checked = parseEvent(eventToJson(event));
  if (isRefused(checked)) {
    throw new Error(
      `the RPC node's log ${log.index} of block ${log.blockNumber}: ${checked.message}`,
    );
  }
  return checked;
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the RPC node does not have ${what}`);
  return value;
}
