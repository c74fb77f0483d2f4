import { createHash } from "node:crypto";
import { randomNumbers } from "../../test/oracle/support/random.ts";
import { LOGGED_STATES, type LoggedState } from "./commands.ts";
import { LINK_FAULTS, type LinkManner } from "./link.ts";
import type { MirrorManner } from "./mirror.ts";
import { RPC_MANNERS, type RpcMannerName } from "./rpc-manners.ts";

/** An epoch's parts: it is served in, its vouchers are collected, it is proposed, it becomes final. */
export const PHASES = ["serving", "collecting", "closing", "ending"] as const;
export type Phase = (typeof PHASES)[number];

/** What a fault waits for within its phase: an event, never a clock, so that a seed means something. */
export type Trigger =
  | { readonly on: "begin" }
  /** The member has acknowledged so many receipts of the epoch. */
  | { readonly on: "acknowledged"; readonly member: number; readonly count: number }
  /** A close of the member's says that an epoch has come to this state. */
  | { readonly on: "state"; readonly member: number; readonly state: LoggedState }
  /** A process of the member's asks its node for the so-manieth time in the phase. */
  | { readonly on: "request"; readonly member: number; readonly count: number }
  /** The member's transaction is at its node's door, or has passed it. */
  | { readonly on: "sending" | "sent"; readonly member: number };

export const PROGRAMS = ["serve", "close"] as const;
export type Program = (typeof PROGRAMS)[number];

type Kinds =
  /** `back`: whether it is started again at once, or when the faults end. A close is always run again. */
  | {
      readonly kind: "kill";
      readonly program: Program;
      readonly member: number;
      readonly back: "at once" | "calm";
    }
  /** It never comes back. */
  | { readonly kind: "gone"; readonly member: number }
  | { readonly kind: "disk"; readonly program: Program; readonly member: number }
  | { readonly kind: "rpc"; readonly member: number; readonly manner: RpcMannerName }
  | { readonly kind: "clock"; readonly member: number; readonly hours: number }
  /** `resend`: whether the network still has the transactions that were undone. */
  | { readonly kind: "reorg"; readonly blocks: number; readonly resend: boolean }
  | { readonly kind: "stuck"; readonly member: number }
  /** From the others; `pair`: from one of them. */
  | {
      readonly kind: "partition";
      readonly member: number;
      readonly pair: number | undefined;
      readonly manner: LinkManner;
    }
  | { readonly kind: "requests"; readonly manner: RequestManner }
  | { readonly kind: "mirror"; readonly manner: MirrorManner }
  /** The node of who only looks on: `manner` is that of a member's. */
  | { readonly kind: "outsider"; readonly manner: OutsiderManner };

export const REQUEST_MANNERS = {
  duplicated: "every request of a device or customer is sent twice at once",
  reordered: "devices' requests arrive newest first",
  delayed: "every third request is on its way until the faults end",
  late: "every receipt arrives at the next member, too, when the epoch is sealed",
} as const;
export type RequestManner = keyof typeof REQUEST_MANNERS;

/** Those in which a node says what is not so, or nothing. Of those that keep somebody waiting members have enough. */
const OUTSIDER_MANNERS = ["dead", "stale", "empty", "lossy", "ahead", "behind"] as const;
export type OutsiderManner = (typeof OUTSIDER_MANNERS)[number];

export type FaultKind = Kinds["kind"];

/** Begins at its trigger in `phase`, and ends with `until` at the latest. */
export type Fault = Kinds & {
  readonly epoch: number;
  readonly phase: Phase;
  readonly until: Phase;
  readonly when: Trigger;
};

/** Two, by different people. */
export type ChainName = "hardhat" | "anvil";

/** All that a seed decides. */
export type Plan = {
  readonly seed: number;
  readonly epochs: number;
  readonly chain: ChainName;
  /** Which members' stores are PostgreSQL. */
  readonly postgres: readonly boolean[];
  /** Whether members close at once or one after the other. */
  readonly together: boolean;
  /** The customer that promises half, in each epoch; none where it is beyond the customers. */
  readonly half: readonly number[];
  /** For what is drawn while the run goes on, such as who sends to whom. */
  readonly traffic: number;
  readonly faults: readonly Fault[];
  /** Where a member is gone for good: whether the attempt runs out that waits for it, or only the others' patience. */
  readonly abandon: boolean;
};

export const MEMBERS = 3;
export const CUSTOMERS = 2;
export const DEVICES = 3;
export const ROUNDS = 3;

/** Kinds and how often they are drawn. */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  kill: 6,
  gone: 1,
  disk: 3,
  rpc: 6,
  clock: 2,
  reorg: 2,
  stuck: 2,
  partition: 4,
  requests: 2,
  mirror: 2,
  outsider: 2,
};
export const FAULT_KINDS = Object.keys(WEIGHTS) as FaultKind[];

const MOST_FAULTS_AN_EPOCH = 3;
const MOST_REORGED_BLOCKS = 30;
/** A member acknowledges about this many receipts in an epoch. */
const ACKNOWLEDGED = 5;
const REQUESTS = 60;

/** `kinds`: of which faults are drawn; the same seed draws others from others. */
export function drawPlan(seed: number, kinds: readonly FaultKind[]): Plan {
  const random = randomNumbers(mixed(seed));
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;
  const epochs = 2 + (random(4) === 0 ? 1 : 0);
  const chain = random(2) === 0 ? "hardhat" : "anvil";
  const postgres = Array.from({ length: MEMBERS }, (_, i) => (i === 2 ? true : random(3) === 0));
  const together = random(2) === 0;
  const half = Array.from({ length: epochs }, () => random(2 * CUSTOMERS));
  const urn = kinds.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
  const faults: Fault[] = [];
  for (let epoch = 1; epoch <= epochs && urn.length > 0; epoch++) {
    const count = 1 + random(MOST_FAULTS_AN_EPOCH);
    for (let i = 0; i < count; i++) {
      const fault = drawFault(epoch, pick(urn), random, pick);
      if (!faults.some((other) => isSame(other, fault))) faults.push(fault);
    }
  }
  const traffic = random(1_000_000);
  const abandon = random(2) === 0;
  return { seed, epochs, chain, postgres, together, half, traffic, faults, abandon };
}

/** Two of them would undo each other. One member at most is gone, or no two could sign. */
function isSame(one: Fault, other: Fault): boolean {
  if (one.kind !== other.kind) return false;
  if (one.kind === "gone") return true;
  if (one.epoch !== other.epoch) return false;
  const ofMember = (fault: Fault) => ("member" in fault ? fault.member : undefined);
  return one.kind !== "kill" && ofMember(one) === ofMember(other);
}

/** From neighbouring seeds the generator's first numbers are alike; from these they are not. */
function mixed(seed: number): number {
  return createHash("sha256").update(`faults ${seed}`).digest().readUInt32BE();
}

function drawFault(
  epoch: number,
  kind: FaultKind,
  random: (below: number) => number,
  pick: <T>(from: readonly T[]) => T,
): Fault {
  const member = random(MEMBERS);
  const during = (phase: Phase, until: Phase = phase) => ({ epoch, phase, until });
  const begin: Trigger = { on: "begin" };
  /** In the phase alone, or from the serving over the seal. */
  const spell = () => {
    const phase = pick(PHASES);
    const isLong = phase === "serving" || phase === "collecting" ? random(3) === 0 : false;
    return during(phase, isLong ? "closing" : phase);
  };
  const overSeal = () => during(pick(["serving", "collecting"] as const), "closing");
  const inServing = (): Trigger => ({
    on: "acknowledged",
    member,
    count: 1 + random(ACKNOWLEDGED),
  });
  const inClose = (phase: Phase): Trigger => {
    const states = LOGGED_STATES.filter((state) => (state === "final") === (phase === "ending"));
    const isAdvancing = phase !== "collecting";
    return pick<() => Trigger>([
      ...(isAdvancing ? [() => ({ on: "state", member, state: pick(states) }) as const] : []),
      () => ({ on: "request", member, count: 1 + random(REQUESTS) }),
      () => ({ on: pick(["sending", "sent"] as const), member }),
    ])();
  };
  const closePhase = () => pick(["collecting", "closing", "closing", "ending"] as const);
  switch (kind) {
    case "kill": {
      if (random(2) === 0) {
        const spelled = spell();
        const when = spelled.phase === "serving" ? inServing() : begin;
        const back = pick(["at once", "calm"] as const);
        return { ...spelled, kind, program: "serve", member, back, when };
      }
      const phase = closePhase();
      return {
        ...during(phase),
        kind,
        program: "close",
        member,
        back: "calm",
        when: inClose(phase),
      };
    }
    case "gone":
      return { ...during(pick(PHASES)), kind, member, when: begin };
    case "disk": {
      if (random(2) === 0)
        return { ...during("serving"), kind, program: "serve", member, when: inServing() };
      const states = LOGGED_STATES.slice(0, 4);
      const when: Trigger = { on: "state", member, state: pick(states) };
      return { ...during("closing"), kind, program: "close", member, when };
    }
    case "rpc": {
      const spelled = spell();
      const manner = pick(Object.keys(RPC_MANNERS) as RpcMannerName[]);
      const when: Trigger =
        random(2) === 0 ? begin : { on: "request", member, count: 1 + random(REQUESTS) };
      return { ...spelled, kind, member, manner, when };
    }
    case "clock":
      return { ...spell(), kind, member, hours: pick([-24, 24]), when: begin };
    case "reorg":
      return {
        ...during("closing"),
        kind,
        blocks: 1 + random(MOST_REORGED_BLOCKS),
        resend: random(2) === 0,
        when: begin,
      };
    case "stuck":
      return { ...during(closePhase()), kind, member, when: { on: "sending", member } };
    case "partition": {
      const pair = random(2) === 0 ? undefined : (member + 1 + random(MEMBERS - 1)) % MEMBERS;
      const manner = pick<LinkManner>(["cut", ...LINK_FAULTS]);
      const span = manner === "late" ? overSeal() : spell();
      return { ...span, kind, member, pair, manner, when: begin };
    }
    case "requests": {
      const manner = pick(Object.keys(REQUEST_MANNERS) as RequestManner[]);
      const until = manner === "late" ? "closing" : "serving";
      return { ...during("serving", until), kind, manner, when: begin };
    }
    case "mirror": {
      const manner = pick<MirrorManner>(["cut", "altered", "page", "newline"]);
      return { ...during("closing"), kind, manner, when: begin };
    }
    case "outsider": {
      const phase = pick(["closing", "ending"] as const);
      return { ...during(phase), kind, manner: pick(OUTSIDER_MANNERS), when: begin };
    }
  }
}
