import { concatBytes, equalBytes, keccak256, toHex, utf8 } from "@link-rewards/core/encoding/bytes";
import {
  buildTree,
  climb,
  depthOf,
  HASH_BYTES,
  hashRecords,
  packProofs,
  proofOf,
  rootOf,
  rootOver,
  type Tree,
  verifyProof,
} from "@link-rewards/core/encoding/tree";
import { expect } from "chai";
import { keccak256 as ethersKeccak, getBytes } from "ethers";
import fc from "fast-check";
import { MerkleTree } from "merkletreejs";

const ETHERS = (bytes: Buffer) => Buffer.from(getBytes(ethersKeccak(bytes)));

function leafHashes(count: number): Uint8Array {
  const hashes = Array.from({ length: count }, (_, i) => keccak256(utf8(`leaf ${i}`)));
  return concatBytes(...hashes);
}

/** The independent builder: another library, another hash implementation. */
function reference(hashes: Uint8Array): MerkleTree {
  const leaves = Array.from({ length: hashes.length / HASH_BYTES }, (_, i) =>
    Buffer.from(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)),
  );
  return new MerkleTree(leaves, ETHERS, { fillDefaultHash: Buffer.alloc(HASH_BYTES), sort: false });
}

function expectSame(count: number, indexes: readonly number[]): void {
  const hashes = leafHashes(count);
  const tree = buildTree(hashes);
  const other = reference(hashes);
  expect(toHex(rootOf(tree)), `root of ${count}`).to.equal(`0x${other.getRoot().toString("hex")}`);
  for (const index of indexes) {
    const leaf = hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
    const expected = other.getProof(Buffer.from(leaf), index).map(({ data }) => toHex(data));
    expect(proofOf(tree, index).map(toHex), `proof ${index} of ${count}`).to.deep.equal(expected);
    expect(verifyProof(rootOf(tree), count, index, leaf, proofOf(tree, index))).to.equal(true);
  }
}

describe("tree", () => {
  it("is merkletreejs's tree for every size from 1 to 300, with every proof", () => {
    for (let count = 1; count <= 300; count++) {
      const step = count < 40 ? 1 : 37;
      expectSame(
        count,
        Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step),
      );
    }
  });

  for (const count of [1_000, 10_000]) {
    it(`is merkletreejs's tree for ${count} leaves`, () => {
      expectSame(count, [0, 1, Math.floor(count / 2), count - 2, count - 1]);
    });
  }

  it("has the zero root without leaves, and the leaf itself as the root of one", () => {
    expect(rootOf(buildTree(new Uint8Array()))).to.deep.equal(new Uint8Array(HASH_BYTES));
    expect(rootOf(buildTree(leafHashes(1)))).to.deep.equal(leafHashes(1));
  });

  it("is ceil(log2(leaves)) deep", () => {
    const depths = [0, 1, 2, 3, 4, 5, 256, 257, 65_536, 65_537, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1];
    expect(depths.map(depthOf)).to.deep.equal([0, 0, 1, 2, 2, 3, 8, 9, 16, 17, 31, 32, 32]);
  });

  it("hashes records of one size, and refuses what is not a whole number of them", () => {
    const records = utf8("abcdef");
    expect(hashRecords(records, 3)).to.deep.equal(
      concatBytes(keccak256(utf8("abc")), keccak256(utf8("def"))),
    );
    expect(() => hashRecords(records, 4)).to.throw(RangeError);
  });

  it("has no proof for an index it does not have", () => {
    const tree = buildTree(leafHashes(5));
    for (const index of [-1, 5, 0.5, Number.NaN])
      expect(() => proofOf(tree, index)).to.throw(RangeError);
  });
});

describe("verifyProof", () => {
  const LEAVES = 5;
  const hashes = leafHashes(LEAVES);
  const tree = buildTree(hashes);
  const root = rootOf(tree);
  const leafAt = (index: number) => hashes.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES);

  it("refuses another index, leaf, root or sibling", () => {
    const proof = proofOf(tree, 2);
    expect(verifyProof(root, LEAVES, 2, leafAt(2), proof)).to.equal(true);
    expect(verifyProof(root, LEAVES, 3, leafAt(2), proof)).to.equal(false);
    expect(verifyProof(root, LEAVES, 2, leafAt(3), proof)).to.equal(false);
    expect(verifyProof(leafAt(0), LEAVES, 2, leafAt(2), proof)).to.equal(false);
    expect(verifyProof(root, LEAVES, 2, leafAt(2), proof.toReversed())).to.equal(false);
  });

  it("refuses a node in place of a leaf, and any other depth (OpenZeppelin 3091, EigenPod EIG-10)", () => {
    const proof = proofOf(tree, 2);
    const node = climb(leafAt(2), 2, proof.slice(0, 1));
    expect(verifyProof(root, LEAVES, 1, node, proof.slice(1))).to.equal(false);
    expect(
      verifyProof(root, LEAVES, 2, leafAt(2), [...proof, new Uint8Array(HASH_BYTES)]),
    ).to.equal(false);
    expect(verifyProof(root, LEAVES, 0, root, [])).to.equal(false);
  });

  it("refuses padding and zero roots (EigenLayer L-01, L-02)", () => {
    const zero = new Uint8Array(HASH_BYTES);
    const padded: Tree = buildTree(concatBytes(hashes, zero, zero, zero));
    expect(rootOf(padded)).to.deep.equal(root);
    expect(verifyProof(root, 8, 5, zero, proofOf(padded, 5))).to.equal(true);
    expect(verifyProof(root, LEAVES, 5, zero, proofOf(padded, 5))).to.equal(false);
    expect(verifyProof(zero, 0, 0, zero, [])).to.equal(false);
  });

  it("refuses every leaf at every position but its own", () => {
    const cases = fc
      .integer({ min: 2, max: 70 })
      .chain((count) =>
        fc.record({ count: fc.constant(count), at: fc.nat(count - 1), claimed: fc.nat(count - 1) }),
      );
    fc.assert(
      fc.property(cases, ({ count, at, claimed }) => {
        const all = leafHashes(count);
        const some = buildTree(all);
        const leaf = all.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
        const holds = verifyProof(rootOf(some), count, claimed, leaf, proofOf(some, at));
        expect(holds).to.equal(at === claimed);
      }),
    );
  });

  it("does not mistake hashes for each other", () => {
    expect(equalBytes(leafAt(0), leafAt(1))).to.equal(false);
  });
});

describe("rootOver", () => {
  it("is the root of the whole tree, and zero over nothing", () => {
    for (const count of [0, 1, 2, 3, 5, 8, 257]) {
      const records = concatBytes(
        ...Array.from({ length: count }, (_, i) => utf8(`record ${i % 9}`)),
      );
      const tree = buildTree(hashRecords(records, 8));
      expect(toHex(rootOver(records, 8))).to.equal(toHex(rootOf(tree)));
    }
  });
});

describe("packProofs", () => {
  it("are the proofs of the leaves, one after the other", () => {
    for (const count of [1, 2, 3, 7, 8, 300]) {
      const tree = buildTree(leafHashes(count));
      const expected = concatBytes(
        ...Array.from({ length: count }, (_, i) => concatBytes(...proofOf(tree, i))),
      );
      expect(equalBytes(packProofs(tree, 0, count), expected)).to.equal(true);
      const depth = depthOf(count) * HASH_BYTES;
      const tail = expected.subarray((count - 1) * depth);
      expect(equalBytes(packProofs(tree, count - 1, 1), tail)).to.equal(true);
    }
  });

  it("are not given for leaves that do not exist", () => {
    expect(() => packProofs(buildTree(leafHashes(3)), 2, 2)).to.throw("no leaves 2 to 3 among 3");
  });
});
