import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EXIT } from "@link-rewards/host/program";
import {
  type BundleFiles,
  bundleOf,
  inOrder,
  leavesOf,
  proposeFiles,
  publishFiles,
  withRewards,
} from "../../test/oracle/support/forger.ts";
import { startOracle } from "../local/oracle-process.ts";
import {
  auditAnswerIn,
  auditArgs,
  crashIn,
  type Ended,
  type WatchAnswer,
  watchAnswerIn,
  watchArgs,
} from "./commands.ts";
import type { OutsiderManner } from "./draw.ts";
import { mannerOf } from "./rpc-manners.ts";
import type { Stage } from "./stage.ts";

/** Longer than a look takes on a busy machine. One that is given up has said nothing. */
const LOOK_MS = 30_000;
/** In the whole of an outsider's patience a fault of its node lasts. */
const NEVER = Promise.withResolvers<void>().promise;

/** What is there to be seen. */
export type Scene = "honest" | "dishonest";

/**
 * What is wrong with what a watcher says while a proposal is pending. `can`: whether its node and the mirror are good, so
 * that it can tell.
 */
export function wrongWatch(
  scene: Scene,
  code: number | null,
  { verdict }: WatchAnswer,
  can: "can tell" | "may not know",
): string | undefined {
  if (code === EXIT.ok && verdict?.verdict !== "agrees")
    return `saw nothing where ${scene === "honest" ? "an honest" : "a dishonest"} proposal is`;
  if (code === EXIT.differs && scene === "honest") return "called an honest proposal wrong";
  if (code === EXIT.ok && scene === "dishonest") return "called a dishonest proposal right";
  if (can === "can tell" && code !== EXIT.ok && code !== EXIT.differs)
    return `ended with ${code} where nothing kept it from telling`;
  return undefined;
}

/** As above, of an audit of all epochs, of which the first `last` are final and honest. */
export function wrongAudit(last: number, code: number | null, epochs: readonly number[]) {
  if (code === EXIT.differs) return "called an honest epoch wrong";
  if (code === EXIT.ok && epochs.length !== last)
    return `called all right with ${epochs.length} of ${last} epochs`;
  return undefined;
}

/** Who is no member, and looks on through a node that is bad at it. Each answer that is wrong, in a sentence. */
export type Outsider = {
  /** While an honest proposal is pending. */
  watch(epoch: number, manner: OutsiderManner): Promise<readonly string[]>;
  /** When all epochs up to `last` are final. */
  audit(last: number, manner: OutsiderManner): Promise<readonly string[]>;
};

/** `since`: a block of the time before what is to be seen: there a node stands that stands still. */
export function createOutsider(
  stage: Stage,
  folder: string,
  since: () => number,
  tell: (line: string) => void,
): Outsider {
  const { devnet } = stage.world;
  const { deploymentFile } = devnet;
  const bad = { rpcUrl: stage.outsider.url, deploymentFile };
  const good = { rpcUrl: devnet.rpcUrl, deploymentFile };

  async function run(args: readonly string[]): Promise<Ended & { readonly stdout: string }> {
    const process = startOracle(args, stage.watcher);
    const patience = setTimeout(() => process.child.kill("SIGKILL"), LOOK_MS);
    const ended = await process.finished;
    clearTimeout(patience);
    return ended;
  }

  async function behind<T>(manner: OutsiderManner, look: () => Promise<T>): Promise<T> {
    stage.outsider.behave(mannerOf(manner, since(), NEVER));
    try {
      return await look();
    } finally {
      stage.outsider.behave(undefined);
    }
  }

  /** Its words, and what is wrong with them. */
  function judged(what: string, ended: Ended, wrong: string | undefined): readonly string[] {
    const { code, signal, stderr } = ended;
    tell(`${what} ended with ${signal ?? code}: ${stderr.trim().split("\n").at(-1) ?? ""}`);
    const crash = signal === null ? crashIn(ended) : undefined;
    return [
      ...(wrong === undefined ? [] : [`${what} ${wrong}`]),
      ...(crash === undefined ? [] : [`${what} crashed, ${crash}`]),
    ];
  }

  async function look(
    scene: Scene,
    epoch: number,
    bundles: readonly string[],
    manner?: OutsiderManner,
  ) {
    const ended = await run(watchArgs(manner === undefined ? good : bad, bundles));
    const { code, stdout } = ended;
    const can = manner === undefined ? "can tell" : "may not know";
    const wrong = wrongWatch(scene, code, watchAnswerIn(stdout), can);
    const node = manner === undefined ? "" : ` behind a node that is ${manner}`;
    return judged(`epoch ${epoch}: watch${node}`, ended, wrong);
  }

  /** Members sign what is not so in the place of the proposal that is pending; then none of it has happened. */
  async function withDishonest<T>(epoch: number, work: (bundles: readonly string[]) => Promise<T>) {
    const { provider, suite, now, role } = devnet;
    const honest = await honestBundle(stage, epoch);
    const forged = honest && withMore(honest);
    if (forged === undefined) return undefined;
    const time = await now();
    const snapshot = await provider.send("evm_snapshot", []);
    try {
      const guardian = suite.ledger.connect(role("guardian"));
      await (await guardian.veto((await suite.ledger.proposal()).digest)).wait();
      const [first, ...others] = stage.members;
      if (first === undefined) return undefined;
      await proposeFiles(stage.world, first, forged, ...others);
      const published = join(folder, "dishonest");
      await mkdir(published, { recursive: true });
      await publishFiles(published, epoch, forged);
      return await work([published, stage.mirror.url]);
    } finally {
      await provider.send("evm_revert", [snapshot]);
      await provider.send("evm_setNextBlockTimestamp", [time + 1]);
      await provider.send("evm_mine", []);
      await stage.syncClocks();
    }
  }

  return {
    async watch(epoch, manner) {
      const behindIt = await behind(manner, () =>
        look("honest", epoch, [stage.mirror.url], manner),
      );
      const dishonest = await withDishonest(epoch, async (bundles) => [
        ...(await look("dishonest", epoch, bundles)),
        ...(await behind(manner, () => look("dishonest", epoch, bundles, manner))),
      ]);
      return [...behindIt, ...(dishonest ?? [])];
    },
    async audit(last, manner) {
      const ended = await behind(manner, () => run(auditArgs(bad, stage.mirror.url)));
      const wrong = wrongAudit(last, ended.code, auditAnswerIn(ended.stdout));
      return judged(`audit behind a node that is ${manner}`, ended, wrong);
    },
  };
}

/** Of a member that has published it. */
async function honestBundle(stage: Stage, epoch: number): Promise<BundleFiles | undefined> {
  for (const member of stage.present()) {
    const files = await bundleOf(member, epoch).catch(() => undefined);
    if (files !== undefined) return files;
  }
  return undefined;
}

/** A wei more for the first account; nothing where nobody earns. */
function withMore(honest: BundleFiles): BundleFiles | undefined {
  const [first, ...others] = leavesOf(honest);
  if (first === undefined) return undefined;
  const leaves = inOrder([{ ...first, cumulative: first.cumulative + 1n }, ...others]);
  return withRewards(honest, { leaves });
}
