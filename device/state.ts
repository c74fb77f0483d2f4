import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** A value kept in one small file, so that a power cut leaves the old one or the new one, never a half. */
export type StateFile<T> = {
  readonly value: T;
  /** Resolves when the value as it is now, or a later one, is on the disk. */
  save(): Promise<void>;
};

export async function openStateFile<T>(
  path: string,
  {
    parse,
    toJson,
    initial,
  }: { parse: (json: unknown) => T; toJson: (value: T) => unknown; initial: () => T },
): Promise<StateFile<T>> {
  const value = await read(path, parse, initial);
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const write = () => replaceFile(path, JSON.stringify(toJson(value), undefined, 1));
  return {
    value,
    save() {
      // One after the other, and one for all who ask before it begins; that an earlier one failed is the business of whoever
      // waited for it.
      const begin = () => {
        next = undefined;
        return write();
      };
      if (next === undefined) {
        next = last.then(begin, begin);
        last = next;
      }
      return next;
    },
  };
}

async function read<T>(path: string, parse: (json: unknown) => T, initial: () => T): Promise<T> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new Error(`cannot read ${path}`, { cause });
  });
  if (text === undefined) return initial();
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    const advice =
      "If it is damaged, remove it to go on as after a loss of state; never put back an older copy.";
    throw new Error(`${path} cannot be used: ${(cause as Error).message}. ${advice}`, { cause });
  }
}

/** Write beside it, fsync, rename, fsync the folder: what a rename means after a power cut needs both. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await moveDurably(temporary, path);
}

export async function moveDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  // Windows has no fsync of a folder; its rename is written through.
  if (process.platform === "win32") return;
  const folder = await open(dirname(to), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
