import { randomBytes } from "node:crypto";
import { toHex } from "@link-rewards/core/encoding/bytes";
import { proofOf } from "@link-rewards/core/encoding/tree";
import { expect } from "chai";
import {
  CHUNK_BYTES,
  chunkCount,
  contentTreeOf,
  isChunk,
  keptFor,
  provesChunk,
} from "../../device/content.ts";

const SIZES = [
  1,
  CHUNK_BYTES - 1,
  CHUNK_BYTES,
  CHUNK_BYTES + 1,
  3 * CHUNK_BYTES,
  5 * CHUNK_BYTES - 7,
];

describe("content", () => {
  it("has the same root whatever the pieces its bytes come in", async () => {
    const bytes = randomBytes(3 * CHUNK_BYTES + 5);
    const { root, size } = await contentTreeOf([bytes]);
    for (const pieceBytes of [1_000, CHUNK_BYTES, 20_000]) {
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += pieceBytes)
        pieces.push(bytes.subarray(at, at + pieceBytes));
      expect(await contentTreeOf(pieces)).to.deep.include({ root, size });
    }
  });

  it("proves every chunk at its place, and at no other", async () => {
    for (const size of SIZES) {
      const bytes = randomBytes(size);
      const contentTree = await contentTreeOf([bytes]);
      for (let index = 0; index < chunkCount(size); index++) {
        const chunk = bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
        const proof = proofOf(contentTree.tree, index);
        expect(isChunk(contentTree, index, chunk)).to.equal(true);
        expect(provesChunk(contentTree, index, chunk, proof)).to.equal(true);
        expect(provesChunk(contentTree, index + 1, chunk, proof)).to.equal(false);
        expect(provesChunk(contentTree, index, flip(chunk), proof)).to.equal(false);
        expect(provesChunk(contentTree, index, chunk, [...proof, new Uint8Array(32)])).to.equal(
          false,
        );
        expect(provesChunk({ root: toHex(randomBytes(32)), size }, index, chunk, proof)).to.equal(
          false,
        );
      }
    }
  });

  it("is not proven by a part of a chunk, or by what stands above the chunks", async () => {
    const bytes = randomBytes(2 * CHUNK_BYTES);
    const contentTree = await contentTreeOf([bytes]);
    const proof = proofOf(contentTree.tree, 0);
    expect(provesChunk(contentTree, 0, bytes.subarray(0, 100), proof)).to.equal(false);
    expect(provesChunk(contentTree, 0, contentTree.tree.levels[0] as Uint8Array, [])).to.equal(
      false,
    );
  });

  it("counts as kept for an hour at most between two challenges", () => {
    expect(keptFor(1_000, 2_500.9)).to.equal(2_500n);
    expect(keptFor(3, 999)).to.equal(2n);
    expect(keptFor(1_000, 3_600_000)).to.equal(3_600_000n);
    expect(keptFor(1_000, 90_000_000)).to.equal(3_600_000n);
  });
});

function flip(chunk: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(chunk);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}
