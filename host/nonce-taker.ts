import { type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { JsonRpcProvider } from "ethers";
import { isPruned } from "./chain/errors.ts";

/** Full nodes keep the state of about this many blocks. */
const STATE_BLOCKS = 100;

/** The mined transaction that used up a nonce. */
type Taker = { readonly hash: Hex; readonly block: number };

/**
 * Who used up a nonce, found in the blocks themselves: receipts may be missing at a node
 * that lags behind another of its kind, and then say nothing about what was mined. `long-ago`: in a block whose state the
 * node has thrown away. Undefined when this node does not see it mined.
 */
export async function takerOf(
  provider: JsonRpcProvider,
  address: string,
  nonce: number,
): Promise<Taker | "long-ago" | undefined> {
  const head = await provider.getBlockNumber();
  const isUsedAt = async (block: number) =>
    (await provider.getTransactionCount(address, block)) > nonce;
  if (!(await isUsedAt(head))) return undefined;
  let unused = Math.max(-1, head - STATE_BLOCKS);
  try {
    if (unused >= 0 && (await isUsedAt(unused))) unused = -1;
    let used = head;
    while (used - unused > 1) {
      const middle = unused + Math.floor((used - unused) / 2);
      if (await isUsedAt(middle)) used = middle;
      else unused = middle;
    }
    const block = await provider.getBlock(used, true);
    const taker = block?.prefetchedTransactions.find(
      (each) => each.nonce === nonce && lowercaseHex(each.from) === lowercaseHex(address),
    );
    return taker === undefined ? undefined : { hash: lowercaseHex(taker.hash), block: used };
  } catch (error) {
    if (isPruned(error)) return "long-ago";
    throw error;
  }
}
