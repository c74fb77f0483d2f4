import {
  CONTRACT_NAMES,
  type ContractName,
  contractsOf,
} from "@link-rewards/client/deployment-file";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { Block } from "@link-rewards/core/law/block";
import { epochAt } from "@link-rewards/core/law/clock";
import type { Emitter, LawEvent } from "@link-rewards/core/law/events";
import { accountAt, fund, type Law } from "@link-rewards/core/law/law";
import { replay } from "@link-rewards/core/law/replay";
import { valueAt } from "@link-rewards/core/law/timeline";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import { leafFromMirrors } from "../sources/bundles.ts";
import { argsOf, type Chain, eventTopic, lawEvent } from "../sources/chain.ts";
import { isThisBuild } from "../sources/contracts.ts";
import { type ChainReport, reportsFrom } from "../sources/reports.ts";
import { isTrouble, trouble } from "../sources/trouble.ts";

/** All that the chain says, read once for the whole page. */
export type History = {
  readonly deployment: Deployment;
  readonly law: Law;
  /** The same as events, for the worker to replay. */
  readonly events: readonly LawEvent[];
  /** Covers final epochs and the pending one. */
  readonly reports: ReadonlyMap<number, ChainReport>;
  /** The challenge time between proposed and final. */
  readonly windowSeconds: number;
  readonly claims: readonly { readonly epoch: number; readonly amount: bigint }[];
  readonly claimed: bigint;
  readonly released: bigint;
  /** What the distributor holds. */
  readonly balance: bigint;
  readonly head: Block;
};

const LAW_CONTRACTS = {
  deviceRegistry: "DeviceRegistry",
  rewardProgramme: "RewardProgramme",
  customerEscrow: "CustomerEscrow",
  epochLedger: "EpochLedger",
  oracleQuorum: "OracleQuorum",
} as const satisfies Record<Emitter, ContractName>;

export async function readHistory(chain: Chain): Promise<History> {
  const { deployment } = chain.config;
  // Before the events: whoever gives fewer than there were already keeps some back.
  const revisions = await readRevisions(chain);
  const [logs, claimLogs, windowSeconds, balance, head] = await Promise.all([
    chain.logs(Object.values(LAW_CONTRACTS)),
    chain.logs(["RewardDistributor"], [eventTopic("RewardDistributor", "Claimed")]),
    chain.read<bigint>("EpochLedger", "windowSeconds"),
    chain.read<bigint>("LinkToken", "balanceOf", deployment.contracts.RewardDistributor.address),
    chain.block("latest") as Promise<Block>,
  ]);
  const events = logs.map(lawEvent).filter((event) => event !== undefined);
  const law = replayAll(events, revisions);
  const claims = claimLogs
    .map(argsOf)
    .filter((args) => args !== undefined)
    .map((args) => ({
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
    },
    law,
    events,
    reports: reportsFrom(logs, law.pending?.digest),
    windowSeconds: Number(windowSeconds),
    claims,
    claimed: claims.reduce((sum, { amount }) => sum + amount, 0n),
    released: [...law.finals.values()].reduce((sum, { delta }) => sum + delta, 0n),
    balance,
    head,
  };
}

/** How many law events each contract has had. */
async function readRevisions(chain: Chain): Promise<Readonly<Record<Emitter, bigint>>> {
  const entries = Object.entries(LAW_CONTRACTS).map(
    async ([emitter, name]) => [emitter, await chain.read<bigint>(name, "revision")] as const,
  );
  return Object.fromEntries(await Promise.all(entries)) as Record<Emitter, bigint>;
}

/** A node that leaves events out would have us agree with a law that is none. */
function replayAll(events: readonly LawEvent[], revisions: Readonly<Record<Emitter, bigint>>): Law {
  let law: Law;
  try {
    law = replay(events);
  } catch (cause) {
    throw trouble("rpc-incomplete", (cause as Error).message, cause);
  }
  for (const [emitter, least] of Object.entries(revisions)) {
    const found = law.revisions[emitter as Emitter];
    if (found < least) {
      const message = `the node gives ${found} of ${least} law events of ${emitter}`;
      throw trouble("rpc-incomplete", message);
    }
  }
  return law;
}

/** The keys that signed a report: those of its signers' slots when it was proposed. */
export function membersOf(
  { law, deployment, windowSeconds }: History,
  { signers, finalizableAt }: ChainReport,
): readonly Address[] {
  const epoch = epochAt(deployment, finalizableAt - windowSeconds);
  return [...law.members]
    .filter(([slot]) => ((signers >> BigInt(slot)) & 1n) === 1n)
    .map(([, { keys }]) => valueAt(keys, epoch))
    .filter((key) => key !== undefined);
}

export const INVARIANTS = ["released", "claimed", "balance", "leaves", "budget"] as const;
export type Invariant = (typeof INVARIANTS)[number];
/** Undefined: it cannot be known at the moment. */
export type Checked = Readonly<Record<Invariant, boolean | undefined>>;

export async function checkInvariants(chain: Chain, history: History): Promise<Checked> {
  const { law, released, claimed, balance } = history;
  const { total } = law.lastFinal;
  return {
    released: released === total,
    claimed: claimed <= released,
    balance: balance >= released - claimed,
    leaves: await leavesAddUp(chain, law),
    budget: [...law.finals.values()].every(
      ({ epoch, delta, fee }) => delta + fee <= fund(law, epoch),
    ),
  };
}

/** Every leaf owns its own slice of the total, so the end of the last one is the sum of all. */
async function leavesAddUp(chain: Chain, law: Law): Promise<boolean | undefined> {
  const { leaves, total, root, epoch } = law.lastFinal;
  if (leaves === 0) return total === 0n;
  try {
    const account = accountAt(law, leaves - 1);
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
