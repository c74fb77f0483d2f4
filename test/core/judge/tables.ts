import { toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { buildTree, hashRecords, rootOf } from "@link-rewards/core/encoding/tree";
import { REWARD_BYTES } from "@link-rewards/core/epoch/records";
import type { Case } from "@link-rewards/core/judge/case";
import { type KnownRoots, openTables } from "@link-rewards/core/judge/tables";
import { expect } from "chai";

const rowsOf = (count: number) =>
  Uint8Array.from({ length: count * REWARD_BYTES }, (_, i) => 1 + (i % 200));

function rootOver(rows: Uint8Array, leaves = rows.length / REWARD_BYTES): Case["root"] {
  const hashes = new Uint8Array(leaves * 32);
  hashes.set(hashRecords(rows, REWARD_BYTES));
  return toHex(rootOf(buildTree(hashes)));
}

function open(
  rewards: Uint8Array | undefined,
  { root = ZERO_HASH as Case["root"], leaves = 0 },
  known: KnownRoots = {},
) {
  const case_ = {
    root,
    leaves,
    contributions: 0,
    contributionRoot: ZERO_HASH,
    invoiceRoot: ZERO_HASH,
    lastRoot: ZERO_HASH,
    lastLeaves: 0,
  } as Case;
  return openTables(case_, { rewards }, known).rewards;
}

describe("openTables", () => {
  it("opens what leads to the root, and nothing else", () => {
    const rows = rowsOf(5);
    const root = rootOver(rows);
    expect(open(rows, { root, leaves: 5 })).to.include({ rows: 5, leaves: 5, emptyAt: undefined });
    expect(open(rows, { root, leaves: 4 })?.leaves).to.equal(undefined);
    expect(open(rows, { root: rootOver(rowsOf(4)), leaves: 5 })).to.equal(undefined);
    expect(open(undefined, { root, leaves: 5 })).to.equal(undefined);
  });

  it("opens an empty table without any file", () => {
    expect(open(undefined, {})?.rows).to.equal(0);
    expect(open(undefined, { root: rootOver(rowsOf(1)) })).to.equal(undefined);
  });

  it("looks at no row beyond those that the report counts, however long the file is", () => {
    const root = rootOver(rowsOf(3));
    for (const more of [1, REWARD_BYTES, 9 * REWARD_BYTES]) {
      const file = new Uint8Array([...rowsOf(3), ...new Uint8Array(more).fill(9)]);
      const opened = open(file, { root, leaves: 3 });
      expect([opened?.rows, opened?.leaves]).to.deep.equal([3, 3]);
    }
  });

  it("takes a row that is missing for an empty leaf, and one of zeros when that leads to the root", () => {
    const short = rowsOf(5);
    expect(open(short, { root: rootOver(short, 7), leaves: 7 })?.emptyAt).to.equal(5);
    const zeros = rowsOf(5);
    zeros.fill(0, 2 * REWARD_BYTES, 3 * REWARD_BYTES);
    const hashes = hashRecords(zeros, REWARD_BYTES);
    expect(open(zeros, { root: rootOver(zeros), leaves: 5 })?.emptyAt).to.equal(undefined);
    hashes.fill(0, 64, 96);
    const root = toHex(rootOf(buildTree(hashes)));
    expect(open(zeros, { root, leaves: 5 })?.emptyAt).to.equal(2);
  });

  it("sees rows that stand where padding must", () => {
    const rows = rowsOf(7);
    const opened = open(rows, { root: rootOver(rows), leaves: 5 });
    expect([opened?.rows, opened?.leaves]).to.deep.equal([5, 7]);
    expect(opened && toHex(rootOf(opened.tree()))).to.equal(rootOver(rows));
  });

  it("takes a root that is known, of a file of just those rows alone", () => {
    const root = rootOver(rowsOf(3));
    const [known, leaves] = [{ rewards: root }, 3];
    // It would not lead there: nobody looks.
    expect(open(rowsOf(3).fill(7), { root, leaves }, known)?.rows).to.equal(3);
    expect(open(rowsOf(4).fill(7), { root, leaves }, known)).to.equal(undefined);
    const other = { rewards: rootOver(rowsOf(2)) };
    expect(open(rowsOf(3).fill(7), { root, leaves }, other)).to.equal(undefined);
  });
});
