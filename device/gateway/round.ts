import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { at } from "@link-rewards/core/encoding/at";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import { NOTHING } from "../amounts.ts";
import type { Log } from "../log.ts";
import type { Stopwatch } from "../stopwatch.ts";
import { type Budget, openBudget } from "./budget.ts";
import type { LinkedDevice } from "./door.ts";
import { type Computed, type JobFiles, offerOf, type Worker, type Workshop } from "./jobs.ts";
import { shunnedUntil } from "./ledger.ts";
import type { AboutPeer, KeptFile, Peer } from "./peer.ts";
import type { placer } from "./placement.ts";
import type { Places } from "./places.ts";
import type { Account, Purchases } from "./purchases.ts";
import type { SettleParts } from "./settle.ts";
import {
  attempt,
  type Checked,
  mostOf,
  sumOfChecked,
  type VisitParts,
  visit,
  type Work,
} from "./visit.ts";

/** Whoever buys of devices by visiting them. */
export type BuyerParts = SettleParts & {
  readonly connect: (linked: LinkedDevice) => Peer;
  readonly linked: () => readonly LinkedDevice[];
  readonly files: readonly KeptFile[];
  readonly purchases: Purchases;
  readonly jobs: readonly JobFiles[];
  readonly workshop: Workshop;
  readonly work: Work;
  readonly stopwatch: Stopwatch;
  readonly log: Log;
};

export type RoundParts = BuyerParts & {
  readonly places: Places;
  readonly place: ReturnType<typeof placer>;
};

export type Visit = {
  readonly device: Address;
  readonly amounts: Amounts;
  readonly failures: readonly string[];
};

export type Round = { readonly epoch: number; readonly visits: readonly Visit[] };

/** A node that said what it keeps. */
export type Met = LinkedDevice & AboutPeer & { readonly peer: Peer };

/** After the epoch in which it answered wrong, a device is not used in so many. */
const SHUNNED_EPOCHS = 1;

/** What is bought in one visit. */
export type Plan = Pick<VisitParts, "files" | "challenged" | "work" | "lost">;

/** Undefined when nothing that a visit may come to is covered. */
export type Buy = (node: Met, plan: Plan) => Promise<Visit | undefined>;

/** One round after the other: every node is used once in each, as far as the budget covers it. */
export function roundServer(parts: RoundParts): () => Promise<Round> {
  const { epochs, places, work, log } = parts;
  /** When it was said last that nothing more is bought: once an epoch is enough. */
  let stoppedIn: number | undefined;

  async function serve(epoch: number): Promise<readonly Visit[]> {
    const budget = await openBudget(parts, epoch);
    const met = await Promise.all(parts.linked().map((each) => meet(parts, each, epoch)));
    const nodes = met.filter((each): each is Met => "peer" in each);
    await copyMissing(parts, nodes, epoch);
    const buy = buyer(parts, budget, epoch, { nodes, files: [] });
    const bought = await Promise.all(nodes.map((node) => buy(node, planFor(node))));
    if (bought.includes(undefined) && stoppedIn !== epoch) {
      log("warn", "not-bought", { epoch, reason: budget.limit });
      stoppedIn = epoch;
    }
    return [
      ...met.filter((each): each is Visit => "amounts" in each),
      ...bought.filter((each) => each !== undefined),
    ];
  }

  function planFor({ device }: Met): Plan {
    const files = places.keptBy(device);
    const lost = (root: Hex) => places.lost(root, device, "challenge failed");
    return { files, challenged: files, work, lost };
  }

  return async () => {
    const epoch = await epochs.current();
    if (epoch === 0) return { epoch, visits: [] };
    try {
      const visits = await serve(epoch);
      for (const { device, failures } of visits) {
        for (const failure of failures) log("warn", "not-counted", { device, failure });
      }
      return { epoch, visits };
    } catch (error) {
      // Without the chain nobody knows what is covered.
      log("warn", "not-bought", { epoch, reason: (error as Error).message });
      return { epoch, visits: [] };
    }
  };
}

export async function meet(
  { connect, ledger }: BuyerParts,
  linked: LinkedDevice,
  epoch: number,
): Promise<Met | Visit> {
  const { device } = linked;
  try {
    const until = shunnedUntil(ledger.value, device);
    if (epoch <= until) {
      throw new Error(`it answered a job wrong: not used up to epoch ${until}`);
    }
    const peer = connect(linked);
    return { ...linked, peer, ...(await peer.about()) };
  } catch (error) {
    return failed(device, error);
  }
}

/** A round waits for copies no longer: what takes its time goes on beside it. */
const COPYING_MS = 20_000;

async function copyMissing(
  { purchases, places, place }: RoundParts,
  nodes: readonly Met[],
  epoch: number,
): Promise<void> {
  places.connected(nodes.map(({ device }) => device));
  for (const { device, contents } of nodes) places.heard(device, contents);
  const shelves = nodes.map((node) => ({
    ...node,
    keep: async (file: KeptFile) => {
      const { authorization } = await purchases.account(node, epoch);
      await node.peer.keep(authorization, file);
    },
  }));
  const patience = new AbortController();
  const late = sleep(COPYING_MS, undefined, { signal: patience.signal }).catch(() => undefined);
  await Promise.race([place(shelves), late]);
  patience.abort();
}

export function failed(device: Address, error: unknown): Visit {
  return { device, amounts: NOTHING, failures: [(error as Error).message] };
}

/**
 * Buys from one node as long as the budget covers the most that it may come to. Jobs are checked by others of `nodes`, too;
 * `files` are what a node is given to keep before, if it does not.
 */
export function buyer(
  parts: BuyerParts,
  budget: Budget,
  epoch: number,
  { nodes, files }: { readonly nodes: readonly Met[]; readonly files: readonly KeptFile[] },
): Buy {
  const { purchases, jobs, stopwatch } = parts;
  const enter = rememberEach((node: Met) => enterNode(parts, node, epoch, files));
  const give = jobGiver(parts, epoch, nodes, enter);

  return async (node, plan) => {
    const { peer, device } = node;
    try {
      await purchases.account(node, epoch);
      const about = { ...plan, device, epoch, stopwatch };
      const most = mostOf({ ...about, jobs, mayLend: nodes.length > 1 });
      return await purchases.buy(budget, most, async () => {
        const { tally, authorization } = await enter(node);
        const { amounts, failures } = sumOfChecked(
          await Promise.all([
            visit({ ...about, peer, authorization }),
            attempt("compute", () => give(node, plan.work)),
          ]),
        );
        await purchases.count(tally, amounts);
        return { device, amounts, failures };
      });
    } catch (error) {
      return failed(device, error);
    }
  };
}

/** Has a node keep what it is asked for, and what it is to compute with. */
async function enterNode(
  parts: BuyerParts,
  node: Met,
  epoch: number,
  files: readonly KeptFile[],
): Promise<Account> {
  const { purchases, jobs } = parts;
  const { peer, contents } = node;
  const account = await purchases.account(node, epoch);
  const held = new Set(contents);
  for (const file of [...files, ...jobs.flatMap(({ module, input }) => [module, input])]) {
    const { root } = file.contentTree;
    if (!held.has(root)) await peer.keep(account.authorization, file);
    held.add(root);
  }
  return account;
}

/** Gives a node a job in one visit, and draws anew each time, by chance, whether and with whom it is checked. */
function jobGiver(
  parts: BuyerParts,
  epoch: number,
  nodes: readonly Met[],
  enter: (node: Met) => Promise<Account>,
) {
  const { jobs, workshop, purchases } = parts;
  /** Those that got another's job in this round: a device takes two at once, and no more. */
  const lent = new Set<Address>();
  const isDrawn = (percent: number) => randomInt(100) < percent;
  const workerOf = (node: Met): Worker => ({
    ...node,
    compute: async (offer) => node.peer.compute((await enter(node)).authorization, offer),
  });

  /** Another device in half of the checks, and else nobody: devices may agree on an answer, the gateway does not. */
  function secondFor(node: Met): Met | undefined {
    const others = nodes.filter(({ device }) => device !== node.device && !lent.has(device));
    if (others.length === 0 || isDrawn(50)) return undefined;
    const second = at(others, randomInt(others.length));
    lent.add(second.device);
    return second;
  }

  return async (node: Met, work: Work): Promise<Checked> => {
    if (jobs.length === 0 || !isDrawn(work.jobPercent)) return { amounts: {}, failures: [] };
    const job = at(jobs, randomInt(jobs.length));
    const isChecked = isDrawn(work.checkPercent);
    const second = isChecked ? secondFor(node) : undefined;
    const workers = [node, ...(second ? [second] : [])];
    const computed = await workshop.compute(job, workers.map(workerOf), isChecked);
    for (const { worker, isWrong } of computed) if (isWrong) shun(parts, worker, job, epoch);
    const amounts = { computeMilliseconds: BigInt(job.milliseconds) };
    if (second !== undefined && at(computed, 1).amiss === undefined) {
      const { tally } = await enter(second);
      await purchases.count(tally, amounts);
    }
    const { amiss } = at(computed, 0);
    return amiss === undefined
      ? { amounts, failures: [] }
      : { amounts: {}, failures: [`compute: ${amiss}`] };
  };
}

function shun(
  { ledger, log }: BuyerParts,
  { device }: Computed["worker"],
  job: JobFiles,
  epoch: number,
): void {
  const until = epoch + SHUNNED_EPOCHS;
  log("warn", "answer-wrong", { device, ...offerOf(job), until });
  const others = ledger.value.shunned.filter(
    (each) => each.device !== device && each.until >= epoch,
  );
  ledger.value.shunned = [...others, { device, until }];
}

function rememberEach<In, Out>(make: (given: In) => Out): (given: In) => Out {
  const made = new Map<In, Out>();
  return (given) => {
    const known = made.get(given) ?? make(given);
    made.set(given, known);
    return known;
  };
}
