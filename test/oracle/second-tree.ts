import { expect } from "chai";
import { toHex } from "../../oracle/core/bytes.ts";
import { REWARD_BYTES } from "../../oracle/core/records.ts";
import { rootOver } from "../../oracle/core/tree.ts";
import { secondRoot } from "../../oracle/edge/second-tree.ts";

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

  it("leaves out what is no whole record", async () => {
    const records = recordsOf(5);
    const cut = records.subarray(0, records.length - 1);
    expect(await secondRoot(cut, REWARD_BYTES)).to.equal(
      await secondRoot(recordsOf(4), REWARD_BYTES),
    );
  });
});

/** Records that differ in their first four bytes. */
function recordsOf(count: number): Uint8Array {
  const records = new Uint8Array(count * REWARD_BYTES);
  const view = new DataView(records.buffer);
  for (let i = 0; i < count; i++) view.setUint32(i * REWARD_BYTES, i + 1);
  return records;
}
