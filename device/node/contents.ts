import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { type Hex, isHexOf } from "@link-rewards/core/encoding/bytes";
import { proofOf } from "@link-rewards/core/encoding/tree";
import { CHUNK_BYTES, type ContentTree, chunkLength, contentTreeOf } from "../content.ts";
import type { Log } from "../log.ts";
import type { NodeRefused } from "../refusal.ts";
import { moveDurably } from "../state.ts";

/** Content the node keeps: one file each, named by its root. */
export type Contents = {
  list(): readonly ContentTree[];
  /** What there is room for, besides what is on its way. */
  freeBytes(): number;
  find(root: Hex): ContentTree | undefined;
  put(root: Hex, bytes: AsyncIterable<Uint8Array>): Promise<ContentTree | NodeRefused>;
  /** `first` and `last` are inclusive, as in a range request. */
  read(root: Hex, first: number, last: number): NodeJS.ReadableStream;
  /** All of it, as it was put; undefined when the disk lost it, and it is offered no longer. For what is small enough. */
  bytes(root: Hex): Promise<Uint8Array | undefined>;
  prove(contentTree: ContentTree, index: number): Promise<ChunkProof>;
};

export type ChunkProof = { readonly chunk: Uint8Array; readonly proof: readonly Uint8Array[] };

export async function openContents(
  folder: string,
  { limitBytes, keepFreeBytes }: { readonly limitBytes: number; readonly keepFreeBytes: number },
  log: Log,
): Promise<Contents> {
  await mkdir(folder, { recursive: true });
  const held = await verifyAll(folder, log);
  const fileOf = (root: Hex) => join(folder, root);
  const heldBytes = () => [...held.values()].reduce((sum, { size }) => sum + size, 0);
  let uploads = 0;
  let incoming = 0;

  /** Writes the bytes to `path` as they pass, as far as there is room. */
  async function* keep(bytes: AsyncIterable<Uint8Array>, path: string): AsyncIterable<Uint8Array> {
    const file = await open(path, "w");
    let size = 0;
    try {
      for await (const piece of bytes) {
        size += piece.length;
        incoming += piece.length;
        if (heldBytes() + incoming > limitBytes)
          throw new RangeError(`only ${limitBytes} bytes are kept`);
        if (keepFreeBytes > 0 && (await freeBytes(folder)) < keepFreeBytes + piece.length)
          throw new RangeError(`${keepFreeBytes} bytes of the disk are for its owner`);
        await file.writeFile(piece);
        yield piece;
      }
      await file.sync();
    } finally {
      incoming -= size;
      await file.close();
    }
  }

  async function put(
    root: Hex,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<ContentTree | NodeRefused> {
    uploads += 1;
    const temporary = join(folder, `.${process.pid}-${uploads}.tmp`);
    try {
      const contentTree = await contentTreeOf(keep(bytes, temporary));
      if (contentTree.root !== root || contentTree.size === 0) {
        return {
          refusal: "content-mismatch",
          message: `the bytes have the root ${contentTree.root}`,
        };
      }
      await moveDurably(temporary, fileOf(root));
      held.set(root, contentTree);
      return contentTree;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { refusal: "too-large", message: error.message };
    } finally {
      await rm(temporary, { force: true });
    }
  }

  return {
    list: () => [...held.values()],
    freeBytes: () => Math.max(0, limitBytes - heldBytes() - incoming),
    find: (root) => held.get(root),
    put,
    read: (root, first, last) => createReadStream(fileOf(root), { start: first, end: last }),
    async bytes(root) {
      const bytes = await readFile(fileOf(root));
      if ((await contentTreeOf([bytes])).root === root) return bytes;
      log("warn", "content-damaged", { root });
      held.delete(root);
      return undefined;
    },
    async prove({ root, size, tree }, index) {
      const chunk = Buffer.alloc(chunkLength(size, index));
      const file = await open(fileOf(root), "r");
      try {
        await file.read(chunk, 0, chunk.length, index * CHUNK_BYTES);
      } finally {
        await file.close();
      }
      return { chunk, proof: proofOf(tree, index) };
    },
  };
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** A file that no longer has its root is not offered: every challenge on it could fail. */
async function verifyAll(folder: string, log: Log): Promise<Map<Hex, ContentTree>> {
  const held = new Map<Hex, ContentTree>();
  for (const name of await readdir(folder)) {
    // What a crash left of an upload.
    if (name.endsWith(".tmp")) await rm(join(folder, name));
    if (!isHexOf(name, 32)) continue;
    const contentTree = await contentTreeOf(createReadStream(join(folder, name)));
    if (contentTree.root === name) held.set(name, contentTree);
    else log("warn", "content-damaged", { root: name });
  }
  return held;
}
