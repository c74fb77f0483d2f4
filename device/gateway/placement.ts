import type { Log } from "../log.ts";
import type { Dispatch, Ranked } from "./dispatch.ts";
import type { KeptFile } from "./peer.ts";
import type { Places } from "./places.ts";

/** A device that can be given a copy. */
export type Shelf = Ranked & {
  /** As it says: who says too much refuses the copy, and who says too little gets none. */
  readonly freeBytes: number;
  keep(file: KeptFile): Promise<void>;
};

export type PlacementParts = {
  readonly files: readonly KeptFile[];
  readonly places: Places;
  readonly dispatch: Dispatch;
  readonly log: Log;
};

/** At once: the way out of the gateway is for its users. */
const MOST_COPIES = 2;
/** Refusals that will be the same the next time. */
const OF_CONTENT = ["too-large", "content-mismatch"];

/**
 * Has contents copied until each is kept on as many devices as it is to be, the nearest with room first. One such work at a
 * time: who asks for more while it goes on waits for that one.
 */
export function placer({ files, places, dispatch, log }: PlacementParts) {
  let working: Promise<void> | undefined;

  /** One copy after the other of one content, until there are enough or nobody is left. */
  async function copyOne(file: KeptFile, shelves: readonly Shelf[]): Promise<void> {
    const { root, size } = file.contentTree;
    const { ready } = dispatch.rank(shelves, size);
    for (const shelf of ready) {
      if (places.missing(file) === 0) return;
      if (shelf.freeBytes < size || !places.mayKeep(root, shelf.device)) continue;
      try {
        await shelf.keep(file);
        places.kept(file, shelf.device);
        log("info", "copied", { root, device: shelf.device });
      } catch (error) {
        const { message: reason, refusal } = error as Error & { readonly refusal?: string };
        log("warn", "not-copied", { root, device: shelf.device, reason });
        // What is refused for another reason than the content itself costs nothing to try again.
        if (refusal === undefined || OF_CONTENT.includes(refusal))
          places.lost(root, shelf.device, reason);
      }
    }
  }

  async function work(shelves: readonly Shelf[]): Promise<void> {
    const queue = files.filter((file) => places.missing(file) > 0);
    const copyNext = async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift())
        await copyOne(file, shelves);
    };
    await Promise.all(Array.from({ length: MOST_COPIES }, copyNext));
  }

  return (shelves: readonly Shelf[]): Promise<void> => {
    working ??= work(shelves).finally(() => {
      working = undefined;
    });
    return working;
  };
}
