import { randomInt } from "node:crypto";
import type { Block, BlockMark } from "@link-rewards/core/law/block";
import { emptyLaw, type Law } from "@link-rewards/core/law/law";
import { applyEvent } from "@link-rewards/core/law/replay";
import type { Chain } from "@link-rewards/host/chain/chain";
import { isIncompleteEvents } from "@link-rewards/host/chain/law-events";
import type { LawSnapshots } from "../edge/law-snapshots.ts";
import type { Store } from "../store/store.ts";

/** The law as of the newest finalized block, kept in memory over a snapshot and the stored events. */
export type LawFollower = {
  law(): Law;
  /** The block up to which the law is read; undefined before the first refresh. */
  through(): BlockMark | undefined;
  /** Everything that took effect before this time is known, in unix seconds; 0 before the first refresh. */
  knownUntil(): number;
  /**
   * Reads what the chain has finalized since; resumable, and safe when two processes do it at once. Throws
   * IncompleteEvents when the node did not give all of it, and Implausible when what it says now does not go on from what
   * is stored.
   */
  refresh(onProgress?: OnProgress): Promise<void>;
};

type OnProgress = (through: number, target: number) => void;

export function followLaw(chain: Chain, store: Store, snapshots?: LawSnapshots): LawFollower {
  let law = newLaw();
  let through: BlockMark | undefined;
  let knownUntil = 0;
  /** What is read, and how far. Another law than the one that is asked only while it is read anew. */
  let reading = law;
  let applied: BlockMark | undefined;
  /** Of the law that was last begun with. */
  let snapshotAt: BlockMark | undefined;

  async function readOn(onProgress: OnProgress | undefined): Promise<void> {
    // As it is stored by now, by whichever process of ours: a person may have given it up.
    chain.remember(await store.cursor());
    const target = await chain.finalized();
    await applyStored();
    try {
      // Another process of ours that reads the same chain was faster: go on from what it stored.
      while (!(await fetchEvents(target, onProgress))) await applyStored();
    } catch (error) {
      if (isIncompleteEvents(error)) await forgetIncomplete();
      throw error;
    }
    await applyStored();
    law = reading;
    through = applied;
    knownUntil = target.timestamp;
    if (through !== undefined) await snapshots?.save({ law, block: through });
  }

  /** False when the store was moved on meanwhile. */
  async function fetchEvents(target: Block, onProgress: OnProgress | undefined): Promise<boolean> {
    let after = applied;
    const from = after === undefined ? chain.startBlock : after.number + 1;
    const to = Math.max(target.number, after?.number ?? 0);
    for await (const page of chain.events(from, to, reading.revisions)) {
      const mark = page.through === target.number ? target : await chain.block(page.through);
      if (mark === undefined)
        throw new Error(`the RPC node lost block ${page.through} while it was read`);
      const reached = { number: mark.number, hash: mark.hash };
      if (!(await store.appendEvents(after, page.events, reached))) return false;
      after = reached;
      onProgress?.(page.through, target.number);
    }
    return true;
  }

  /** What was stored since all of it was known to be there goes, so that it is asked for again. */
  async function forgetIncomplete(): Promise<void> {
    await store.rollback(through ?? snapshotAt ?? (await beforeStart(chain)));
    reading = newLaw();
    applied = undefined;
    snapshotAt = undefined;
  }

  /** Whoever asks meanwhile gets the law as it was: a law that is half read would refuse what is right. */
  async function applyStored(): Promise<void> {
    const cursor = await store.cursor();
    if (await isForked(cursor)) {
      reading = newLaw();
      snapshotAt = undefined;
    }
    if (reading.position.blockNumber < 0 && cursor !== undefined) await beginWithSnapshot(cursor);
    const from = reading.position.blockNumber + 1;
    for await (const event of store.events(from)) {
      // What another process of ours has stored since the cursor was read is for the next time.
      if (event.blockNumber > (cursor?.number ?? -1)) break;
      applyEvent(reading, event);
    }
    applied = cursor;
  }

  /** Of a block that is stored: the history that leads to one block of a chain is the same for all. */
  async function beginWithSnapshot(cursor: BlockMark): Promise<void> {
    const found = await snapshots?.load(cursor.number, isInChain);
    if (found === undefined) return;
    reading = found.law;
    snapshotAt = found.block;
  }

  async function isInChain({ number, hash }: BlockMark): Promise<boolean> {
    return (await chain.block(number))?.hash === hash;
  }

  /** Another process may have rolled the store back and read on: only the chain knows whether our block is still in it. */
  async function isForked(cursor: BlockMark | undefined): Promise<boolean> {
    if (applied === undefined || applied.hash === cursor?.hash) return false;
    return !(await isInChain(applied));
  }

  let last: Promise<void> = Promise.resolve();
  return {
    law: () => law,
    through: () => through,
    knownUntil: () => knownUntil,
    refresh(onProgress) {
      // One after the other: two at once would apply an event twice.
      const refreshed = last.then(() => readOn(onProgress));
      last = refreshed.catch(() => undefined);
      return refreshed;
    },
  };
}

function newLaw(): Law {
  return emptyLaw(randomInt(2 ** 32));
}

/** Where reading begins. */
export async function beforeStart(chain: Chain): Promise<BlockMark> {
  const number = Math.max(0, chain.startBlock - 1);
  const block = await chain.block(number);
  if (block === undefined) throw new Error(`the RPC node does not have block ${number}`);
  return { number, hash: block.hash };
}
