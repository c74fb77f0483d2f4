import { REFUSALS, type Refusal } from "@link-rewards/core/encoding/refusal";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Seconds. An answer takes a commit at best, and the whole queue at worst. */
const ANSWER_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** An epoch that is not final yet, and when, in unix seconds, it should have gone on to its next state. */
export type EpochProgress = {
  readonly epoch: number;
  readonly state: string;
  readonly deadline?: number;
};

export type MetricSources = {
  readonly queueDepth: () => number;
  /** Undefined before the chain was read for the first time. */
  readonly chainHead: () => { readonly number: number; readonly timestamp: number } | undefined;
  /** The epochs that are not final; called for each scrape. */
  readonly epochs: () => Promise<readonly EpochProgress[]>;
  /** Why it should get no traffic, as /readyz says. */
  readonly unready: () => readonly { readonly reason: string }[];
  /** Demands that wait for an answer, and when, in unix seconds, the first of them is due. */
  readonly demands: () => { readonly count: number; readonly firstDue: number | undefined };
};

export type Metrics = {
  readonly contentType: string;
  render(): Promise<string>;
  readonly ingest: {
    accepted(): void;
    known(): void;
    refused(refusal: Refusal, receipts: number): void;
    equivocation(): void;
    commitFailed(): void;
    startAnswer(): () => void;
  };
  request(labels: { method: string; route: string; status: number }, seconds: number): void;
};

/** What is not known is absent: a gauge that reads 0 because nobody has set it yet would page a person. */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  registerGauges(sources, registers);
  const readEpochs = registerEpochGauges(sources.epochs, registers);
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const accepted = counter("receipts_accepted_total", "Receipts newly stored.");
  const known = counter("receipts_known_total", "Receipts that were stored before.");
  const refused = new Counter({
    name: "receipts_refused_total",
    help: "Receipts not taken, by refusal; a request that cannot be read counts as one.",
    labelNames: ["refusal"],
    registers,
  });
  for (const refusal of Object.keys(REFUSALS)) refused.inc({ refusal }, 0);
  const equivocations = counter("equivocations_total", "One sequence signed twice by a device.");
  const failures = counter("commit_failures_total", "Commits of the store that failed.");
  const answers = new Histogram({
    name: "receipts_answer_seconds",
    help: "From a read request to its answer, the commit included.",
    buckets: ANSWER_BUCKETS,
    registers,
  });
  const requests = new Histogram({
    name: "http_request_seconds",
    help: "Requests answered, by route.",
    labelNames: ["method", "route", "status"],
    buckets: ANSWER_BUCKETS,
    registers,
  });
  return {
    contentType: registry.contentType,
    async render() {
      await readEpochs();
      return registry.metrics();
    },
    ingest: {
      accepted: () => accepted.inc(),
      known: () => known.inc(),
      refused: (refusal, receipts) => refused.inc({ refusal }, receipts),
      equivocation: () => equivocations.inc(),
      commitFailed: () => failures.inc(),
      startAnswer: () => answers.startTimer(),
    },
    request: (labels, seconds) => requests.observe(labels, seconds),
  };
}

function registerGauges(sources: MetricSources, registers: Registry[]): void {
  new Gauge({
    name: "ingest_queue_receipts",
    help: "Receipts taken in and not answered yet.",
    registers,
    collect() {
      this.set(sources.queueDepth());
    },
  });
  new Gauge({
    name: "unready",
    help: "1 for each reason that /readyz gives; absent while there is none.",
    labelNames: ["reason"],
    registers,
    collect() {
      this.reset();
      for (const { reason } of sources.unready()) this.set({ reason }, 1);
    },
  });
  const ofHead = (name: string, help: string, field: "number" | "timestamp") =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const head = sources.chainHead();
        if (head === undefined) this.remove();
        else this.set(head[field]);
      },
    });
  ofHead("chain_head_block", "Number of the newest block seen.", "number");
  ofHead("chain_head_timestamp_seconds", "Time of the newest block seen.", "timestamp");
  new Gauge({
    name: "demands_waiting",
    help: "Demands of open reports that wait for an answer, whoever has it.",
    registers,
    collect() {
      this.set(sources.demands().count);
    },
  });
  new Gauge({
    name: "demand_seconds_left",
    help: "Until the first demand is due, by the newest block seen; below 0 anybody may have the report revoked.",
    registers,
    collect() {
      const { firstDue } = sources.demands();
      const head = sources.chainHead();
      if (firstDue === undefined || head === undefined) this.remove();
      else this.set(firstDue - head.timestamp);
    },
  });
}

/** One reading for both gauges, so that they tell of the same moment. */
function registerEpochGauges(epochs: MetricSources["epochs"], registers: Registry[]) {
  const labelNames = ["epoch", "state"] as const;
  const states = new Gauge({
    name: "epoch_state",
    help: "1 for the state of each epoch that is not final.",
    labelNames,
    registers,
  });
  const deadlines = new Gauge({
    name: "epoch_deadline_timestamp_seconds",
    help: "When an epoch should have left its state; alert when time() is beyond it.",
    labelNames,
    registers,
  });
  return async () => {
    const progress = await readOrNothing(epochs);
    states.reset();
    deadlines.reset();
    for (const { epoch, state, deadline } of progress) {
      states.set({ epoch, state }, 1);
      if (deadline !== undefined) deadlines.set({ epoch, state }, deadline);
    }
  };
}

/** A database that is down must not hide the metrics that would show it; readiness names it. */
async function readOrNothing(epochs: MetricSources["epochs"]): Promise<readonly EpochProgress[]> {
  try {
    return await epochs();
  } catch {
    return [];
  }
}
