import { expect } from "chai";
import { ZeroHash } from "ethers";
import { accountOf, addMembers, bindAccounts, deployedWorld, from } from "../worlds/contracts.ts";
import { admitCustomer, ltk } from "./support/customers.ts";
import {
  EMPTY_TREE,
  finalizeEpoch,
  firstFinal,
  ltkTree,
  NO_CONTRIBUTIONS,
  type Staffed,
  staffedWorld,
} from "./support/epochs.ts";
import { claimOf, honestLeaves, nodeHash, type RewardTree, treeOf } from "./support/reward-tree.ts";

type ThreeFinal = Staffed & { readonly trees: readonly [RewardTree, RewardTree, RewardTree] };

/** Epochs 1 to 3 are final; account i earned (i + 1) LTK in each. */
async function threeFinal(): Promise<ThreeFinal> {
  const world = await from(firstFinal);
  const second = ltkTree(world.accounts, [2, 4, 6, 8, 10]);
  const third = ltkTree(world.accounts, [3, 6, 9, 12, 15]);
  await finalizeEpoch(world, second);
  await finalizeEpoch(world, third);
  return { ...world, trees: [world.first, second, third] };
}

describe("RewardDistributor", () => {
  describe("claim", () => {
    it("pays an account what it earned, whoever sends it", async () => {
      const { connection, distributor, token, first, bystander } = await from(firstFinal);
      const claiming = distributor.connect(bystander).claim([claimOf(first, 1, 3)]);
      await expect(claiming)
        .to.emit(distributor, "Claimed")
        .withArgs(accountOf(3), accountOf(3), 1, ltk(4), ltk(4));
      await expect(claiming).to.changeTokenBalances(
        connection.ethers,
        token,
        [distributor, accountOf(3), bystander],
        [-ltk(4), ltk(4), 0],
      );
      expect(await distributor.claimed(accountOf(3))).to.equal(ltk(4));
    });

    it("pays the difference to what was claimed before", async () => {
      const { distributor, trees } = await from(threeFinal);
      await distributor.claim([claimOf(trees[0], 1, 0)]);
      await expect(distributor.claim([claimOf(trees[2], 3, 0)]))
        .to.emit(distributor, "Claimed")
        .withArgs(accountOf(0), accountOf(0), 3, ltk(2), ltk(3));
    });

    it("pays the same in any order of epochs: lesson, a proof stale when a new root lands", async () => {
      for (const order of [
        [1, 2, 3],
        [3, 2, 1],
        [2, 3, 1],
      ]) {
        const { distributor, token, trees } = await from(threeFinal);
        for (const epoch of order) {
          await distributor.claim([claimOf(trees[epoch - 1] as RewardTree, epoch, 4)]);
        }
        expect(await token.balanceOf(accountOf(4))).to.equal(ltk(15));
        expect(await distributor.claimed(accountOf(4))).to.equal(ltk(15));
      }
    });

    it("names the newest epoch, whose root is worth most: lesson, users cannot find the claimable root", async () => {
      const { distributor, trees } = await from(threeFinal);
      expect(await distributor.latestEpoch()).to.equal(3);
      const [root, total, leaves] = await distributor.rootOf(3);
      expect([root, total, leaves]).to.deep.equal([trees[2].root, trees[2].total, 5n]);
      expect(await distributor.rootOf(4)).to.deep.equal([ZeroHash, 0n, 0n]);
    });

    it("pays a claim repeated in one batch once: lesson, balancer-v2-monorepo PR 2269", async () => {
      const { connection, distributor, token, first } = await from(firstFinal);
      const claim = claimOf(first, 1, 1);
      const claiming = distributor.claim([claim, claim, claim]);
      await expect(claiming).to.changeTokenBalance(connection.ethers, token, accountOf(1), ltk(2));
      await expect(distributor.claim([claim])).not.to.emit(distributor, "Claimed");
    });

    it("passes over what somebody claimed first: lesson, EigenLayer ELSC2-06, one front-run element reverts the batch", async () => {
      const { connection, distributor, token, trees } = await from(threeFinal);
      const batch = [0, 1, 2].map((index) => claimOf(trees[2], 3, index));
      await distributor.claim([claimOf(trees[2], 3, 1)]);
      const claiming = distributor.claim(batch);
      await expect(claiming).to.changeTokenBalances(
        connection.ethers,
        token,
        [accountOf(0), accountOf(1), accountOf(2)],
        [ltk(3), 0, ltk(9)],
      );
    });

    it("pays every account of a batch, and whole trees to the last wei", async () => {
      const { distributor, token, trees } = await from(threeFinal);
      await distributor.claim([0, 1, 2, 3, 4].map((index) => claimOf(trees[2], 3, index)));
      expect(await token.balanceOf(distributor)).to.equal(0);
    });

    it("does nothing for an empty batch, and for an account that earned nothing", async () => {
      const world = await from(staffedWorld);
      const tree = ltkTree(world.accounts, [1, 0, 0, 0, 0]);
      await finalizeEpoch(world, tree);
      await expect(world.distributor.claim([])).not.to.emit(world.distributor, "Claimed");
      await expect(world.distributor.claim([claimOf(tree, 1, 1)])).not.to.emit(
        world.distributor,
        "Claimed",
      );
    });

    it("refuses an epoch that is not final or had no leaves", async () => {
      const bare = await from(deployedWorld);
      const members = await addMembers(bare, 1, 1);
      const { distributor } = bare;
      const tree = ltkTree([accountOf(0)], [1]);
      await finalizeEpoch({ ...bare, accounts: [], members }, EMPTY_TREE, NO_CONTRIBUTIONS);
      for (const epoch of [0, 1, 2]) {
        await expect(distributor.claim([claimOf(tree, epoch, 0)]))
          .to.be.revertedWithCustomError(distributor, "RootUnknown")
          .withArgs(epoch);
      }
    });

    it("refuses every change of a leaf, and spoils the whole batch with it", async () => {
      const { distributor, first } = await from(firstFinal);
      const [good, claim] = [claimOf(first, 1, 0), claimOf(first, 1, 3)];
      for (const change of [
        { account: accountOf(4) },
        { index: 2 },
        { cumulative: claim.cumulative + 1n },
        { prefix: claim.prefix - 1n },
      ]) {
        const wrong = { ...claim, ...change };
        await expect(distributor.claim([good, wrong]))
          .to.be.revertedWithCustomError(distributor, "InvalidProof")
          .withArgs(1, wrong.index, wrong.account);
      }
      expect(await distributor.claimed(accountOf(0))).to.equal(0);
    });

    it("refuses a leaf under another epoch's root: lesson, Layr-Labs/sidecar 452, the wrong root's proof", async () => {
      const { distributor, trees } = await from(threeFinal);
      await expect(distributor.claim([claimOf(trees[1], 3, 0)])).to.be.revertedWithCustomError(
        distributor,
        "InvalidProof",
      );
    });

    it("refuses a proof of another length than the tree is deep: lesson, EigenPod EIG-10", async () => {
      const { distributor, first } = await from(firstFinal);
      const claim = claimOf(first, 1, 0);
      for (const proof of [claim.proof.slice(0, 2), [...claim.proof, ZeroHash], []]) {
        await expect(distributor.claim([{ ...claim, proof }])).to.be.revertedWithCustomError(
          distributor,
          "InvalidProof",
        );
      }
    });

    it("refuses an index at or beyond the leaves: lesson, EigenLayer L-02, provable padding", async () => {
      const bare = await from(deployedWorld);
      const accounts = await bindAccounts(bare, 3);
      const members = await addMembers(bare, 1, 1);
      await admitCustomer(bare, ltk(10_000));
      const world = { ...bare, accounts, members };
      const hidden = { account: accountOf(3), cumulative: 1n, prefix: 0n };
      const tree = treeOf([...honestLeaves(accounts, [1n, 2n, 3n]), hidden]);
      await finalizeEpoch(world, tree, { total: 7n });
      await expect(world.distributor.claim([claimOf(tree, 1, 3)]))
        .to.be.revertedWithCustomError(world.distributor, "InvalidProof")
        .withArgs(1, 3, accountOf(3));
      await world.distributor.claim([claimOf(tree, 1, 2)]);

      // Nor when a newer root has a leaf at that index.
      await bindAccounts(world, 1);
      await finalizeEpoch(world, treeOf(honestLeaves(accounts, [1n, 2n, 4n])));
      await finalizeEpoch(world, ltkTree([...accounts, accountOf(3)], [1, 2, 3, 4]));
      await expect(world.distributor.claim([claimOf(tree, 1, 3)]))
        .to.be.revertedWithCustomError(world.distributor, "InvalidProof")
        .withArgs(1, 3, accountOf(3));
    });

    it("refuses a node as a leaf: lesson, OpenZeppelin 3091, an internal node passes for a leaf", async () => {
      const { distributor, first } = await from(firstFinal);
      const { proof } = first.openingAt(4);
      const node = nodeHash(ZeroHash, ZeroHash);
      expect(proof[1]).to.equal(node);
      // 64 bytes of two children cannot be the 44 bytes of a leaf, whatever account and amounts are read into them.
      const forged = { epoch: 1, index: 2, account: `0x${"00".repeat(19)}01`, prefix: 0n };
      await expect(
        distributor.claim([{ ...forged, cumulative: 1n, proof: proof.slice(1) }]),
      ).to.be.revertedWithCustomError(distributor, "InvalidProof");
    });

    it("refuses a slice that ends one wei beyond the total, and pays one that ends with it", async () => {
      const world = await from(staffedWorld);
      const { distributor, accounts } = world;
      const [a, b, ...rest] = honestLeaves(accounts, [5n, 5n, 0n, 0n, 0n]);
      const tree = treeOf([a, { ...b, prefix: 6n } as typeof b, ...rest]);
      await finalizeEpoch(world, tree, { total: 10n });
      await expect(distributor.claim([claimOf(tree, 1, 1)]))
        .to.be.revertedWithCustomError(distributor, "SliceBeyondTotal")
        .withArgs(11, 10);
      await distributor.claim([claimOf(tree, 1, 0)]);

      const next = ltkTree(accounts, [1, 0, 0, 0, 2]);
      await finalizeEpoch(world, next);
      await expect(distributor.claim([claimOf(tree, 1, 1)]), "the newer total is larger")
        .to.be.revertedWithCustomError(distributor, "SliceBeyondTotal")
        .withArgs(11, 10);
      await distributor.claim([claimOf(next, 2, 4)]);
    });

    it("holds what the ledger released and nothing of other epochs: lesson, UMA PR 3933", async () => {
      const { distributor, token, trees } = await from(threeFinal);
      await distributor.claim([claimOf(trees[0], 1, 4), claimOf(trees[1], 2, 0)]);
      const claimed = ltk(5) + ltk(2);
      expect(await token.balanceOf(distributor)).to.equal(trees[2].total - claimed);
    });

    it("takes one leaf, whose proof is empty", async () => {
      const bare = await from(deployedWorld);
      const accounts = await bindAccounts(bare, 1);
      const members = await addMembers(bare, 1, 1);
      await admitCustomer(bare, ltk(10_000));
      const tree = ltkTree(accounts, [7]);
      expect(tree.openingAt(0).proof).to.deep.equal([]);
      await finalizeEpoch({ ...bare, accounts, members }, tree);
      await bare.distributor.claim([claimOf(tree, 1, 0)]);
      expect(await bare.distributor.claimed(accountOf(0))).to.equal(ltk(7));
    });
  });
});
