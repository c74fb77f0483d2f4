import type { Address } from "@link-rewards/core/encoding/bytes";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import { amountsOf, NOTHING } from "../amounts.ts";
import { type Budget, openBudget } from "../gateway/budget.ts";
import type { Door, LinkedDevice } from "../gateway/door.ts";
import { type BuyerParts, buyer, failed, meet, type Plan, type Visit } from "../gateway/round.ts";
import { allowanceAt, planVisit } from "./allowance.ts";
import type { Order, OrderOf } from "./order.ts";
import { openPasses, type Passes, type Turn } from "./passes.ts";
import { openRecord, type TurnRecord } from "./record.ts";

export type PassParts = BuyerParts & {
  readonly orderOf: OrderOf;
  readonly device: Door["device"];
  readonly folder: string;
  /** Visits that go on at one time. */
  readonly atOnce: number;
};

/** What was done of a pass. */
export type Pass = {
  readonly epoch: number;
  /** 0 before the first. */
  readonly pass: number;
  /** Unix seconds; undefined before the first. */
  readonly began: number | undefined;
  /** How many devices have a place in the order. */
  readonly devices: number;
  readonly visits: readonly Visit[];
  /** Bound and not connected in their turn, nor since. */
  readonly missed: readonly Address[];
};

export type PassServer = {
  /** Goes on with the pass that was interrupted, or begins the next one. */
  servePass(): Promise<Pass>;
  /** Goes on with the pass that was interrupted, or visits those that missed their turn in the last one and are there now. */
  serveLate(): Promise<Pass>;
  close(): Promise<void>;
};

/** What is known of the epoch that is inspected. */
type Inspected = {
  readonly order: Order;
  readonly placeOf: ReadonlyMap<Address, number>;
  readonly passes: Passes;
  readonly record: TurnRecord;
};

const NO_PASS = { pass: 0, began: undefined, devices: 0, visits: [], missed: [] };

/** A device that answers slowly holds up those after it for no longer. A job may have to wait for another customer's. */
const MOST_VISIT_MS = 300_000;

export function passServer(parts: PassParts): PassServer {
  const { epochs, chain, log, ledger } = parts;
  const { files, work, stopwatch } = parts;
  const jobMilliseconds = Math.max(...parts.jobs.map(({ milliseconds }) => milliseconds));
  let inspected: Inspected | undefined;
  /** Said once an epoch. */
  let notDrawn = 0;

  /** Undefined when the order of the epoch is not drawn yet. */
  async function inspect(epoch: number, budget: Budget): Promise<Inspected | undefined> {
    if (inspected?.order.epoch === epoch) return inspected;
    const order = await parts.orderOf(epoch);
    if (order === undefined) return undefined;
    await inspected?.record.close();
    inspected = undefined;
    const record = await openRecord(parts.folder, {
      ...{ epoch, customer: parts.customer, block: order.block },
      ...{ devices: order.devices.length, amount: budget.amount },
    });
    const passes = openPasses(order.devices);
    for (const line of record.lines) if ("fate" in line) passes.take(line);
    const placeOf = new Map(order.devices.map((device, i) => [device, i]));
    inspected = { order, placeOf, passes, record };
    return inspected;
  }

  async function serve(mayBegin: boolean): Promise<Pass> {
    const epoch = await epochs.current();
    const none = { ...NO_PASS, epoch };
    if (epoch === 0) return none;
    try {
      const budget = await openBudget(parts, epoch);
      const known = await inspect(epoch, budget);
      if (known === undefined) {
        const reason = "no block of the epoch is final yet";
        if (notDrawn !== epoch) log("info", "not-drawn", { epoch, reason });
        notDrawn = epoch;
        return none;
      }
      if (mayBegin && known.passes.isThrough()) known.passes.begin(unixSeconds());
      return passOf(known, await visitAll(known, budget));
    } catch (error) {
      // Without the chain nobody knows who is to be visited, and what is covered.
      log("warn", "not-bought", { epoch, reason: (error as Error).message });
      return none;
    }
  }

  async function visitAll(known: Inspected, budget: Budget): Promise<readonly Visit[]> {
    const { epoch } = known.order;
    const purse = {
      ...{ amount: budget.amount, tariff: await chain.tariffAt(epoch) },
      ...{ devices: known.order.devices.length, jobMilliseconds },
    };
    const buy = buyer(parts, budget, epoch, { nodes: [], files });
    const visits: Visit[] = [];

    const leftOf = (device: Address): Amounts => {
      const tally = ledger.value.tallies.find(
        (each) => each.device === device && each.epoch === epoch,
      );
      const bought = tally?.verified ?? NOTHING;
      const all = allowanceAt(purse, known.placeOf.get(device) as number);
      return amountsOf((of) => (all[of] > bought[of] ? all[of] - bought[of] : 0n));
    };

    /** The next visit, written down before it begins: who interrupts an inspector gets no second one by it. */
    async function next() {
      const { passes, record } = known;
      const pass = passes.pass();
      const turns: Turn[] = [];
      const take = (device: Address, fate: Turn["fate"]) => {
        const turn = { pass, device, fate, at: unixSeconds() };
        passes.take(turn);
        turns.push(turn);
        if (fate === "missed") log("info", "missed", { pass, device });
      };
      try {
        for (;;) {
          const { missed, next: device } = passes.due((each) => parts.device(each) !== undefined);
          for (const each of missed) take(each, "missed");
          const linked = device && parts.device(device);
          if (linked === undefined) return undefined;
          const about = { device: linked.device, epoch, files, work, stopwatch, jobMilliseconds };
          const plan = planVisit(leftOf(linked.device), about);
          take(linked.device, plan === undefined ? "spent" : "visited");
          if (plan !== undefined) return { pass, linked, plan };
        }
      } finally {
        if (turns.length > 0) await record.write(turns);
      }
    }

    async function worker(): Promise<void> {
      while ((await epochs.current()) === epoch) {
        const turn = await next();
        if (turn === undefined) return;
        const { pass, linked, plan } = turn;
        const visit = await within(linked, () => visitOne(linked, plan));
        visits.push(visit);
        const { device, amounts: bought, failures } = visit;
        for (const failure of failures) log("warn", "not-counted", { device, failure });
        await known.record.write([{ pass, device, bought, failures }]);
      }
    }

    async function visitOne(linked: LinkedDevice, plan: Plan): Promise<Visit> {
      const { device } = linked;
      try {
        if (!(await chain.isEarningAt(device, epoch)))
          throw new Error(`the device earns for nobody in epoch ${epoch}`);
        const met = await meet(parts, linked, epoch);
        if (!("peer" in met)) return met;
        return (await buy(met, plan)) ?? failed(device, new Error(budget.limit));
      } catch (error) {
        return failed(device, error);
      }
    }

    const ended = await Promise.allSettled(Array.from({ length: parts.atOnce }, worker));
    for (const each of ended) if (each.status === "rejected") throw each.reason;
    return visits;
  }

  /** Without asking the chain, for it is asked again and again. */
  function isAwaited({ passes }: Inspected): boolean {
    return !passes.isThrough() || passes.missing().some((each) => parts.device(each) !== undefined);
  }

  return {
    servePass: () => serve(true),
    async serveLate() {
      const epoch = await epochs.current();
      if (inspected?.order.epoch !== epoch || isAwaited(inspected)) return serve(false);
      return passOf(inspected, []);
    },
    async close() {
      await inspected?.record.close();
    },
  };
}

function passOf({ order, passes }: Inspected, visits: readonly Visit[]): Pass {
  return {
    ...{ epoch: order.epoch, pass: passes.pass(), began: passes.began() },
    ...{ devices: order.devices.length, visits, missed: passes.missing() },
  };
}

function unixSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}

async function within<T>({ hangUp }: LinkedDevice, work: () => Promise<T>): Promise<T> {
  const late = setTimeout(hangUp, MOST_VISIT_MS);
  try {
    return await work();
  } finally {
    clearTimeout(late);
  }
}
