import { keccak256 as keccakBytes } from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import {
  type Contract,
  concat,
  hexlify,
  id,
  keccak256,
  MaxUint256,
  randomBytes,
  toBeHex,
  ZeroHash,
} from "ethers";
import { MerkleTree } from "merkletreejs";
import { emptyChain, from } from "../worlds/contracts.ts";
import { type InvoiceLine, lineHash } from "./support/invoices.ts";
import { honestLeaves, type Leaf, treeOf } from "./support/reward-tree.ts";

/** Up to here every position of a size is opened on chain; beyond it those where a tree's shape could show. */
const WHOLE_SIZE = 64;
const SIZES = [...Array.from({ length: 301 }, (_, size) => size), 1_000, 10_000];
const LEAVES = honestLeaves(
  Array.from({ length: Math.max(...SIZES) }, (_, i) => `0x${id(`account ${i}`).slice(26)}`),
  Array.from({ length: Math.max(...SIZES) }, (_, i) => BigInt(id(`earned ${i}`)) % 10n ** 24n),
);
const HASHES = LEAVES.map((leaf) => keccak256(record(leaf)));

async function harness(): Promise<Contract> {
  const { ethers } = await from(emptyChain);
  return ethers.deployContract("TreeHarness") as unknown as Promise<Contract>;
}

/** The 44 bytes of a leaf. */
function record({ account, cumulative, prefix }: Leaf): string {
  return concat([account, toBeHex(cumulative, 12), toBeHex(prefix, 12)]);
}

/** Built by a library that knows nothing of ours. */
function merkleTreeJs(size: number): MerkleTree {
  const hashes = HASHES.slice(0, size).map((hash) => Buffer.from(hash.slice(2), "hex"));
  return new MerkleTree(hashes, hashBytes, { fillDefaultHash: Buffer.alloc(32) });
}

function randomLine(): InvoiceLine {
  const number = (bytes: number) => BigInt(hexlify(randomBytes(bytes)));
  return {
    customer: hexlify(randomBytes(20)),
    device: hexlify(randomBytes(20)),
    contribution: Number(number(4)),
    value: number(12),
    ceiling: number(12),
    subtotal: number(12),
    above: Number(number(4)),
  };
}

const hashBytes = (bytes: Buffer) => Buffer.from(keccakBytes(bytes));

function positionsOf(size: number): readonly number[] {
  if (size <= WHOLE_SIZE) return Array.from({ length: size }, (_, i) => i);
  const powers = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 8192].filter((power) => power < size);
  return [...new Set([0, ...powers, size >> 1, size - 2, size - 1])];
}

describe("reward trees of 0 to 300, 1,000 and 10,000 leaves", () => {
  it("have the roots that merkletreejs builds, and its proofs are taken on chain", async () => {
    const contract = await from(harness);
    for (const size of SIZES) {
      const theirs = merkleTreeJs(size);
      const root = size === 0 ? ZeroHash : theirs.getHexRoot();
      const ours = treeOf(LEAVES.slice(0, size), HASHES.slice(0, size));
      expect(ours.root, `root of ${size}`).to.equal(root);

      const positions = positionsOf(size);
      const nodes = positions.map((index) => HASHES[index] ?? "");
      const proofs = positions.map((index, i) => theirs.getHexProof(nodes[i] ?? "", index));
      expect(proofs).to.deep.equal(positions.map((index) => ours.openingAt(index).proof));
      expect(
        await contract.getFunction("firstMissing")(root, size, positions, nodes, proofs),
        `first position of ${size} that is not taken`,
      ).to.equal(MaxUint256);
    }
  });

  it("are hashed by the contracts as by ethers, and have the depth ceil(log2(leaves))", async () => {
    const contract = await from(harness);
    for (const leaf of LEAVES.slice(0, 20)) {
      expect(await contract.getFunction("hash")(leaf)).to.equal(keccak256(record(leaf)));
    }
    for (let i = 0; i < 20; i++) {
      const line = randomLine();
      expect(await contract.getFunction("hashLine")(line)).to.equal(lineHash(line));
    }
    for (const leaves of [1, 2, 3, 4, 5, 8, 9, 1023, 1024, 1025, 2 ** 31, 2 ** 32 - 1]) {
      const depth = Math.ceil(Math.log2(leaves));
      const depths = Array.from({ length: 34 }, (_, i) => i);
      const held = depths.map((each) => contract.getFunction("hasDepth")(leaves, each));
      expect(await Promise.all(held)).to.deep.equal(depths.map((each) => each === depth));
    }
  });

  it("are not opened at other positions, with other leaves, or by longer and shorter proofs", async () => {
    const contract = await from(harness);
    const contains = contract.getFunction("contains");
    for (const size of [1, 2, 3, 5, 8, 13, 64, 65]) {
      const tree = treeOf(LEAVES.slice(0, size));
      const { proof } = tree.openingAt(size - 1);
      const node = HASHES[size - 1] ?? "";
      expect(await contains(tree.root, size, size - 1, node, proof)).to.equal(true);
      expect(await contains(tree.root, size, size, node, proof)).to.equal(false);
      expect(await contains(tree.root, size - 1, size - 1, node, proof)).to.equal(false);
      expect(await contains(tree.root, size, size - 1, ZeroHash, proof)).to.equal(false);
      expect(await contains(tree.root, size, size - 1, node, [...proof, ZeroHash])).to.equal(false);
      if (size > 1) {
        expect(await contains(tree.root, size, size - 2, node, proof)).to.equal(false);
        expect(await contains(tree.root, size, size - 1, node, proof.slice(1))).to.equal(false);
      }
    }
  });
});
