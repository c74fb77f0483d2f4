import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Longer than moved-clock.ts takes to look again. */
const SEEN_MS = 50;

const PRELOAD = fileURLToPath(new URL("moved-clock.ts", import.meta.url));

/** The clock of one machine: all processes that are started with it read it. */
export type MachineClock = {
  readonly nodeArgs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** How far it is ahead of this machine's, in milliseconds; done when whoever looks from then on sees it. */
  set(aheadMs: number): Promise<void>;
};

export async function createClock(folder: string, name: string): Promise<MachineClock> {
  const file = join(folder, `${name}.clock`);
  let written = 0;
  const set = async (aheadMs: number) => {
    // In one step: a process may read at any moment.
    const beside = `${file}.${++written}`;
    await writeFile(beside, String(aheadMs));
    await rename(beside, file);
    await sleep(SEEN_MS);
  };
  await set(0);
  return {
    nodeArgs: ["--import", PRELOAD],
    env: { LINK_FAULTS_CLOCK: file },
    set,
  };
}
