import { openBundles } from "../edge/bundles.ts";
import { ARRIVAL_TABLES } from "../edge/peers.ts";
import { adoptFinal } from "./adopt.ts";
import { beforeStart } from "./follow.ts";
import type { Oracle } from "./oracle.ts";
import { type Replicated, replicateFrom } from "./replicate.ts";

/** What a person does to an epoch by hand: done, or why it must not be. */
export type Intervention = { readonly done: boolean; readonly message: string };

const done = (message: string): Intervention => ({ done: true, message });
const refused = (message: string): Intervention => ({ done: false, message });
const MOVED_MEANWHILE = refused("another process moved the epoch on meanwhile; look again");

/** Publishes the chain's bundle of a final epoch, from peers or the given mirrors. */
export async function adopt(
  oracle: Oracle,
  epoch: number,
  mirrors: readonly string[],
): Promise<Intervention> {
  const { store, follower } = oracle;
  await follower.refresh();
  const outcome = await adoptFinal(oracle, epoch, mirrors.map(openBundles));
  if ("amiss" in outcome) return refused(outcome.amiss);
  const bundleHash = follower.law().finals.get(epoch)?.bundleHash;
  const row = await store.getEpoch(epoch);
  await store.advance(epoch, row?.state, "final", { ...(bundleHash && { bundleHash }) });
  return done(`epoch ${epoch} is published here with the chain's bundle ${bundleHash}`);
}

const BEFORE_SIGNING = ["sealed", "computed", "published", "held"];

/** Back to where the epoch is computed, as long as this member has signed nothing of it in the attempt that is open. */
export async function recompute(oracle: Oracle, epoch: number): Promise<Intervention> {
  const { store, follower } = oracle;
  await follower.refresh();
  const { lastFinal, attempt } = follower.law();
  if (epoch <= lastFinal.epoch)
    return refused(`epoch ${epoch} is final; adopt ${epoch} takes the chain's bundle`);
  if ((await store.recordedReport(epoch, attempt)) !== undefined) {
    return refused(
      `this member has signed a report of epoch ${epoch} attempt ${attempt}: another one would cost its bond. It can be computed anew in the next attempt`,
    );
  }
  const row = await store.getEpoch(epoch);
  if (row?.state === "held" && row.heldBy === "person")
    return refused(`epoch ${epoch} is held by hand: ${row.heldReason}; release it first`);
  if (row === undefined || !BEFORE_SIGNING.includes(row.state) || row.sealBlock === undefined)
    return refused(`epoch ${epoch} is ${row?.state ?? "open"}: there is nothing to compute anew`);
  if (!(await store.advance(epoch, row.state, "sealed"))) return MOVED_MEANWHILE;
  return done(`epoch ${epoch} is computed anew by the next close`);
}

/**
 * Reads all peers' arrivals from their beginning; with `chain` also the chain's events, and gives up what was seen to be
 * final.
 */
export async function resync(
  oracle: Oracle,
  { chain = false }: { readonly chain?: boolean } = {},
): Promise<Readonly<Record<string, Replicated | { readonly failed: string }>>> {
  const { store, peers, follower } = oracle;
  if (chain) await store.rollback(await beforeStart(oracle.chain));
  await follower.refresh();
  const read = await Promise.all(
    peers.urls.map(async (url) => {
      for (const table of ARRIVAL_TABLES) await store.setPeerCursor(url, table, undefined);
      try {
        return [url, await replicateFrom(oracle, url)] as const;
      } catch (error) {
        return [url, { failed: (error as Error).message }] as const;
      }
    }),
  );
  return Object.fromEntries(read);
}

/** Stops this member's work on an epoch, its signature for others included, until it is released. */
export async function hold(oracle: Oracle, epoch: number, reason: string): Promise<Intervention> {
  const { store, follower } = oracle;
  await follower.refresh();
  const rows = await store.epochs();
  const row = rows.find((each) => each.epoch === epoch);
  const lastFinal = follower.law().lastFinal.epoch;
  if (row?.state === "final" || epoch <= lastFinal) return refused(`epoch ${epoch} is final`);
  // Work goes on with the first that is not final: one further on would be in the way of those before it.
  const next = Math.max(lastFinal, rows.at(-1)?.epoch ?? 0) + 1;
  if (row === undefined && epoch !== next)
    return refused(`epoch ${epoch} is not worked on before epoch ${next} is final`);
  const state = row?.state ?? "open";
  const heldFrom = state === "held" ? row?.heldFrom : state;
  const fields = { heldReason: reason, heldBy: "person" as const, ...(heldFrom && { heldFrom }) };
  if (!(await store.advance(epoch, row?.state, "held", fields))) return MOVED_MEANWHILE;
  return done(`epoch ${epoch} is held: ${reason}`);
}

/**
 * A person has looked: the epoch goes on, and its guards are passed over in the attempt that is open. In the next one
 * they stop it anew: what made it come to a next one is more than the person has seen.
 */
export async function release(oracle: Oracle, epoch: number): Promise<Intervention> {
  const { store, follower } = oracle;
  await follower.refresh();
  const row = await store.getEpoch(epoch);
  if (row?.state !== "held") return refused(`epoch ${epoch} is not held`);
  const { lastFinal, attempt } = follower.law();
  const releasedAttempt = epoch === lastFinal.epoch + 1 ? attempt : 0;
  const to = row.heldFrom ?? "published";
  const fields = { heldBy: "program" as const, releasedAttempt };
  if (!(await store.advance(epoch, "held", to, fields))) return MOVED_MEANWHILE;
  return done(
    `epoch ${epoch} goes on from ${to} with the next close; its guards are passed over in attempt ${releasedAttempt}`,
  );
}
