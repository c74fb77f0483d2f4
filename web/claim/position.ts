import { claimableOf, type ProvenLeaf } from "@link-rewards/client/leaf";
import type { RevokedDevice } from "@link-rewards/client/why";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Block } from "@link-rewards/core/law/block";
import { leafFromMirrors } from "../sources/bundles.ts";
import { type Chain, eventTopic, leavesAt } from "../sources/chain.ts";
import { type ChainReport, reportsFrom } from "../sources/reports.ts";
import { isTrouble } from "../sources/trouble.ts";
import { revokedOf } from "./revoked.ts";

/** What an account can draw now, each number read from the chain or proven against it. */
export type Position = {
  readonly account: Address;
  /** The newest final epoch; 0 before the first. */
  readonly epoch: number;
  readonly claimed: bigint;
  /** All it has earned in final epochs. */
  readonly earned: bigint;
  readonly claimable: bigint;
  readonly payee: Address;
  /** The one leaf that covers every epoch up to `epoch`; none when there is nothing to prove. */
  readonly leaf: ProvenLeaf | undefined;
  /** Why there is nothing, when nothing was ever earned. */
  readonly nothing: Nothing | undefined;
  /** Until when claims are paused (unix seconds); in the past when they are not. */
  readonly pausedUntil: number;
  readonly head: Block;
  readonly index: number | undefined;
  /** What the ledger calls pending, by its digest. */
  readonly proposal: Hex;
  /** All that decides about proofs; as long as it stays, they do. */
  readonly state: string;
};

/** What only the logs tell, which take longer to read than what can be claimed. */
export type Past = {
  /** The position's, to which it belongs. */
  readonly state: string;
  readonly pending: Pending | undefined;
  readonly reports: ReadonlyMap<number, ChainReport>;
  readonly revoked: readonly RevokedDevice[];
};

export type Pending = {
  readonly epoch: number;
  /** Undefined when its bundle cannot be read; what is final can be claimed all the same. */
  readonly amount: bigint | undefined;
  readonly opensAt: number;
};

export type Nothing = "no-epoch-final" | "never-bound" | "joined-later" | "nothing-earned";

const NO_INDEX = 2n ** 256n - 1n;
const TOPICS = [
  eventTopic("EpochLedger", "RootProposed"),
  eventTopic("EpochLedger", "RootFinalized"),
  eventTopic("DeviceRegistry", "DeviceRevoked"),
];

/**
 * In two requests to the node and one proof, whatever happened before. The proof is read again only when the chain has
 * something new: `before` is what was read last.
 */
export async function readPosition(
  chain: Chain,
  account: Address,
  before?: Position,
): Promise<Position> {
  const [latest, proposal, indexed, claimed, payee, pausedUntil, head] = await Promise.all([
    chain.read<bigint>("RewardDistributor", "latestEpoch"),
    chain.read<{ digest: Hex }>("EpochLedger", "proposal"),
    chain.read<bigint>("DeviceRegistry", "indexOf", account),
    chain.read<bigint>("RewardDistributor", "claimed", account),
    chain.read<string>("RewardDistributor", "payeeOf", account),
    chain.read<bigint>("RewardDistributor", "pausedUntil"),
    chain.block("latest") as Promise<Block>,
  ]);
  const epoch = Number(latest);
  const index = indexed === NO_INDEX ? undefined : Number(indexed);
  const state = `${account} ${epoch} ${index} ${proposal.digest}`;
  const now = { claimed, payee: lowercaseHex(payee), pausedUntil: Number(pausedUntil), head };
  if (before?.state === state) {
    return { ...before, ...now, claimable: claimableOf(before.earned, claimed) };
  }
  const final = await finalLeaf(chain, account, epoch, index);
  const leaf = typeof final === "string" ? undefined : final;
  const earned = leaf?.cumulative ?? 0n;
  return {
    ...now,
    account,
    epoch,
    earned,
    claimable: claimableOf(earned, claimed),
    leaf,
    nothing: typeof final === "string" ? final : earned === 0n ? "nothing-earned" : undefined,
    index,
    proposal: proposal.digest,
    state,
  };
}

export async function readPast(chain: Chain, position: Position): Promise<Past> {
  const { account, epoch, earned, index, proposal, state } = position;
  const logs = await chain.logs(["EpochLedger", "DeviceRegistry"], [TOPICS]);
  const reports = reportsFrom(logs, proposal);
  const [pending, revoked] = await Promise.all([
    readPending(chain, account, index, earned, reports.get(epoch + 1)),
    index === undefined ? [] : revokedOf(chain, logs, account),
  ]);
  return { state, pending, reports, revoked };
}

async function finalLeaf(
  chain: Chain,
  account: Address,
  epoch: number,
  index: number | undefined,
): Promise<ProvenLeaf | Nothing> {
  if (epoch === 0) return index === undefined ? "never-bound" : "no-epoch-final";
  if (index === undefined) return "never-bound";
  const { root, leaves } = await chain.read<{ root: Hex; leaves: bigint }>(
    "RewardDistributor",
    "rootOf",
    epoch,
  );
  if (index >= Number(leaves)) return "joined-later";
  return leafFromMirrors(chain.config, { epoch, root, leaves: Number(leaves) }, index, account);
}

async function readPending(
  chain: Chain,
  account: Address,
  index: number | undefined,
  earned: bigint,
  proposed: ChainReport | undefined,
): Promise<Pending | undefined> {
  if (proposed?.finalIn !== undefined || proposed === undefined || index === undefined) {
    return undefined;
  }
  const { report, finalizableAt: opensAt } = proposed;
  const { epoch, root } = report;
  const leaves = await leavesAt(chain, epoch);
  if (index >= leaves) return undefined;
  try {
    const proposal = { epoch, root, leaves };
    const { cumulative } = await leafFromMirrors(chain.config, proposal, index, account);
    return { epoch, amount: cumulative - earned, opensAt };
  } catch (error) {
    if (!isTrouble(error)) throw error;
    return { epoch, amount: undefined, opensAt };
  }
}
