import { expect } from "chai";
import { id } from "ethers";
import { BOND, from, goTo, sealTimeOf, sender, startOf, walletOf } from "../worlds/contracts.ts";
import { expectUndone } from "./support/corrupt.ts";
import { collect, GATEWAY, ltk, MAX_96, payingWorld } from "./support/customers.ts";
import {
  finalizeEpoch,
  firstFinal,
  ltkTree,
  propose,
  reportOf,
  type Staffed,
  staffedWorld,
} from "./support/epochs.ts";
import { invoiceTreeOf } from "./support/invoices.ts";
import { robbed } from "./support/robbery.ts";
import { proposeTables, reportOf as reportOfTables, servedWorld } from "./support/served.ts";
import { convict, findIn } from "./support/trial.ts";

/* Governance, and the inspectors it appoints. Each title says which rule stops it, or what shows it in time. */

const EVIL = walletOf("evil");
const INSPECTOR = walletOf("inspector").address;

/** Twenty seconds before epoch 2 ends, governance has removed all members and added its own. */
async function replacedQuorum() {
  const world = await from(firstFinal);
  const { quorum, governance, treasury } = world;
  await goTo(world, startOf(3) - 20);
  for (const member of world.members) await quorum.connect(governance).removeMember(member);
  await quorum.connect(governance).addMember(EVIL, 1);
  await quorum.connect(treasury).depositBond(EVIL, BOND);
  return world;
}

/** In epoch 1, with an inspector that is a customer with a key and has no money. */
async function inspectedWorld(): Promise<Staffed> {
  const world = await from(staffedWorld);
  const { escrow, admission, programme, governance } = world;
  await escrow.connect(admission).admit(INSPECTOR);
  await escrow.connect(await sender(world, INSPECTOR)).setKey(GATEWAY, MAX_96);
  await programme.connect(governance).addInspector(INSPECTOR);
  await goTo(world, sealTimeOf(1));
  return world;
}

const byInspector = { customer: INSPECTOR };

describe("attacks of governance", () => {
  it("P9 replacing the quorum seconds before an epoch, to sign its release: stopped for that epoch, a new member counts two epochs on", async () => {
    const world = await from(replacedQuorum);
    const { quorum } = world;
    await goTo(world, sealTimeOf(2));
    const theft = async () =>
      propose(world, await reportOf(world, ltkTree(world.accounts, [901, 2, 3, 4, 5])), [EVIL]);
    await expect(theft()).to.be.revertedWithCustomError(quorum, "TooFewSignatures").withArgs(1, 3);
    // The members that were removed still finish what is due.
    await finalizeEpoch(world, ltkTree(world.accounts, [1, 2, 3, 4, 905]));
    expect((await world.ledger.lastFinal()).epoch).to.equal(2);
  });

  it("P9 waiting until the replaced quorum counts: it is bound like any other, to what customers paid and to what a bystander convicts", async () => {
    const world = await from(servedWorld);
    const { ledger, quorum, governance, treasury, second } = world;
    for (const member of world.members) await quorum.connect(governance).removeMember(member);
    await quorum.connect(governance).addMember(EVIL, 1);
    await quorum.connect(treasury).depositBond(EVIL, BOND);
    await goTo(world, startOf(5));
    const more = { total: second.total + (await world.escrow.fund(2)) };
    await expect(
      propose(world, await reportOfTables(world, second, more), [EVIL]),
    ).to.be.revertedWithCustomError(ledger, "OverFund");
    const tables = robbed(second);
    const report = await proposeTables(world, tables, [EVIL]);
    const evidence = findIn(world, tables)?.evidence;
    if (evidence === undefined) throw new Error("nothing was found");
    await expectUndone(world, convict(world, report, evidence), report);
    expect((await quorum.memberOf(EVIL)).bond).to.equal(0);
  });

  it("P9 lowering the threshold seconds before an epoch: stopped for that epoch, it changes two epochs on", async () => {
    const world = await from(firstFinal);
    const { quorum, governance } = world;
    await goTo(world, startOf(3) - 20);
    for (const member of world.members.slice(2)) {
      await quorum.connect(governance).removeMember(member);
    }
    await quorum.connect(governance).setThreshold(2);
    await goTo(world, sealTimeOf(2));
    expect(await quorum.threshold()).to.equal(3);
    const report = await reportOf(world, ltkTree(world.accounts, [901, 2, 3, 4, 5]));
    await expect(propose(world, report, world.members.slice(0, 2))).to.be.revertedWithCustomError(
      quorum,
      "TooFewSignatures",
    );
  });

  it("P61 getting rid of the guardian in one transaction: stopped, it keeps its veto for at least one whole epoch", async () => {
    const world = await from(firstFinal);
    const { ledger, governance, guardian, stranger } = world;
    await goTo(world, startOf(3) - 20);
    // No role makes a guardian, so taking one away changes nothing.
    await ledger.connect(governance).revokeRole(id("GUARDIAN_ROLE"), guardian);
    await ledger.connect(governance).setGuardian(stranger);
    await goTo(world, sealTimeOf(2));
    await propose(world, await reportOf(world, ltkTree(world.accounts, [901, 2, 3, 4, 5])));
    const { digest } = await ledger.proposal();
    await expect(ledger.connect(stranger).veto(digest)).to.be.revertedWithCustomError(
      ledger,
      "NotGuardian",
    );
    await ledger.connect(guardian).veto(digest);
  });

  it("other rules, with a judge that sees nothing, seconds before an epoch: stopped for that epoch, they change two epochs on", async () => {
    const world = await from(firstFinal);
    const { ledger, governance, token } = world;
    await goTo(world, startOf(3) - 20);
    await ledger.connect(governance).setRules(id("convenient rules"), token);
    expect(await ledger.rulesAt(3)).to.equal(await ledger.rulesAt(2));
    expect(await ledger.rulesAt(4)).to.equal(id("convenient rules"));
  });

  it("a judge that sees nothing for the rules in force: stopped by JudgeIsFixed, a rules hash has one judge for ever", async () => {
    const world = await from(firstFinal);
    const { ledger, governance, token, judge } = world;
    const rules = await ledger.rulesAt(2);
    await expect(ledger.connect(governance).setRules(rules, token))
      .to.be.revertedWithCustomError(ledger, "JudgeIsFixed")
      .withArgs(rules, judge);
    expect(await ledger.judgeOf(rules)).to.equal(await judge.getAddress());
  });

  it("P6 a retirement announced once and carried out 400 days later: stopped by NotRetirable, it expires", async () => {
    const world = await from(payingWorld);
    const { programme, governance, stranger } = world;
    await programme.connect(governance).scheduleRetirement(stranger);
    await goTo(world, startOf(400) + 100);
    await expect(programme.connect(governance).retire()).to.be.revertedWithCustomError(
      programme,
      "NotRetirable",
    );
  });

  it("P6 a retirement that takes what was paid for served epochs: stopped, all of that is in the escrow", async () => {
    const world = await from(payingWorld);
    const { connection, programme, escrow, token, governance, stranger } = world;
    await programme.connect(governance).scheduleRetirement(stranger);
    await goTo(world, startOf(32));
    const epoch = Number(await escrow.collectableEpoch());
    await collect(world, epoch, 500);
    const held = await token.balanceOf(escrow);
    await expect(programme.connect(governance).retire()).to.changeTokenBalance(
      connection.ethers,
      token,
      escrow,
      0,
    );
    await goTo(world, sealTimeOf(epoch));
    await collect(world, epoch + 1, 400);
    await programme.connect(governance).retire();
    expect(await token.balanceOf(escrow)).to.equal(held);
    expect(await escrow.fund(epoch)).to.equal(ltk(500));
  });
});

describe("attacks of inspectors, and on them", () => {
  it("buying more than an epoch's emission by signing more: stopped by the share", async () => {
    const world = await from(inspectedWorld);
    const { programme } = world;
    for (const promised of [2_000_000, 3_000_000]) {
      await collect(world, 2, promised, byInspector);
    }
    expect(await programme.drawn(INSPECTOR, 2)).to.equal(await programme.emission(2));
  });

  it("buying again with what came back: stopped, a refund goes to the programme and leaves what was drawn as it is", async () => {
    const world = await from(inspectedWorld);
    const { programme, escrow, token } = world;
    await finalizeEpoch(world, ltkTree(world.accounts, [0, 0, 0, 0, 0]));
    const held = await token.balanceOf(programme);
    await collect(world, 2, 2_000_000, byInspector);
    const share = await programme.shareAt(2);
    expect(await token.balanceOf(programme)).to.equal(held - share);
    // Nearly nothing counts; the rest comes back.
    const device = walletOf("device 0").address;
    const line = { customer: INSPECTOR, device, value: ltk(1), ceiling: MAX_96 };
    const table = invoiceTreeOf([line]);
    const tree = ltkTree(world.accounts, [0.9, 0, 0, 0, 0]);
    await finalizeEpoch(world, tree, { invoiceRoot: table.root });
    await escrow.refund(2, INSPECTOR, table.openingsOf(INSPECTOR));
    expect(await token.balanceOf(programme)).to.equal(held - ltk(1));
    expect(await escrow.balanceOf(INSPECTOR)).to.equal(0);
    expect(await programme.drawn(INSPECTOR, 2)).to.equal(share);
    await goTo(world, sealTimeOf(2));
    await collect(world, 3, 2_000_000, byInspector);
    expect(await programme.drawn(INSPECTOR, 3)).to.equal(await programme.emission(3));
  });

  it("filling its balance up, so that it buys with it, or gets less of the programme: stopped, its balance plays no part", async () => {
    const world = await from(inspectedWorld);
    const { programme, escrow, customer } = world;
    await escrow.connect(customer).depositFor(INSPECTOR, ltk(5000));
    await collect(world, 2, 2_000_000, byInspector);
    expect(await escrow.balanceOf(INSPECTOR)).to.equal(ltk(5000));
    expect(await escrow.paid(INSPECTOR, 2)).to.equal(await programme.shareAt(2));
  });

  it("an inspector that was removed keeps what it had: stopped, it never had anything, and its refunds go back", async () => {
    const world = await from(inspectedWorld);
    const { programme, escrow, token, governance } = world;
    await finalizeEpoch(world, ltkTree(world.accounts, [0, 0, 0, 0, 0]));
    await collect(world, 2, 1_000, byInspector);
    await programme.connect(governance).removeInspector(INSPECTOR);
    const held = await token.balanceOf(programme);
    const table = invoiceTreeOf([
      {
        customer: INSPECTOR,
        device: walletOf("device 0").address,
        value: ltk(10),
        ceiling: MAX_96,
      },
    ]);
    const tree = ltkTree(world.accounts, [9, 0, 0, 0, 0]);
    await finalizeEpoch(world, tree, { invoiceRoot: table.root });
    await escrow.refund(2, INSPECTOR, table.openingsOf(INSPECTOR));
    expect(await token.balanceOf(programme)).to.equal(held + ltk(990));
    expect(await escrow.balanceOf(INSPECTOR)).to.equal(0);
    await goTo(world, sealTimeOf(2));
    await collect(world, 3, 1_000, byInspector);
    expect(await escrow.paid(INSPECTOR, 3)).to.equal(0);
  });

  it("another share in the middle of an epoch, by adding or removing inspectors: stopped, the set is fixed when the epoch begins", async () => {
    const world = await from(inspectedWorld);
    const { programme, governance } = world;
    const share = await programme.shareAt(2);
    expect(share).to.equal(await programme.emission(2));
    await collect(world, 2, 10, byInspector);
    await programme.connect(governance).addInspector(walletOf("second inspector"));
    expect(await programme.shareAt(2)).to.equal(share);
    await programme.connect(governance).removeInspector(INSPECTOR);
    expect(await programme.shareAt(2)).to.equal(share);
    await collect(world, 2, 2_000_000, byInspector);
    expect(await programme.drawn(INSPECTOR, 2)).to.equal(share);
  });

  it("several keys or vouchers of one inspector: stopped, what was drawn is counted for it and the epoch", async () => {
    const world = await from(inspectedWorld);
    const { programme, escrow } = world;
    await escrow.connect(await sender(world, INSPECTOR)).setKey(walletOf("second gateway"), MAX_96);
    await goTo(world, sealTimeOf(2));
    await collect(world, 3, 2_000_000, byInspector);
    await collect(world, 3, 3_000_000, { ...byInspector, key: walletOf("second gateway") });
    expect(await programme.drawn(INSPECTOR, 3)).to.equal(await programme.shareAt(3));
  });
});
