import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import {
  type JobLimits,
  type JobOffer,
  MOST_INPUT_BYTES,
  MOST_MODULE_BYTES,
  type Outcome,
} from "../compute/job.ts";
import { runJob } from "../compute/run.ts";
import type { Log } from "../log.ts";
import type { NodeRefused } from "../refusal.ts";
import type { Admitted } from "./admit.ts";
import type { Contents } from "./contents.ts";

/** What customers have computed here: one job at a time, as what a device sells is one vCPU. */
export type Jobs = {
  /** The answer, or why there is none. Throws when `signal` is aborted: nobody waits for the answer. */
  run(
    who: Admitted,
    offer: JobOffer,
    signal: AbortSignal,
  ): Promise<{ readonly output: Uint8Array } | NodeRefused>;
  /** Kills what runs, and resolves when it is gone. */
  close(): Promise<void>;
};

/** Running, or waiting for their turn. */
const MOST_JOBS = 5;
/** So that no customer takes all turns. */
const MOST_JOBS_OF_ONE = 2;
/** What a customer's jobs that came to no answer may have taken in an epoch: five times the longest. */
const MOST_LOST_MILLISECONDS = 300_000;
/** Modules, and customers. What is forgotten is tried again, and costs one try. */
const MOST_REMEMBERED = 10_000;

export type JobParts = {
  readonly contents: Contents;
  readonly limits: JobLimits;
  readonly log: Log;
};

export function openJobs({ contents, limits, log }: JobParts): Jobs {
  const closing = new AbortController();
  const taken: Address[] = [];
  /** The highest offer that a module outran. By customer: another one's input says nothing about this one's. */
  const outrun = remember<number>();
  /** Milliseconds by customer and epoch. */
  const lost = remember<number>();
  let last: Promise<unknown> = Promise.resolve();

  function refusedBefore({ customer, epoch }: Admitted, offer: JobOffer): NodeRefused | undefined {
    const best = outrun.get(`${customer}/${offer.module}`);
    if (best !== undefined && offer.milliseconds <= best) {
      const message = `the module had no answer within ${best} ms: offer more`;
      return { refusal: "offer-short", message };
    }
    const milliseconds = lost.get(`${customer}/${epoch}`) ?? 0;
    if (milliseconds > MOST_LOST_MILLISECONDS) {
      const message = `${Math.round(milliseconds)} ms in epoch ${epoch} came to no answer`;
      return { refusal: "loss-exhausted", message };
    }
    if (taken.length >= MOST_JOBS || countOf(taken, customer) >= MOST_JOBS_OF_ONE)
      return { refusal: "busy", message: `${taken.length} jobs run or wait` };
    return undefined;
  }

  async function find(root: Hex, most: number): Promise<Uint8Array | NodeRefused> {
    const found = contents.find(root);
    if (found !== undefined && found.size > most) {
      const message = `${root} has ${found.size} bytes, at most ${most} are taken`;
      return { refusal: "too-large", message };
    }
    // What rotted here would come to an answer that is wrong.
    const bytes = found && (await contents.bytes(root));
    return bytes ?? { refusal: "content-unknown", message: `no content ${root}` };
  }

  async function turn(
    who: Admitted,
    offer: JobOffer,
    signal: AbortSignal,
  ): Promise<{ readonly output: Uint8Array } | NodeRefused> {
    signal.throwIfAborted();
    const module = await find(offer.module, MOST_MODULE_BYTES);
    if ("refusal" in module) return module;
    const input = await find(offer.input, MOST_INPUT_BYTES);
    if ("refusal" in input) return input;
    const before = performance.now();
    let outcome: Outcome | undefined;
    try {
      outcome = await runJob(
        { module, input, milliseconds: offer.milliseconds },
        { limits, signal },
      );
    } finally {
      if (outcome?.outcome !== "answered") {
        const name = `${who.customer}/${who.epoch}`;
        lost.set(name, (lost.get(name) ?? 0) + performance.now() - before);
      }
    }
    if (outcome.outcome === "answered") return outcome;
    return refusalOf(who, offer, outcome);
  }

  function refusalOf(
    { customer }: Admitted,
    offer: JobOffer,
    outcome: Exclude<Outcome, { outcome: "answered" }>,
  ): NodeRefused {
    const { reason } = outcome;
    log("warn", "job-unfinished", { customer, ...offer, reason });
    if (outcome.outcome === "refused") return { refusal: "module-refused", message: reason };
    if (outcome.failure === "time") outrun.set(`${customer}/${offer.module}`, offer.milliseconds);
    return { refusal: "job-unfinished", message: `${outcome.failure}: ${reason}` };
  }

  return {
    async run(who, offer, gone) {
      const refused = refusedBefore(who, offer);
      if (refused !== undefined) return refused;
      const signal = AbortSignal.any([gone, closing.signal]);
      taken.push(who.customer);
      const mine = last.then(() => turn(who, offer, signal));
      last = mine.catch(() => undefined).then(() => taken.splice(taken.indexOf(who.customer), 1));
      return mine;
    },
    async close() {
      closing.abort();
      await last;
    },
  };
}

function countOf(customers: readonly Address[], customer: Address): number {
  return customers.filter((each) => each === customer).length;
}

/** The oldest entry makes room for the newest. */
function remember<T>() {
  const entries = new Map<string, T>();
  return {
    get: (name: string) => entries.get(name),
    set(name: string, value: T) {
      entries.delete(name);
      entries.set(name, value);
      const [oldest] = entries.size > MOST_REMEMBERED ? entries.keys() : [];
      if (oldest !== undefined) entries.delete(oldest);
    },
  };
}
