import { expect } from "chai";
import fc from "fast-check";
import {
  accountOf,
  addMembers,
  bindAccounts,
  deployedWorld,
  from,
  goTo,
  sealTimeOf,
} from "../worlds/contracts.ts";
import { admitCustomer, ltk } from "./support/customers.ts";
import { finalize, pendingReport, type Report, type Staffed } from "./support/epochs.ts";
import { honestTree, type RewardTree } from "./support/reward-tree.ts";

type Step = { readonly newcomers: number; readonly luck: number };

/** Before genesis: three members, a customer, no accounts yet. */
async function emptyWorld(): Promise<Staffed> {
  const world = await from(deployedWorld);
  const members = await addMembers(world, 3, 3);
  await admitCustomer(world, ltk(100_000));
  return { ...world, accounts: [], members };
}

/** Every third account is idle in an epoch; the others earn what its luck gives them. */
function earn(cumulatives: readonly bigint[], accounts: number, luck: number): readonly bigint[] {
  return Array.from({ length: accounts }, (_, i) => {
    const before = cumulatives[i] ?? 0n;
    return (i + luck) % 3 === 0 ? before : before + BigInt((luck * (i + 7)) % 1_000_003);
  });
}

/** A few of all positions, always with the ends and their neighbours. */
function positionsOf(leaves: number, luck: number): readonly number[] {
  const some = [0, 1, leaves >> 1, leaves - 2, leaves - 1, luck % leaves, (luck * 7) % leaves];
  return [...new Set(some)].filter((index) => index >= 0 && index < leaves);
}

async function expectAcquitted(
  { ledger }: Staffed,
  report: Report,
  tree: RewardTree,
  last: RewardTree | undefined,
  luck: number,
): Promise<void> {
  const noFraud = (trial: Promise<unknown>) =>
    expect(trial).to.be.revertedWithCustomError(ledger, "NoFraud");
  const positions = positionsOf(tree.leaves, luck);
  for (const index of [...positions, tree.leaves]) {
    const sides = [index - 1, index].filter((i) => i >= 0 && i < tree.leaves).map(tree.openingAt);
    await noFraud(ledger.proveGap.staticCall(report, sides, index));
  }
  for (const index of positions) {
    const opening = tree.openingAt(index);
    await noFraud(ledger.proveMisplaced.staticCall(report, opening));
    await expect(
      ledger.proveEmptyLeaf.staticCall(report, index, opening.proof),
    ).to.be.revertedWithCustomError(ledger, "InvalidOpening");
    if (last === undefined || index >= last.leaves) continue;
    await noFraud(ledger.proveRegression.staticCall(report, last.openingAt(index), opening));
  }
}

/**
 * Epoch after epoch: accounts join, some earn, the honest tree is tried and becomes final. Who joins while an epoch is
 * reported has a leaf two epochs later, so there is one epoch more than steps.
 */
async function live(history: readonly Step[]): Promise<void> {
  const world = await from(emptyWorld);
  let cumulatives: readonly bigint[] = [];
  let last: RewardTree | undefined;
  for (const [i, { newcomers, luck }] of [...history, { newcomers: 0, luck: 7 }].entries()) {
    const epoch = i + 1;
    await bindAccounts(world, newcomers);
    await goTo(world, sealTimeOf(epoch - 1));
    const leaves = Number(await world.registry.accountsAt(epoch));
    cumulatives = earn(cumulatives, leaves, luck);
    const tree = honestTree(
      cumulatives.map((_, index) => accountOf(index)),
      cumulatives,
    );
    const report = await pendingReport(world, tree);
    await expectAcquitted(world, report, tree, last, luck);
    await finalize(world, report);
    last = tree;
  }
  expect(last?.leaves).to.equal(history.reduce((sum, { newcomers }) => sum + newcomers, 0));
}

describe("honest trees are never convicted", () => {
  it("in random histories of newcomers and idle accounts", async () => {
    const luck = fc.nat({ max: 10_000 });
    const first = fc.record({ newcomers: fc.integer({ min: 1, max: 10 }), luck });
    const later = fc.array(fc.record({ newcomers: fc.nat({ max: 9 }), luck }), { maxLength: 3 });
    const histories = fc.tuple(first, later).map(([step, steps]) => [step, ...steps]);
    await fc.assert(fc.asyncProperty(histories, live), { numRuns: 6 });
  });

  it("when powers of two are crossed, one account at a time", async () => {
    await live(
      [1, 1, 1, 1, 1, 2, 1, 1, 6, 1, 1].map((newcomers, i) => ({ newcomers, luck: 31 * i + 5 })),
    );
  });

  it("up to 2,000 accounts", async () => {
    await live([
      { newcomers: 1_023, luck: 17 },
      { newcomers: 1, luck: 23 },
      { newcomers: 1, luck: 5_003 },
      { newcomers: 975, luck: 99 },
    ]);
  });
});
