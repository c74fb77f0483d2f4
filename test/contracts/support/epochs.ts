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
import { admitCustomer, collect, ltk } from "./customers.ts";
import { honestTree, type RewardTree } from "./reward-tree.ts";
import { type CompactSignature, signFor } from "./signing.ts";

export type Report = {
  readonly epoch: number;
  readonly attempt: number;
  readonly prevRoot: string;
  readonly root: string;
  readonly contributionRoot: string;
  readonly invoiceRoot: string;
  readonly contributions: number;
  readonly total: bigint;
  readonly bundleHash: string;
  readonly rulesHash: string;
};

/** A world with accounts and members. */
export type Staffed = World & {
  readonly accounts: readonly string[];
  readonly members: readonly Wallet[];
};

/**
 * Five accounts, five members of whom three must sign from epoch 2 on, a customer with 100,000 LTK of which it has paid
 * 1,000 for epoch 1, which has begun.
 */
export async function staffedWorld(): Promise<Staffed> {
  const world = await from(deployedWorld);
  const accounts = await bindAccounts(world, 5);
  const members = await addMembers(world, 5, 3);
  await admitCustomer(world, ltk(100_000));
  await goTo(world, GENESIS);
  await collect(world, 1, PAID);
  return { ...world, accounts, members };
}

/** Epoch 1 is final: account i earned (i + 1) LTK. Epoch 2 is running, and 1,000 LTK were paid for it. */
export async function firstFinal(): Promise<Staffed & { readonly first: RewardTree }> {
  const world = await from(staffedWorld);
  const first = ltkTree(world.accounts, [1, 2, 3, 4, 5]);
  await finalizeEpoch(world, first);
  await collect(world, 2, PAID);
  return { ...world, first };
}

/** Epoch 2 is sealed, and next. */
export async function sealedTwo(): Promise<Staffed & { readonly first: RewardTree }> {
  const world = await from(firstFinal);
  await goTo(world, sealTimeOf(2));
  return world;
}

/** What the customer pays for an epoch, in LTK. */
export const PAID = 1_000;

/** Pays for `epoch` unless something was paid, it is too late, or there is no customer to pay. */
async function payOnce(world: World, epoch: number): Promise<void> {
  const { escrow, customer, connection } = world;
  if ((await escrow.fund(epoch)) !== 0n || (await escrow.balanceOf(customer)) === 0n) return;
  await goTo(world, sealTimeOf(epoch - 1));
  if ((await connection.networkHelpers.time.latest()) >= sealTimeOf(epoch) - 1) return;
  await collect(world, epoch, PAID);
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
    invoiceRoot: id(`invoices of ${epoch}`),
    contributions: 1,
    total: tree.total,
    bundleHash: id(`bundle of ${epoch}`),
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
  members: readonly Wallet[] = world.members.slice(0, 3),
): Promise<ContractTransactionResponse> {
  await goTo(world, sealTimeOf(report.epoch));
  const signatures = await signReport(world, report, members);
  return world.ledger.connect(world.bystander).propose(report, signatures);
}

/** The report of `tree`, proposed and pending; its epoch was paid for. */
export async function pendingReport(
  world: Staffed,
  tree: RewardTree,
  change: Partial<Report> = {},
): Promise<Report> {
  const report = await reportOf(world, tree, change);
  await payOnce(world, report.epoch);
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

/** What is reported while no account has an index. */
export const EMPTY_TREE: RewardTree = {
  root: ZeroHash,
  total: 0n,
  leaves: 0,
  openingAt: () => {
    throw new Error("an empty tree has no leaves");
  },
};

/** What an epoch without any service is reported as. */
export const NO_CONTRIBUTIONS = {
  contributionRoot: ZeroHash,
  invoiceRoot: ZeroHash,
  contributions: 0,
} as const;
