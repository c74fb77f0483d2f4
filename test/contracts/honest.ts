import { expect } from "chai";
import type { Contract } from "ethers";
import fc from "fast-check";
import {
  accountOf,
  addMembers,
  deployedWorld,
  from,
  goTo,
  NO_DEADLINE,
  startOf,
  walletOf,
} from "../worlds/contracts.ts";
import { finalize, pendingReport, type Report, type Staffed } from "./support/epochs.ts";
import { honestTree, type RewardTree } from "./support/reward-tree.ts";
import { signFor } from "./support/signing.ts";

/** Devices bound in one transaction, so that it stays under the gas limit of one. */
const BATCH = 100;

type Growing = Staffed & { readonly binder: Contract };
type Step = { readonly newcomers: number; readonly luck: number };

/** Epoch 1, three members, no accounts yet. */
async function emptyWorld(): Promise<Growing> {
  const world = await from(deployedWorld);
  const members = await addMembers(world, 3, 3);
  const binder = await world.connection.ethers.deployContract("BatchBinder");
  await goTo(world, startOf(1));
  return { ...world, accounts: [], members, binder: binder as unknown as Contract };
}

async function grow(world: Growing, first: number, count: number): Promise<void> {
  const { registry, manufacturer, binder } = world;
  for (let next = first; next < first + count; next += BATCH) {
    const indexes = Array.from(
      { length: Math.min(BATCH, first + count - next) },
      (_, i) => next + i,
    );
    const devices = indexes.map((index) => walletOf(`device ${index}`));
    const accounts = indexes.map(accountOf);
    const signatures = await Promise.all(
      devices.map((device, i) => {
        const consent = {
          device: device.address,
          account: accounts[i],
          nonce: 0,
          deadline: NO_DEADLINE,
        };
        return signFor(registry, "Bind", consent, device);
      }),
    );
    const addresses = devices.map(({ address }) => address);
    await registry.connect(manufacturer).enrol(addresses, 1);
    await binder.getFunction("bind")(registry, addresses, accounts, signatures);
  }
}

/** Every third account is idle in an epoch; the others earn what its luck gives them. */
function earn(cumulatives: readonly bigint[], accounts: number, luck: number): readonly bigint[] {
  return Array.from({ length: accounts }, (_, i) => {
    const before = cumulatives[i] ?? 0n;
    return (i + luck) % 3 === 0 ? before : before + BigInt((luck * (i + 7)) % 1_000_003);
  });
}

/** A few of all pairs, always with the neighbours and the ends. */
function pairsOf(leaves: number, luck: number): readonly (readonly [number, number])[] {
  const some = [0, 1, leaves >> 1, leaves - 2, leaves - 1, luck % leaves, (luck * 7) % leaves];
  const inside = [...new Set(some)].filter((index) => index >= 0 && index < leaves);
  return inside.flatMap((a) => inside.map((b) => [a, b] as const));
}

async function expectAcquitted(
  { ledger }: Growing,
  report: Report,
  tree: RewardTree,
  last: RewardTree | undefined,
  luck: number,
): Promise<void> {
  const pairs = pairsOf(tree.leaves, luck);
  const noFraud = (trial: Promise<unknown>) =>
    expect(trial).to.be.revertedWithCustomError(ledger, "NoFraud");
  for (const [a, b] of pairs) {
    const [one, other] = [tree.openingAt(a), tree.openingAt(b)];
    await noFraud(ledger.proveOverlap.staticCall(report, one, other));
    if (last === undefined || a >= last.leaves) continue;
    await noFraud(ledger.proveRegression.staticCall(report, last.openingAt(a), other));
  }
  for (const index of new Set(pairs.map(([a]) => a))) {
    const opening = tree.openingAt(index);
    await noFraud(ledger.proveMalformed.staticCall(report, opening));
    await expect(
      ledger.proveEmptyLeaf.staticCall(report, index, opening.proof),
    ).to.be.revertedWithCustomError(ledger, "InvalidOpening");
  }
}

/** Epoch after epoch: accounts join, some earn, the honest tree is tried and becomes final. */
async function live(history: readonly Step[]): Promise<void> {
  const world = await from(emptyWorld);
  let cumulatives: readonly bigint[] = [];
  let last: RewardTree | undefined;
  for (const { newcomers, luck } of history) {
    const accounts = cumulatives.length + newcomers;
    await grow(world, cumulatives.length, newcomers);
    cumulatives = earn(cumulatives, accounts, luck);
    const tree = honestTree(
      cumulatives.map((_, i) => accountOf(i)),
      cumulatives,
    );
    const report = await pendingReport(world, tree);
    await expectAcquitted(world, report, tree, last, luck);
    await finalize(world, report);
    last = tree;
  }
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
