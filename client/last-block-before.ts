import type { Block, BlockMark } from "@link-rewards/core/law/block";

/**
 * The last block before `time` (unix seconds), from block `start` on; undefined while `head` has not reached that time.
 * Timestamps rise with numbers, so it takes as many questions as the distance has bits. Throws when `start` is not before
 * `time`: such a block would stand for one that nobody looked at.
 */
export async function lastBlockBefore(
  blockAt: (number: number) => Promise<Block>,
  time: number,
  start: number,
  head: Block,
): Promise<BlockMark | undefined> {
  if (head.timestamp < time) return undefined;
  let low = await blockAt(start);
  if (low.timestamp >= time) throw new Error(`the deployment is younger than ${time}`);
  let high = head;
  while (high.number - low.number > 1) {
    const middle = await blockAt(low.number + Math.floor((high.number - low.number) / 2));
    if (middle.timestamp < time) low = middle;
    else high = middle;
  }
  return { number: low.number, hash: low.hash };
}
