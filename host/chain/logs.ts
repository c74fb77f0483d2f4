import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { JsonRpcProvider, Log } from "ethers";
import { isNodeFault } from "./node-fault.ts";

/** Blocks in one `eth_getLogs`; halved when a node refuses the answer as too large. */
const LOG_BLOCKS = 5_000;
/** After so many answers in a row a node is asked for twice as many blocks again: one busy range must not slow down all. */
const GROW_AFTER = 4;
/** Ranges that are asked for at a time. Public nodes turn away who asks for more. */
const RANGES_AT_ONCE = 3;

export type LogFilter = {
  readonly address: Address | readonly Address[];
  /** By place; null for any. */
  readonly topics?: readonly (Hex | null)[];
};

/** `through`: the last block whose logs are given. */
export type LogPage = { readonly logs: readonly Log[]; readonly through: number };

/** In the order of the chain, while the next ranges are on their way. */
export async function* readLogs(
  provider: JsonRpcProvider,
  { address, topics }: LogFilter,
  from: number,
  to: number,
): AsyncIterable<LogPage> {
  let size = LOG_BLOCKS;
  let answers = 0;

  /** In parts where the node refuses the whole. */
  async function range(start: number, through: number): Promise<LogPage[]> {
    const blocks = through - start + 1;
    try {
      const logs = await provider.getLogs({
        address: address as string,
        ...(topics && { topics: [...topics] }),
        fromBlock: start,
        toBlock: through,
      });
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
