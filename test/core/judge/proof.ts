import { type Address, toHex } from "@link-rewards/core/encoding/bytes";
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
  encodeRewards,
  encodeTree,
  PAGE_RECORDS,
  REWARD_BYTES,
  type RewardLeaf,
  storedLevels,
} from "@link-rewards/core/epoch/records";
import { proveFromFiles, type RangeReader } from "@link-rewards/core/judge/proof";
import { expect } from "chai";
import fc from "fast-check";

type Published = { leaves: number; bin: Uint8Array; tree: Tree; stored: Uint8Array };

function publish(leaves: number): Published {
  let prefix = 0n;
  const rewards = Array.from({ length: leaves }, (_, i): RewardLeaf => {
    const leaf = { account: addressOf(i), cumulative: BigInt(i % 7), prefix };
    prefix += leaf.cumulative;
    return leaf;
  });
  const bin = encodeRewards(rewards);
  const tree = buildTree(hashRecords(bin, REWARD_BYTES));
  return { leaves, bin, tree, stored: encodeTree(tree) };
}

function addressOf(index: number): Address {
  return `0x${(index + 1).toString(16).padStart(40, "0")}`;
}

/** Ranges of the two files, as a web server would give them; counts what was asked for. */
function rangesOf({ bin, stored }: Published) {
  const asked: { file: string; length: number }[] = [];
  const read: RangeReader = async (file, from, length) => {
    asked.push({ file, length });
    const bytes = file === "rewards.bin" ? bin : stored;
    if (from + length > bytes.length)
      throw new RangeError(`range ${from}+${length} of ${bytes.length}`);
    return bytes.slice(from, from + length);
  };
  return { read, asked };
}

async function expectProof(published: Published, index: number): Promise<void> {
  const { leaves, bin, tree } = published;
  const { read, asked } = rangesOf(published);
  const { leaf, proof } = await proveFromFiles(read, leaves, index);
  expect(proof.map(toHex), `${index} of ${leaves}`).to.deep.equal(proofOf(tree, index).map(toHex));
  expect(leaf.account).to.equal(addressOf(index));
  const hash = hashRecords(
    bin.subarray(index * REWARD_BYTES, (index + 1) * REWARD_BYTES),
    REWARD_BYTES,
  );
  expect(verifyProof(rootOf(tree), leaves, index, hash, proof)).to.equal(true);
  expect(asked).to.have.length(1 + storedLevels(leaves).length);
  for (const { file, length } of asked) {
    expect(length).to.be.at.most(
      PAGE_RECORDS * (file === "rewards.bin" ? REWARD_BYTES : HASH_BYTES),
    );
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
      const { leaf, proof } = await proveFromFiles(rangesOf(changed).read, 600, 0);
      const leafHash = hashRecords(encodeRewards([leaf]), REWARD_BYTES);
      expect(verifyProof(rootOf(published.tree), 600, 0, leafHash, proof)).to.equal(false);
    }
  });

  it("refuses an index that is not in the tree", async () => {
    const { read } = rangesOf(publish(3));
    for (const index of [-1, 3, 0.5]) {
      const outcome = await proveFromFiles(read, 3, index).catch((error: unknown) => error);
      expect(outcome).to.be.instanceOf(RangeError);
    }
  });
});
