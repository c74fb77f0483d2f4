import { expect } from "chai";
import { ZeroHash } from "ethers";
import {
  addMembers,
  bindAccounts,
  deployedWorld,
  from,
  GENESIS,
  goTo,
} from "../worlds/contracts.ts";
import { corruptQuorum, expectConvicted, expectRefused, expectUndone } from "./support/corrupt.ts";
import { admitCustomer, collect, GATEWAY, ltk } from "./support/customers.ts";
import { finalize, NO_CONTRIBUTIONS, propose } from "./support/epochs.ts";
import { deploymentOf, lawOf } from "./support/law.ts";
import { ROBBED, robbed } from "./support/robbery.ts";
import {
  deviceAt,
  proposeTables,
  reportOf,
  type Served,
  serve,
  signService,
} from "./support/served.ts";
import {
  arrange,
  bend,
  claimFrom,
  empty,
  MOST,
  rowOf,
  summed,
  type Tables,
} from "./support/tables.ts";
import { convict, encodeEvidence, evidenceOf, findIn } from "./support/trial.ts";

/*
 * A quorum that is corrupt to the last member signs whatever it likes about epoch 2, after an honest epoch 1. Every title
 * says what stops it: a rule of the contracts, or one transaction of a bystander, who sends what he finds in the tables.
 */

/** A leaf takes another's place, account and all that it holds. */
function moved(tables: Tables, order: readonly number[]): Tables {
  return summed(arrange(tables, "rewards", order));
}

describe("attacks of a corrupt quorum on the tree", () => {
  it("shrinking what all have earned: stopped by TotalFell", async () => {
    const world = await from(corruptQuorum);
    await expectRefused(world, { total: world.first.total - 1n }, "TotalFell");
  });

  it("cutting an account off the end: convicted by the empty leaf, for how many leaves there are is the registry's word", async () => {
    const world = await from(corruptQuorum);
    await expectConvicted(world, empty(world.second, "rewards", 5), "empty-leaf");
  });

  it("a root of nothing while there are accounts: stopped by RootMismatch", async () => {
    const world = await from(corruptQuorum);
    await expectRefused(world, { root: ZeroHash }, "RootMismatch");
  });

  it("shrinking one account in favour of another: convicted by a reward boundary", async () => {
    const world = await from(corruptQuorum);
    await expectConvicted(world, robbed(world.second), "reward-boundary");
  });

  it("convicting an honest report by a leaf that was made up: stopped by InvalidEvidence, all that is shown is opened", async () => {
    const world = await from(corruptQuorum);
    const { ledger, judge, second } = world;
    const report = await proposeTables(world, second);
    const question = { proof: "reward-boundary", table: "rewards", position: ROBBED } as const;
    const forged = evidenceOf(world, robbed(second), question);
    const [leaf] = forged.openings;
    const honest = evidenceOf(world, second, question);
    for (const openings of [
      forged.openings,
      honest.openings.with(0, { ...leaf, proof: honest.openings[0]?.proof ?? [] } as never),
      honest.openings.with(0, { ...leaf, proof: [] } as never),
    ]) {
      const evidence = encodeEvidence({ ...honest, openings });
      await expect(ledger.convict(report, evidence)).to.be.revertedWithCustomError(
        judge,
        "InvalidEvidence",
      );
    }
    await finalize(world, report);
  });

  it("swapping two accounts: convicted by the rewards' order", async () => {
    const world = await from(corruptQuorum);
    await expectConvicted(world, moved(world.second, [0, 4, 2, 3, 1, 5]), "reward-order");
  });

  it("moving an account to a fresh index without its history: convicted by the rewards' order", async () => {
    const world = await from(corruptQuorum);
    await expectConvicted(world, moved(world.second, [0, 1, 2, 3, 5, 4]), "reward-order");
  });

  it("one account at two positions: convicted by the rewards' order", async () => {
    const world = await from(corruptQuorum);
    const { account } = rowOf(world.second, "rewards", 0);
    const twice = bend(world.second, "rewards", 4, { account });
    await expectConvicted(world, twice, "reward-order");
  });

  it("a slice so far beyond the total that 96-bit sums overflow: convicted by the rewards' order, worthless if final", async () => {
    const world = await from(corruptQuorum);
    const tables = bend(world.second, "rewards", 5, { prefix: MOST, cumulative: MOST });
    const snapshot = await world.connection.networkHelpers.takeSnapshot();
    await finalize(world, await proposeTables(world, tables));
    await expect(world.distributor.claim([claimFrom(tables, 5)])).to.be.revertedWithCustomError(
      world.distributor,
      "SliceBeyondTotal",
    );
    await snapshot.restore();
    await expectConvicted(world, tables, "reward-order");
  });

  it("one slice promised twice: convicted by the rewards' order", async () => {
    const world = await from(corruptQuorum);
    const { total } = world.second;
    const tables = bend(world.second, "rewards", 5, { prefix: 0n, cumulative: total });
    await expectConvicted(world, tables, "reward-order");
  });

  it("a zero leaf where an account was: convicted by the empty leaf", async () => {
    const world = await from(corruptQuorum);
    await expectConvicted(world, empty(world.second, "rewards", 2), "empty-leaf");
  });

  it("opening the padding as somebody's leaf: stopped by the bound of the index", async () => {
    const world = await from(corruptQuorum);
    const { second } = world;
    const hidden = { ...rowOf(second, "rewards", 0), prefix: 0n, cumulative: 3n };
    const tables = { ...second, rewards: [...second.rewards, hidden] };
    await finalize(world, await proposeTables(world, tables));
    await expect(world.distributor.claim([claimFrom(tables, 6)])).to.be.revertedWithCustomError(
      world.distributor,
      "InvalidProof",
    );
  });

  it("taking more out than was released: stopped by the distributor's balance", async () => {
    const world = await from(corruptQuorum);
    const { distributor, token, second, first } = world;
    const { total } = second;
    const tables = bend(second, "rewards", 5, { prefix: 0n, cumulative: total });
    await finalize(world, await proposeTables(world, tables));
    await distributor.claim([claimFrom(tables, 5)]);
    await expect(distributor.claim([claimFrom(first, 0)])).to.be.revertedWithCustomError(
      token,
      "ERC20InsufficientBalance",
    );
  });
});

describe("attacks of a corrupt quorum on what an epoch is worth", () => {
  it("one wei over what customers paid: stopped by OverFund", async () => {
    const world = await from(corruptQuorum);
    const fund = await world.escrow.fund(2);
    const total = world.first.total + fund - fund / 10n;
    await propose(world, await reportOf(world, world.second, { total }));
    const again = await from(corruptQuorum);
    await expectRefused(again, { total: total + 1n }, "OverFund");
    await expectRefused(again, { total: MOST }, "OverFund");
  });

  it("P3 a total above the sum of the leaves, to be taken later: convicted by the contributions' order at the end", async () => {
    const world = await from(corruptQuorum);
    const tables = { ...world.second, total: world.second.total + 9n };
    await expectConvicted(world, tables, "contribution-order");
  });

  it("P3 the same, parked between two leaves: convicted by the contributions' order, whatever the leaves say", async () => {
    const world = await from(corruptQuorum);
    const rewards = world.second.rewards.map((leaf, i) =>
      i < 3 ? leaf : { ...leaf, prefix: leaf.prefix + 9n },
    );
    const tables = { ...world.second, rewards, total: world.second.total + 9n };
    await expectConvicted(world, tables, "contribution-order");
  });

  /** Account 5 gets 9 wei more, with everything that follows. */
  const dearer = (tables: Tables, earned = 35n): Tables => {
    const { cumulative } = rowOf(tables, "rewards", 5);
    const more = bend(tables, "contributions", 6, { earned });
    return summed(bend(more, "rewards", 5, { cumulative: cumulative + 9n }));
  };

  it("more for a row than its line is worth: convicted by the pair", async () => {
    const world = await from(corruptQuorum);
    await expectConvicted(world, dearer(world.second), "pair");
  });

  it("the same with a line that is dearer than the tariff: convicted by the pair", async () => {
    const world = await from(corruptQuorum);
    const tables = summed(bend(dearer(world.second), "invoices", 0, { value: 39n }));
    await expectConvicted(world, tables, "pair");
  });

  it("the same with a receipt of more service, that nobody signed: convicted by the contribution", async () => {
    const world = await from(corruptQuorum);
    const tables = summed(bend(dearer(world.second), "invoices", 0, { value: 39n }));
    const { receipt } = rowOf(tables, "contributions", 6);
    const more = { ...receipt, egressBytes: receipt.egressBytes + 10n };
    const forged = bend(tables, "contributions", 6, { receipt: more });
    await expectConvicted(world, forged, "contribution");
  });

  it("a higher ceiling for a customer that paid less, to one friend's gain: convicted by the invoices' order", async () => {
    const world = await from(corruptQuorum);
    const lines = world.second.invoices.map((line, i) =>
      i < 4 ? line : { ...line, ceiling: 400n },
    );
    const earned = [270n, 126n, 360n, 30n, 360n, 61n, 26n];
    const contributions = world.second.contributions.map((row, i) => ({
      ...row,
      earned: earned[i] ?? 0n,
    }));
    const rewards = world.second.rewards.map((leaf, i) =>
      i > 1 ? leaf : { ...leaf, cumulative: leaf.cumulative + 45n },
    );
    const tables = summed({ ...world.second, invoices: lines, contributions, rewards });
    await expectConvicted(world, tables, "invoice-order");
  });

  it("one line paid for twice, another never: convicted by the pair, pointers lead to the line's own row", async () => {
    const world = await from(corruptQuorum);
    const first = bend(world.second, "invoices", 4, { contribution: 2 });
    const tables = bend(first, "invoices", 6, { contribution: 0 });
    await expectConvicted(world, tables, "pair");
  });

  it("a contribution there twice, with a line each: convicted by the contributions' order", async () => {
    const world = await from(corruptQuorum);
    const { second } = world;
    const { cumulative } = rowOf(second, "rewards", 5);
    const rows = arrange(second, "contributions", [0, 1, 2, 3, 4, 5, 6, 6]);
    const lines = arrange(rows, "invoices", [0, 0, 1, 2, 3, 4, 5, 6]);
    const tables = summed(bend(lines, "rewards", 5, { cumulative: cumulative + 26n }));
    await expectConvicted(world, tables, "contribution-order");
  });

  it("P55 moving what was paid where nobody can claim it, while there are no accounts: stopped without a contribution by OverFund, convicted with one", async () => {
    const bare = await from(deployedWorld);
    const members = await addMembers(bare, 1, 1);
    await admitCustomer(bare, ltk(10));
    await goTo(bare, GENESIS);
    await collect(bare, 1, 10);
    const deployment = await deploymentOf(bare);
    const buyer = { address: bare.customer.address, gateway: GATEWAY };
    const signed = signService(deployment, serve(deviceAt(0), buyer, 1, [9n, 0n, 0n]));
    const line = {
      customer: signed.receipt.customer,
      device: signed.receipt.device,
      contribution: 0,
      value: ltk(10),
      ceiling: MOST,
      subtotal: ltk(10),
      above: 0,
    };
    const account = signed.receipt.device;
    const tables: Tables = {
      epoch: 1,
      contributions: [{ ...signed, account, earned: ltk(9), subtotal: ltk(9) }],
      invoices: [line],
      rewards: [],
      lastRewards: [],
      total: ltk(9),
      lastTotal: 0n,
    };
    const law = await lawOf(bare);
    const world = { ...bare, accounts: [], members, law, deployment } as unknown as Served;
    const nothing = await reportOf(world, tables, NO_CONTRIBUTIONS);
    await expect(propose(world, nothing)).to.be.revertedWithCustomError(world.ledger, "OverFund");
    const report = await reportOf(world, tables);
    await propose(world, report, members);
    const found = findIn(world, tables);
    if (found === undefined) throw new Error("nothing was found");
    expect(found.proof).to.equal("contribution");
    await expectUndone(world, convict(world, report, found.evidence), report);
  });

  it("the share of an account that comes later, taken before it has a leaf: convicted by the contribution, its device earns for nobody yet", async () => {
    const world = await from(corruptQuorum);
    const [account] = await bindAccounts(world, 1);
    const { second } = world;
    const row = rowOf(second, "contributions", 6);
    const device = deviceAt(6).address.toLowerCase() as `0x${string}`;
    const early = {
      ...row,
      receipt: { ...row.receipt, device },
      account: account?.toLowerCase() as `0x${string}`,
    };
    const tables = { ...second, contributions: second.contributions.with(6, early) };
    const law = await lawOf(world);
    await expectConvicted({ ...world, law }, tables, "contribution");
  });
});
