import { type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import { id, keccak256 } from "ethers";
import {
  ANSWER_SECONDS,
  at,
  DEMAND_BOND,
  from,
  goTo,
  SPACING_SECONDS,
  sealTimeOf,
  WINDOW_SECONDS,
} from "../worlds/contracts.ts";
import { expectUndone } from "./support/corrupt.ts";
import {
  answer,
  demand,
  NEVER,
  nodeOf,
  type Pending,
  pending,
  pendingWorld,
  shownRow,
} from "./support/demanding.ts";
import { finalize, propose } from "./support/epochs.ts";
import { askLeaf, ROBBED, robbed } from "./support/robbery.ts";
import { proposeTables, reportOf, servedWorld } from "./support/served.ts";
import { sparseTree } from "./support/sparse.ts";
import { bend, packContribution, rowOf } from "./support/tables.ts";
import { convict, evidenceOf } from "./support/trial.ts";

/*
 * What is not public. Each title says which rule stops it, or what bounds it.
 */

/** A report of epoch 2 with a leaf of which nobody knows the row. */
async function garbageLeaf(): Promise<Pending> {
  const world = await from(servedWorld);
  const { second } = world;
  const leaves = second.rewards.map((_, i) =>
    keccak256(shownRow({ tables: second }, "rewards", i).row),
  );
  const hashes = leaves.with(3, id("garbage")) as Hex[];
  const tree = sparseTree(3, [
    ...hashes.map((hash, i) => [i, hash] as const),
    ...[6, 7].map((i) => [i, `0x${"00".repeat(32)}` as Hex] as const),
  ]);
  const report = await reportOf(world, second, { root: tree.root });
  await propose(world, report);
  const { digest } = await world.ledger.proposal();
  return { ...world, tables: second, report, digest };
}

async function dueOf({ demands, digest }: Pending, position: number): Promise<bigint> {
  return (await demands.demandOf(digest, nodeOf("rewards", position))).due;
}

describe("attacks by hiding", () => {
  it("P10 a garbage leaf, to rob its owner in the next epoch: undone by the owner's demand, which nobody can answer", async () => {
    const world = await from(garbageLeaf);
    const { demands, report, digest } = world;
    const node = nodeOf("rewards", 3);
    await demand(world, node);
    const { row } = shownRow(world, "rewards", 3);
    await expect(demands.answerRow(report, node, row, [])).to.be.revertedWithCustomError(
      demands,
      "WrongAnswer",
    );
    await at(world, (await demands.demandOf(digest, node)).due + 1n);
    await expectUndone(world, demands.silence(report, node), report);
  });

  it("P10 the same with a page above it: undone by the page's demand, or by that of a row below it", async () => {
    const world = await from(garbageLeaf);
    const { demands, report, digest } = world;
    const page = nodeOf("rewards", 0, 8);
    await demand(world, page);
    // The page can be shown, garbage and all: then the row is demanded.
    const hashes = world.tables.rewards.map((_, i) =>
      i === 3 ? id("garbage") : keccak256(shownRow(world, "rewards", i).row),
    );
    await demands.answerPage(report, page, hashes, []);
    const row = nodeOf("rewards", 3);
    await demand(world, row);
    await at(world, (await demands.demandOf(digest, row)).due + 1n);
    await expectUndone(world, demands.silence(report, row), report);
  });

  it("a robbery in a table that is not public: undone by a demand, and a proof with what came to light", async () => {
    const world = await pending(await from(servedWorld), robbed((await from(servedWorld)).second));
    const { tables, report } = world;
    await demand(world, nodeOf("rewards", ROBBED));
    await answer(world, "rewards", ROBBED);
    const evidence = evidenceOf(world, tables, askLeaf(ROBBED));
    await expectUndone(world, convict(world, report, evidence), report);
  });

  it("a veto before a hidden row is demanded, to save the bonds: stopped, a vetoed report is asked like any other", async () => {
    const world = await from(garbageLeaf);
    const { demands, ledger, quorum, report, digest } = world;
    await ledger.connect(world.guardian).veto(digest);
    const rest = { ...world, members: world.members.slice(2) };
    const next = await proposeTables(rest, world.second);
    const node = nodeOf("rewards", 3);
    await demand(world, node);
    await finalize(world, next);
    await goTo(world, (await demands.demandOf(digest, node)).due + 1n);
    await expect(demands.silence(report, node)).to.emit(quorum, "MemberSlashed");
    for (const member of world.members.slice(0, 3)) {
      expect((await quorum.memberOf(member)).bond).to.equal(0);
    }
  });

  it("answering in the last second, so that no time is left for a proof: stopped, the report stays open as long again", async () => {
    const world = await pending(await from(servedWorld), robbed((await from(servedWorld)).second));
    const { ledger, report, tables } = world;
    await demand(world, nodeOf("rewards", ROBBED));
    await at(world, await dueOf(world, ROBBED));
    await answer(world, "rewards", ROBBED);
    const open = await ledger.openUntil(world.digest);
    expect(open).to.be.at.least((await dueOf(world, ROBBED)) + BigInt(ANSWER_SECONDS));
    await goTo(world, open - 2n);
    const evidence = evidenceOf(world, tables, askLeaf(ROBBED));
    await expectUndone(world, convict(world, report, evidence), report);
  });

  it("answering each demand in its last second, to be asked nothing more: stopped, after each answer there is time for the next demand", async () => {
    const world = await from(garbageLeaf);
    const { demands, report } = world;
    for (const position of [0, 1, 2]) {
      await demand(world, nodeOf("rewards", position), { value: 20n * DEMAND_BOND });
      await at(world, await dueOf(world, position));
      const hashes = world.tables.rewards.map((_, i) =>
        i === 3 ? id("garbage") : keccak256(shownRow(world, "rewards", i).row),
      ) as Hex[];
      const padding = [6, 7].map((i) => [i, `0x${"00".repeat(32)}` as Hex] as const);
      const tree = sparseTree(3, [...hashes.map((hash, i) => [i, hash] as const), ...padding]);
      const { row } = shownRow(world, "rewards", position);
      const node = nodeOf("rewards", position);
      await demands.answerRow(report, node, row, [...tree.proofOf(position)]);
    }
    // Three hours are gone, and the window's first half with them.
    await demand(world, nodeOf("rewards", 3), { value: 20n * DEMAND_BOND });
    await at(world, (await dueOf(world, 3)) + 1n);
    await expectUndone(world, demands.silence(report, nodeOf("rewards", 3)), report);
  });
});

describe("attacks by asking", () => {
  /** Every row there is: six leaves, seven lines, seven contributions. */
  const ALL = (["rewards", "invoices", "contributions"] as const).flatMap((table) =>
    Array.from(
      { length: table === "rewards" ? 6 : 7 },
      (_, position) => [table, position] as const,
    ),
  );

  it("a flood of a stranger, while a member is away for 59 minutes: stopped, each that waits gives it the spacing more", async () => {
    const world = await from(pendingWorld);
    const { demands, ledger, report, digest } = world;
    const start = (await world.connection.networkHelpers.time.latest()) + 10;
    for (const [i, [table, position]] of ALL.entries()) {
      await at(world, start + i);
      await demand(world, nodeOf(table, position), { value: DEMAND_BOND });
    }
    // It answers one in half of the spacing, and no more.
    let now = start + 59 * 60;
    for (const [table, position] of ALL) {
      now += SPACING_SECONDS / 2;
      const { due } = await demands.demandOf(digest, nodeOf(table, position));
      expect(BigInt(now), `${table} ${position}`).to.be.at.most(due);
      await at(world, now);
      await answer(world, table, position);
    }
    expect((await demands.queueOf(digest)).open).to.equal(0);
    await finalize(world, report);
    expect((await ledger.lastFinal()).epoch).to.equal(2);
  });

  it("a flood of the proposer himself, so that nobody can afford to ask: stopped, the bond does not rise with the number", async () => {
    const world = await pending(await from(servedWorld), robbed((await from(servedWorld)).second));
    const { demands, ledger, report, bystander, stranger, tables } = world;
    const own = ALL.filter(([table, position]) => table !== "rewards" || position !== ROBBED);
    for (const [table, position] of own) {
      await demand(world, nodeOf(table, position), { value: DEMAND_BOND });
    }
    expect(await demands.bondOf(report, nodeOf("rewards", ROBBED))).to.equal(DEMAND_BOND);
    await demand(world, nodeOf("rewards", ROBBED), { by: bystander, value: DEMAND_BOND });
    // He may take his time for each of his own, and has to show that one too, or lose.
    for (const [table, position] of own) await answer(world, table, position, stranger);
    await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "WindowOpen");
    await answer(world, "rewards", ROBBED, stranger);
    const evidence = evidenceOf(world, tables, askLeaf(ROBBED));
    await expectUndone(world, convict(world, report, evidence), report);
    const burned = (DEMAND_BOND / 10n) * BigInt(own.length + 1);
    expect(await world.connection.ethers.provider.getBalance(demands)).to.be.at.least(burned);
  });

  it("asking on and on to put off an honest report: bounded, each hour costs more than the one before", async () => {
    const world = await from(pendingWorld);
    const { demands, digest, report, ledger } = world;
    const proposedAt = (await ledger.openUntil(digest)) - BigInt(WINDOW_SECONDS);
    let paid = 0n;
    let last = 0n;
    await at(world, proposedAt + BigInt(WINDOW_SECONDS / 2));
    for (const [i, [table, position]] of ALL.entries()) {
      if (i > 0) {
        const { lastAnswer } = await demands.queueOf(digest);
        await at(world, lastAnswer + BigInt(ANSWER_SECONDS));
      }
      const node = nodeOf(table, position);
      await demand(world, node, { value: 100n * DEMAND_BOND });
      const { bond, due } = await demands.demandOf(digest, node);
      if (i > 0) expect(bond, "a bond more for each hour").to.be.at.least(last + DEMAND_BOND);
      last = bond;
      paid += bond;
      // Even when it is answered as late as it can be.
      await at(world, due);
      await answer(world, table, position);
    }
    // Each holds the report for two hours, and costs its tenth for good: the sum grows with the square.
    expect(paid).to.be.at.least((BigInt(ALL.length) ** 2n / 2n) * DEMAND_BOND);
    await finalize(world, report);
  });

  it("a demand to keep a proven report from its end, or bonds from who left: stopped, it is for open reports", async () => {
    const world = await from(pendingWorld);
    const { ledger, digest, report } = world;
    await demand(world, nodeOf("rewards", 0));
    expect(await ledger.openUntil(digest)).to.equal(NEVER);
    await answer(world, "rewards", 0);
    await finalize(world, report);
    await expect(demand(world, nodeOf("rewards", 1))).to.be.revertedWithCustomError(
      world.demands,
      "ReportNotOpen",
    );
  });
});

describe("the attack that is bounded alone", () => {
  const DEPTH = 20;

  /** A million contributions that nobody knows, and leaves that follow from none of them. */
  async function hiddenMillion() {
    const world = await from(servedWorld);
    const fund = await world.escrow.fund(2);
    const stolen = fund - fund / 10n;
    const invented = bend(world.second, "contributions", 0, { earned: stolen, subtotal: stolen });
    const row = packContribution(rowOf(invented, "contributions", 0));
    const contributions = sparseTree(DEPTH, [[77_777, row]]);
    const { lastRewards, lastTotal } = world.second;
    const tables = {
      ...world.second,
      rewards: world.second.rewards.map((leaf, i) => ({
        ...leaf,
        cumulative: (lastRewards[i]?.cumulative ?? 0n) + (i === 5 ? stolen : 0n),
        prefix: lastRewards[i]?.prefix ?? lastTotal,
      })),
      total: lastTotal + stolen,
    };
    const report = await reportOf(world, tables, {
      contributionRoot: contributions.root,
      invoiceRoot: toHex(new Uint8Array(32).fill(5)),
      contributions: 2 ** DEPTH,
    });
    await propose(world, report);
    return { ...world, stolen, report };
  }

  it("invented contributions by the million, hidden: more than there are demands, so it can be vetoed, and takes no more than the epoch's fund", async () => {
    const world = await from(hiddenMillion);
    const { connection, ledger, escrow, distributor, token, guardian, stolen, report } = world;
    const before = await connection.networkHelpers.takeSnapshot();
    await ledger.connect(guardian).veto((await ledger.proposal()).digest);
    await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "NoProposal");
    await before.restore();
    // Where nobody watched, what goes is what customers paid for that epoch, and for no other.
    const fund = await escrow.fund(2);
    const paid = await token.balanceOf(escrow);
    await expect(finalize(world, report)).to.changeTokenBalance(
      connection.ethers,
      token,
      distributor,
      stolen,
    );
    expect(paid - (await token.balanceOf(escrow))).to.be.at.most(fund);
    const more = await reportOf(world, world.second, { total: report.total + 1n });
    await goTo(world, sealTimeOf(3));
    await expect(propose(world, more)).to.be.revertedWithCustomError(ledger, "OverFund");
  });
});
