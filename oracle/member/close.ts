import { sealTimeOf } from "@link-rewards/core/law/clock";
import type { Law } from "@link-rewards/core/law/law";
import { isStillWaiting, type Sender } from "@link-rewards/host/transactions";
import type { EpochRow, EpochState } from "../store/store.ts";
import { type AnswerAction, answerDemands, planAnswers, waitingDemands } from "./answer.ts";
import { type CollectAction, collectVouchers, planCollect } from "./collect.ts";
import type { Guards } from "./guards.ts";
import type { Oracle } from "./oracle.ts";
import {
  attestStep,
  bringBundle,
  computeStep,
  finalizeStep,
  finalStep,
  proposeStep,
  publishStep,
  raceFor,
  type StepOutcome,
  sealStep,
} from "./steps.ts";
import type { CollectTerms } from "./terms.ts";

/** What one run did, or in a dry run would do next. */
export type CloseAction =
  | AnswerAction
  | CollectAction
  | {
      readonly action: "advance";
      readonly epoch: number;
      readonly from: string;
      readonly to: string;
    }
  | { readonly action: "abandon"; readonly epoch: number; readonly attempt: number };

export type CloseOutcome = {
  readonly executed: boolean;
  readonly actions: readonly CloseAction[];
  /** Why the run ended where it did; absent when another close holds the lease. */
  readonly epoch?: number;
  readonly waiting?: string;
  readonly held?: string;
};

export type CloseOptions = {
  readonly sender: Sender;
  readonly collect: CollectTerms;
  readonly guards: Guards;
  readonly peerPatience?: number | undefined;
  /** Passes over the guards and releases a held epoch, once a person has looked. */
  readonly release: boolean;
  readonly holder: string;
  readonly leaseSeconds: number;
};

const LEASE = "close";
/** What they need of it is asked of this machine's folder. */
const HAVE_BUNDLE: readonly EpochState[] = ["published", "attested", "proposed"];
/** More than an epoch has, so that a loop that makes no progress ends. */
const MAX_STEPS = 64;
/** In one run: a peer that always has one receipt more gets no further. */
const MAX_RECOMPUTATIONS = 3;

/**
 * Answers what is demanded, collects what customers owe and takes every due epoch as far as it goes. Safe at any time, any number of times, two at
 * once: the lease lets one run work, and the compare-and-set on each step guards against one that lost its lease.
 */
export async function close(oracle: Oracle, options: CloseOptions): Promise<CloseOutcome> {
  const { store } = oracle;
  const { holder, leaseSeconds } = options;
  const renew = () => store.acquireLease(LEASE, holder, leaseSeconds);
  if (!(await renew())) {
    return { executed: true, actions: [], waiting: "another close is running" };
  }
  const actions: CloseAction[] = [];
  try {
    return await run(oracle, options, renew, actions);
  } catch (error) {
    if (!isStillWaiting(error)) throw error;
    return { executed: true, actions, waiting: error.message };
  } finally {
    await store.releaseLease(LEASE, holder);
  }
}

/** What was done is in `actions`, also when it ends with an error. */
async function run(
  oracle: Oracle,
  options: CloseOptions,
  renew: () => Promise<boolean>,
  actions: CloseAction[],
): Promise<CloseOutcome> {
  await oracle.follower.refresh();
  // Before all else: bonds depend on it.
  actions.push(...(await answerDemands(oracle, await waitingDemands(oracle), options)));
  actions.push(...(await collectVouchers(oracle, options.sender, options.collect, renew)));
  let recomputations = 0;
  const mayRecompute = () => recomputations++ < MAX_RECOMPUTATIONS;
  for (let step = 0; step < MAX_STEPS; step++) {
    if (!(await renew()))
      return { executed: true, actions, waiting: "the lease was lost to another close" };
    await oracle.follower.refresh();
    const row = await currentRow(oracle);
    const closed = reasonOfClosing(oracle.follower.law(), row.epoch);
    if (closed !== undefined) return { executed: true, actions, epoch: row.epoch, held: closed };
    const outcome = await stepOf(oracle, options, row, actions, mayRecompute);
    const after = await oracle.store.getEpoch(row.epoch);
    if (after !== undefined && after.state !== row.state) {
      actions.push({ action: "advance", epoch: row.epoch, from: row.state, to: after.state });
      oracle.log("epoch advanced", { epoch: row.epoch, from: row.state, to: after.state });
    }
    if ("held" in outcome) return hold(oracle, row, outcome.held, actions);
    if ("waiting" in outcome)
      return { executed: true, actions, epoch: row.epoch, waiting: outcome.waiting };
  }
  throw new Error(`no end after ${MAX_STEPS} steps`);
}

/** What a run would do next, without doing it. */
export async function plan(oracle: Oracle, collect: CollectTerms): Promise<CloseOutcome> {
  await oracle.follower.refresh();
  const { chain, store, follower } = oracle;
  const actions: CloseAction[] = [
    ...(await planAnswers(oracle)),
    ...(await planCollect(oracle, collect)),
  ];
  const epoch = follower.law().lastFinal.epoch + 1;
  const closed = reasonOfClosing(follower.law(), epoch);
  if (closed !== undefined) return { executed: false, actions, epoch, held: closed };
  const row = (await store.getEpoch(epoch)) ?? { epoch, state: "open" as const };
  const sealTime = sealTimeOf(chain.deployment, epoch);
  const { timestamp } = await chain.finalized();
  if (row.state === "held") return { executed: false, actions, epoch, held: row.heldReason ?? "" };
  if (row.state === "open" && timestamp < sealTime) {
    return { executed: false, actions, epoch, waiting: `epoch ${epoch} is sealed at ${sealTime}` };
  }
  actions.push({ action: "advance", epoch, from: row.state, to: "as far as it goes" });
  return { executed: false, actions, epoch };
}

/** Why nothing more comes of an epoch, once the ledger is closed. */
function reasonOfClosing({ closedAfter }: Law, epoch: number): string | undefined {
  if (closedAfter === undefined || epoch <= closedAfter) return undefined;
  return `the ledger was closed for good after epoch ${closedAfter}: nothing is proposed any more, and customers take back what they paid since with refund`;
}

/**
 * The first epoch that is not final here, from the first one known here on: what is final on chain and was missed is taken
 * over. A store that knows none begins with the last final one.
 */
async function currentRow({ store, follower }: Oracle): Promise<EpochRow> {
  const lastFinal = follower.law().lastFinal.epoch;
  const rows = new Map((await store.epochs()).map((row) => [row.epoch, row]));
  const first = Math.min(...rows.keys(), Math.max(1, lastFinal));
  for (let epoch = first; ; epoch++) {
    const row = rows.get(epoch);
    if (row?.state === "final") continue;
    if (row !== undefined) return row;
    await store.advance(epoch, undefined, "open");
    return { epoch, state: "open" };
  }
}

async function stepOf(
  oracle: Oracle,
  options: CloseOptions,
  row: EpochRow,
  actions: CloseAction[],
  recompute: () => boolean,
): Promise<StepOutcome> {
  const { sender, release, guards, peerPatience } = options;
  if (row.epoch <= oracle.follower.law().lastFinal.epoch) return finalStep(oracle, row);
  if (HAVE_BUNDLE.includes(row.state)) {
    const reason = await bringBundle(oracle, row);
    if (reason !== undefined) return { held: reason };
  }
  switch (row.state) {
    case "open":
      return sealStep(oracle, row.epoch);
    case "sealed":
      return computeStep(oracle, row);
    case "computed":
      return publishStep(oracle, row);
    case "published": {
      const outcome = await attestStep(oracle, row, {
        guards: release ? undefined : guards,
        mayRecompute: recompute,
        peerPatience,
      });
      return "abandon" in outcome ? abandon(oracle, sender, row, actions) : outcome;
    }
    case "attested":
      return proposeStep(oracle, sender, row);
    case "proposed":
      return finalizeStep(oracle, sender, row);
    case "held":
      if (row.heldBy === "person" && !release) return { held: row.heldReason ?? "" };
      // Looked at anew in every run: it goes on when the cause is gone, or when a person released it.
      await oracle.store.advance(row.epoch, "held", row.heldFrom ?? "published");
      return { moved: true };
    case "final":
      throw new Error(`epoch ${row.epoch} is final`);
  }
}

async function hold(
  oracle: Oracle,
  row: EpochRow,
  reason: string,
  actions: CloseAction[],
): Promise<CloseOutcome> {
  const { state, heldBy, heldFrom, heldReason } = (await oracle.store.getEpoch(row.epoch)) ?? row;
  // What a person holds, also meanwhile, only a person lets go.
  if (state === "held" && heldBy === "person")
    return { executed: true, actions, epoch: row.epoch, held: heldReason ?? reason };
  await oracle.store.advance(row.epoch, state, "held", {
    heldReason: reason,
    // Held again, it goes on from where it was first.
    heldFrom: state === "held" ? (heldFrom ?? "published") : state,
    heldBy: "program",
  });
  oracle.log("epoch held", { epoch: row.epoch, reason });
  return { executed: true, actions, epoch: row.epoch, held: reason };
}

/** This member signed another report in this attempt, so only the next attempt can have its signature. */
async function abandon(
  oracle: Oracle,
  sender: Sender,
  { epoch }: EpochRow,
  actions: CloseAction[],
): Promise<StepOutcome> {
  const { ledger } = oracle.chain.suite;
  const [proposal, head] = await Promise.all([ledger.proposal(), oracle.chain.head()]);
  const attempt = Number(proposal.attempt);
  if (head.timestamp < Number(proposal.abandonableAt)) {
    return { waiting: `attempt ${attempt} can be abandoned at ${proposal.abandonableAt}` };
  }
  const call = await ledger.abandon.populateTransaction(epoch);
  const lost = await raceFor(async () => {
    await sender.send(`abandon/${epoch}/${attempt}`, call);
  });
  if (lost !== undefined) return { waiting: lost };
  actions.push({ action: "abandon", epoch, attempt });
  return { moved: true };
}
