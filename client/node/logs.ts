import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { RawLog } from "@link-rewards/core/law/decode-log";
import { isNodeFault } from "./node-fault.ts";

/** Blocks in one `eth_getLogs`; halved when a node refuses the answer as too large. */
const LOG_BLOCKS = 5_000;
/** After so many answers in a row a node is asked for twice as many blocks again: one busy range must not slow down all. */
const GROW_AFTER = 4;
/** Ranges that are asked for at a time. Public nodes turn away who asks for more. */
const RANGES_AT_ONCE = 3;

export type Topic = Hex | readonly Hex[] | null;

export type LogFilter = {
  readonly address: Address | readonly Address[];
  /** By place: one, any of several, or null for any at all. */
  readonly topics?: readonly Topic[];
};

/** As a node gives it, its numbers read, and of what was asked for. What is in topics and data is for a decoder to see. */
export type ChainLog = RawLog & { readonly address: Address; readonly transactionHash: Hex };

/** A JsonRpcProvider of ethers is one. */
export type Asked = { send(method: string, params: unknown[]): Promise<unknown> };

/** `through`: the last block whose logs are given. */
export type LogPage = { readonly logs: readonly ChainLog[]; readonly through: number };

/** In the order of the chain, while the next ranges are on their way. */
export async function* readLogs(
  node: Asked,
  filter: LogFilter,
  from: number,
  to: number,
): AsyncIterable<LogPage> {
  const { address, topics } = filter;
  let size = LOG_BLOCKS;
  let answers = 0;

  /** In parts where the node refuses the whole. */
  async function range(start: number, through: number): Promise<LogPage[]> {
    const blocks = through - start + 1;
    try {
      // Not by getLogs of ethers, whose own form of a log takes many times as long as all that is done with it here.
      const answer = await node.send("eth_getLogs", [
        { address, topics, fromBlock: hex(start), toBlock: hex(through) },
      ]);
      const logs = logsIn(answer, filter, start, through);
      if (++answers % GROW_AFTER === 0) size = Math.min(LOG_BLOCKS, size * 2);
      return [{ logs, through }];
    } catch (error) {
      // What else went wrong is no better with half of it.
      if (!isNodeFault(error) || error.nodeFault !== "too-large" || blocks === 1) throw error;
      answers = 0;
      size = Math.min(size, Math.ceil(blocks / 2));
      const middle = start + Math.ceil(blocks / 2) - 1;
      return [...(await range(start, middle)), ...(await range(middle + 1, through))];
    }
  }

  const asked: Promise<LogPage[]>[] = [];
  for (let next = from; next <= to || asked.length > 0; ) {
    while (next <= to && asked.length < RANGES_AT_ONCE) {
      const through = Math.min(to, next + size - 1);
      const pages = range(next, through);
      // It is thrown where it is waited for, which may be after another has failed.
      pages.catch(() => undefined);
      asked.push(pages);
      next = through + 1;
    }
    yield* (await asked.shift()) ?? [];
  }
}

type NodesLog = {
  readonly address?: unknown;
  readonly topics?: unknown;
  readonly data?: unknown;
  readonly blockNumber?: unknown;
  readonly logIndex?: unknown;
  readonly transactionHash?: unknown;
  readonly removed?: unknown;
};

const QUANTITY = /^0x[0-9a-f]{1,13}$/i;
const BYTES = /^0x(?:[0-9a-f]{2})*$/i;
const MAX_TOPICS = 4;

/** A node may answer anything: what was not asked for, or is in no order, is refused. */
export function logsIn(
  answer: unknown,
  { address, topics = [] }: LogFilter,
  from: number,
  to: number,
): readonly ChainLog[] {
  const where = `of the blocks ${from} to ${to}`;
  const refuse = (what: string) => new Error(`the RPC node's ${what}; use another node`);
  if (!Array.isArray(answer)) throw refuse(`logs ${where} are no list`);
  const addresses = new Set(([address].flat() as Address[]).map((each) => each.toLowerCase()));
  const logs: ChainLog[] = [];
  let previous: ChainLog | undefined;
  for (const [i, given] of (answer as readonly (NodesLog | null)[]).entries()) {
    const log = logIn(given);
    if (
      log === undefined ||
      !isAsked(log, addresses, topics) ||
      !(log.blockNumber >= from && log.blockNumber <= to)
    )
      throw refuse(`log ${i} ${where} is not what was asked for`);
    if (previous !== undefined && !isAfter(log, previous))
      throw refuse(`log ${i} ${where} comes again, or before the one before it`);
    logs.push(log);
    previous = log;
  }
  return logs;
}

function logIn(given: NodesLog | null): ChainLog | undefined {
  const { address, topics, data, blockNumber, logIndex, transactionHash, removed } = given ?? {};
  if (typeof address !== "string" || typeof data !== "string" || !BYTES.test(data))
    return undefined;
  if (!Array.isArray(topics) || topics.length > MAX_TOPICS || removed === true) return undefined;
  if (!topics.every((topic) => typeof topic === "string")) return undefined;
  if (typeof blockNumber !== "string" || typeof logIndex !== "string") return undefined;
  if (!QUANTITY.test(blockNumber) || !QUANTITY.test(logIndex)) return undefined;
  if (typeof transactionHash !== "string") return undefined;
  return {
    address: address.toLowerCase() as Address,
    topics,
    data,
    blockNumber: Number(blockNumber),
    logIndex: Number(logIndex),
    transactionHash: transactionHash as Hex,
  };
}

function isAsked(log: ChainLog, addresses: ReadonlySet<string>, topics: readonly Topic[]): boolean {
  return (
    addresses.has(log.address) &&
    topics.every((topic, i) => topic === null || isOneOf([topic].flat(), log.topics[i]))
  );
}

function isOneOf(wanted: readonly string[], given: string | undefined): boolean {
  return wanted.some((each) => each.toLowerCase() === given?.toLowerCase());
}

function isAfter(log: ChainLog, previous: ChainLog): boolean {
  return (
    log.blockNumber > previous.blockNumber ||
    (log.blockNumber === previous.blockNumber && log.logIndex > previous.logIndex)
  );
}

function hex(number: number): Hex {
  return `0x${number.toString(16)}`;
}
