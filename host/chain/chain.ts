import { contractsOf, type DeploymentFile } from "@link-rewards/client/deployment-file";
import { lastBlockBefore } from "@link-rewards/client/last-block-before";
import type { Hex } from "@link-rewards/core/encoding/bytes";
import type { Block, BlockMark } from "@link-rewards/core/law/block";
import { sealTimeOf } from "@link-rewards/core/law/clock";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import { FetchRequest, JsonRpcProvider } from "ethers";
import { reasonOf } from "./errors.ts";
import { type EventPage, type Revisions, readEvents } from "./law-events.ts";
import { type LogFilter, type LogPage, readLogs } from "./logs.ts";
import { checkWiring, connectSuite, type Suite } from "./suite.ts";

/** One request must not hang a cron job: a node that does not answer in this time is down. */
const RPC_TIMEOUT_MS = 30_000;

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

/**
 * The last block before an epoch's seal time, by which its payments are fixed; undefined while no finalized block has
 * reached that time.
 */
export async function sealBlockOf(chain: Chain, epoch: number): Promise<BlockMark | undefined> {
  const time = sealTimeOf(chain.deployment, epoch);
  const blockAt = async (number: number) => required(await chain.block(number), `block ${number}`);
  return lastBlockBefore(blockAt, time, chain.startBlock, await chain.finalized());
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

async function blockOf(
  provider: JsonRpcProvider,
  tag: number | "latest" | "finalized",
): Promise<Block | undefined> {
  const block = await provider.getBlock(tag);
  return block === null
    ? undefined
    : { number: block.number, hash: block.hash as Hex, timestamp: block.timestamp };
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the RPC node does not have ${what}`);
  return value;
}
