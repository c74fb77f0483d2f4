import { open } from "node:fs/promises";

/** Node writes no more than 2 GiB in one call. */
const PIECE_BYTES = 64 * 1024 * 1024;

/** Whole or not at all is the caller's to see to: under another name first, then renamed. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "wx");
  try {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      await handle.writeFile(bytes.subarray(at, at + PIECE_BYTES));
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A rename is durable only when its folder is. Windows has no such call and needs none. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
