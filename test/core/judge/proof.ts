import { toHex, writeUint } from "@link-rewards/core/encoding/bytes";
import {
  buildTree,
  HASH_BYTES,
  hashRecords,
  proofOf,
  rootOf,
  type Tree,
  verifyProof,
} from "@link-rewards/core/encoding/tree";
import {
  encodeTree,
  PAGE_RECORDS,
  REWARD_BYTES,
  ROW_BYTES,
  recordAt,
  storedLevels,
  type Table,
} from "@link-rewards/core/epoch/records";
import { proveFromFiles, type RangeReader } from "@link-rewards/core/judge/proof";
import { expect } from "chai";
import fc from "fast-check";

type Published = { table: Table; rows: number; bin: Uint8Array; tree: Tree; stored: Uint8Array };

/** Rows of any bytes: a proof says nothing about what is in them. */
function publish(rows: number, table: Table = "rewards"): Published {
  const size = ROW_BYTES[table];
  const bin = new Uint8Array(rows * size);
  for (let i = 0; i < rows; i++) writeUint(bin, i * size, 4, i + 1);
  const tree = buildTree(hashRecords(bin, size));
  return { table, rows, bin, tree, stored: encodeTree(tree) };
}
/** Ranges of the two files, as a web server would give them; counts what was asked for. */
function rangesOf({ table, bin, stored }: Published) {
  const asked: { file: string; length: number }[] = [];
  const read: RangeReader = async (file, from, length) => {
    asked.push({ file, length });
    const bytes = file === `${table}.bin` ? bin : stored;
    if (from + length > bytes.length)
      throw new RangeError(`range ${from}+${length} of ${bytes.length}`);
    return bytes.slice(from, from + length);
  };
  return { read, asked };
}

async function expectProof(published: Published, position: number): Promise<void> {
  const { table, rows, bin, tree } = published;
  const size = ROW_BYTES[table];
  const { read, asked } = rangesOf(published);
  const { row, proof } = await proveFromFiles(read, table, rows, position);
  const where = `${position} of ${rows}`;
  expect(proof.map(toHex), where).to.deep.equal(proofOf(tree, position).map(toHex));
  expect(toHex(row), where).to.equal(toHex(recordAt(bin, size, position)));
  const hash = hashRecords(row, size);
  expect(verifyProof(rootOf(tree), rows, position, hash, proof)).to.equal(true);
  expect(asked).to.have.length(1 + storedLevels(rows).length);
  for (const { file, length } of asked) {
    expect(length).to.be.at.most(PAGE_RECORDS * (file === `${table}.bin` ? size : HASH_BYTES));
  }
}

describe("proveFromFiles", () => {
  const sizes = [1, 2, 3, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1_023, 1_025, 4_096];
  for (const leaves of sizes) {
    it(`proves leaves of a tree of ${leaves} as the tree itself does`, async () => {
      const published = publish(leaves);
      const step = Math.max(1, Math.floor(leaves / 40));
      for (let index = 0; index < leaves; index += step) await expectProof(published, index);
      await expectProof(published, leaves - 1);
    });
  }

  for (const leaves of [65_535, 65_536, 65_537, 66_000]) {
    it(`proves leaves of a tree of ${leaves}, with as many stored levels as it needs`, async () => {
      const published = publish(leaves);
      expect(storedLevels(leaves)).to.have.length(leaves > 65_536 ? 2 : 1);
      const edges = [0, 1, 255, 256, 65_279, 65_280, leaves - 2, leaves - 1];
      for (const index of edges) await expectProof(published, index);
    });
  }

  for (const table of ["contributions", "invoices"] as const) {
    it(`proves rows of ${table}.bin`, async () => {
      const published = publish(600, table);
      for (const position of [0, 255, 256, 599]) await expectProof(published, position);
    });
  }

  it("proves any leaf of any tree", async () => {
    const cases = fc
      .integer({ min: 1, max: 1_500 })
      .chain((leaves) => fc.record({ leaves: fc.constant(leaves), index: fc.nat(leaves - 1) }));
    await fc.assert(
      fc.asyncProperty(cases, ({ leaves, index }) => expectProof(publish(leaves), index)),
      { numRuns: 20 },
    );
  });

  it("gives no valid proof from files of which a byte was changed", async () => {
    const published = publish(600);
    for (const file of ["bin", "stored"] as const) {
      const changed = { ...published, [file]: published[file].slice() };
      changed[file][40] = (changed[file][40] as number) ^ 1;
      const { row, proof } = await proveFromFiles(rangesOf(changed).read, "rewards", 600, 0);
      const leafHash = hashRecords(row, REWARD_BYTES);
      expect(verifyProof(rootOf(published.tree), 600, 0, leafHash, proof)).to.equal(false);
    }
  });

  it("refuses a position that is not in the table", async () => {
    const { read } = rangesOf(publish(3));
    for (const index of [-1, 3, 0.5]) {
      const outcome = await proveFromFiles(read, "rewards", 3, index).catch(
        (error: unknown) => error,
      );
      expect(outcome).to.be.instanceOf(RangeError);
    }
  });
});
