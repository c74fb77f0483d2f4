import { at } from "@link-rewards/core/encoding/at";

type Waiting = { readonly size: number; readonly begin: () => void };

export type Turns = {
  /** Does `work`, which counts for `size`, when it is `sender`'s turn. */
  take<T>(sender: string, size: number, work: () => Promise<T>): Promise<T>;
};

/**
 * Each sender in turn, whatever it has waiting: a thousand receipts of one make another's single one wait for a piece
 * of them only. At most `most` at a time, and whatever is larger alone; for who has nothing at work, twice as much.
 */
export function createTurns(most: number): Turns {
  /** The next to have its turn first. */
  const waiting = new Map<string, Waiting[]>();
  let running = 0;
  const atWork = new Map<string, number>();

  function beginNext(): void {
    // What is small goes past what is large only where that has something at work: it would else wait for ever.
    let isFull = false;
    for (const [sender, own] of waiting) {
      const next = at(own, 0);
      const isNew = !atWork.has(sender);
      if (running > 0 && running + next.size > (isNew ? 2 * most : most)) {
        if (isNew) return;
        isFull = true;
      }
      if (isFull && !isNew) continue;
      own.shift();
      waiting.delete(sender);
      if (own.length > 0) waiting.set(sender, own);
      running += next.size;
      atWork.set(sender, (atWork.get(sender) ?? 0) + next.size);
      next.begin();
    }
  }

  return {
    async take(sender, size, work) {
      await new Promise<void>((begin) => {
        const own = waiting.get(sender);
        if (own === undefined) waiting.set(sender, [{ size, begin }]);
        else own.push({ size, begin });
        beginNext();
      });
      try {
        return await work();
      } finally {
        running -= size;
        const left = (atWork.get(sender) ?? 0) - size;
        if (left > 0) atWork.set(sender, left);
        else atWork.delete(sender);
        beginNext();
      }
    },
  };
}
