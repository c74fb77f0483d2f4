import {
  CONTRACT_NAMES,
  type ContractName,
  contractsOf,
} from "@link-rewards/client/deployment-file";
import { at } from "@link-rewards/core/encoding/at";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { emission } from "@link-rewards/core/epoch/emission";
import type { Block } from "@link-rewards/core/law/block";
import type { LawEvent } from "@link-rewards/core/law/events";
import { fund, type Law } from "@link-rewards/core/law/law";
import { replay } from "@link-rewards/core/law/replay";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import { leafFromMirrors } from "../sources/bundles.ts";
import { type Chain, type ChainLog, eventTopic, lawEvent } from "../sources/chain.ts";
import { isThisBuild } from "../sources/contracts.ts";
import { type ChainReport, reportsFrom } from "../sources/reports.ts";
import { isTrouble } from "../sources/trouble.ts";

/** All that the chain says, read once for the whole page. */
export type History = {
  readonly deployment: Deployment;
  readonly law: Law;
  /** The same as events, for the worker to replay. */
  readonly events: readonly LawEvent[];
  /** Covers final epochs and the pending one. */
  readonly reports: ReadonlyMap<number, ChainReport>;
  readonly memberOfSlot: ReadonlyMap<number, Address>;
  readonly claims: readonly { readonly epoch: number; readonly amount: bigint }[];
  readonly claimed: bigint;
  readonly released: bigint;
  /** What the distributor holds. */
  readonly balance: bigint;
  readonly head: Block;
};

const LAW_CONTRACTS = ["DeviceRegistry", "CustomerEscrow", "EpochLedger", "OracleQuorum"] as const;

export async function readHistory(chain: Chain): Promise<History> {
  const { deployment } = chain.config;
  const [logs, claimLogs, share, balance, head] = await Promise.all([
    chain.logs(LAW_CONTRACTS),
    chain.logs(["RewardDistributor"], [eventTopic("RewardDistributor", "Claimed")]),
    chain.read<bigint>("EpochLedger", "emissionShare"),
    chain.read<bigint>("LinkToken", "balanceOf", deployment.contracts.RewardDistributor.address),
    chain.block("latest") as Promise<Block>,
  ]);
  const events = logs.map(lawEvent).filter((event) => event !== undefined);
  const law = replay(events);
  const claims = claimLogs.map(({ args }) => ({
    epoch: Number(args.epoch),
    amount: args.amount as bigint,
  }));
  return {
    deployment: {
      chainId: deployment.chainId,
      contracts: contractsOf(deployment),
      genesis: deployment.genesis,
      epochSeconds: deployment.epochSeconds,
      graceSeconds: deployment.graceSeconds,
      emissionShare: share,
    },
    law,
    events,
    reports: reportsFrom(logs, law.pending?.digest),
    memberOfSlot: slotsFrom(logs),
    claims,
    claimed: claims.reduce((sum, { amount }) => sum + amount, 0n),
    released: [...law.finals.values()].reduce((sum, { delta }) => sum + delta, 0n),
    balance,
    head,
  };
}

/** Slots are never used again, so a member that left is still named. */
function slotsFrom(logs: readonly ChainLog[]): ReadonlyMap<number, Address> {
  const members = new Map<number, Address>();
  for (const event of logs.map(lawEvent)) {
    if (event?.name === "MemberAdded") members.set(Number(event.args.slot), event.args.member);
  }
  return members;
}

export function membersOf({ memberOfSlot }: History, signers: bigint): readonly Address[] {
  return [...memberOfSlot]
    .filter(([slot]) => ((signers >> BigInt(slot)) & 1n) === 1n)
    .map(([, member]) => member);
}

export const INVARIANTS = ["released", "claimed", "balance", "leaves", "budget"] as const;
export type Invariant = (typeof INVARIANTS)[number];
/** Undefined: it cannot be known at the moment. */
export type Checked = Readonly<Record<Invariant, boolean | undefined>>;

export async function checkInvariants(chain: Chain, history: History): Promise<Checked> {
  const { law, released, claimed, balance, deployment } = history;
  const { total } = law.lastFinal;
  return {
    released: released === total,
    claimed: claimed <= released,
    balance: balance >= released - claimed,
    leaves: await leavesAddUp(chain, law),
    budget: [...law.finals.values()].every(({ epoch, delta }) => {
      const carry = law.finals.get(epoch - 1)?.carry ?? 0n;
      const { emissionShare, epochSeconds } = deployment;
      return delta <= emission(epoch, emissionShare, epochSeconds) + carry + fund(law, epoch);
    }),
  };
}

/** Every leaf owns its own slice of the total, so the end of the last one is the sum of all. */
async function leavesAddUp(chain: Chain, law: Law): Promise<boolean | undefined> {
  const { leaves, total, root, epoch } = law.lastFinal;
  if (leaves === 0) return total === 0n;
  try {
    const account = at(law.accounts, leaves - 1);
    const last = await leafFromMirrors(chain.config, { epoch, root, leaves }, leaves - 1, account);
    return last.prefix + last.cumulative === total;
  } catch (error) {
    if (isTrouble(error)) return undefined;
    throw error;
  }
}

export type CodeCheck = { readonly name: ContractName; readonly codeHash: Hex; same: boolean };

export function checkCode(chain: Chain): Promise<readonly CodeCheck[]> {
  const { contracts } = chain.config.deployment;
  return Promise.all(
    CONTRACT_NAMES.map(async (name) => ({
      name,
      codeHash: contracts[name].bytecodeHash,
      same: isThisBuild(name, await chain.code(contracts[name].address)),
    })),
  );
}
