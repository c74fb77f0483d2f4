import { hash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildTree, hashRecords, rootOf } from "@link-rewards/core/encoding/tree";
import { encodeTree, REWARD_BYTES, recordAt } from "@link-rewards/core/epoch/records";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { MerkleTree } from "merkletreejs";
import type { Case, Contestant } from "../case.ts";
import { rewardsOf } from "../world.ts";

/** From leaf preimages to a root and the files that prove any leaf. */
const noble = (bytes: Uint8Array) => Buffer.from(keccak_256(bytes));
const openssl = (bytes: Uint8Array) => hash("keccak-256", bytes, "buffer");

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "link-rewards-bench-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const ours: Contestant = async (size) => {
  const rewards = rewardsOf(size);
  return () =>
    inFolder(async (folder) => {
      const tree = buildTree(hashRecords(rewards, REWARD_BYTES));
      rootOf(tree);
      await writeFile(join(folder, "rewards.bin"), rewards);
      await writeFile(join(folder, "rewards.tree"), encodeTree(tree));
    });
};

/** Its best: buffers in, no sorting, no second hash of the leaves; it has no files of its own, so none are asked of it. */
function byMerkletreejs(keccak: (bytes: Uint8Array) => Buffer): Contestant {
  return async (size) => {
    const rewards = rewardsOf(size);
    return () => {
      const leaves = Array.from({ length: size }, (_, i) =>
        keccak(recordAt(rewards, REWARD_BYTES, i)),
      );
      new MerkleTree(leaves, keccak, { fillDefaultHash: Buffer.alloc(32) }).getRoot();
    };
  };
}

/** Its best: SimpleMerkleTree over hashes, unsorted leaves. Its file is the dump it is loaded from. */
const byOpenZeppelin: Contestant = async (size) => {
  const rewards = rewardsOf(size);
  return () => {
    const leaves = Array.from({ length: size }, (_, i) =>
      noble(recordAt(rewards, REWARD_BYTES, i)),
    );
    void SimpleMerkleTree.of(leaves, { sortLeaves: false }).root;
  };
};

export const cases: readonly Case[] = [
  {
    what: "leaves, nodes, root, files",
    unit: "ms",
    sizes: { quick: [10_000], full: [10_000, 100_000, 1_000_000, 10_000_000] },
    rounds: { quick: 3, full: 3 },
    ours,
    peers: {
      merkletreejs: { run: byMerkletreejs(noble), upTo: 1_000_000 },
      "merkletreejs with OpenSSL's keccak": { run: byMerkletreejs(openssl), upTo: 1_000_000 },
      "@openzeppelin/merkle-tree": { run: byOpenZeppelin, upTo: 1_000_000 },
    },
  },
];
