import { equalBytes, fromHex, keccak256, toHex } from "@link-rewards/core/encoding/bytes";
import {
  buildTree,
  climb,
  depthOf,
  HASH_BYTES,
  hashRecords,
  rootOf,
  verifyProof,
} from "@link-rewards/core/encoding/tree";
import type { DataFile } from "@link-rewards/core/epoch/manifest";
import { encodeTree, ROW_BYTES, recordAt, type Table } from "@link-rewards/core/epoch/records";
import { type Answer, answerFromFiles, type DemandNode } from "@link-rewards/core/judge/answer";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import { expect } from "chai";

const TABLE: Table = "rewards";
const ROW = ROW_BYTES[TABLE];

/** A table of so many rows, as a bundle has it. */
function tableOf(rows: number) {
  const bytes = new Uint8Array(rows * ROW);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < rows; i++) view.setUint32(i * ROW, i + 1);
  const tree = buildTree(hashRecords(bytes, ROW));
  const files = new Map<DataFile, Uint8Array>([
    ["rewards.bin", bytes],
    ["rewards.tree", encodeTree(tree)],
  ]);
  const read: RangeReader = async (file, from, length) => {
    const found = (files.get(file) ?? new Uint8Array()).subarray(from, from + length);
    if (found.length !== length) throw new Error(`${file} ends before ${from + length}`);
    return found;
  };
  const terms = { root: toHex(rootOf(tree)), rows, rowBytes: ROW };
  return { bytes, tree, read, terms, files };
}

const node = (level: number, position: number): DemandNode => ({ table: TABLE, level, position });

/** All pages that can be demanded: of a level with more than one node eight levels below. */
function pagesOf(rows: number): readonly DemandNode[] {
  const pages: DemandNode[] = [];
  for (let level = 8; Math.ceil(rows / 2 ** (level - 8)) > 1; level += 8)
    for (let position = 0; position * 2 ** level < rows; position++)
      pages.push(node(level, position));
  return pages;
}

describe("answers", () => {
  for (const rows of [1, 2, 255, 256, 257, 600, 70_000]) {
    describe(`from a table of ${rows} rows`, () => {
      const { bytes, tree, read, terms } = tableOf(rows);
      const root = fromHex(terms.root);

      it("show a row and its way to the root", async () => {
        for (const position of new Set([0, Math.floor(rows / 2), rows - 1])) {
          const answer = await answerFromFiles(read, terms, node(0, position));
          if (answer === undefined || !("row" in answer)) throw new Error("no row");
          const row = recordAt(bytes, ROW, position);
          expect(answer.row).to.equal(toHex(row));
          const proof = answer.proof.map(fromHex);
          expect(verifyProof(root, rows, position, keccak256(row), proof)).to.equal(true);
        }
      });

      it("show a page's nodes without padding, and the way from the node above them", async () => {
        for (const page of pagesOf(rows)) {
          const answer = await answerFromFiles(read, terms, page);
          if (answer === undefined || !("hashes" in answer)) throw new Error("no page");
          const height = page.level - 8;
          const below = tree.levels[height] as Uint8Array;
          const nodes = below.subarray(page.position * 256 * HASH_BYTES).subarray(0, 256 * 32);
          expect(answer.hashes.join("").replaceAll("0x", "")).to.equal(toHex(nodes).slice(2));
          const above = tree.levels[Math.min(page.level, depthOf(rows))] as Uint8Array;
          const top = recordAt(above, HASH_BYTES, page.position);
          expect(answer.proof).to.have.lengthOf(Math.max(0, depthOf(rows) - page.level));
          const reached = climb(top, page.position, answer.proof.map(fromHex));
          expect(equalBytes(reached, root)).to.equal(true);
        }
      });
    });
  }

  it("are none when any byte that they are made of is another", async () => {
    const table = tableOf(600);
    const spoil = (file: DataFile, at: number) => {
      const bytes = table.files.get(file) as Uint8Array;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    };
    const answers = (nodes: readonly DemandNode[]): Promise<readonly (Answer | undefined)[]> =>
      Promise.all(nodes.map((each) => answerFromFiles(table.read, table.terms, each)));
    const nodes = [node(0, 300), node(8, 1), node(16, 0)];
    spoil("rewards.bin", 300 * ROW);
    expect((await answers(nodes)).map((answer) => answer === undefined)).to.deep.equal([
      true,
      true,
      false,
    ]);
    spoil("rewards.bin", 300 * ROW);
    spoil("rewards.tree", 0);
    expect((await answers(nodes)).map((answer) => answer === undefined)).to.deep.equal([
      true,
      true,
      true,
    ]);
  });
});
