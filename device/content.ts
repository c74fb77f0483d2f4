import { hash } from "node:crypto";
import { equalBytes, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import {
  buildTree,
  HASH_BYTES,
  rootOf,
  type Tree,
  verifyProof,
} from "@link-rewards/core/encoding/tree";

/** What is fetched, checked and challenged as one. */
export const CHUNK_BYTES = 16_384;

/**
 * Content is named by the root of the tree over the SHA-256 of its chunks. A chunk's hash and a node's hash come from
 * different functions, so neither can pass for the other, and the root binds every byte and their number.
 */
export type ContentTree = { readonly root: Hex; readonly size: number; readonly tree: Tree };

/** A piece of content as a customer knows it: enough to check everything else against. */
export type ContentName = { readonly root: Hex; readonly size: number };

function hashChunk(chunk: Uint8Array): Uint8Array {
  return hash("sha256", chunk, "buffer");
}

/** Reads the bytes once, whatever the pieces they come in. */
export async function contentTreeOf(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<ContentTree> {
  const hashes: Uint8Array[] = [];
  let size = 0;
  let rest = Buffer.alloc(0);
  for await (const piece of bytes) {
    size += piece.length;
    rest = Buffer.concat([rest, piece]);
    while (rest.length >= CHUNK_BYTES) {
      hashes.push(hashChunk(rest.subarray(0, CHUNK_BYTES)));
      rest = rest.subarray(CHUNK_BYTES);
    }
  }
  if (rest.length > 0) hashes.push(hashChunk(rest));
  const tree = buildTree(Buffer.concat(hashes));
  return { root: toHex(rootOf(tree)), size, tree };
}

export function chunkCount(size: number): number {
  return Math.ceil(size / CHUNK_BYTES);
}

export function chunkLength(size: number, index: number): number {
  return Math.min(CHUNK_BYTES, size - index * CHUNK_BYTES);
}

export function isChunk({ tree }: ContentTree, index: number, chunk: Uint8Array): boolean {
  const hashes = tree.levels[0] as Uint8Array;
  const expected = hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  return equalBytes(hashChunk(chunk), expected);
}

/** True when `chunk` is the one at `index` of the content: all a customer needs is the content's name. */
export function provesChunk(
  { root, size }: ContentName,
  index: number,
  chunk: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (chunk.length !== chunkLength(size, index)) return false;
  return verifyProof(
    Buffer.from(root.slice(2), "hex"),
    chunkCount(size),
    index,
    hashChunk(chunk),
    proof,
  );
}

/** A challenge answers for no more than this: who is asked once a day has not shown that it kept all day. */
const LONGEST_KEEPING_MILLISECONDS = 3_600_000;

/** Byte-seconds between two challenges. Both sides count alike, each with its own stopwatch. */
export function keptFor(size: number, milliseconds: number): bigint {
  const counted = Math.min(milliseconds, LONGEST_KEEPING_MILLISECONDS);
  return (BigInt(size) * BigInt(Math.floor(counted))) / 1_000n;
}
