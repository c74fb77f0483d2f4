import { claimableOf, proveLeaf } from "@link-rewards/client/leaf";
import { toHex } from "@link-rewards/core/encoding/bytes";
import { buildTree, hashRecords, proofOf, rootOf } from "@link-rewards/core/encoding/tree";
import {
  encodeRewards,
  encodeTree,
  REWARD_BYTES,
  type RewardLeaf,
} from "@link-rewards/core/epoch/records";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import { expect } from "chai";
import { address } from "../worlds/paper.ts";

const LEAVES = 300;
const INDEX = 200;
const nameAt = (index: number) => `owner-${index}`;

function filesOf(change: (leaf: RewardLeaf, index: number) => RewardLeaf) {
  const rewards = Array.from({ length: LEAVES }, (_, i) =>
    change({ account: address(nameAt(i)), cumulative: 5n, prefix: BigInt(5 * i) }, i),
  );
  const bin = encodeRewards(rewards);
  const tree = buildTree(hashRecords(bin, REWARD_BYTES));
  const stored = encodeTree(tree);
  const read: RangeReader = async (file, from, length) =>
    (file === "rewards.bin" ? bin : stored).slice(from, from + length);
  return { read, tree, root: { root: toHex(rootOf(tree)), leaves: LEAVES } };
}

describe("proveLeaf", () => {
  const { read, tree, root } = filesOf((leaf) => leaf);
  const owner = address(nameAt(INDEX));

  it("gives the account's leaf and its siblings", async () => {
    expect(await proveLeaf(read, root, INDEX, owner)).to.deep.equal({
      ...{ account: owner, cumulative: 5n, prefix: BigInt(5 * INDEX), index: INDEX },
      proof: proofOf(tree, INDEX).map(toHex),
    });
  });

  it("gives nothing for another account, though what stands there is proven", async () => {
    expect(await proveLeaf(read, root, INDEX, address(nameAt(0)))).to.equal(undefined);
  });

  it("gives nothing out of files that do not lead to the root", async () => {
    const { read: forged } = filesOf((leaf, i) =>
      i === INDEX ? { ...leaf, cumulative: 6n } : leaf,
    );
    expect(await proveLeaf(forged, root, INDEX, owner)).to.equal(undefined);
  });

  it("gives nothing for a root with another number of leaves", async () => {
    const fewer = { ...root, leaves: LEAVES - 50 };
    expect(await proveLeaf(read, fewer, INDEX, owner)).to.equal(undefined);
  });
});

describe("claimableOf", () => {
  it("is what is left, and never less than nothing", () => {
    expect(claimableOf(7n, 3n)).to.equal(4n);
    expect(claimableOf(3n, 7n)).to.equal(0n);
  });
});
