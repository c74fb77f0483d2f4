import { toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { rootOver } from "@link-rewards/core/encoding/tree";
import { CONTRIBUTION_BYTES, INVOICE_BYTES, REWARD_BYTES } from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import { secondRoot } from "../../../oracle/edge/second-tree.ts";
import { secondRoots } from "../../../oracle/outsider/audit.ts";

describe("the second tree builder", () => {
  // Around what is hashed on a thread of its own, and around whole subtrees.
  for (const count of [0, 1, 2, 3, 257, 4_095, 4_096, 65_535, 65_536, 65_537, 150_000]) {
    it(`has our root over ${count} records`, async () => {
      const records = recordsOf(count);
      expect(await secondRoot(records, REWARD_BYTES)).to.equal(
        toHex(rootOver(records, REWARD_BYTES)),
      );
    });
  }

  it("has another one when any record differs", async () => {
    const records = recordsOf(70_000);
    const root = await secondRoot(records, REWARD_BYTES);
    for (const at of [0, 65_536 * REWARD_BYTES - 1, records.length - 1]) {
      const changed = records.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(await secondRoot(changed, REWARD_BYTES)).to.not.equal(root);
    }
  });

  it("leaves out what is not a whole record", async () => {
    const records = recordsOf(5);
    const cut = records.subarray(0, records.length - 1);
    expect(await secondRoot(cut, REWARD_BYTES)).to.equal(
      await secondRoot(recordsOf(4), REWARD_BYTES),
    );
  });
});

describe("the second roots of a bundle", () => {
  const report = { leaves: 5_000, contributions: 3 };
  const rootsOf = (leaves: number, rows: number) =>
    secondRoots(
      {
        manifest: new Uint8Array(),
        files: new Map([
          ["rewards.bin", recordsOf(leaves)],
          ["contributions.bin", recordsOf(rows, CONTRIBUTION_BYTES)],
          ["invoices.bin", recordsOf(rows, INVOICE_BYTES)],
        ]),
      },
      report,
    );

  it("are over what the report counts, however long the files are made", async () => {
    const rootOf = (count: number, size: number) => toHex(rootOver(recordsOf(count, size), size));
    const honest = await rootsOf(5_000, 3);
    expect(honest).to.deep.equal({
      root: rootOf(5_000, REWARD_BYTES),
      contributionRoot: rootOf(3, CONTRIBUTION_BYTES),
      invoiceRoot: rootOf(3, INVOICE_BYTES),
    });
    expect(await rootsOf(9_000, 70_000)).to.deep.equal(honest);
  });

  it("are those of no record when the files are missing", async () => {
    const none = await secondRoots({ manifest: new Uint8Array(), files: new Map() }, report);
    expect(none).to.deep.equal({
      root: ZERO_HASH,
      contributionRoot: ZERO_HASH,
      invoiceRoot: ZERO_HASH,
    });
  });
});

/** Records that differ in their first four bytes. */
function recordsOf(count: number, recordBytes = REWARD_BYTES): Uint8Array {
  const records = new Uint8Array(count * recordBytes);
  const view = new DataView(records.buffer);
  for (let i = 0; i < count; i++) view.setUint32(i * recordBytes, i + 1);
  return records;
}
