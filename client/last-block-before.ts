import type { Block } from "@link-rewards/core/law/block";

/**
 * The last block before `time` (unix seconds), between `low`, which is before it, and `high`, which is not. Timestamps
 * rise with numbers, so it takes as many questions as the distance has bits.
 */
export async function lastBlockBefore(
  blockAt: (number: number) => Promise<Block>,
  time: number,
  low: Block,
  high: Block,
): Promise<Block> {
  while (high.number - low.number > 1) {
    const middle = await blockAt(low.number + Math.floor((high.number - low.number) / 2));
    if (middle.timestamp < time) low = middle;
    else high = middle;
  }
  return low;
}
