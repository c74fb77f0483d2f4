import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { JsonRpcProvider, Log } from "ethers";

/** Blocks in one `eth_getLogs`; halved when a node refuses the answer as too large. */
const LOG_BLOCKS = 5_000;

export type LogFilter = {
  readonly address: Address | readonly Address[];
  /** By place; null for any. */
  readonly topics?: readonly (Hex | null)[];
};

/** `through`: the last block whose logs are given. */
export type LogPage = { readonly logs: readonly Log[]; readonly through: number };

export async function* readLogs(
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
