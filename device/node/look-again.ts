import { setTimeout as sleep } from "node:timers/promises";

/** Something that is looked at again and again. */
export type Looking = {
  /** Looks now, after a look that is under way: two at once would tell everything twice. */
  look(): Promise<void>;
  /** Looks again and again from now on. */
  begin(): void;
  /** Whether a look should end early. */
  isClosed(): boolean;
  close(): Promise<void>;
};

export type LookParts = {
  readonly lookOnce: () => Promise<void>;
  /** Between two looks, in milliseconds; asked each time. */
  readonly pause: () => number;
  /** Told why a look that nobody asked for came to nothing. */
  readonly failed: (error: unknown) => void;
};

export function lookAgain({ lookOnce, pause, failed }: LookParts): Looking {
  const stop = new AbortController();
  let last: Promise<void> = Promise.resolve();
  let running: Promise<void> | undefined;

  function look(): Promise<void> {
    const looked = last.then(lookOnce);
    last = looked.catch(() => undefined);
    return looked;
  }

  async function lookOn(): Promise<void> {
    while (!stop.signal.aborted) {
      await look().catch(failed);
      await sleep(pause(), undefined, { signal: stop.signal }).catch(() => undefined);
    }
  }

  return {
    look,
    begin() {
      running ??= lookOn();
    },
    isClosed: () => stop.signal.aborted,
    async close() {
      stop.abort();
      await running;
      await last;
    },
  };
}
