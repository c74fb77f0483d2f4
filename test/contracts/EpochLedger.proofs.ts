import { expect } from "chai";
import { parseEther, ZeroHash } from "ethers";
import { accountOf, BOND, bindAccounts, from, goTo, startOf } from "../worlds/contracts.ts";
import {
  finalize,
  finalizeEpoch,
  firstFinal,
  ltkTree,
  pendingReport,
  type Report,
  reportOf,
  type Staffed,
  staffedWorld,
} from "./support/epochs.ts";
import {
  honestLeaves,
  type Leaf,
  nodeHash,
  type RewardTree,
  treeOf,
} from "./support/reward-tree.ts";

const ltk = (amount: number) => parseEther(amount.toString());
const EARNED = [1, 2, 3, 4, 5];

function honest(world: Staffed): Leaf[] {
  return [...honestLeaves(world.accounts, EARNED.map(ltk))];
}

/** Epoch 1 with one leaf bent, pending. */
async function bent(world: Staffed, index: number, change: Partial<Leaf>, total = ltk(15)) {
  const leaves = honest(world);
  leaves[index] = { ...(leaves[index] as Leaf), ...change };
  return pendingTree(world, treeOf(leaves), total);
}

async function pendingTree(world: Staffed, tree: RewardTree, total = tree.total) {
  return { tree, report: await pendingReport(world, tree, { total }) };
}

async function expectRevoked(
  world: Staffed,
  proving: Promise<unknown>,
  report: Report,
): Promise<void> {
  const { ledger, quorum, bystander } = world;
  const { digest } = await ledger.proposal();
  await expect(proving)
    .to.emit(ledger, "RootRevoked")
    .withArgs(report.epoch, report.attempt, digest, bystander.address)
    .and.to.emit(quorum, "MemberSlashed")
    .withArgs(world.members[0]?.address, 0, BOND, bystander.address);
  const { attempt, digest: pending, signers } = await ledger.proposal();
  expect([attempt, pending, signers]).to.deep.equal([BigInt(report.attempt + 1), ZeroHash, 0n]);
}

describe("EpochLedger", () => {
  describe("proveOverlap", () => {
    it("revokes a root that promises one wei to two positions", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 2, { prefix: ltk(3) - 1n });
      const proving = world.ledger
        .connect(world.bystander)
        .proveOverlap(report, tree.openingAt(1), tree.openingAt(2));
      await expectRevoked(world, proving, report);
    });

    it("works whichever leaf comes first, and for a slice within another", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 4, { prefix: ltk(7), cumulative: ltk(1) });
      const proving = world.ledger
        .connect(world.bystander)
        .proveOverlap(report, tree.openingAt(4), tree.openingAt(3));
      await expectRevoked(world, proving, report);
    });

    it("convicts no neighbours that touch, no slice of length zero, and no leaf against itself", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      const { tree, report } = await bent(world, 2, { prefix: ltk(1), cumulative: 0n });
      for (const [a, b] of [
        [0, 1],
        [3, 4],
        [1, 2],
        [2, 1],
        [4, 4],
      ] as const) {
        await expect(
          ledger.proveOverlap(report, tree.openingAt(a), tree.openingAt(b)),
        ).to.be.revertedWithCustomError(ledger, "NoFraud");
      }
    });
  });

  describe("proveMalformed", () => {
    it("revokes a root with a slice that ends one wei beyond the total", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 4, {}, ltk(15) - 1n);
      const proving = world.ledger
        .connect(world.bystander)
        .proveMalformed(report, tree.openingAt(4));
      await expectRevoked(world, proving, report);
    });

    it("revokes a root with an account at another's index, and with one the registry does not know", async () => {
      const world = await from(staffedWorld);
      for (const account of [accountOf(0), accountOf(99)]) {
        const { tree, report } = await bent(await from(staffedWorld), 3, { account });
        const proving = world.ledger
          .connect(world.bystander)
          .proveMalformed(report, tree.openingAt(3));
        await expectRevoked(world, proving, report);
      }
    });

    it("convicts no slice that ends at the total", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 4, {});
      for (const index of [0, 4]) {
        await expect(
          world.ledger.proveMalformed(report, tree.openingAt(index)),
        ).to.be.revertedWithCustomError(world.ledger, "NoFraud");
      }
    });
  });

  describe("proveEmptyLeaf", () => {
    it("revokes a root with the zero hash where an account's leaf must be", async () => {
      const world = await from(staffedWorld);
      const holes = honest(world).map((leaf, i) => (i === 4 ? undefined : leaf));
      const { tree, report } = await pendingTree(world, treeOf(holes));
      const proving = world.ledger
        .connect(world.bystander)
        .proveEmptyLeaf(report, 4, tree.openingAt(4).proof);
      await expectRevoked(world, proving, report);
    });

    it("convicts no leaf that is there, and no padding: lesson, EigenLayer Merkle audit L-02", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      const { tree, report } = await bent(world, 0, {});
      await expect(ledger.proveEmptyLeaf(report, 4, tree.openingAt(4).proof))
        .to.be.revertedWithCustomError(ledger, "InvalidOpening")
        .withArgs(4);
      const padded = treeOf([...honest(world), undefined, undefined, undefined]);
      expect(padded.root).to.equal(tree.root);
      for (const index of [5, 6, 7]) {
        await expect(ledger.proveEmptyLeaf(report, index, padded.openingAt(index).proof))
          .to.be.revertedWithCustomError(ledger, "InvalidOpening")
          .withArgs(index);
      }
    });
  });

  describe("proveRegression", () => {
    it("revokes a root that takes one wei of history away", async () => {
      const world = await from(firstFinal);
      const { tree, report } = await bent(world, 1, { cumulative: ltk(2) - 1n });
      const proving = world.ledger
        .connect(world.bystander)
        .proveRegression(report, world.first.openingAt(1), tree.openingAt(1));
      await expectRevoked(world, proving, report);
    });

    it("opens each leaf at its own tree's depth", async () => {
      const world = await from(firstFinal);
      const grown = [...world.accounts, ...(await bindAccounts(world, 4))];
      const tree = ltkTree(grown, [1, 2, 2, 4, 5, 1, 1, 1, 1]);
      const { report } = await pendingTree(world, tree);
      const [old, pending] = [world.first.openingAt(2), tree.openingAt(2)];
      expect([old.proof.length, pending.proof.length]).to.deep.equal([3, 4]);
      const proving = world.ledger.connect(world.bystander).proveRegression(report, old, pending);
      await expectRevoked(world, proving, report);
    });

    it("convicts no cumulative that stayed or grew, and no two different indexes", async () => {
      const world = await from(firstFinal);
      const { ledger, first } = world;
      const tree = ltkTree(world.accounts, [1, 9, 3, 4, 5]);
      const { report } = await pendingTree(world, tree);
      for (const [old, pending] of [
        [0, 0],
        [1, 1],
        [4, 0],
      ] as const) {
        await expect(
          ledger.proveRegression(report, first.openingAt(old), tree.openingAt(pending)),
        ).to.be.revertedWithCustomError(ledger, "NoFraud");
      }
    });

    it("opens the old leaf under the last final root only", async () => {
      const world = await from(firstFinal);
      const { ledger } = world;
      const tree = ltkTree(world.accounts, EARNED);
      const { report } = await pendingTree(world, tree);
      const invented = ltkTree(world.accounts, [9, 9, 9, 9, 9]);
      await expect(
        ledger.proveRegression(report, invented.openingAt(3), tree.openingAt(3)),
      ).to.be.revertedWithCustomError(ledger, "InvalidOpening");
    });

    it("has nothing to open before the first epoch with leaves", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 0, {});
      await expect(
        world.ledger.proveRegression(report, tree.openingAt(0), tree.openingAt(0)),
      ).to.be.revertedWithCustomError(world.ledger, "InvalidOpening");
    });
  });

  describe("every proof", () => {
    it("is taken until finalize is mined, long after the window", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 4, {}, ltk(15) - 1n);
      await goTo(world, startOf(30));
      const proving = world.ledger
        .connect(world.bystander)
        .proveMalformed(report, tree.openingAt(4));
      await expectRevoked(world, proving, report);
      await expect(finalize(world, report)).to.be.revertedWithCustomError(
        world.ledger,
        "NoProposal",
      );
    });

    it("leaves the way free for an honest report of the next attempt", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 4, {}, ltk(15) - 1n);
      await world.ledger.proveMalformed(report, tree.openingAt(4));
      await world.quorum.connect(world.governance).removeMember(world.members[3] ?? "", 1);
      const rest = { ...world, members: world.members.slice(4) };
      await finalizeEpoch(rest, treeOf(honest(world)));
      expect((await world.ledger.lastFinal()).epoch).to.equal(1);
    });

    it("refuses openings of another index, another leaf, or a proof of another length", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      const { tree, report } = await bent(world, 4, {}, ltk(15) - 1n);
      const opening = tree.openingAt(4);
      for (const wrong of [
        { ...opening, index: 5 },
        { ...opening, index: 2 ** 32 - 1 },
        { ...opening, leaf: { ...opening.leaf, cumulative: ltk(16) } },
        { ...opening, proof: opening.proof.slice(1) },
        { ...opening, proof: [...opening.proof, ZeroHash] },
      ]) {
        await expect(ledger.proveMalformed(report, wrong))
          .to.be.revertedWithCustomError(ledger, "InvalidOpening")
          .withArgs(wrong.index);
      }
    });

    it("refuses a node as a leaf: lesson, EigenPod EIG-10, proof length unchecked", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      const { tree, report } = await bent(world, 0, {});
      const { proof } = tree.openingAt(4);
      expect(nodeHash(ZeroHash, ZeroHash)).to.equal(proof[1]);
      await expect(ledger.proveEmptyLeaf(report, 2, proof.slice(1))).to.be.revertedWithCustomError(
        ledger,
        "InvalidOpening",
      );
    });

    it("refuses when nothing is pending, and for any report but the pending one", async () => {
      const world = await from(firstFinal);
      const { ledger, first } = world;
      const opening = first.openingAt(0);
      const old = await reportOf(world, first, { epoch: 1 });
      const proofs = (report: Report) => [
        ledger.proveOverlap(report, opening, opening),
        ledger.proveMalformed(report, opening),
        ledger.proveEmptyLeaf(report, 0, opening.proof),
        ledger.proveRegression(report, opening, opening),
      ];
      for (const proving of proofs(old)) {
        await expect(proving).to.be.revertedWithCustomError(ledger, "NoProposal");
      }
      await pendingTree(world, ltkTree(world.accounts, EARNED));
      for (const proving of proofs(old)) {
        await expect(proving).to.be.revertedWithCustomError(ledger, "NotPendingReport");
      }
    });
  });
});
