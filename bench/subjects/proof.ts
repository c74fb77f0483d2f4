import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildTree, hashRecords, packProofs } from "@link-rewards/core/encoding/tree";
import { encodeTree, REWARD_BYTES, recordAt } from "@link-rewards/core/epoch/records";
import { proveFromFiles } from "@link-rewards/core/judge/proof";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { MerkleTree } from "merkletreejs";
import { openBundles } from "../../oracle/edge/bundles.ts";
import type { Case, Contestant } from "../case.ts";
import { rewardsOf } from "../world.ts";

/** Page by page, as they would be written to a file or sent: all proofs of a million leaves at once are 640 MB. */
const LEAVES_AT_ONCE = 4_096;

const all: Contestant = async (size) => {
  const tree = buildTree(hashRecords(rewardsOf(size), REWARD_BYTES));
  return () => {
    for (let first = 0; first < size; first += LEAVES_AT_ONCE) {
      packProofs(tree, first, Math.min(LEAVES_AT_ONCE, size - first));
    }
  };
};

const noble = (bytes: Uint8Array) => Buffer.from(keccak_256(bytes));

function leavesOf(size: number): Buffer[] {
  const rewards = rewardsOf(size);
  return Array.from({ length: size }, (_, i) => noble(recordAt(rewards, REWARD_BYTES, i)));
}

/** By index, because without it the leaf would be searched for; and joined, because ours are bytes ready to be sent. */
const allByMerkletreejs: Contestant = async (size) => {
  const leaves = leavesOf(size);
  const tree = new MerkleTree(leaves, noble, { fillDefaultHash: Buffer.alloc(32) });
  return () => {
    for (const [i, leaf] of leaves.entries())
      Buffer.concat(tree.getProof(leaf, i).map(({ data }) => data));
  };
};

const allByOpenZeppelin: Contestant = async (size) => {
  const tree = SimpleMerkleTree.of(leavesOf(size), { sortLeaves: false });
  return () => {
    for (let i = 0; i < size; i++) Buffer.from(tree.getProof(i).join(""), "hex");
  };
};

function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "link-rewards-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Files in, one proof out, as a claimer's browser does it. */
const one: Contestant = async (size) => {
  const folder = scratchFolder();
  const source = openBundles(folder);
  await mkdir(join(folder, "1"));
  const rewards = rewardsOf(size);
  await writeFile(join(folder, "1", "rewards.bin"), rewards);
  const tree = encodeTree(buildTree(hashRecords(rewards, REWARD_BYTES)));
  await writeFile(join(folder, "1", "rewards.tree"), tree);
  return async () => {
    let ranges = 0;
    let bytes = 0;
    const { proof } = await proveFromFiles(
      (file, from, length) => {
        ranges += 1;
        bytes += length;
        return source.range(1, file, from, length);
      },
      "rewards",
      size,
      Math.floor(size / 3),
    );
    if (ranges > 4 || bytes > 40_000 || proof.length === 0)
      throw new Error(`${ranges} ranges, ${bytes} bytes for one proof`);
  };
};

/** The dump that the package's README says to publish, loaded again. */
const oneByOpenZeppelin: Contestant = async (size) => {
  const file = join(scratchFolder(), "tree.json");
  await writeFile(
    file,
    JSON.stringify(SimpleMerkleTree.of(leavesOf(size), { sortLeaves: false }).dump()),
  );
  return async () => {
    const tree = SimpleMerkleTree.load(JSON.parse(await readFile(file, "utf8")));
    tree.getProof(Math.floor(size / 3));
  };
};

export const cases: readonly Case[] = [
  {
    what: "all proofs",
    unit: "ms",
    sizes: { quick: [1_000], full: [10_000, 100_000, 1_000_000] },
    rounds: { quick: 5, full: 5 },
    ours: all,
    peers: {
      merkletreejs: { run: allByMerkletreejs, upTo: 1_000_000 },
      "@openzeppelin/merkle-tree": { run: allByOpenZeppelin, upTo: 10_000 },
    },
  },
  {
    what: "one proof from files",
    unit: "ms",
    sizes: { quick: [10_000], full: [10_000, 100_000, 1_000_000, 10_000_000] },
    rounds: { quick: 5, full: 9 },
    ours: one,
    peers: { "@openzeppelin/merkle-tree": { run: oneByOpenZeppelin, upTo: 100_000 } },
  },
];
