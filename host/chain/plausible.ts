import type { Block, BlockMark } from "@link-rewards/core/law/block";

/** How far a node's newest block may be from this machine's clock, in seconds. */
export type HeadBounds = {
  readonly maxAgeSeconds: number;
  readonly maxLeadSeconds: number;
};

/**
 * Blocks come every few seconds, on the slowest chains every few minutes, and a chain that stands still for half an hour
 * is news. Whoever must go on while it does says so with --max-head-age.
 */
const MAX_HEAD_AGE_SECONDS = 1_800;
/** As far as members' clocks may be apart. A block's time is that of its maker's clock, which chains let be fast by seconds. */
const MAX_HEAD_LEAD_SECONDS = 120;
/**
 * Between the newest final block and the newest one. A quarter of an hour on Ethereum, hours on chains that prove
 * themselves to another: a day without finality is an outage, or a node's.
 */
const MAX_FINALITY_SECONDS = 86_400;
/** Answers of the machines behind one URL are so far apart; four of Ethereum's steps of finality. */
const BACKENDS_APART_BLOCKS = 128;

export const HEAD_BOUNDS: HeadBounds = {
  maxAgeSeconds: MAX_HEAD_AGE_SECONDS,
  maxLeadSeconds: MAX_HEAD_LEAD_SECONDS,
};

/** Fixed words, for alerts. */
export type DoubtReason =
  | "head-old"
  | "head-ahead"
  | "head-behind-seen"
  | "finality-stuck"
  | "finality-ahead"
  | "final-block-replaced";

/** Why what a node says of its newest blocks is not taken for the chain's state. */
export type Doubt = { readonly reason: DoubtReason; readonly message: string };

/** By this machine's clock alone, in unix seconds: which of the two is wrong cannot be told from them. */
export function doubtOfHead(
  head: Block,
  clock: number,
  { maxAgeSeconds, maxLeadSeconds }: HeadBounds,
): Doubt | undefined {
  const age = clock - head.timestamp;
  const both = `the newest block, ${head.number}, is of ${utc(head.timestamp)}, this machine's clock says ${utc(clock)}`;
  if (age > maxAgeSeconds) {
    return {
      reason: "head-old",
      message: `${both}: ${age} seconds apart, allowed are ${maxAgeSeconds} (--max-head-age). The node is late, the chain stands still, or the clock is fast`,
    };
  }
  if (-age > maxLeadSeconds) {
    return {
      reason: "head-ahead",
      message: `${both}: the block is ${-age} seconds ahead, allowed are ${maxLeadSeconds} (--max-head-lead). The clock is slow, or the node is wrong`,
    };
  }
  return undefined;
}

/** What a node said at once. */
export type NodesWord = {
  readonly final: Block;
  readonly head: Block;
  /** Its block at the number of what was seen; undefined when it has none. */
  readonly atSeen?: Block | undefined;
};

/** By what the node itself says, and by the highest final block that was seen before. */
export function doubtOfFinality(
  { final, head, atSeen }: NodesWord,
  seen: BlockMark | undefined,
): Doubt | undefined {
  if (final.number > head.number + BACKENDS_APART_BLOCKS) {
    return {
      reason: "finality-ahead",
      message: `block ${final.number} is called final, the newest is ${head.number}`,
    };
  }
  const lag = head.timestamp - final.timestamp;
  if (lag > MAX_FINALITY_SECONDS) {
    return {
      reason: "finality-stuck",
      message: `the last final block, ${final.number} of ${utc(final.timestamp)}, is ${lag} seconds behind the newest, ${head.number}: the node, or the chain, finalizes nothing`,
    };
  }
  if (seen === undefined) return undefined;
  if (head.number < seen.number || final.number + BACKENDS_APART_BLOCKS < seen.number) {
    return {
      reason: "head-behind-seen",
      message: `the newest block is ${head.number} and the last final one ${final.number}, but block ${seen.number} was final before: the node fell behind`,
    };
  }
  if (atSeen?.hash !== seen.hash) {
    return {
      reason: "final-block-replaced",
      message: `block ${seen.number} is ${atSeen?.hash ?? "not there"}, but ${seen.hash} was final there before: the node is on another fork, or the chain undid what it had called final (with --confirmations: they are too few)`,
    };
  }
  return undefined;
}

/** No node that was asked says anything that can be acted on. It may later, or another may. */
export type Implausible = Error & { readonly implausible: Doubt; readonly head: Block };

export function isImplausible(error: unknown): error is Implausible {
  return error instanceof Error && "implausible" in error;
}

/** What one node said, and what is wrong with it. */
export type Doubted = { readonly host: string; readonly head: Block; readonly doubt: Doubt };

/** Of all nodes that were asked, at least one. */
export function implausible(doubted: readonly Doubted[], bounds: HeadBounds): Implausible {
  const [{ doubt, head }] = doubted as readonly [Doubted, ...Doubted[]];
  const said = doubted.map((each) => `${each.host}: ${each.doubt.message}`).join("; ");
  const message = `no node's word can be acted on. ${said}. ${whatToDo(doubted, bounds)}`;
  return Object.assign(new Error(message), { implausible: doubt, head });
}

function whatToDo(doubted: readonly Doubted[], bounds: HeadBounds): string {
  const [first] = doubted as readonly [Doubted, ...Doubted[]];
  if (first.doubt.reason === "final-block-replaced")
    return "Compare the block's hash with other nodes; if the chain really undid it, resync --chain (a member) or removing final-block from --data (an outsider) makes it be read anew";
  if (!isOfClock(first)) return "Ask another node (a second --rpc), or again later";
  const check = "Compare the clock with NTP (timedatectl) and ask another node (a second --rpc)";
  if (doubted.length === 1) return `One node alone does not tell which. ${check}`;
  const times = doubted.map(({ head }) => head.timestamp);
  const spread = Math.max(...times) - Math.min(...times);
  return doubted.every(isOfClock) && spread <= bounds.maxLeadSeconds
    ? `All ${doubted.length} nodes agree with each other: look at this machine's clock first`
    : `The nodes do not agree with each other either. ${check}`;
}

function isOfClock({ doubt: { reason } }: Doubted): boolean {
  return reason === "head-old" || reason === "head-ahead";
}

function utc(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().replace(".000Z", "Z")} (${seconds})`;
}
