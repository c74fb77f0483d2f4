import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { InsufficientStorageError } from "nephele";

/** What a folder may take. All numbers are bytes; files and folders weigh whole blocks, so that empty ones are not free. */
export type Quota = {
  readonly bytes: number;
  /** What is neither taken nor on its way. */
  free(): number;
  /** Counts what is on its way in, until it is released. Throws InsufficientStorageError where there is no room. */
  hold(bytes: number): void;
  release(bytes: number): void;
  /** One change after the other; what it does to `paths` is counted. */
  change<T>(paths: readonly string[], work: () => Promise<T>): Promise<T>;
};

/** Of most file systems. */
export const BLOCK_BYTES = 4_096;

export async function openQuota(folder: string, bytes: number): Promise<Quota> {
  let taken = await weigh(folder);
  let held = 0;
  let last: Promise<unknown> = Promise.resolve();
  const free = () => bytes - taken - held;
  const weighAll = async (paths: readonly string[]) => {
    let sum = 0;
    for (const path of paths) sum += await weigh(path);
    return sum;
  };

  async function counted<T>(paths: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = await weighAll(paths);
    try {
      return await work();
    } finally {
      taken += (await weighAll(paths)) - before;
    }
  }

  return {
    bytes,
    free,
    hold(more) {
      if (more > free()) throw new InsufficientStorageError(`no more than ${bytes} bytes are kept`);
      held += more;
    },
    release(less) {
      held -= less;
    },
    change(paths, work) {
      const mine = last.then(() => counted(paths, work));
      last = mine.catch(() => undefined);
      return mine;
    },
  };
}

/** With all that is in it; nothing for what is not there. Links weigh what they are, not what they name. */
async function weigh(path: string): Promise<number> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (found === undefined) return 0;
  let sum = Math.ceil(Math.max(1, found.size) / BLOCK_BYTES) * BLOCK_BYTES;
  if (!found.isDirectory()) return sum;
  sum = BLOCK_BYTES;
  for (const name of await readdir(path)) sum += await weigh(join(path, name));
  return sum;
}
