import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { DemandNode } from "@link-rewards/core/judge/answer";
import type { Law } from "@link-rewards/core/law/law";
import type { Sender } from "@link-rewards/host/transactions";
import {
  answerWaiting,
  type DemandReader,
  nameOf,
  openDemands,
  type WaitingDemand,
  waitingIn,
} from "../edge/demands.ts";
import type { Oracle } from "./oracle.ts";

export type AnswerAction = {
  readonly action: "answer";
  readonly epoch: number;
  readonly attempt: number;
  readonly transaction?: Hex;
} & DemandNode;

export type AnswerOptions = {
  readonly sender: Sender;
  /** Names this process among those of one member, of which one answers at a time. */
  readonly holder: string;
  /** Which demands are this process's to answer now; all of them when not given. */
  readonly isDue?: (demand: WaitingDemand) => boolean;
};

const LEASE = "answers";
/** Longer than the sender takes to replace a transaction. */
const LEASE_SECONDS = 120;

/** What waits for an answer, of any report that is open: the earliest due first. */
export async function waitingDemands(
  { chain, follower }: Pick<Oracle, "chain" | "follower">,
  reader: DemandReader = openDemands(chain),
): Promise<readonly WaitingDemand[]> {
  const waiting: WaitingDemand[] = [];
  for (const report of await reader.open(follower.law())) {
    if (report.waiting > 0) waiting.push(...waitingIn(report, await reader.history(report)));
  }
  return waiting.sort((a, b) => a.due - b.due);
}

/** Those of which the bundle was published here, as `close` would answer them. */
export async function planAnswers(oracle: Oracle): Promise<readonly AnswerAction[]> {
  const planned: AnswerAction[] = [];
  for (const { of, node } of await waitingDemands(oracle)) {
    const { epoch, attempt, bundleHash } = of.report;
    if ((await oracle.bundles.named(epoch, bundleHash)) !== undefined)
      planned.push({ action: "answer", epoch, attempt, ...node });
  }
  return planned;
}

/** Answers what waits and is in a bundle that was published here, whoever signed it. The contract pays for it at once. */
export async function answerDemands(
  oracle: Oracle,
  waiting: readonly WaitingDemand[],
  { sender, holder, isDue = () => true }: AnswerOptions,
): Promise<readonly AnswerAction[]> {
  const { chain, store, follower, bundles, log } = oracle;
  const renew = () => store.acquireLease(LEASE, holder, LEASE_SECONDS);
  if (!(await renew())) return [];
  try {
    const answered = await answerWaiting(chain, sender, waiting, {
      law: follower.law(),
      isDue,
      readerOf: ({ epoch, bundleHash }) => bundles.named(epoch, bundleHash),
      mayGoOn: renew,
      log,
    });
    return answered.map(({ node, ...facts }) => ({ action: "answer", ...facts, ...node }));
  } finally {
    await store.releaseLease(LEASE, holder);
  }
}

/** What metrics tell: how many wait, and until when (unix seconds) there is time for the first of them. */
export type Waiting = { readonly count: number; readonly firstDue: number | undefined };

export type Answerer = {
  waiting(): Waiting;
  /** Looks at the chain and answers what is this member's turn. Ends when that is done: one round at a time. */
  round(): Promise<void>;
};

/** Parts of the time for an answer that each member waits for the one before it. */
const TURNS_IN_TIME = 120;

/**
 * Answers beside the other work of a member. Members take turns, so that they do not all send the same answer: those that
 * signed first, one demand after the other begun by another of them; who did not sign answers after them.
 */
export function createAnswerer(oracle: Oracle, sender: Sender, holder: string): Answerer {
  const { chain, follower, member } = oracle;
  const reader = openDemands(chain);
  const firstSeen = new Map<string, number>();
  let waiting: Waiting = { count: 0, firstDue: undefined };
  return {
    waiting: () => waiting,
    async round() {
      const found = await waitingDemands(oracle, reader);
      waiting = { count: found.length, firstDue: found[0]?.due };
      if (found.length === 0) return;
      const answerSeconds = Number(await chain.suite.demands.answerSeconds());
      const { timestamp } = await chain.head();
      const turnMs = (answerSeconds * 1000) / TURNS_IN_TIME;
      const isDue = (demand: WaitingDemand) => {
        // Whoever has been away, or sees others stay away, waits for nobody.
        if (demand.due - timestamp < answerSeconds / 2) return true;
        const now = performance.now();
        const name = `${demand.of.digest}/${nameOf(demand.node)}`;
        const seen = firstSeen.get(name) ?? now;
        firstSeen.set(name, seen);
        return now - seen >= turnOf(follower.law(), member.address, demand) * turnMs;
      };
      const answered = await answerDemands(oracle, found, { sender, holder, isDue });
      waiting = { ...waiting, count: found.length - answered.length };
    },
  };
}

/** How many members have their turn before this one. */
function turnOf(law: Law, member: Address, { of, number }: WaitingDemand): number {
  const slots = [...law.members.keys()].filter((slot) => (of.signers >> BigInt(slot)) & 1n);
  const own = slots.findIndex((slot) =>
    law.members.get(slot)?.keys.some(({ value }) => value === member),
  );
  if (own < 0) return slots.length;
  return (own + slots.length - (number % slots.length)) % slots.length;
}
