import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PostgresServer } from "../local/postgres-server.ts";
import { drawPlan, type FaultKind } from "./draw.ts";
import { type Evidence, gatherEvidence } from "./evidence.ts";
import { brokenInvariants } from "./invariants.ts";
import { createMischief } from "./mischief.ts";
import { type Played, play } from "./play.ts";
import { buildStage } from "./stage.ts";
import { startTraffic } from "./traffic.ts";
import type { Verdict } from "./verdicts.ts";
import { name, wordsOf } from "./words.ts";

export type RunOptions = {
  readonly seed: number;
  readonly kinds: readonly FaultKind[];
  readonly out: string;
  readonly state: string;
  readonly postgres: () => Promise<PostgresServer>;
  /** Logs also of a run in which all held. */
  readonly keep: boolean;
  readonly onLine?: (line: string) => void;
  /** Before it is judged. */
  readonly onEvidence?: (evidence: Evidence) => void;
};

/** One seed, from an empty chain to its verdict. */
export async function runSeed({
  seed,
  kinds,
  out,
  state,
  postgres,
  keep,
  onLine,
  onEvidence,
}: RunOptions): Promise<Verdict> {
  const started = performance.now();
  const plan = drawPlan(seed, kinds);
  const folder = join(out, `seed-${seed}`);
  const story: string[] = [];
  const tell = (line: string) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(2).padStart(6);
    story.push(`${seconds} ${line}`);
    onLine?.(line);
  };
  const broken: string[] = [];
  const notes: string[] = [];
  const mischief = createMischief(
    plan.faults,
    tell,
    (member, what) => {
      tell(`${name(member)}: ${what}`);
      broken.push(`${name(member)} crashed, ${what}`);
    },
    wordsOf,
  );
  let isUnclear = false;
  try {
    const stage = await buildStage(plan, folder, postgres, mischief.listener);
    try {
      const traffic = await startTraffic(stage, plan, (member) => mischief.acknowledged(member));
      mischief.enter(stage, traffic);
      const players = { plan, stage, folder, traffic, mischief, tell };
      const played: Played = await play(players);
      notes.push(...played.notes);
      const evidence = await gatherEvidence(players, played);
      onEvidence?.(evidence);
      broken.push(...played.broken, ...brokenInvariants(evidence));
    } finally {
      await stage.stop();
    }
  } catch (error) {
    isUnclear = true;
    notes.push(`the run itself failed: ${(error as Error).stack ?? error}`);
  }
  const verdict = broken.length > 0 ? "broken" : isUnclear ? "unclear" : "held";
  if (verdict === "held" && !keep) await rm(folder, { recursive: true, force: true });
  else
    await writeFile(join(folder, "story.log"), `${[...story, ...broken, ...notes].join("\n")}\n`);
  return {
    seed,
    kinds,
    state,
    verdict,
    faults: plan.faults.map((fault) => ({
      kind: fault.kind,
      words: wordsOf(fault),
      came: mischief.struck.has(fault),
    })),
    broken,
    notes,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    ...((verdict !== "held" || keep) && { folder }),
  };
}
