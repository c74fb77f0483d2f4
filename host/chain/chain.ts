import { contractsOf, type DeploymentFile } from "@link-rewards/client/deployment-file";
import { lastBlockBefore } from "@link-rewards/client/last-block-before";
import { type LogFilter, type LogPage, readLogs } from "@link-rewards/client/node/logs";
import { isNodeFault } from "@link-rewards/client/node/node-fault";
import type { Hex } from "@link-rewards/core/encoding/bytes";
import type { Block, BlockMark } from "@link-rewards/core/law/block";
import { sealTimeOf } from "@link-rewards/core/law/clock";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import { isError, type JsonRpcProvider } from "ethers";
import { reasonOf } from "./errors.ts";
import { type EventPage, type Revisions, readEvents } from "./law-events.ts";
import { NodeProvider } from "./node-provider.ts";
import {
  type Doubt,
  type Doubted,
  doubtOfFinality,
  doubtOfHead,
  HEAD_BOUNDS,
  type HeadBounds,
  implausible,
} from "./plausible.ts";
import { checkWiring, connectSuite, type Suite } from "./suite.ts";

export type Chain = {
  readonly provider: JsonRpcProvider;
  readonly suite: Suite;
  readonly deployment: Deployment;
  readonly startBlock: number;
  /** The newest block. Throws Implausible, as `finalized` does, when no node has one that this machine's clock can believe. */
  head(): Promise<Block>;
  /**
   * The newest block that no reorg undoes: the chain's own word, or `confirmations` below the head. Throws Implausible
   * also when it is behind, or instead of, what was final before.
   */
  finalized(): Promise<Block>;
  /** The highest block known to be final, from an earlier run; undefined when none is, or it was given up. */
  remember(seen: BlockMark | undefined): void;
  readonly bounds: HeadBounds;
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
  /** Used in turn: the next when one fails. */
  readonly rpcUrls: readonly string[];
  /** So many of them must agree about what is a fact. */
  readonly rpcQuorum?: number | undefined;
  readonly deploymentFile: DeploymentFile;
  readonly confirmations?: number | undefined;
  readonly bounds?: HeadBounds | undefined;
  /** Of several nodes, one whose word is not taken while another's is. */
  readonly onPassedOver?: ((message: string) => void) | undefined;
}): Promise<Chain> {
  const { rpcUrls, rpcQuorum: quorum, deploymentFile, confirmations, onPassedOver } = options;
  const { bounds = HEAD_BOUNDS } = options;
  const provider = new NodeProvider(rpcUrls, deploymentFile.chainId, { quorum });
  try {
    const contracts = contractsOf(deploymentFile);
    const suite = connectSuite(contracts, provider);
    await checkChainId(provider, deploymentFile.chainId);
    await checkWiring(suite, contracts);
    const deployment = {
      chainId: deploymentFile.chainId,
      contracts,
      genesis: Number(await suite.registry.genesis()),
      epochSeconds: Number(await suite.registry.epochSeconds()),
      graceSeconds: Number(await suite.registry.graceSeconds()),
    };
    const block = (tag: number | "latest" | "finalized") => blockOf(provider, tag);
    const newest = async () => required(await block("latest"), "a latest block");
    const finalAndHead = async () => {
      if (confirmations === undefined) {
        // In this order: the newest is above whatever is final by then.
        const final = await finalizedBlock(provider);
        return { final, head: await newest() };
      }
      const head = await newest();
      const final = await block(Math.max(0, head.number - confirmations));
      return { final: required(final, "a confirmed block"), head };
    };
    const ofHead = (head: Block) => doubtOfHead(head, Math.floor(Date.now() / 1000), bounds);
    let seen: BlockMark | undefined;

    /** Each node in turn, until one is believed: from then on it is asked first. */
    async function believed<T extends { readonly head: Block }>(
      ask: () => Promise<T>,
      doubtOf: (word: T) => Doubt | undefined,
    ): Promise<T> {
      const doubted: Doubted[] = [];
      for (;;) {
        const asked = provider.nodes.current;
        const word = await ask();
        const doubt = doubtOf(word);
        if (doubt === undefined) {
          for (const each of doubted)
            onPassedOver?.(`${each.host} is passed over: ${each.doubt.message}`);
          return word;
        }
        doubted.push({ host: provider.nodes.hosts[asked] as string, head: word.head, doubt });
        if (doubted.length === provider.nodes.hosts.length) throw implausible(doubted, bounds);
        provider.nodes.passOver(asked);
      }
    }

    return {
      provider,
      suite,
      deployment,
      startBlock: deploymentFile.startBlock,
      bounds,
      async head() {
        const ask = async () => ({ head: await newest() });
        return (await believed(ask, ({ head }) => ofHead(head))).head;
      },
      async finalized() {
        const known = seen;
        const ask = async () => {
          const { final, head } = await finalAndHead();
          if (known === undefined || known.number > head.number) return { final, head };
          return {
            ...{ final, head },
            atSeen: known.number === final.number ? final : await block(known.number),
          };
        };
        const { final } = await believed(
          ask,
          (word) => ofHead(word.head) ?? doubtOfFinality(word, known),
        );
        if (seen === known && final.number > (seen?.number ?? -1))
          seen = { number: final.number, hash: final.hash };
        return final;
      },
      remember(block) {
        seen = block;
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

async function checkChainId(provider: NodeProvider, expected: number) {
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
    throw new Error(
      `the node at ${provider.nodes.hosts.join(", ")} serves chain ${Number(answered)}, the deployment is on ${expected}`,
    );
  }
}

/** A node without that tag says so in many words, or answers null. */
async function finalizedBlock(provider: JsonRpcProvider): Promise<Block> {
  let block: Block | undefined;
  let cause: unknown;
  try {
    block = await blockOf(provider, "finalized");
  } catch (error) {
    if (isNodeFault(error) || isError(error, "TIMEOUT")) throw error;
    cause = error;
  }
  if (block !== undefined) return block;
  const reason = cause === undefined ? "" : `: ${reasonOf(cause)}`;
  throw new Error(
    `the RPC node names no finalized block${reason}; where the chain has none, give --confirmations <blocks>`,
    { cause },
  );
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
