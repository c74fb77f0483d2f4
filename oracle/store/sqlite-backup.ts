import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { pipeline } from "node:stream/promises";
import { syncFolder } from "@link-rewards/host/durable-files";
import { misuse } from "@link-rewards/host/program";
import { MARK_COPY } from "./reports.ts";
import { sqliteError, sqliteFileIn } from "./sqlite.ts";

/** 16 MiB: between two steps the progress is told. */
const PAGES_A_STEP = 4_096;

export type Backup = {
  readonly file: string;
  readonly bytes: number;
  /** The newest epoch of which it has receipts; null without any. */
  readonly epoch: number | null;
  /** SHA-256 of the file, as `sha256sum` shows it. */
  readonly sha256: string;
};

/**
 * Copies the store in `folder` as it is at one moment, while other processes write to it, and marks the copy as one: it is
 * whole and on disk under its name, or not there. `onProgress` is told how much is done, from 0 to 1. Only the log beside
 * the store grows meanwhile.
 */
export async function backUpSqlite(
  folder: string,
  to: string,
  onProgress: (done: number) => void,
): Promise<Backup> {
  const file = resolve(to);
  const partial = `${file}.partial`;
  await refuseExisting(file);
  await reserve(partial);
  try {
    const epoch = await copy(sqliteFileIn(folder), partial, onProgress);
    finish(partial);
    await sync(partial);
    const { size } = await stat(partial);
    const sha256 = await sha256Of(partial);
    await refuseExisting(file);
    await rename(partial, file);
    await syncFolder(dirname(file));
    return { file, bytes: size, epoch, sha256 };
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function copy(
  store: string,
  to: string,
  onProgress: (done: number) => void,
): Promise<number | null> {
  let source: DatabaseSync | undefined;
  try {
    source = new DatabaseSync(store, { readOnly: true });
    // A reader's view, held until the end: without it each commit of another process makes the copy begin anew.
    source.exec("BEGIN");
    const row = source.prepare("SELECT MAX(epoch) AS epoch FROM receipts").get();
    await backup(source, to, {
      rate: PAGES_A_STEP,
      progress: ({ totalPages, remainingPages }) => onProgress(1 - remainingPages / totalPages),
    });
    return (row as { epoch: number | null }).epoch;
  } catch (cause) {
    throw sqliteError(`cannot copy the store ${store}`, cause);
  } finally {
    source?.close();
  }
}

/** Marks it, and reads it whole: a copy that is damaged is of no use to anybody. */
function finish(partial: string): void {
  const copied = new DatabaseSync(partial);
  try {
    // One file, with no log beside it, until a process opens it as a store.
    copied.exec("PRAGMA journal_mode = DELETE");
    copied.exec(MARK_COPY);
    const [found] = copied.prepare("PRAGMA quick_check(1)").all() as { quick_check: string }[];
    if (found?.quick_check !== "ok")
      throw new Error(`the store is damaged, and so would be its copy: ${found?.quick_check}`);
  } finally {
    copied.close();
  }
}

async function refuseExisting(file: string): Promise<void> {
  const there = await stat(file).catch(() => undefined);
  if (there !== undefined)
    throw misuse(`${file} is there already, and is not overwritten: give another name`);
}

/** Of two backups to one name the second ends here. */
async function reserve(partial: string): Promise<void> {
  try {
    await (await open(partial, "wx", 0o600)).close();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new Error(
      `${partial} is there: another backup is running, or one was killed; then remove it`,
      { cause },
    );
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
