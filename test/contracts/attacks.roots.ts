import { expect } from "chai";
import { parseEther } from "ethers";
import { accountOf, bindAccounts, from } from "../worlds/contracts.ts";
import { corruptQuorum, expectRefused, expectUndone, leavesOf } from "./support/corrupt.ts";
import { finalize, ltkTree, pendingReport } from "./support/epochs.ts";
import { claimOf, type Leaf, treeOf } from "./support/reward-tree.ts";

/*
 * A quorum that is corrupt to the last member signs whatever it likes about epoch 2, after an honest epoch 1 in which
 * account i earned (i + 1) LTK. Every title says what stops it: a rule of the contracts, or one transaction of a
 * bystander.
 */

const MAX_96 = 2n ** 96n - 1n;

describe("attacks of a corrupt quorum on the tree", () => {
  it("shrinking what all have earned: stopped by TotalFell", async () => {
    const world = await from(corruptQuorum);
    await expectRefused(world, { total: world.first.total - 1n }, "TotalFell");
  });

  it("cutting accounts off the end: stopped by LeavesOutOfRange", async () => {
    const world = await from(corruptQuorum);
    await expectRefused(world, { leaves: 4 }, "LeavesOutOfRange");
  });

  it("shrinking one account in favour of another: undone by proveRegression", async () => {
    const world = await from(corruptQuorum);
    const tree = ltkTree(world.accounts, [5, 2, 3, 4, 1]);
    const report = await pendingReport(world, tree);
    const openings = [world.first.openingAt(4), tree.openingAt(4)] as const;
    await expectUndone(world, world.ledger.proveRegression(report, ...openings), report);
  });

  it("swapping two accounts: undone by proveMalformed", async () => {
    const world = await from(corruptQuorum);
    const leaves = leavesOf(world);
    const [a, b] = [leaves[1] as Leaf, leaves[4] as Leaf];
    leaves[1] = { ...a, account: b.account };
    leaves[4] = { ...b, account: a.account };
    const tree = treeOf(leaves);
    const report = await pendingReport(world, tree);
    await expectUndone(world, world.ledger.proveMalformed(report, tree.openingAt(1)), report);
  });

  it("moving an account to a fresh index without its history: undone by proveMalformed", async () => {
    const world = await from(corruptQuorum);
    await bindAccounts(world, 1);
    const moved = [...world.accounts.slice(0, 4), accountOf(5), accountOf(4)];
    const tree = ltkTree(moved, [1, 2, 3, 4, 5, 0]);
    const report = await pendingReport(world, tree);
    await expectUndone(world, world.ledger.proveMalformed(report, tree.openingAt(5)), report);
  });

  it("one account at two positions: undone by proveMalformed", async () => {
    const world = await from(corruptQuorum);
    await bindAccounts(world, 1);
    const tree = ltkTree([...world.accounts, accountOf(0)], [1, 2, 3, 4, 5, 100]);
    const report = await pendingReport(world, tree);
    await expectUndone(world, world.ledger.proveMalformed(report, tree.openingAt(5)), report);
  });

  it("a slice so far beyond the total that 96-bit sums overflow: undone by proveMalformed, worthless if final", async () => {
    const world = await from(corruptQuorum);
    const leaves = leavesOf(world);
    leaves[4] = { ...(leaves[4] as Leaf), prefix: MAX_96, cumulative: MAX_96 };
    const tree = treeOf(leaves);
    const report = await pendingReport(world, tree, { total: parseEther("20") });
    const snapshot = await world.connection.networkHelpers.takeSnapshot();
    await finalize(world, report);
    await expect(world.distributor.claim([claimOf(tree, 2, 4)])).to.be.revertedWithCustomError(
      world.distributor,
      "SliceBeyondTotal",
    );
    await snapshot.restore();
    await expectUndone(world, world.ledger.proveMalformed(report, tree.openingAt(4)), report);
  });

  it("one slice promised twice: undone by proveOverlap", async () => {
    const world = await from(corruptQuorum);
    const leaves = leavesOf(world);
    leaves[4] = { ...(leaves[4] as Leaf), prefix: 0n, cumulative: parseEther("15") };
    const tree = treeOf(leaves);
    const report = await pendingReport(world, tree, { total: parseEther("15") });
    const openings = [tree.openingAt(4), tree.openingAt(2)] as const;
    await expectUndone(world, world.ledger.proveOverlap(report, ...openings), report);
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
    const hidden = { account: accountOf(0), cumulative: parseEther("3"), prefix: 0n };
    const tree = treeOf([...leavesOf(world), hidden]);
    const report = await pendingReport(world, { ...tree, leaves: 5 }, { total: parseEther("18") });
    await finalize(world, report);
    await expect(world.distributor.claim([claimOf(tree, 2, 5)])).to.be.revertedWithCustomError(
      world.distributor,
      "InvalidProof",
    );
  });

  it("one wei over emission and fund: stopped by OverBudget", async () => {
    const world = await from(corruptQuorum);
    const total = world.first.total + (await world.ledger.budgetOf(2)) + 1n;
    await expectRefused(world, { total }, "OverBudget");
    await expectRefused(world, { total: MAX_96 }, "OverBudget");
  });

  it("blowing leaves up until nobody can build the tree: stopped by LeavesOutOfRange", async () => {
    const world = await from(corruptQuorum);
    await expectRefused(world, { leaves: 2 ** 32 - 1 }, "LeavesOutOfRange");
    await expectRefused(world, { leaves: 6 }, "LeavesOutOfRange");
  });

  it("taking more out than the ledger released: stopped by the distributor's balance", async () => {
    const world = await from(corruptQuorum);
    const { distributor, token, first } = world;
    const leaves = leavesOf(world);
    leaves[4] = { ...(leaves[4] as Leaf), prefix: 0n, cumulative: parseEther("16") };
    const tree = treeOf(leaves);
    await finalize(world, await pendingReport(world, tree, { total: parseEther("16") }));
    await distributor.claim([claimOf(tree, 2, 4)]);
    await expect(distributor.claim([claimOf(first, 1, 0)])).to.be.revertedWithCustomError(
      token,
      "ERC20InsufficientBalance",
    );
  });
});
