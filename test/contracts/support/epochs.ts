import type { ContractTransactionResponse } from "ethers";
import { id, parseEther, type Wallet, ZeroHash } from "ethers";
import {
  addMembers,
  bindAccounts,
  deployedWorld,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  type World,
} from "../../worlds/contracts.ts";
import { honestTree, type RewardTree } from "./reward-tree.ts";
import { type CompactSignature, signFor } from "./signing.ts";

export type Report = {
  readonly epoch: number;
  readonly attempt: number;
  readonly prevRoot: string;
  readonly root: string;
  readonly contributionRoot: string;
  readonly bundleHash: string;
  readonly total: bigint;
  readonly leaves: number;
  readonly contributions: number;
  readonly rulesHash: string;
};

/** A world in epoch 1 with accounts and members. */
export type Staffed = World & {
  readonly accounts: readonly string[];
  readonly members: readonly Wallet[];
};

/** Five accounts, five members of whom three must sign, and epoch 1 has begun. */
export async function staffedWorld(): Promise<Staffed> {
  const world = await from(deployedWorld);
  const accounts = await bindAccounts(world, 5);
  const members = await addMembers(world, 5, 3);
  await goTo(world, GENESIS);
  return { ...world, accounts, members };
}

/** Epoch 1 is final: account i earned (i + 1) LTK. */
export async function firstFinal(): Promise<Staffed & { readonly first: RewardTree }> {
  const world = await from(staffedWorld);
  const first = ltkTree(world.accounts, [1, 2, 3, 4, 5]);
  await finalizeEpoch(world, first);
  return { ...world, first };
}

export function ltkTree(accounts: readonly string[], ltk: readonly number[]): RewardTree {
  return honestTree(
    accounts,
    ltk.map((amount) => parseEther(amount.toString())),
  );
}

/** The report that an honest quorum would make of `tree` now; `change` bends it. */
export async function reportOf(
  { ledger }: World,
  tree: RewardTree,
  change: Partial<Report> = {},
): Promise<Report> {
  const last = await ledger.lastFinal();
  const { epoch, attempt } = await ledger.proposal();
  return {
    epoch: Number(epoch),
    attempt: Number(attempt),
    prevRoot: last.root,
    root: tree.root,
    contributionRoot: id(`contributions of ${epoch}`),
    bundleHash: id(`bundle of ${epoch}`),
    total: tree.total,
    leaves: tree.leaves,
    contributions: 1,
    rulesHash: await ledger.rulesAt(epoch),
    ...change,
  };
}

export function signReport(
  { ledger }: World,
  report: Report,
  members: readonly Wallet[],
): Promise<CompactSignature[]> {
  return Promise.all(members.map((member) => signFor(ledger, "Report", report, member)));
}

/** Proposes with just enough members' signatures, at the seal time if that is still to come. */
export async function propose(
  world: Staffed,
  report: Report,
  members = world.members.slice(0, 3),
): Promise<ContractTransactionResponse> {
  await goTo(world, sealTimeOf(report.epoch));
  const signatures = await signReport(world, report, members);
  return world.ledger.connect(world.bystander).propose(report, signatures);
}

/** The report of `tree`, proposed and pending. */
export async function pendingReport(
  world: Staffed,
  tree: RewardTree,
  change: Partial<Report> = {},
): Promise<Report> {
  const report = await reportOf(world, tree, change);
  await propose(world, report);
  return report;
}

export async function finalize(world: World, report: Report): Promise<ContractTransactionResponse> {
  await goTo(world, (await world.ledger.proposal()).finalizableAt);
  return world.ledger.connect(world.bystander).finalize(report);
}

/** One epoch from its seal time to its end. */
export async function finalizeEpoch(
  world: Staffed,
  tree: RewardTree,
  change: Partial<Report> = {},
): Promise<Report> {
  const report = await pendingReport(world, tree, change);
  await finalize(world, report);
  return report;
}

export const EMPTY_TREE: RewardTree = {
  root: ZeroHash,
  total: 0n,
  leaves: 0,
  openingAt: () => {
    throw new Error("an empty tree has no leaves");
  },
};

/** What an epoch without any service is reported as. */
export const NO_CONTRIBUTIONS = { contributionRoot: ZeroHash, contributions: 0 } as const;
