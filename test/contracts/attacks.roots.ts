import { expect } from "chai";
import {
  accountOf,
  addMembers,
  bindAccounts,
  deployedWorld,
  from,
  GENESIS,
  goTo,
} from "../worlds/contracts.ts";
import { corruptQuorum, expectRefused, expectUndone, leavesOf } from "./support/corrupt.ts";
import { admitCustomer, collect, ltk, MAX_96 } from "./support/customers.ts";
import {
  EMPTY_TREE,
  finalize,
  finalizeEpoch,
  ltkTree,
  NO_CONTRIBUTIONS,
  PAID,
  pendingReport,
  propose,
  reportOf,
} from "./support/epochs.ts";
import { claimOf, type Leaf, type RewardTree, treeOf } from "./support/reward-tree.ts";

/*
 * A quorum that is corrupt to the last member signs whatever it likes about epoch 2, after an honest epoch 1 in which
 * account i earned (i + 1) LTK. Every title says what stops it: a rule of the contracts, or one transaction of a
 * bystander.
 */

/** The leaves on both sides of a boundary, as far as the table has them. */
function sidesOf(tree: RewardTree, index: number) {
  return [index - 1, index].filter((i) => i >= 0 && i < tree.leaves).map(tree.openingAt);
}

describe("attacks of a corrupt quorum on the tree", () => {
  it("shrinking what all have earned: stopped by TotalFell", async () => {
    const world = await from(corruptQuorum);
    await expectRefused(world, { total: world.first.total - 1n }, "TotalFell");
  });

  it("cutting an account off the end: undone by proveEmptyLeaf, for how many leaves there are is the registry's word", async () => {
    const world = await from(corruptQuorum);
    const leaves = leavesOf(world).slice(0, 4);
    const tree = treeOf([...leaves, undefined]);
    const report = await pendingReport(world, tree, { total: world.first.total });
    const { proof } = tree.openingAt(4);
    await expectUndone(world, world.ledger.proveEmptyLeaf(report, 4, proof), report);
  });

  it("a root of nothing while there are accounts: stopped by RootMismatch", async () => {
    const world = await from(corruptQuorum);
    await expectRefused(world, { root: EMPTY_TREE.root }, "RootMismatch");
  });

  it("shrinking one account in favour of another: undone by proveRegression", async () => {
    const world = await from(corruptQuorum);
    const tree = ltkTree(world.accounts, [5, 2, 3, 4, 1]);
    const report = await pendingReport(world, tree);
    const openings = [world.first.openingAt(4), tree.openingAt(4)] as const;
    await expectUndone(world, world.ledger.proveRegression(report, ...openings), report);
  });

  it("convicting an honest tree by a leaf that was made up: stopped, proveRegression opens both leaves", async () => {
    const world = await from(corruptQuorum);
    const { ledger, first } = world;
    const honest = ltkTree(world.accounts, [2, 2, 3, 4, 5]);
    const report = await pendingReport(world, honest);
    const [old, fresh] = [first.openingAt(4), honest.openingAt(4)];
    for (const forged of [
      { ...fresh, leaf: { ...fresh.leaf, cumulative: 0n } },
      ltkTree(world.accounts, [2, 2, 3, 4, 0]).openingAt(4),
      { ...fresh, leaf: { ...fresh.leaf, cumulative: 0n }, proof: [] },
    ]) {
      await expect(ledger.proveRegression(report, old, forged)).to.be.revertedWithCustomError(
        ledger,
        "InvalidOpening",
      );
    }
    await finalize(world, report);
  });

  it("swapping two accounts: undone by proveMisplaced", async () => {
    const world = await from(corruptQuorum);
    const leaves = leavesOf(world);
    const [a, b] = [leaves[1] as Leaf, leaves[4] as Leaf];
    leaves[1] = { ...a, account: b.account };
    leaves[4] = { ...b, account: a.account };
    const tree = treeOf(leaves);
    const report = await pendingReport(world, tree);
    await expectUndone(world, world.ledger.proveMisplaced(report, tree.openingAt(1)), report);
  });

  it("moving an account to a fresh index without its history: undone by proveMisplaced", async () => {
    const world = await from(corruptQuorum);
    await bindAccounts(world, 1);
    await finalizeEpoch(world, world.first, NO_CONTRIBUTIONS);
    await finalizeEpoch(world, world.first, NO_CONTRIBUTIONS);
    const moved = [...world.accounts.slice(0, 4), accountOf(5), accountOf(4)];
    const tree = ltkTree(moved, [1, 2, 3, 4, 5, 0]);
    const report = await pendingReport(world, tree, NO_CONTRIBUTIONS);
    const proving = world.ledger.proveMisplaced(report, tree.openingAt(5));
    await expect(proving).to.emit(world.quorum, "MemberSlashed");
  });

  it("one account at two positions: undone by proveMisplaced", async () => {
    const world = await from(corruptQuorum);
    const twice = [...world.accounts.slice(0, 4), accountOf(0)];
    const tree = ltkTree(twice, [1, 2, 3, 4, 100]);
    const report = await pendingReport(world, tree);
    await expectUndone(world, world.ledger.proveMisplaced(report, tree.openingAt(4)), report);
  });

  it("a slice so far beyond the total that 96-bit sums overflow: undone by proveGap, worthless if final", async () => {
    const world = await from(corruptQuorum);
    const leaves = leavesOf(world);
    leaves[4] = { ...(leaves[4] as Leaf), prefix: MAX_96, cumulative: MAX_96 };
    const tree = treeOf(leaves);
    const report = await pendingReport(world, tree, { total: ltk(20) });
    const snapshot = await world.connection.networkHelpers.takeSnapshot();
    await finalize(world, report);
    await expect(world.distributor.claim([claimOf(tree, 2, 4)])).to.be.revertedWithCustomError(
      world.distributor,
      "SliceBeyondTotal",
    );
    await snapshot.restore();
    await expectUndone(world, world.ledger.proveGap(report, sidesOf(tree, 5), 5), report);
  });

  it("one slice promised twice: undone by proveGap", async () => {
    const world = await from(corruptQuorum);
    const leaves = leavesOf(world);
    leaves[4] = { ...(leaves[4] as Leaf), prefix: 0n, cumulative: ltk(15) };
    const tree = treeOf(leaves);
    const report = await pendingReport(world, tree, { total: ltk(15) });
    await expectUndone(world, world.ledger.proveGap(report, sidesOf(tree, 4), 4), report);
  });

  it("P3 a total above the sum of the leaves, to be taken later: undone by proveGap at the end", async () => {
    const world = await from(corruptQuorum);
    const report = await pendingReport(world, world.first, { total: world.first.total + ltk(9) });
    await expectUndone(world, world.ledger.proveGap(report, sidesOf(world.first, 5), 5), report);
  });

  it("P3 the same, parked between two leaves: undone by proveGap there", async () => {
    const world = await from(corruptQuorum);
    const tree = treeOf(
      leavesOf(world).map((leaf, i) => (i < 3 ? leaf : { ...leaf, prefix: leaf.prefix + ltk(9) })),
    );
    const report = await pendingReport(world, tree, { total: tree.total + ltk(9) });
    await expectUndone(world, world.ledger.proveGap(report, sidesOf(tree, 3), 3), report);
  });

  it("P55 moving what was paid where nobody can claim it, while there are no accounts: undone by proveGap without a leaf", async () => {
    const bare = await from(deployedWorld);
    const members = await addMembers(bare, 1, 1);
    await admitCustomer(bare, ltk(10));
    await goTo(bare, GENESIS);
    await collect(bare, 1, 10);
    const world = { ...bare, accounts: [], members };
    const { ledger, quorum } = world;
    await expect(
      propose(world, await reportOf(world, EMPTY_TREE, { ...NO_CONTRIBUTIONS, total: ltk(9) })),
    ).to.be.revertedWithCustomError(ledger, "OverFund");
    const report = await reportOf(world, EMPTY_TREE, { total: ltk(9) });
    await propose(world, report);
    const proving = ledger.proveGap(report, [], 0);
    await expect(proving).to.emit(ledger, "RootRevoked").and.to.emit(quorum, "MemberSlashed");
  });

  it("a zero leaf where an account was: undone by proveEmptyLeaf", async () => {
    const world = await from(corruptQuorum);
    const tree = treeOf(leavesOf(world).map((leaf, i) => (i === 2 ? undefined : leaf)));
    const report = await pendingReport(world, tree, { total: world.first.total });
    const { proof } = tree.openingAt(2);
    await expectUndone(world, world.ledger.proveEmptyLeaf(report, 2, proof), report);
  });

  it("opening the padding as somebody's leaf: stopped by the bound of the index", async () => {
    const world = await from(corruptQuorum);
    const hidden = { account: accountOf(0), cumulative: ltk(3), prefix: 0n };
    const tree = treeOf([...leavesOf(world), hidden]);
    const report = await pendingReport(world, tree, { total: ltk(18) });
    await finalize(world, report);
    await expect(world.distributor.claim([claimOf(tree, 2, 5)])).to.be.revertedWithCustomError(
      world.distributor,
      "InvalidProof",
    );
  });

  it("one wei over what customers paid: stopped by OverFund", async () => {
    const world = await from(corruptQuorum);
    const total = world.first.total + (ltk(PAID) * 9n) / 10n + 1n;
    await expectRefused(world, { total }, "OverFund");
    await expectRefused(world, { total: MAX_96 }, "OverFund");
  });

  it("taking more out than was released: stopped by the distributor's balance", async () => {
    const world = await from(corruptQuorum);
    const { distributor, token, first } = world;
    const leaves = leavesOf(world);
    leaves[4] = { ...(leaves[4] as Leaf), prefix: 0n, cumulative: ltk(16) };
    const tree = treeOf(leaves);
    await finalize(world, await pendingReport(world, tree, { total: ltk(16) }));
    await distributor.claim([claimOf(tree, 2, 4)]);
    await expect(distributor.claim([claimOf(first, 1, 0)])).to.be.revertedWithCustomError(
      token,
      "ERC20InsufficientBalance",
    );
  });
});
