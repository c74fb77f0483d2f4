import { setTimeout as sleep } from "node:timers/promises";
import { EXIT } from "@link-rewards/host/program";
import { runOracle } from "../local/oracle-process.ts";
import { patienceIn, watchAnswerIn, watchArgs } from "./commands.ts";
import { type Fault, MEMBERS, PHASES, type Phase, type Plan } from "./draw.ts";
import type { Closed, Member } from "./member.ts";
import type { Mischief } from "./mischief.ts";
import { createOutsider, wrongWatch } from "./outsider.ts";
import type { Stage } from "./stage.ts";
import type { Traffic } from "./traffic.ts";
import { name } from "./words.ts";

/** A fault that may hold what goes on in it lasts so long at most; every other until that is done. */
const FAULTY_MS = 6_000;
/** While such a fault lasts, a close is given up after this, as by a service manager; nobody is blamed. */
const GIVEN_UP_MS = 8_000;
/** At any other time it must end in this, on a busy machine too. */
const CLOSE_MS = 90_000;
const LOOK_MS = 100;
/** Rounds of closes after the faults, in which an epoch must get where it should. */
const ROUNDS = 6;
/** After so many that end alike the next one would, too. */
const SAME_ROUNDS = 2;
/** So often may an attempt run out, for signatures that were given to something else. */
const ABANDONMENTS = 2;

export type Played = {
  /** What must not be, found while it happened. */
  readonly broken: string[];
  /** What is worth reading. */
  readonly notes: string[];
  /** Who closed well in the grace of each epoch, after the faults. */
  readonly collectors: ReadonlySet<number>[];
};

export type Players = {
  readonly plan: Plan;
  readonly stage: Stage;
  /** Of the run. */
  readonly folder: string;
  readonly traffic: Traffic;
  readonly mischief: Mischief;
  readonly tell: (line: string) => void;
};

/** All epochs of a plan, with its faults. Ends early where an epoch does not come to its end. */
export async function play({
  plan,
  stage,
  folder,
  traffic,
  mischief,
  tell,
}: Players): Promise<Played> {
  const { devnet } = stage.world;
  const { genesis, epochSeconds, graceSeconds } = devnet.parameters;
  const { ledger } = devnet.suite;
  const broken: string[] = [];
  const notes: string[] = [];
  const collectors: Set<number>[] = [];
  const lastClosed = new Map<number, Closed>();
  /** Who closes first, where one closes after the other. */
  let first = 0;
  /** A block of the time before the epoch was served in. */
  let before = 0;
  const outsider = createOutsider(stage, folder, () => before, tell);

  async function closeInTime(member: Member): Promise<Closed> {
    const closing = member.close();
    const over = new AbortController();
    const ended = closing.finally(() => over.abort());
    let freeMs = 0;
    let heldMs = 0;
    let last = performance.now();
    while (!over.signal.aborted) {
      await Promise.race([ended, sleep(LOOK_MS, undefined, { signal: over.signal })]).catch(
        () => undefined,
      );
      const now = performance.now();
      if (mischief.isHolding()) heldMs += now - last;
      else freeMs += now - last;
      last = now;
      if (freeMs <= CLOSE_MS && heldMs <= GIVEN_UP_MS) continue;
      if (freeMs > CLOSE_MS)
        broken.push(`close of ${name(member.index)} did not end in ${CLOSE_MS / 1000} s`);
      member.kill("close");
      break;
    }
    return ended;
  }

  async function closeOnce(member: Member): Promise<void> {
    const closed = await closeInTime(member);
    lastClosed.set(member.index, closed);
    const { code, held, waiting, stderr } = closed;
    const last = code === EXIT.ok ? waiting : (held ?? stderr.trim().split("\n").at(-1));
    tell(`close of ${name(member.index)} ended with ${code}: ${last?.slice(0, 300) ?? ""}`);
  }

  async function closeAll(): Promise<void> {
    const turnOf = ({ index }: Member) => (index - first + MEMBERS) % MEMBERS;
    const present = stage.present().toSorted((one, other) => turnOf(one) - turnOf(other));
    if (plan.together) await Promise.all(present.map(closeOnce));
    else for (const member of present) await closeOnce(member);
  }

  async function phase(
    epoch: number,
    which: Phase,
    work: () => Promise<void>,
    afterwards: () => Promise<void>,
  ): Promise<void> {
    tell(`epoch ${epoch}: ${which}`);
    first = memberToBeStruck(plan, epoch, which) ?? epoch % MEMBERS;
    await mischief.begin(epoch, which);
    let isDone = false;
    const working = work().finally(() => {
      isDone = true;
    });
    for (let heldMs = 0; !isDone && heldMs < FAULTY_MS; ) {
      await Promise.race([working, sleep(LOOK_MS)]);
      if (mischief.isHolding()) heldMs += LOOK_MS;
    }
    await mischief.calm(epoch, which);
    tell(`epoch ${epoch}: ${which}, the faults have ended`);
    await working;
    await afterwards();
  }

  /** Rounds of closes, until the chain and all members are there, or all have said the same again. */
  async function closeUntil(isThere: () => Promise<boolean>): Promise<boolean> {
    let same = 0;
    for (let round = 0; round < ROUNDS && same < SAME_ROUNDS; round++) {
      if (await isThere()) return true;
      const said = why();
      await closeAll();
      same = why() === said ? same + 1 : 0;
      await stage.confirm();
      await passPatience();
    }
    return isThere();
  }

  /** Nobody waits for a member that is gone for good: the time is moved that long. */
  async function passPatience(): Promise<void> {
    const present = stage.present();
    if (plan.abandon || present.length === stage.members.length) return;
    const waits = present.map(({ index }) => patienceIn(lastClosed.get(index) ?? {}) ?? 0);
    const until = Math.max(...waits);
    if (until >= (await devnet.now())) await stage.warpTo(until + 1);
  }

  const isProposed = (epoch: number) => async () => {
    const { epoch: open, digest } = await ledger.proposal();
    return Number(open) > epoch || (Number(open) === epoch && BigInt(digest) !== 0n);
  };
  /** On chain, and for each member. */
  const isFinal = (epoch: number) => async () => {
    if (Number((await ledger.lastFinal()).epoch) < epoch) return false;
    return stage.present().every(({ index }) => {
      const closed = lastClosed.get(index);
      return closed?.code === EXIT.ok && (closed.epoch ?? 0) > epoch;
    });
  };
  const why = () =>
    stage
      .present()
      .map(({ index }) => {
        const { code, held, waiting, stderr } = lastClosed.get(index) ?? {};
        const last = held ?? waiting ?? stderr?.trim().split("\n").at(-1) ?? "";
        return `${name(index)} (${code ?? "no close"}): ${last.slice(0, 300)}`;
      })
      .join("; ");

  async function propose(epoch: number): Promise<boolean> {
    for (let abandoned = 0; ; abandoned++) {
      if (await closeUntil(isProposed(epoch))) return true;
      if (abandoned === ABANDONMENTS) return false;
      notes.push(`epoch ${epoch}: an attempt ran out (${why()})`);
      await stage.warpTo(Number((await ledger.proposal()).abandonableAt));
    }
  }

  async function watch(epoch: number, isCalm: boolean): Promise<void> {
    const place = { rpcUrl: devnet.rpcUrl, deploymentFile: devnet.deploymentFile };
    const served = stage.present().flatMap((member) => {
      const url = member.url();
      return url === undefined ? [] : [new URL("/bundles/", url).href];
    });
    const bundles = isCalm ? [stage.mirror.url, ...served] : [stage.mirror.url];
    const { code, stdout, stderr } = await runOracle(watchArgs(place, bundles), stage.watcher);
    const { verdict } = watchAnswerIn(stdout);
    const said = verdict?.message ?? verdict?.verdict ?? stderr.trim().split("\n").at(-1);
    tell(`watch ended with ${code}: ${said ?? ""}`);
    const can = isCalm ? "can tell" : "may not know";
    const wrong = wrongWatch("honest", code, watchAnswerIn(stdout), can);
    if (wrong !== undefined)
      broken.push(`epoch ${epoch}: watch${isCalm ? "" : " on a bad mirror"} ${wrong}: ${said}`);
  }

  /** How the outsider's node is bad in a part of an epoch. */
  const badly = (epoch: number, phase: Phase) =>
    plan.faults.find(
      (fault): fault is Fault & { kind: "outsider" } =>
        fault.kind === "outsider" && fault.epoch === epoch && fault.phase === phase,
    )?.manner;

  async function playEpoch(epoch: number): Promise<boolean> {
    before = await devnet.provider.getBlockNumber();
    const start = genesis + (epoch - 1) * epochSeconds;
    const end = start + epochSeconds;
    await phase(
      epoch,
      "serving",
      async () => {
        await stage.warpTo(start + 1);
        await traffic.send(epoch);
      },
      () => traffic.settle(),
    );
    await stage.warpTo(end);
    lastClosed.clear();
    await phase(epoch, "collecting", closeAll, async () => {
      // Whoever was disturbed collects again while the grace lasts.
      const wasQuiet = !plan.faults.some(
        (fault) => fault.epoch === epoch && isIn(fault, "collecting"),
      );
      if (!wasQuiet) await closeAll();
    });
    const collected = stage
      .present()
      .filter(({ index }) => lastClosed.get(index)?.code === EXIT.ok);
    collectors.push(new Set(collected.map(({ index }) => index)));

    const reorg = plan.faults.find(
      (fault): fault is Fault & { kind: "reorg" } =>
        fault.kind === "reorg" && fault.epoch === epoch,
    );
    const hasBadMirror = plan.faults.some(
      (fault) => fault.kind === "mirror" && fault.epoch === epoch,
    );
    await stage.warpTo(end + graceSeconds);
    await phase(
      epoch,
      "closing",
      async () => {
        const undo = reorg && (await remember(stage, reorg));
        await Promise.all([closeAll(), stage.repeat(), traffic.repeat()]);
        if (hasBadMirror && (await isProposed(epoch)())) await watch(epoch, false);
        await undo?.();
      },
      async () => undefined,
    );
    if (!(await propose(epoch))) {
      broken.push(`epoch ${epoch} was never proposed: ${why()}`);
      return false;
    }
    await watch(epoch, true);
    const watching = badly(epoch, "closing");
    if (watching !== undefined) broken.push(...(await outsider.watch(epoch, watching)));
    const { finalizableAt } = await ledger.proposal();
    if (finalizableAt > 0n) await stage.warpTo(Number(finalizableAt));
    lastClosed.clear();
    await phase(
      epoch,
      "ending",
      async () => {
        await closeAll();
        await stage.confirm();
        await closeAll();
      },
      stage.confirm,
    );
    if (await closeUntil(isFinal(epoch))) {
      const auditing = badly(epoch, "ending");
      if (auditing !== undefined) broken.push(...(await outsider.audit(epoch, auditing)));
      return true;
    }
    broken.push(`epoch ${epoch} did not become final for all: ${why()}`);
    return Number((await ledger.lastFinal()).epoch) >= epoch;
  }

  await Promise.all(stage.members.map((member) => member.serve()));
  for (let epoch = 1; epoch <= plan.epochs; epoch++) if (!(await playEpoch(epoch))) break;
  broken.push(...traffic.wronged);
  return { broken, notes, collectors };
}

/** Whoever comes first does what there is to do, so that a fault that waits for that comes. */
function memberToBeStruck({ faults }: Plan, epoch: number, which: Phase): number | undefined {
  const waiting = faults.find(
    (fault) => fault.epoch === epoch && fault.phase === which && "member" in fault.when,
  )?.when;
  return waiting !== undefined && "member" in waiting ? waiting.member : undefined;
}

function isIn({ phase, until }: Fault, which: Phase): boolean {
  const at = PHASES.indexOf(which);
  return PHASES.indexOf(phase) <= at && at <= PHASES.indexOf(until);
}

/** What it gives back undoes all blocks since, at least as many as are to be undone, and mines others. */
async function remember(
  { world, members, syncClocks }: Stage,
  { blocks, resend }: Fault & { kind: "reorg" },
): Promise<() => Promise<void>> {
  const { provider } = world.devnet;
  const before = await provider.getBlock("latest");
  if (before === null) throw new Error("the chain has no block");
  const snapshot = await provider.send("evm_snapshot", []);
  const sentBefore = members.map(({ node }) => node.sent.length);
  return async () => {
    while ((await provider.getBlockNumber()) < before.number + blocks)
      await provider.send("evm_mine", []);
    const undone = (await provider.getBlockNumber()) - before.number;
    await provider.send("evm_revert", [snapshot]);
    await provider.send("evm_setNextBlockTimestamp", [before.timestamp + 2]);
    await provider.send("evm_mine", []);
    const lost = members.flatMap(({ node }, i) => node.sent.slice(sentBefore[i]));
    // In the order they were sent: a nonce has its place. One that has none any more is the network's to refuse.
    if (resend)
      for (const raw of lost)
        await provider.send("eth_sendRawTransaction", [raw]).catch(() => undefined);
    for (let mined = 0; mined <= undone; mined++) await provider.send("evm_mine", []);
    await syncClocks();
  };
}
