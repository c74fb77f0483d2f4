import { randomInt } from "node:crypto";
import type { BlockMark } from "@link-rewards/core/law/block";
import { emptyLaw, type Law } from "@link-rewards/core/law/law";
import { applyEvent } from "@link-rewards/core/law/replay";
import type { Chain } from "@link-rewards/host/chain/chain";
import type { LawSnapshots } from "../edge/law-snapshots.ts";

type OnProgress = (through: number, target: number) => void;

/** Reads the law again and again, and each time only what is new. */
export type LawReader = {
  /**
   * As an outsider reads it: up to the newest block, so that what is pending is in it. Good until the next reading. Throws
   * IncompleteEvents when the node did not give all of it, and Implausible when what it says does not go on from what was
   * read before.
   */
  read(onProgress?: OnProgress): Promise<Law>;
};

/** What no reorg undoes is kept, in memory and in `snapshots`; what came after it is read anew each time. */
export function createLawReader(chain: Chain, snapshots?: LawSnapshots): LawReader {
  let base: { readonly law: Law; readonly block: BlockMark } | undefined;
  /** The highest block that was final. */
  let seen: BlockMark | undefined;

  const isInChain = async ({ number, hash }: BlockMark) =>
    (await chain.block(number))?.hash === hash;

  async function readFinalized(onProgress: OnProgress | undefined): Promise<BlockMark> {
    seen ??= await snapshots?.seen();
    chain.remember(seen);
    const target = await chain.finalized();
    base ??= await snapshots?.load(target.number, isInChain);
    const { law, block } = base ?? { law: newLaw(), block: undefined };
    // Not known until all of it is there: half of what is new would be applied twice.
    base = undefined;
    const from = block === undefined ? chain.startBlock : block.number + 1;
    await readOn(chain, law, from, Math.max(target.number, block?.number ?? 0), onProgress);
    const reached =
      block !== undefined && block.number > target.number
        ? block
        : { number: target.number, hash: target.hash };
    base = { law, block: reached };
    if (reached.number > (seen?.number ?? -1)) {
      seen = reached;
      await snapshots?.see(reached);
    }
    await snapshots?.save(base);
    return reached;
  }

  return {
    async read(onProgress) {
      const { number } = await readFinalized(onProgress);
      const { law } = base as { law: Law };
      const head = await chain.head();
      if (head.number <= number) return law;
      const newest = structuredClone(law);
      await readOn(chain, newest, number + 1, head.number, onProgress);
      return newest;
    },
  };
}

/** Once, from the first event on. */
export async function readLaw(chain: Chain, onProgress?: OnProgress): Promise<Law> {
  const law = newLaw();
  const { number } = await chain.head();
  await readOn(chain, law, chain.startBlock, number, onProgress);
  return law;
}

async function readOn(
  chain: Chain,
  law: Law,
  from: number,
  to: number,
  onProgress: OnProgress | undefined,
): Promise<void> {
  for await (const { events, through } of chain.events(from, to, law.revisions)) {
    for (const event of events) applyEvent(law, event);
    onProgress?.(through, to);
  }
}

function newLaw(): Law {
  return emptyLaw(randomInt(2 ** 32));
}
