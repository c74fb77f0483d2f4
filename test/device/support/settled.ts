import { setTimeout as sleep } from "node:timers/promises";

/** What `look` gives once it gives something: for what other processes and sockets bring about. Mocha's limit ends it. */
export async function settled<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await sleep(10);
  }
}
