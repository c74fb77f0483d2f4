import { expect } from "chai";
import { ZeroHash } from "ethers";
import {
  accountOf,
  addMembers,
  BOND,
  bindAccounts,
  deployedWorld,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  sender,
  startOf,
} from "../worlds/contracts.ts";
import { admitCustomer, collect, ltk } from "./support/customers.ts";
import {
  EMPTY_TREE,
  finalize,
  finalizeEpoch,
  firstFinal,
  ltkTree,
  pendingReport,
  propose,
  type Report,
  reportOf,
  type Staffed,
  staffedWorld,
} from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import {
  honestLeaves,
  type Leaf,
  nodeHash,
  type Opening,
  type RewardTree,
  treeOf,
} from "./support/reward-tree.ts";

const EARNED = [1, 2, 3, 4, 5];

function honest(world: Staffed): Leaf[] {
  return [...honestLeaves(world.accounts, EARNED.map(ltk))];
}

/** The next epoch with one leaf bent, pending. */
async function bent(world: Staffed, index: number, change: Partial<Leaf>, total = ltk(15)) {
  const leaves = honest(world);
  leaves[index] = { ...(leaves[index] as Leaf), ...change };
  return pendingTree(world, treeOf(leaves), total);
}

async function pendingTree(world: Staffed, tree: RewardTree, total = tree.total) {
  return { tree, report: await pendingReport(world, tree, { total }) };
}

/** The leaves on both sides of a boundary, as far as the table has them. */
function sidesOf(tree: RewardTree, index: number): Opening[] {
  const positions = [index - 1, index].filter((i) => i >= 0 && i < tree.leaves);
  return positions.map(tree.openingAt);
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
    .withArgs(report.epoch, report.attempt, digest, bystander.address, numbered)
    .and.to.emit(quorum, "MemberSlashed")
    .withArgs(
      world.members[0]?.address,
      0,
      BOND,
      bystander.address,
      await ledger.currentEpoch(),
      numbered,
    );
  const { attempt, digest: pending, signers } = await ledger.proposal();
  expect([attempt, pending, signers]).to.deep.equal([BigInt(report.attempt + 1), ZeroHash, 0n]);
}

const proving = ({ ledger, bystander }: Staffed) => ledger.connect(bystander);

describe("EpochLedger", () => {
  describe("proveGap", () => {
    it("revokes a root in which one wei lies between two slices, or in both", async () => {
      for (const off of [1n, -1n]) {
        const world = await from(staffedWorld);
        const { tree, report } = await bent(world, 2, { prefix: ltk(3) + off });
        const trial = proving(world).proveGap(report, sidesOf(tree, 2), 2);
        await expectRevoked(world, trial, report);
      }
    });

    it("revokes a root whose first slice does not begin at zero", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 0, { prefix: 1n, cumulative: ltk(1) - 1n });
      await expectRevoked(world, proving(world).proveGap(report, sidesOf(tree, 0), 0), report);
    });

    it("revokes a root whose last slice does not end at the total", async () => {
      for (const off of [1n, -1n]) {
        const world = await from(staffedWorld);
        const { tree, report } = await bent(world, 4, {}, ltk(15) + off);
        await expectRevoked(world, proving(world).proveGap(report, sidesOf(tree, 5), 5), report);
      }
    });

    it("revokes a total that is promised to nobody, when there are no leaves at all", async () => {
      const world = await from(deployedWorld);
      const members = await addMembers(world, 1, 1);
      await admitCustomer(world, ltk(10));
      await goTo(world, GENESIS);
      await collect(world, 1, 10);
      const empty = { ...world, accounts: [], members };
      const report = await reportOf(empty, EMPTY_TREE, { total: 5n });
      await propose(empty, report, members);
      await expectRevoked(empty, proving(empty).proveGap(report, [], 0), report);
    });

    it("does not overflow: slices are summed in 256 bits", async () => {
      const world = await from(staffedWorld);
      const most = 2n ** 96n - 1n;
      const { tree, report } = await bent(world, 4, { prefix: most, cumulative: most });
      const snapshot = await world.connection.networkHelpers.takeSnapshot();
      await expectRevoked(world, proving(world).proveGap(report, sidesOf(tree, 5), 5), report);
      await snapshot.restore();
      await expectRevoked(world, proving(world).proveGap(report, sidesOf(tree, 4), 4), report);
    });

    it("convicts no neighbours that touch, and neither end", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      const { tree, report } = await pendingTree(world, ltkTree(world.accounts, [0, 2, 0, 4, 5]));
      for (let index = 0; index <= 5; index++) {
        await expect(
          ledger.proveGap(report, sidesOf(tree, index), index),
        ).to.be.revertedWithCustomError(ledger, "NoFraud");
      }
    });

    it("refuses other leaves than the neighbours, and positions beyond the end", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      const { tree, report } = await bent(world, 2, { prefix: ltk(3) - 1n });
      const all = [0, 1, 2, 3, 4].map(tree.openingAt) as Opening[];
      const wrong: readonly (readonly [number, (Opening | undefined)[]])[] = [
        [2, [all[2], all[1]]],
        [2, [all[0], all[2]]],
        [2, [all[1], all[3]]],
        [2, [all[2]]],
        [2, [all[1], all[2], all[3]]],
        [0, [all[2]]],
        [0, []],
        [5, [all[3]]],
        [5, []],
        [6, [all[4]]],
        [2 ** 32 - 1, []],
      ];
      for (const [index, openings] of wrong) {
        await expect(
          ledger.proveGap(report, openings as Opening[], index),
          `${index}: ${openings.map((opening) => opening?.index)}`,
        ).to.be.revertedWithCustomError(ledger, "InvalidOpening");
      }
    });
  });

  describe("proveMisplaced", () => {
    it("revokes a root with an account at another's index, and with one the registry does not know", async () => {
      for (const account of [accountOf(0), accountOf(99)]) {
        const world = await from(staffedWorld);
        const { tree, report } = await bent(world, 3, { account });
        const trial = proving(world).proveMisplaced(report, tree.openingAt(3));
        await expectRevoked(world, trial, report);
      }
    });

    it("convicts no account at its own index", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 4, {});
      for (const index of [0, 4]) {
        await expect(
          world.ledger.proveMisplaced(report, tree.openingAt(index)),
        ).to.be.revertedWithCustomError(world.ledger, "NoFraud");
      }
    });

    it("reaches an account that has an index, but no leaf yet in that epoch", async () => {
      const world = await from(staffedWorld);
      await bindAccounts(world, 1);
      const { tree, report } = await bent(world, 4, { account: accountOf(5) });
      const trial = proving(world).proveMisplaced(report, tree.openingAt(4));
      await expectRevoked(world, trial, report);
    });
  });

  describe("proveEmptyLeaf", () => {
    it("revokes a root with the zero hash where an account's leaf must be", async () => {
      const world = await from(staffedWorld);
      const holes = honest(world).map((leaf, i) => (i === 4 ? undefined : leaf));
      const { tree, report } = await pendingTree(world, treeOf(holes));
      const trial = proving(world).proveEmptyLeaf(report, 4, tree.openingAt(4).proof);
      await expectRevoked(world, trial, report);
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
      const trial = proving(world).proveRegression(
        report,
        world.first.openingAt(1),
        tree.openingAt(1),
      );
      await expectRevoked(world, trial, report);
    });

    it("opens each leaf at its own tree's depth", async () => {
      const world = await from(firstFinal);
      const grown = [...world.accounts, ...(await bindAccounts(world, 4))];
      await finalizeEpoch(world, world.first);
      const tree = ltkTree(grown, [1, 2, 2, 4, 5, 1, 1, 1, 1]);
      const { report } = await pendingTree(world, tree);
      const [old, pending] = [world.first.openingAt(2), tree.openingAt(2)];
      expect([old.proof.length, pending.proof.length]).to.deep.equal([3, 4]);
      await expectRevoked(world, proving(world).proveRegression(report, old, pending), report);
    });

    it("convicts no cumulative that stayed or grew", async () => {
      const world = await from(firstFinal);
      const { ledger, first } = world;
      const { tree, report } = await pendingTree(world, ltkTree(world.accounts, [1, 9, 3, 4, 5]));
      for (const index of [0, 1]) {
        await expect(
          ledger.proveRegression(report, first.openingAt(index), tree.openingAt(index)),
        ).to.be.revertedWithCustomError(ledger, "NoFraud");
      }
    });

    it("takes leaves of one index, and under their own roots, alone", async () => {
      const world = await from(firstFinal);
      const { ledger, first } = world;
      const { tree, report } = await pendingTree(world, ltkTree(world.accounts, [1, 9, 3, 4, 5]));
      const invented = ltkTree(world.accounts, [9, 0, 0, 0, 9]);
      const [old, pending] = [first.openingAt(1), tree.openingAt(1)];
      const poorer = { ...pending, leaf: { ...pending.leaf, cumulative: 0n } };
      const richer = { ...old, leaf: { ...old.leaf, cumulative: ltk(10) } };
      for (const [wrongOld, wrongNew] of [
        [first.openingAt(4), tree.openingAt(0)],
        [{ ...first.openingAt(4), index: 0 }, tree.openingAt(0)],
        // A leaf of the proposal that was made up would convict any honest tree.
        [old, invented.openingAt(1)],
        [old, poorer],
        [invented.openingAt(0), tree.openingAt(0)],
        [richer, pending],
      ] as const) {
        await expect(
          ledger.proveRegression(report, wrongOld, wrongNew),
        ).to.be.revertedWithCustomError(ledger, "InvalidOpening");
      }
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
      await expectRevoked(world, proving(world).proveGap(report, sidesOf(tree, 5), 5), report);
      await expect(finalize(world, report)).to.be.revertedWithCustomError(
        world.ledger,
        "NoProposal",
      );
    });

    it("leaves the way free for an honest report of the next attempt", async () => {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 4, {}, ltk(15) - 1n);
      await world.ledger.proveGap(report, sidesOf(tree, 5), 5);
      // Three of five are gone; two can sign alone once an epoch has passed.
      await goTo(world, sealTimeOf(3));
      const rest = { ...world, members: world.members.slice(3) };
      await finalizeEpoch(rest, treeOf(honest(world)));
      expect((await world.ledger.lastFinal()).epoch).to.equal(1);
    });

    it("refuses openings of another index, another leaf, or a proof of another length", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      const { tree, report } = await bent(world, 4, { account: accountOf(0) });
      const opening = tree.openingAt(4);
      for (const wrong of [
        { ...opening, index: 5 },
        { ...opening, index: 2 ** 32 - 1 },
        { ...opening, leaf: { ...opening.leaf, cumulative: ltk(16) } },
        { ...opening, proof: opening.proof.slice(1) },
        { ...opening, proof: [...opening.proof, ZeroHash] },
      ]) {
        await expect(ledger.proveMisplaced(report, wrong))
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

    it("refuses when nothing is pending, and any report that is neither pending nor vetoed", async () => {
      const world = await from(firstFinal);
      const { ledger, first } = world;
      const opening = first.openingAt(0);
      const old = await reportOf(world, first, { epoch: 1 });
      const proofs = (report: Report) => [
        ledger.proveGap(report, [opening], 0),
        ledger.proveMisplaced(report, opening),
        ledger.proveEmptyLeaf(report, 0, opening.proof),
        ledger.proveRegression(report, opening, opening),
      ];
      for (const trial of proofs(old)) {
        await expect(trial).to.be.revertedWithCustomError(ledger, "NotPendingReport");
      }
      await pendingTree(world, ltkTree(world.accounts, EARNED));
      for (const trial of proofs(old)) {
        await expect(trial).to.be.revertedWithCustomError(ledger, "NotPendingReport");
      }
    });
  });

  describe("a vetoed report", () => {
    /** Epoch 1's report with a gap, signed by members 0 to 2 and vetoed. */
    async function vetoed() {
      const world = await from(staffedWorld);
      const { tree, report } = await bent(world, 2, { prefix: ltk(3) - 1n });
      const { digest } = await world.ledger.proposal();
      await world.ledger.connect(world.guardian).veto(digest);
      return { ...world, tree, report, digest };
    }

    it("can still be proven: its signers lose their bonds", async () => {
      const world = await from(vetoed);
      const { ledger, quorum, bystander, tree, report, digest } = world;
      const trial = proving(world).proveGap(report, sidesOf(tree, 2), 2);
      await expect(trial)
        .to.emit(ledger, "RootRevoked")
        .withArgs(1, 0, digest, bystander.address, numbered)
        .and.to.emit(quorum, "MemberSlashed");
      for (const member of world.members.slice(0, 3)) {
        expect(await quorum.isActive(member)).to.equal(false);
        expect((await quorum.memberOf(member)).bond).to.equal(0);
      }
    });

    it("ends no attempt when it is proven, and takes no pending report away", async () => {
      const world = await from(vetoed);
      const { ledger, tree, report } = world;
      const honestTree = ltkTree(world.accounts, EARNED);
      const next = await reportOf(world, honestTree);
      await propose(world, next, world.members.slice(2));
      const pending = await ledger.proposal();
      await proving(world).proveGap(report, sidesOf(tree, 2), 2);
      expect(await ledger.proposal()).to.deep.equal(pending);
      await finalize(world, next);
      expect((await ledger.lastFinal()).epoch).to.equal(1);
    });

    it("is proven once", async () => {
      const world = await from(vetoed);
      const { ledger, tree, report } = world;
      await ledger.proveGap(report, sidesOf(tree, 2), 2);
      await expect(ledger.proveGap(report, sidesOf(tree, 2), 2)).to.be.revertedWithCustomError(
        ledger,
        "NotPendingReport",
      );
    });

    it("stays open to proofs until its epoch is final, and no longer", async () => {
      const world = await from(vetoed);
      const { ledger, tree, report } = world;
      await goTo(world, startOf(20));
      await ledger.proveGap.staticCall(report, sidesOf(tree, 2), 2);
      await finalizeEpoch(
        { ...world, members: world.members.slice(2) },
        ltkTree(world.accounts, EARNED),
      );
      await expect(ledger.proveGap(report, sidesOf(tree, 2), 2)).to.be.revertedWithCustomError(
        ledger,
        "NotPendingReport",
      );
    });

    it("keeps its signers' bonds as long", async () => {
      const world = await from(vetoed);
      const { quorum, tree, report } = world;
      const culprit = world.members[0]?.address ?? "";
      await quorum.connect(await sender(world, culprit)).exit();
      await goTo(world, startOf(12));
      await expect(quorum.withdrawBond(0)).to.be.revertedWithCustomError(quorum, "BondHeld");
      await world.ledger.proveGap(report, sidesOf(tree, 2), 2);
      expect((await quorum.memberOf(culprit)).bond).to.equal(0);
    });

    it("convicts nobody when it was honest", async () => {
      const world = await from(staffedWorld);
      const { ledger } = world;
      const { tree, report } = await pendingTree(world, ltkTree(world.accounts, EARNED));
      await ledger.connect(world.guardian).veto((await ledger.proposal()).digest);
      await expect(ledger.proveGap(report, sidesOf(tree, 2), 2)).to.be.revertedWithCustomError(
        ledger,
        "NoFraud",
      );
    });
  });
});
