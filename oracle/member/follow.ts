import type { BlockMark } from "@link-rewards/core/law/block";
import { emptyLaw, type Law } from "@link-rewards/core/law/law";
import { applyEvent } from "@link-rewards/core/law/replay";
import type { Chain } from "../edge/chain.ts";
import type { Store } from "../store/store.ts";

/** The law as of the newest finalized block, kept in memory over the stored events. */
export type LawFollower = {
  law(): Law;
  /** The block up to which the law is read; undefined before the first refresh. */
  through(): BlockMark | undefined;
  /** Reads what the chain has finalized since; resumable, and safe when two processes do it at once. */
  refresh(onProgress?: (through: number, target: number) => void): Promise<void>;
};

export function followLaw(chain: Chain, store: Store): LawFollower {
  let law = emptyLaw();
  let applied: BlockMark | undefined;

  async function fetchEvents(onProgress?: (through: number, target: number) => void) {
    const target = await chain.finalized();
    let cursor = await store.cursor();
    if (cursor !== undefined && (await chain.block(cursor.number))?.hash !== cursor.hash) {
      // Finality was too shallow, or the node is another chain's. Nothing read before can be trusted: read all again.
      cursor = await beforeStart(chain);
      await store.rollback(cursor);
    }
    const from = cursor === undefined ? chain.startBlock : cursor.number + 1;
    let after = cursor;
    for await (const { events, through } of chain.events(from, target.number)) {
      const mark = through === target.number ? target : await chain.block(through);
      if (mark === undefined)
        throw new Error(`the RPC node lost block ${through} while it was read`);
      const reached = { number: mark.number, hash: mark.hash };
      // Another process of ours reads the same chain and was faster: what it stored is what we would have.
      if (!(await store.appendEvents(after, events, reached))) return;
      after = reached;
      onProgress?.(through, target.number);
    }
  }

  /** Whoever asks meanwhile gets the law as it was: a law that is half read would refuse what is right. */
  async function applyStored() {
    const cursor = await store.cursor();
    const next = (await isForked(cursor)) ? emptyLaw() : law;
    for await (const event of store.events(next.position.blockNumber + 1)) applyEvent(next, event);
    law = next;
    applied = cursor;
  }

  /** Another process may have rolled the store back and read on: only the chain knows whether our block is still in it. */
  async function isForked(cursor: BlockMark | undefined): Promise<boolean> {
    if (applied === undefined || applied.hash === cursor?.hash) return false;
    return (await chain.block(applied.number))?.hash !== applied.hash;
  }

  let last: Promise<void> = Promise.resolve();
  return {
    law: () => law,
    through: () => applied,
    refresh(onProgress) {
      // One after the other: two at once would apply an event twice.
      const refreshed = last.then(() => fetchEvents(onProgress)).then(applyStored);
      last = refreshed.catch(() => undefined);
      return refreshed;
    },
  };
}

async function beforeStart(chain: Chain): Promise<BlockMark> {
  const number = Math.max(0, chain.startBlock - 1);
  const block = await chain.block(number);
  if (block === undefined) throw new Error(`the RPC node does not have block ${number}`);
  return { number, hash: block.hash };
}
