import { expect } from "chai";
import { parseEther } from "ethers";
import { from, type World } from "../../worlds/contracts.ts";
import { propose, type Report, reportOf, type Staffed, sealedTwo } from "./epochs.ts";
import { honestLeaves, type Leaf, type RewardTree, treeOf } from "./reward-tree.ts";

const EARNED = [1, 2, 3, 4, 5];

/** Epoch 2 is sealed, 1,000 LTK were paid for it, and all members conspire. */
export async function corruptQuorum(): Promise<Staffed & { readonly first: RewardTree }> {
  return from(sealedTwo);
}

/** The leaves of epoch 1, to be bent. */
export function leavesOf(world: Staffed): Leaf[] {
  return [
    ...honestLeaves(
      world.accounts,
      EARNED.map((ltk) => parseEther(ltk.toString())),
    ),
  ];
}

/** The ledger refuses a report with this change, though all have signed it. */
export async function expectRefused(
  world: Staffed,
  change: Partial<Report>,
  rule: string,
): Promise<void> {
  const report = await reportOf(world, treeOf(leavesOf(world)), change);
  await expect(propose(world, report)).to.be.revertedWithCustomError(world.ledger, rule);
}

/** One transaction took the root back and cost its signers their bonds. */
export async function expectUndone(
  world: World,
  proving: Promise<unknown>,
  report: Report,
): Promise<void> {
  const { ledger, quorum } = world;
  await expect(proving).to.emit(ledger, "RootRevoked").and.to.emit(quorum, "MemberSlashed");
  await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "NoProposal");
  expect((await ledger.lastFinal()).epoch).to.equal(1);
}
