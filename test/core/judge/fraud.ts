import { type Hex, keccak256, toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import {
  buildTree,
  HASH_BYTES,
  hashRecords,
  rootOf,
  verifyProof,
} from "@link-rewards/core/encoding/tree";
import {
  decodeRewards,
  encodeRewards,
  REWARD_BYTES,
  type RewardLeaf,
} from "@link-rewards/core/epoch/records";
import { type FraudProof, findFraud, type Opening } from "@link-rewards/core/judge/fraud";
import type { Report } from "@link-rewards/core/signed/report";
import { expect } from "chai";
import fc from "fast-check";
import { address } from "../../worlds/paper.ts";

const COUNT = 5;
const accounts = Array.from({ length: COUNT }, (_, i) => address(`account-${i}`));
const fromHexAll = (hashes: readonly Hex[]) =>
  hashes.map((hash) => Buffer.from(hash.slice(2), "hex"));

/** What each account had, and has now; in order, unless a leaf is changed. */
const old = inOrder([3n, 0n, 4n]);
const now = inOrder([3n, 2n, 5n, 0n, 1n]);

function inOrder(amounts: readonly bigint[]): readonly RewardLeaf[] {
  let prefix = 0n;
  return amounts.map((cumulative, i) => {
    const leaf = { account: accounts[i] as Hex, cumulative, prefix };
    prefix += cumulative;
    return leaf;
  });
}

function treeOf(rewards: Uint8Array) {
  const hashes = hashRecords(rewards, REWARD_BYTES);
  for (let i = 0; i < rewards.length / REWARD_BYTES; i++) {
    const row = rewards.subarray(i * REWARD_BYTES, (i + 1) * REWARD_BYTES);
    if (row.every((byte) => byte === 0)) hashes.fill(0, i * HASH_BYTES, (i + 1) * HASH_BYTES);
  }
  return buildTree(hashes);
}

type Case = { readonly rewards: Uint8Array; readonly total: bigint; readonly root: Hex };

function caseOf(leaves: readonly RewardLeaf[], total = 11n): Case {
  const rewards = encodeRewards(leaves);
  return { rewards, total, root: toHex(rootOf(treeOf(rewards))) };
}

function find({ rewards, total, root }: Case, leaves = COUNT): FraudProof | undefined {
  const previousRewards = encodeRewards(old);
  return findFraud({
    report: { root, total } as Report,
    leaves,
    rewards,
    previousRewards,
    previousRoot: toHex(rootOf(treeOf(previousRewards))),
    indexOf: (account) => (accounts.includes(account) ? accounts.indexOf(account) : undefined),
  });
}

const changed = (index: number, change: Partial<RewardLeaf>) =>
  now.map((leaf, i) => (i === index ? { ...leaf, ...change } : leaf));

/** The twin of EpochLedger's proofs: whether the ledger would convict. */
function convicts(proof: FraudProof, { total, root }: Case): boolean {
  const previousRewards = encodeRewards(old);
  const isOpening = ({ leaf, index, proof }: Opening, under: Hex, leaves: number) =>
    verifyProof(
      Buffer.from(under.slice(2), "hex"),
      leaves,
      index,
      keccak256(encodeRewards([leaf])),
      fromHexAll(proof),
    );
  const isNew = (opening: Opening) => isOpening(opening, root, COUNT);
  switch (proof.name) {
    case "proveEmptyLeaf": {
      const siblings = fromHexAll(proof.proof);
      const empty = new Uint8Array(HASH_BYTES);
      const under = Buffer.from(root.slice(2), "hex");
      return verifyProof(under, COUNT, proof.index, empty, siblings);
    }
    case "proveMisplaced":
      return (
        isNew(proof.opening) && accounts.indexOf(proof.opening.leaf.account) !== proof.opening.index
      );
    case "proveGap": {
      const { openings, index } = proof;
      const before = index === 0 ? undefined : openings[0];
      const after = index === COUNT ? undefined : openings.at(-1);
      const neighbours = [before, after].filter((each) => each !== undefined);
      const end = before === undefined ? 0n : before.leaf.prefix + before.leaf.cumulative;
      return (
        openings.length === neighbours.length &&
        openings.every(isNew) &&
        (before === undefined || before.index === index - 1) &&
        (after === undefined || after.index === index) &&
        (after?.leaf.prefix ?? total) !== end
      );
    }
    case "proveRegression": {
      const under = toHex(rootOf(treeOf(previousRewards)));
      return (
        isOpening(proof.old, under, old.length) &&
        isNew(proof.new_) &&
        proof.old.index === proof.new_.index &&
        proof.new_.leaf.cumulative < proof.old.leaf.cumulative
      );
    }
  }
}

function expectConvicted(wrong: Case, name: FraudProof["name"]): FraudProof {
  const proof = find(wrong);
  if (proof === undefined) throw new Error("nothing was found");
  expect(proof.name).to.equal(name);
  expect(convicts(proof, wrong)).to.equal(true);
  return proof;
}

describe("findFraud", () => {
  it("finds nothing in an honest table, nor in files that are not the root's", () => {
    expect(find(caseOf(now))).to.equal(undefined);
    expect(find({ ...caseOf(now), root: ZERO_HASH })).to.equal(undefined);
    expect(find({ ...caseOf(now), rewards: new Uint8Array(7) })).to.equal(undefined);
    expect(find(caseOf(now), COUNT + 1)).to.equal(undefined);
  });

  it("finds an empty leaf", () => {
    const rewards = encodeRewards(now);
    rewards.fill(0, REWARD_BYTES, 2 * REWARD_BYTES);
    const wrong = { rewards, total: 11n, root: toHex(rootOf(treeOf(rewards))) };
    expect(expectConvicted(wrong, "proveEmptyLeaf")).to.deep.include({ index: 1 });
  });

  it("finds an account in another's place, and one that nobody knows", () => {
    expectConvicted(caseOf(changed(1, { account: accounts[2] as Hex })), "proveMisplaced");
    expectConvicted(caseOf(changed(4, { account: address("stranger") })), "proveMisplaced");
  });

  it("finds a gap between leaves, before the first, and between the last and the total", () => {
    const gapAt = (wrong: Case) => (expectConvicted(wrong, "proveGap") as { index: number }).index;
    expect(gapAt(caseOf(changed(0, { prefix: 1n })))).to.equal(0);
    expect(gapAt(caseOf(changed(2, { prefix: 6n })))).to.equal(2);
    expect(gapAt(caseOf(now, 12n))).to.equal(COUNT);
    expect(gapAt(caseOf(now, 10n))).to.equal(COUNT);
  });

  it("finds leaves that overlap: an end is no beginning", () => {
    expectConvicted(caseOf(changed(2, { prefix: 4n })), "proveGap");
    expectConvicted(caseOf(changed(3, { cumulative: 2n ** 96n - 1n })), "proveGap");
  });

  it("finds a total where there are no leaves at all", () => {
    const none = { rewards: new Uint8Array(), total: 1n, root: ZERO_HASH };
    expect(find(none, 0)).to.deep.equal({ name: "proveGap", openings: [], index: 0 });
    expect(find({ ...none, total: 0n }, 0)).to.equal(undefined);
  });

  it("finds an account that has less than it had", () => {
    const robbed = inOrder([3n, 2n, 3n, 2n, 1n]);
    const proof = expectConvicted(caseOf(robbed), "proveRegression");
    expect(proof).to.have.nested.property("old.index", 2);
  });

  it("looks at no row beyond those that the epoch has", () => {
    const more = caseOf(now);
    const rewards = new Uint8Array([...more.rewards, ...new Uint8Array(REWARD_BYTES)]);
    expect(find({ ...more, rewards })).to.equal(undefined);
  });

  it("finds what the ledger convicts for whenever a row is another, unless it only moves wei", () => {
    const amount = fc.bigInt({ min: 0n, max: 12n });
    const leaf = fc.record({
      account: fc.constantFrom(...accounts),
      cumulative: amount,
      prefix: amount,
    });
    const change = fc.tuple(fc.nat(COUNT - 1), leaf, amount);
    fc.assert(
      fc.property(change, ([index, row, total]) => {
        const tried = caseOf(changed(index, row), total);
        const proof = find(tried);
        if (proof !== undefined) {
          expect(convicts(proof, tried)).to.equal(true);
          return;
        }
        let end = 0n;
        for (const [i, each] of decodeRewards(tried.rewards).entries()) {
          expect([each.account, each.prefix]).to.deep.equal([accounts[i], end]);
          expect(each.cumulative >= (old[i]?.cumulative ?? 0n)).to.equal(true);
          end += each.cumulative;
        }
        expect(end).to.equal(total);
      }),
      { numRuns: 500 },
    );
  });
});
