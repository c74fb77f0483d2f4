import { at } from "@link-rewards/core/encoding/at";

type Waiting = { readonly size: number; readonly begin: () => void };

export type Turns = {
  /** Does `work`, which counts for `size`, when it is `sender`'s turn. */
  take<T>(sender: string, size: number, work: () => Promise<T>): Promise<T>;
};

/**
 * Each sender in turn, whatever it has waiting: a thousand receipts of one make another's single one wait for a piece
 * of them only. At most `most` at a time, and whatever is larger alone.
 */
export function createTurns(most: number): Turns {
  /** The next to have its turn first. */
  const waiting = new Map<string, Waiting[]>();
  let running = 0;

  function beginNext(): void {
    for (const [sender, own] of waiting) {
      const next = at(own, 0);
      if (running > 0 && running + next.size > most) return;
      own.shift();
      waiting.delete(sender);
      if (own.length > 0) waiting.set(sender, own);
      running += next.size;
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
        beginNext();
      }
    },
  };
}
