import { setTimeout as sleep } from "node:timers/promises";
import { Transaction } from "ethers";
import type { Fault, Phase } from "./draw.ts";
import type { LinkManner } from "./link.ts";
import type { Member } from "./member.ts";
import { mannerOf, type RpcMannerName } from "./rpc-manners.ts";
import type { Stage, StageListener } from "./stage.ts";
import type { Traffic } from "./traffic.ts";

/** What faults wait for. */
type Happening =
  | { readonly on: "acknowledged"; readonly member: number; readonly count: number }
  | { readonly on: "state"; readonly member: number; readonly state: string }
  | {
      readonly on: "request";
      readonly member: number;
      readonly count: number;
      /** Of those that came while it was closing. */
      readonly closing: number;
    }
  | { readonly on: "sending"; readonly member: number; readonly raw: string }
  | { readonly on: "sent"; readonly member: number };

/** Does what the plan says, when it says so. */
export type Mischief = {
  readonly listener: StageListener;
  /** Those whose moment came. */
  readonly struck: ReadonlySet<Fault>;
  /** Whether a fault is going on that may keep a process from ending. */
  isHolding(): boolean;
  /** Once both are there. */
  enter(stage: Stage, traffic: Traffic): void;
  acknowledged(member: number): void;
  begin(epoch: number, phase: Phase): Promise<void>;
  /** Ends what ends with this phase, and brings back who can come back. */
  calm(epoch: number, phase: Phase): Promise<void>;
};

/** A stuck transaction is below this many times what it offers, at first. */
const BASE_FEE_FACTOR = 3n;
const STUCK_STEP_MS = 200;
/** The member's clock goes faster meanwhile: nobody waits for its patience. */
const STUCK_STEP_CLOCK_MS = 15_000;
/** So often is the base fee kept up. */
const STUCK_STEPS = 10;

export function createMischief(
  faults: readonly Fault[],
  tell: (line: string) => void,
  onCrash: (member: number, what: string) => void,
  nameOf: (fault: Fault) => string,
): Mischief {
  const struck = new Set<Fault>();
  const ending = new Map<Fault, () => Promise<void>>();
  let armed: readonly Fault[] = [];
  let stage: Stage | undefined;
  let traffic: Traffic | undefined;
  let counts: Counts = newCounts();
  const memberOf = (index: number) => stage?.members[index] as Member;

  /** "cut": the request that it came with goes nowhere. */
  async function happen(happening: Happening): Promise<"goes" | "cut"> {
    let way: "goes" | "cut" = "goes";
    for (const fault of armed) {
      if (struck.has(fault) || !isMoment(fault, happening)) continue;
      struck.add(fault);
      tell(`${nameOf(fault)}`);
      await strike(fault, happening);
      if (fault.kind === "kill" && fault.program === "close" && happening.on !== "state")
        way = "cut";
    }
    return way;
  }

  async function strike(fault: Fault, happening?: Happening): Promise<void> {
    if (stage === undefined || traffic === undefined) throw new Error("nobody is on the stage");
    switch (fault.kind) {
      case "kill": {
        const member = memberOf(fault.member);
        member.kill(fault.program);
        if (fault.program === "serve" && fault.back === "at once") void member.serve();
        return;
      }
      case "gone": {
        stage.gone(fault.member);
        memberOf(fault.member).kill("serve");
        memberOf(fault.member).kill("close");
        return;
      }
      case "disk": {
        await memberOf(fault.member).setDisk(fault.program, "full");
        ending.set(fault, () => memberOf(fault.member).setDisk(fault.program, "free"));
        return;
      }
      case "rpc": {
        const { node } = memberOf(fault.member);
        const head = await stage.world.devnet.provider.getBlockNumber();
        const ended = Promise.withResolvers<void>();
        node.behave(mannerOf(fault.manner, head, ended.promise));
        ending.set(fault, async () => {
          node.behave(undefined);
          ended.resolve();
        });
        return;
      }
      case "clock": {
        const { skew } = stage;
        await skew(fault.member, fault.hours * 3_600_000);
        ending.set(fault, () => skew(fault.member, 0));
        return;
      }
      case "stuck":
        if (happening?.on === "sending") await keepStuck(fault, stage, happening.raw);
        return;
      case "partition": {
        const others = fault.pair === undefined ? [0, 1, 2] : [fault.pair];
        const ways = others
          .filter((other) => other !== fault.member)
          .flatMap((other) => [[fault.member, other] as const, [other, fault.member] as const]);
        for (const [from, to] of ways) stage.link(from, to).behave(fault.manner);
        ending.set(fault, async () => {
          for (const [from, to] of ways) stage?.link(from, to).behave("open");
        });
        return;
      }
      case "requests":
        traffic.behave(fault.manner);
        ending.set(fault, async () => traffic?.behave(undefined));
        return;
      case "mirror":
        stage.mirror.behave(fault.manner);
        ending.set(fault, async () => stage?.mirror.behave("true"));
        return;
      case "reorg":
        // It spans the whole phase: who plays it does it.
        return;
      case "outsider":
        // It looks on when there is something to see: who plays knows when.
        return;
    }
  }

  /** Blocks come without the transaction, until the base fee falls again. */
  async function keepStuck(fault: Fault & { kind: "stuck" }, on: Stage, raw: string) {
    const { provider } = on.world.devnet;
    const base = (Transaction.from(raw).maxFeePerGas ?? 1n) * BASE_FEE_FACTOR;
    const stop = new AbortController();
    await provider.send("evm_setAutomine", [false]);
    const pumping = pump();
    ending.set(fault, async () => {
      stop.abort();
      await pumping;
      await provider.send("evm_setAutomine", [true]);
      await provider.send("evm_mine", []);
      await on.skew(fault.member, 0);
    });

    async function pump(): Promise<void> {
      for (let step = 1; !stop.signal.aborted; step++) {
        await sleep(STUCK_STEP_MS);
        if (step <= STUCK_STEPS)
          await provider.send("hardhat_setNextBlockBaseFeePerGas", [`0x${base.toString(16)}`]);
        await provider.send("evm_mine", []);
        await on.skew(fault.member, step * STUCK_STEP_CLOCK_MS);
      }
    }
  }

  return {
    struck,
    listener: {
      rpc: (member) => ({
        async onCall({ method, params }) {
          const isClosing = memberOf(member)?.isClosing() ?? false;
          const count = (counts.requests[member] ?? 0) + 1;
          counts.requests[member] = count;
          const closing = (counts.closing[member] ?? 0) + (isClosing ? 1 : 0);
          counts.closing[member] = closing;
          const way = await happen({ on: "request", member, count, closing });
          if (method !== "eth_sendRawTransaction" || way === "cut") return way;
          return happen({ on: "sending", member, raw: String(params[0]) });
        },
        onSent: () => happen({ on: "sent", member }),
      }),
      onState: (member, state) => void happen({ on: "state", member, state }),
      onCrash,
    },
    isHolding: () => [...ending.keys()].some(mayHold),
    enter(on, with_) {
      stage = on;
      traffic = with_;
    },
    acknowledged(member) {
      const count = (counts.acknowledged[member] ?? 0) + 1;
      counts.acknowledged[member] = count;
      void happen({ on: "acknowledged", member, count });
    },
    async begin(epoch, phase) {
      counts = { ...newCounts(), acknowledged: phase === "serving" ? [] : counts.acknowledged };
      const own = faults.filter((fault) => fault.epoch === epoch && fault.phase === phase);
      armed = own.filter(({ when }) => when.on !== "begin");
      for (const fault of own) {
        if (fault.when.on !== "begin") continue;
        struck.add(fault);
        tell(nameOf(fault));
        await strike(fault);
      }
    },
    async calm(epoch, phase) {
      armed = [];
      for (const [fault, end] of [...ending]) {
        if (fault.epoch === epoch && fault.until !== phase) continue;
        ending.delete(fault);
        await end();
      }
      const away = new Set(
        faults
          .filter((fault) => struck.has(fault) && fault.epoch === epoch && isAway(fault))
          .filter(({ until }) => until !== phase)
          .map((fault) => (fault as { member: number }).member),
      );
      const back = stage?.present().filter(({ index }) => !away.has(index)) ?? [];
      // One that began in the faults may have hung in them: it is started a second time.
      await Promise.all(back.map(async (member) => (await member.serve()) || member.serve()));
    },
  };

  function isAway(fault: Fault): boolean {
    return fault.kind === "kill" && fault.program === "serve" && fault.back === "calm";
  }
}

/** A node's manners in which a close may take longer than anybody waits. */
const HOLDING_MANNERS: readonly RpcMannerName[] = [
  "slow",
  "hanging",
  "limiting",
  "overloaded",
  "refusing",
];

const HOLDING_LINKS: readonly LinkManner[] = ["silent", "drip"];

function mayHold(fault: Fault): boolean {
  if (fault.kind === "rpc") return HOLDING_MANNERS.includes(fault.manner);
  if (fault.kind === "partition") return HOLDING_LINKS.includes(fault.manner);
  return fault.kind === "stuck";
}

type Counts = {
  readonly requests: number[];
  readonly closing: number[];
  readonly acknowledged: number[];
};

function newCounts(): Counts {
  return { requests: [], closing: [], acknowledged: [] };
}

function isMoment({ when, ...fault }: Fault, happening: Happening): boolean {
  switch (when.on) {
    case "begin":
      return false;
    case "acknowledged":
      return (
        happening.on === "acknowledged" &&
        happening.member === when.member &&
        happening.count === when.count
      );
    case "state":
      return (
        happening.on === "state" &&
        happening.member === when.member &&
        happening.state === when.state
      );
    case "request": {
      if (happening.on !== "request" || happening.member !== when.member) return false;
      const isOfClose = fault.kind === "kill" && fault.program === "close";
      return (isOfClose ? happening.closing : happening.count) >= when.count;
    }
    case "sending":
    case "sent":
      return happening.on === when.on && happening.member === when.member;
  }
}
