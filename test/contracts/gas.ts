import { readFile, writeFile } from "node:fs/promises";
import { expect } from "chai";
import type { ContractTransactionResponse } from "ethers";
import { parseEther } from "ethers";
import hre from "hardhat";
import {
  accountOf,
  bindSignature,
  deployedWorld,
  from,
  goTo,
  NO_DEADLINE,
  sealTimeOf,
  sender,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { collect, payingWorld } from "./support/customers.ts";
import {
  finalize,
  firstFinal,
  ltkTree,
  pendingReport,
  propose,
  reportOf,
  type Staffed,
} from "./support/epochs.ts";
import {
  claimOf,
  honestLeaves,
  type Leaf,
  type RewardTree,
  tallTree,
  treeOf,
} from "./support/reward-tree.ts";

/*
 * What a user pays, to the unit of gas: compared with gas.json, which is committed.
 * UPDATE_GAS=1 npm test -- contracts/gas    writes it anew; the diff then says what a change costs.
 */
const SNAPSHOT = new URL("./gas.json", import.meta.url);
const { UPDATE_GAS } = process.env;
const DEPTHS = [10, 14, 17, 20] as const;
const BATCHES = [1, 5, 20] as const;
const EARNERS = 32;

const measured: Record<string, number> = {};

async function measure(what: string, sending: Promise<ContractTransactionResponse>): Promise<void> {
  const receipt = await (await sending).wait();
  measured[what] = Number(receipt?.gasUsed);
}

/** Publishes the root of a tall tree as the ledger does when it finalizes. */
async function publish(
  world: World,
  epoch: number,
  ltk: number,
  depth: number,
): Promise<RewardTree> {
  const { distributor, token, treasury, ledger } = world;
  const accounts = Array.from({ length: EARNERS }, (_, i) => accountOf(i));
  const leaves = honestLeaves(
    accounts,
    accounts.map((_, i) => parseEther(`${ltk}.${100 + i}`)),
  );
  const tree = tallTree(leaves, depth);
  await token.connect(treasury).transfer(distributor, tree.total);
  const publisher = await sender(world, await ledger.getAddress());
  await distributor.connect(publisher).publish(epoch, tree.root, tree.total, tree.leaves);
  return tree;
}

async function sealedTwo(): Promise<Staffed & { readonly first: RewardTree }> {
  const world = await from(firstFinal);
  await goTo(world, sealTimeOf(2));
  return world;
}

/** Epoch 2 with its last leaf bent, pending. */
async function corruptTwo(change: Partial<Leaf>, total?: bigint) {
  const world = await from(sealedTwo);
  const leaves = [
    ...honestLeaves(
      world.accounts,
      [1, 2, 3, 4, 5].map((n) => parseEther(`${n}`)),
    ),
  ];
  leaves[4] = { ...(leaves[4] as Leaf), ...change };
  const tree = treeOf(leaves);
  const report = await pendingReport(world, tree, { total: total ?? parseEther("15") });
  return { world, tree, report };
}

function measurements(): void {
  for (const depth of DEPTHS) {
    it(`of a claim at depth ${depth}`, async () => {
      const world = await from(deployedWorld);
      const { distributor } = world;
      const first = await publish(world, 1, 5, depth);
      await measure(`claim, first, depth ${depth}`, distributor.claim([claimOf(first, 1, 9)]));
      const later = await publish(world, 2, 7, depth);
      await measure(`claim, later, depth ${depth}`, distributor.claim([claimOf(later, 2, 9)]));
    });
  }

  for (const size of BATCHES) {
    it(`of a batch of ${size}`, async () => {
      const world = await from(deployedWorld);
      const tree = await publish(world, 1, 5, 14);
      const claims = Array.from({ length: size }, (_, i) => claimOf(tree, 1, i));
      const what = `claim, batch of ${size} fresh accounts, depth 14`;
      await measure(what, world.distributor.claim(claims));
    });
  }

  for (const signers of [1, 3, 5]) {
    it(`of propose with ${signers} signers`, async () => {
      const world = await from(sealedTwo);
      const { quorum, governance, members } = world;
      // Fewer members, so that a threshold of one is allowed.
      for (const [i, member] of (signers === 1 ? members.slice(1) : []).entries()) {
        await quorum.connect(governance).removeMember(member, [3, 2, 2, 1][i] ?? 1);
      }
      const report = await reportOf(world, ltkTree(world.accounts, [2, 2, 3, 4, 6]));
      await measure(
        `propose, signers: ${signers}`,
        propose(world, report, members.slice(0, signers)),
      );
    });
  }

  it("of finalize", async () => {
    const world = await from(sealedTwo);
    const report = await pendingReport(world, ltkTree(world.accounts, [2, 2, 3, 4, 6]));
    await measure("finalize", finalize(world, report));
  });

  it("of bind, for a new account and for one that has a device", async () => {
    const world = await from(firstFinal);
    const { registry, manufacturer } = world;
    const devices = [walletOf("gas 0"), walletOf("gas 1")] as const;
    await registry.connect(manufacturer).enrol(
      devices.map(({ address }) => address),
      1,
    );
    for (const [i, what] of ["bind, new account", "bind, known account"].entries()) {
      const device = devices[i] ?? devices[0];
      const signature = await bindSignature(world, device, accountOf(40));
      await measure(what, registry.bind(device, accountOf(40), NO_DEADLINE, signature));
    }
  });

  it("of collect, the first of an epoch and a further one", async () => {
    const world = await from(payingWorld);
    await collect(world, 1, 1);
    await goTo(world, sealTimeOf(1));
    await measure("collect, first of an epoch", collect(world, 2, 2));
    await measure("collect, further", collect(world, 2, 3));
  });

  it("of each fraud proof, with three signers slashed", async () => {
    const overlap = await corruptTwo({ prefix: parseEther("9") });
    const openings = [overlap.tree.openingAt(3), overlap.tree.openingAt(4)] as const;
    await measure(
      "proveOverlap, 3 slashed",
      overlap.world.ledger.proveOverlap(overlap.report, ...openings),
    );

    const malformed = await corruptTwo({ account: accountOf(0) });
    await measure(
      "proveMalformed, 3 slashed",
      malformed.world.ledger.proveMalformed(malformed.report, malformed.tree.openingAt(4)),
    );

    const fallen = await corruptTwo({ cumulative: parseEther("4") });
    const regression = [fallen.world.first.openingAt(4), fallen.tree.openingAt(4)] as const;
    await measure(
      "proveRegression, 3 slashed",
      fallen.world.ledger.proveRegression(fallen.report, ...regression),
    );

    const world = await from(sealedTwo);
    const leaves = honestLeaves(
      world.accounts,
      [1, 2, 3, 4].map((n) => parseEther(`${n}`)),
    );
    const holed = treeOf(leaves.map((leaf, i) => (i === 4 ? undefined : leaf)));
    const report = await pendingReport(world, holed, { total: parseEther("15") });
    await measure(
      "proveEmptyLeaf, 3 slashed",
      world.ledger.proveEmptyLeaf(report, 4, holed.openingAt(4).proof),
    );
  });

  it("is what gas.json says", async () => {
    if (UPDATE_GAS === "1") await writeFile(SNAPSHOT, `${JSON.stringify(measured, null, 2)}\n`);
    const committed: unknown = JSON.parse(await readFile(SNAPSHOT, "utf8"));
    expect(measured, "run with UPDATE_GAS=1 if the change is meant").to.deep.equal(committed);
  });
}

// Coverage runs other bytecode, whose gas says nothing.
if (!hre.globalOptions.coverage) describe("gas", measurements);
