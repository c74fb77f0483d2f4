export type BatcherOptions<Item, Answer> = {
  /** What counts towards `most`. */
  readonly sizeOf: (item: Item) => number;
  /** In one run: larger ones would make one wait for another's. A single larger item goes alone. */
  readonly most: number;
  /** Runs at a time: as many as keep those who work busy, and no more, for what waits is run together. */
  readonly runs: number;
  /** Answers in the order of the items; when it rejects, every one of them is told so. */
  readonly run: (items: readonly Item[]) => Promise<readonly Answer[]>;
};

export type Batcher<Item, Answer> = {
  add(item: Item): Promise<Answer>;
  /** Resolves when all that was added is settled. */
  settled(): Promise<void>;
};

type Waiter<Item, Answer> = {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
};

/** Does in few runs what comes in many small pieces. The first goes at once; while it runs, the next are gathered. */
export function openBatcher<Item, Answer>(
  options: BatcherOptions<Item, Answer>,
): Batcher<Item, Answer> {
  const { sizeOf, most, runs, run } = options;
  const waiting: Waiter<Item, Answer>[] = [];
  const idle: (() => void)[] = [];
  let running = 0;

  async function work(): Promise<void> {
    running++;
    while (waiting.length > 0) {
      // What arrives in one turn of the event loop goes together.
      await new Promise((resolve) => setImmediate(resolve));
      const group = takeGroup();
      if (group.length > 0) await settle(group);
    }
    // In the same turn as the last look at what waits: who adds after it begins a run anew.
    running--;
    if (running === 0) for (const tell of idle.splice(0)) tell();
  }

  /** The first, and as many of the next as fit. */
  function takeGroup(): readonly Waiter<Item, Answer>[] {
    let size = 0;
    const tooMany = waiting.findIndex(({ item }, i) => {
      size += sizeOf(item);
      return i > 0 && size > most;
    });
    return waiting.splice(0, tooMany === -1 ? waiting.length : tooMany);
  }

  async function settle(group: readonly Waiter<Item, Answer>[]): Promise<void> {
    try {
      const answers = await run(group.map(({ item }) => item));
      for (const [i, { resolve }] of group.entries()) resolve(answers[i] as Answer);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        if (running < runs) void work();
      }),
    settled: () =>
      new Promise((resolve) => {
        if (running === 0) resolve();
        else idle.push(resolve);
      }),
  };
}
