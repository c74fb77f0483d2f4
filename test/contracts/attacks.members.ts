import { expect } from "chai";
import { deploySuite } from "../../scripts/deployment.ts";
import {
  BOND,
  deployedWorld,
  EPOCH_SECONDS,
  from,
  goTo,
  parametersFor,
  sealTimeOf,
  sender,
  startOf,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { ltk } from "./support/customers.ts";
import {
  finalize,
  finalizeEpoch,
  firstFinal,
  ltkTree,
  NO_CONTRIBUTIONS,
  propose,
  reportOf,
  sealedTwo,
  signReport,
} from "./support/epochs.ts";
import { pendingRobbery, vetoedRobbery } from "./support/robbery.ts";
import { proposeTables } from "./support/served.ts";
import { convict } from "./support/trial.ts";

/* What single members do to the others, of whom the most are honest. Each title says which rule stops it. */

const memberOf = (world: World, i: number) => sender(world, walletOf(`member ${i}`).address);

const exit = async (world: World, i: number) =>
  world.quorum.connect(await memberOf(world, i)).exit();

describe("attacks of single members", () => {
  it("P7 equivocating without a bond to lose: stopped by InvalidBond", async () => {
    const { connection } = await from(deployedWorld);
    const parameters = parametersFor(await connection.ethers.getSigners());
    const refused = await deploySuite(connection, { ...parameters, minimumBond: 0n }).then(
      () => "deployed",
      String,
    );
    expect(refused).to.contain("InvalidBond");
  });

  it("P8 an exit in front of propose, to make it revert: stopped, who leaves counts to the end of the epoch", async () => {
    const world = await from(sealedTwo);
    const { ledger, members } = world;
    const report = await reportOf(world, ltkTree(world.accounts, [2, 2, 3, 4, 5]));
    const signatures = await signReport(world, report, members.slice(0, 4));
    await exit(world, 3);
    await ledger.propose(report, signatures);
    await finalize(world, report);
    expect((await ledger.lastFinal()).epoch).to.equal(2);
  });

  it("P8 a rotation in front of propose: stopped, the old key counts to the end of the epoch", async () => {
    const world = await from(sealedTwo);
    const { ledger, quorum, members } = world;
    const report = await reportOf(world, ltkTree(world.accounts, [2, 2, 3, 4, 5]));
    const signatures = await signReport(world, report, members.slice(0, 3));
    await quorum.connect(await memberOf(world, 2)).rotate(walletOf("successor"));
    await ledger.propose(report, signatures);
  });

  it("P59 three of five leave, so that no report is possible: stopped, the threshold falls with the seats", async () => {
    const world = await from(sealedTwo);
    const { quorum, ledger } = world;
    for (const i of [0, 1, 2]) await exit(world, i);
    await goTo(world, sealTimeOf(3));
    expect([await quorum.seats(), await quorum.threshold()]).to.deep.equal([2n, 2n]);
    await finalizeEpoch(
      { ...world, members: world.members.slice(3) },
      ltkTree(world.accounts, [2, 2, 3, 4, 5]),
    );
    expect((await ledger.lastFinal()).epoch).to.equal(2);
  });

  it("proving a buggy report, to decide alone with the rest: stopped in this epoch and the next, a slashed seat still counts", async () => {
    const world = await from(pendingRobbery);
    const { quorum, ledger, tables, report, evidence } = world;
    const rest = { ...world, members: world.members.slice(3) };
    await convict(world, report, evidence);
    const attempt = async () => proposeTables(rest, tables, rest.members);
    await expect(attempt())
      .to.be.revertedWithCustomError(quorum, "TooFewSignatures")
      .withArgs(2, 3);
    await goTo(world, startOf(5) - 10);
    expect(await ledger.currentEpoch()).to.equal(4);
    await expect(attempt())
      .to.be.revertedWithCustomError(quorum, "TooFewSignatures")
      .withArgs(2, 3);
    // After that they can go on working, or nobody could.
    await goTo(world, startOf(5));
    expect(await quorum.threshold()).to.equal(2);
  });

  it("leaving other members' signatures out, to earn their part of the fee: stopped, it is burned", async () => {
    const parts: bigint[] = [];
    for (const signers of [5, 3]) {
      const world = await from(sealedTwo);
      const before = await world.quorum.feesOf(0);
      const report = await reportOf(world, ltkTree(world.accounts, [10, 2, 3, 4, 5]));
      await propose(world, report, world.members.slice(0, signers));
      await finalize(world, report);
      parts.push((await world.quorum.feesOf(0)) - before);
    }
    expect(parts).to.deep.equal([ltk(1) / 5n, ltk(1) / 5n]);
  });

  it("leaving before the proof, with the bond: stopped by BondHeld until the epoch and the one after are final", async () => {
    const world = await from(pendingRobbery);
    const { quorum, report, evidence } = world;
    await exit(world, 0);
    await goTo(world, startOf(30));
    await expect(quorum.withdrawBond(0)).to.be.revertedWithCustomError(quorum, "BondHeld");
    await convict(world, report, evidence);
    expect((await quorum.memberOf(walletOf("member 0"))).bond).to.equal(0);
  });

  it("dodging a removal by a rotation in front of it: stopped, a member is found by any of its keys", async () => {
    const world = await from(firstFinal);
    const { quorum, governance } = world;
    const member = await memberOf(world, 0);
    await quorum.connect(member).rotate(walletOf("elsewhere"));
    await quorum.connect(governance).removeMember(member);
    await goTo(world, startOf(4));
    expect(await quorum.isActive(walletOf("elsewhere"))).to.equal(false);
  });

  it("refusing to work until the ledger is closed: honest bonds are released, and those of a vetoed fraud can be proven until then", async () => {
    const world = await from(vetoedRobbery);
    const { connection, ledger, quorum, token, report, evidence } = world;
    for (const i of [0, 4]) await exit(world, i);
    await goTo(world, await ledger.closableAt());
    await ledger.close();
    await expect(quorum.withdrawBond(0)).to.be.revertedWithCustomError(quorum, "BondHeld");
    await convict(world, report, evidence);
    await goTo(world, Number(await ledger.closedAt()) + EPOCH_SECONDS);
    await expect(quorum.withdrawBond(0)).to.be.revertedWithCustomError(quorum, "NoBond");
    await expect(quorum.withdrawBond(4)).to.changeTokenBalance(
      connection.ethers,
      token,
      walletOf("member 4").address,
      BOND,
    );
  });

  it("closing an idle but working ledger: stopped by NotClosable, epochs without service become final too", async () => {
    const world = await from(sealedTwo);
    const { ledger } = world;
    for (let epoch = 2; epoch < 40; epoch++) {
      await finalizeEpoch(world, world.first, NO_CONTRIBUTIONS);
    }
    await expect(ledger.close()).to.be.revertedWithCustomError(ledger, "NotClosable");
  });
});
