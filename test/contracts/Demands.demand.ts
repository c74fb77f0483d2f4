import { expect } from "chai";
import { ZeroHash } from "ethers";
import {
  ANSWER_SECONDS,
  at,
  DEMAND_BOND,
  from,
  goTo,
  SPACING_SECONDS,
  WINDOW_SECONDS,
} from "../worlds/contracts.ts";
import { answer, demand, NEVER, nodeOf, type Pending, pendingWorld } from "./support/demanding.ts";
import { finalize } from "./support/epochs.ts";
import { pendingRobbery } from "./support/robbery.ts";
import { proposeTables, reportOf } from "./support/served.ts";
import { convict } from "./support/trial.ts";

const NODE = nodeOf("rewards", 2);

/** When the first half of the pending report's window ends. */
async function halfOf({ ledger, digest }: Pending): Promise<bigint> {
  return (await ledger.openUntil(digest)) - BigInt(WINDOW_SECONDS / 2);
}

async function now({ connection }: Pending): Promise<number> {
  return connection.networkHelpers.time.latest();
}

describe("Demands", () => {
  describe("constructor", () => {
    it("wants times and a bond above zero, a spacing no longer than an answer, and a bond of 96 bits", async () => {
      const { connection, demands } = await from(pendingWorld);
      const deploy = (...terms: readonly (number | bigint)[]) =>
        connection.ethers.deployContract("Demands", [...terms]);
      for (const terms of [
        [1, 1, 1],
        [60, 60, 2n ** 96n - 1n],
      ]) {
        const deployed = await deploy(...terms);
        expect([
          await deployed.getFunction("answerSeconds").staticCall(),
          await deployed.getFunction("spacingSeconds").staticCall(),
          await deployed.getFunction("minimumBond").staticCall(),
        ]).to.deep.equal(terms.map(BigInt));
      }
      for (const terms of [
        [0, 1, 1],
        [0, 0, 1],
        [1, 0, 1],
        [60, 61, 1],
        [60, 60, 0],
        [60, 60, 2n ** 96n],
      ]) {
        await expect(deploy(...terms))
          .to.be.revertedWithCustomError(demands, "InvalidTerms")
          .withArgs(...terms);
      }
    });
  });

  describe("demand", () => {
    it("takes a bond, says until when there is time, and keeps the report from becoming final", async () => {
      const world = await from(pendingWorld);
      const { ledger, demands, stranger, connection, report, digest } = world;
      const time = (await now(world)) + 100;
      const due = time + ANSWER_SECONDS;
      await at(world, time);
      const demanding = demand(world, NODE, { value: DEMAND_BOND });
      await expect(demanding)
        .to.emit(demands, "Demanded")
        .withArgs(digest, Object.values(NODE), stranger.address, due, DEMAND_BOND);
      await expect(demanding).to.changeEtherBalances(
        connection.ethers,
        [stranger, demands],
        [-DEMAND_BOND, DEMAND_BOND],
      );
      const { by, bond, due: until } = await demands.demandOf(digest, NODE);
      expect([by, bond, until]).to.deep.equal([stranger.address, DEMAND_BOND, BigInt(due)]);
      expect(await demands.queueOf(digest)).to.deep.equal([1n, 0n]);
      expect(await ledger.openUntil(digest)).to.equal(NEVER);
      await goTo(world, time + 30 * WINDOW_SECONDS);
      await expect(ledger.finalize(report))
        .to.be.revertedWithCustomError(ledger, "WindowOpen")
        .withArgs(NEVER);
    });

    it("asks for the least bond, or for twice what the answer costs at the base fee", async () => {
      const world = await from(pendingWorld);
      const { connection, demands, digest } = world;
      const { setNextBlockBaseFeePerGas } = connection.networkHelpers;
      const gas = await demands.ROW_GAS();
      const fee = 10n ** 12n;
      const bond = 2n * gas * fee;
      expect(bond).to.be.above(DEMAND_BOND);
      await setNextBlockBaseFeePerGas(fee);
      await expect(demand(world, NODE, { value: bond - 1n }))
        .to.be.revertedWithCustomError(demands, "BondTooLow")
        .withArgs(bond - 1n, bond);
      await setNextBlockBaseFeePerGas(fee);
      await demand(world, NODE, { value: bond });
      expect((await demands.demandOf(digest, NODE)).bond).to.equal(bond);
      // A page's answer costs as much more as it has hashes: six leaves, seven lines.
      for (const [node, hashes] of [
        [nodeOf("rewards", 0, 8), 6n],
        [nodeOf("invoices", 0, 8), 7n],
      ] as const) {
        await setNextBlockBaseFeePerGas(fee);
        await demand(world, node, { value: 2n * bond });
        const dearer = 2n * (gas + hashes * (await demands.HASH_GAS())) * fee;
        expect((await demands.demandOf(digest, node)).bond).to.equal(dearer);
      }
      await setNextBlockBaseFeePerGas(1n);
      const cheap = nodeOf("rewards", 3);
      await expect(demand(world, cheap, { value: DEMAND_BOND - 1n }))
        .to.be.revertedWithCustomError(demands, "BondTooLow")
        .withArgs(DEMAND_BOND - 1n, DEMAND_BOND);
      await demand(world, cheap, { value: DEMAND_BOND });
    });

    it("owes back what was sent beyond the bond", async () => {
      const world = await from(pendingWorld);
      const { demands, stranger } = world;
      expect(await demands.owedTo(stranger)).to.equal(0);
      await demand(world, NODE, { value: DEMAND_BOND });
      expect(await demands.owedTo(stranger)).to.equal(0);
      await demand(world, nodeOf("rewards", 3), { value: DEMAND_BOND + 7n });
      expect(await demands.owedTo(stranger)).to.equal(7);
    });

    it("is open in the first half of the window, to its last second", async () => {
      const world = await from(pendingWorld);
      const { demands } = world;
      const half = await halfOf(world);
      await at(world, half + 1n);
      await expect(demand(world, NODE))
        .to.be.revertedWithCustomError(demands, "TooLateToDemand")
        .withArgs(half);
      await at(world, half);
      await demand(world, NODE, { value: DEMAND_BOND });
    });

    it("is open as long as for an answer, after each answer", async () => {
      const world = await from(pendingWorld);
      const { demands } = world;
      const half = await halfOf(world);
      await at(world, half);
      await demand(world, NODE);
      let answered = half + 3_000n;
      for (const position of [3, 4]) {
        await at(world, answered);
        await answer(world, "rewards", position - 1);
        const until = answered + BigInt(ANSWER_SECONDS);
        await at(world, until + 1n);
        await expect(demand(world, nodeOf("rewards", position)))
          .to.be.revertedWithCustomError(demands, "TooLateToDemand")
          .withArgs(until);
        await at(world, until);
        await demand(world, nodeOf("rewards", position));
        answered = until + 100n;
      }
    });

    it("is possible in the last second after an answer, at as many bonds as answers' times have begun", async () => {
      const world = await from(pendingWorld);
      const { demands } = world;
      const half = await halfOf(world);
      await at(world, half);
      await demand(world, NODE, { value: DEMAND_BOND });
      const answered = half + 1_000n;
      await at(world, answered);
      await answer(world, "rewards", 2);
      for (const [position, past, bonds] of [
        [3, 1_001n, 2n],
        [4, BigInt(ANSWER_SECONDS), 2n],
        [5, BigInt(ANSWER_SECONDS) + 1n, 3n],
        [0, BigInt(ANSWER_SECONDS) + 1_000n, 3n],
      ] as const) {
        await at(world, half + past);
        const bond = bonds * DEMAND_BOND;
        await expect(demand(world, nodeOf("rewards", position), { value: bond - 1n }))
          .to.be.revertedWithCustomError(demands, "BondTooLow")
          .withArgs(bond - 1n, bond);
        await at(world, half + past);
        await demand(world, nodeOf("rewards", position), { value: bond });
      }
    });

    it("tells the bond beforehand", async () => {
      const world = await from(pendingWorld);
      const { demands, report } = world;
      const half = await halfOf(world);
      expect(await demands.bondOf(report, NODE)).to.equal(DEMAND_BOND);
      await goTo(world, half + 1n);
      expect(await demands.bondOf(report, NODE)).to.equal(2n * DEMAND_BOND);
      await expect(demands.bondOf(report, nodeOf("rewards", 6)))
        .to.be.revertedWithCustomError(demands, "NodeUnknown")
        .withArgs(Object.values(nodeOf("rewards", 6)));
    });

    it("gives each demand the spacing longer for each that waits, and no longer for those that ended", async () => {
      const world = await from(pendingWorld);
      const { demands, digest } = world;
      const start = (await now(world)) + 100;
      const dueOf = async (position: number) =>
        Number((await demands.demandOf(digest, nodeOf("rewards", position))).due);
      for (const position of [0, 1, 2]) {
        await at(world, start + position);
        await demand(world, nodeOf("rewards", position));
        const waiting = position * SPACING_SECONDS;
        expect(await dueOf(position)).to.equal(start + position + ANSWER_SECONDS + waiting);
      }
      expect(await demands.queueOf(digest)).to.deep.equal([3n, 0n]);
      await at(world, start + 10);
      await answer(world, "rewards", 1);
      expect(await demands.queueOf(digest)).to.deep.equal([2n, BigInt(start + 10)]);
      await at(world, start + 11);
      await demand(world, nodeOf("rewards", 3));
      expect(await dueOf(3)).to.equal(start + 11 + ANSWER_SECONDS + 2 * SPACING_SECONDS);
    });

    it("counts for the spacing what waits of other reports too: who answers answers all", async () => {
      const world = await from(pendingWorld);
      const { ledger, demands, digest, guardian } = world;
      for (const position of [0, 1]) await demand(world, nodeOf("rewards", position));
      await ledger.connect(guardian).veto(digest);
      const report = await proposeTables(world, world.second);
      const next = { ...world, report, digest: (await ledger.proposal()).digest };
      const time = (await now(world)) + 100;
      await at(world, time);
      await demand(next, nodeOf("rewards", 0));
      const { due } = await demands.demandOf(next.digest, nodeOf("rewards", 0));
      expect(due).to.equal(time + ANSWER_SECONDS + 2 * SPACING_SECONDS);
      expect(await demands.queueOf(next.digest)).to.deep.equal([1n, 0n]);
    });

    it("takes each node once, be it waiting or shown, by whomever", async () => {
      const world = await from(pendingWorld);
      const { demands, bystander } = world;
      await demand(world, NODE);
      await expect(demand(world, NODE, { by: bystander }))
        .to.be.revertedWithCustomError(demands, "AlreadyDemanded")
        .withArgs(Object.values(NODE));
      await answer(world, "rewards", 2);
      await expect(demand(world, NODE)).to.be.revertedWithCustomError(demands, "AlreadyDemanded");
      // Nodes are told apart by all that they are.
      await demand(world, nodeOf("invoices", 2));
      await demand(world, nodeOf("contributions", 2));
      await demand(world, nodeOf("rewards", 0, 8));
      await demand(world, nodeOf("rewards", 0));
    });

    it("knows no row beyond the table, no page off the levels or above the root, and none of the last rewards", async () => {
      const world = await from(pendingWorld);
      const { demands } = world;
      for (const node of [
        nodeOf("rewards", 6),
        nodeOf("contributions", 7),
        nodeOf("invoices", 2 ** 32 - 1),
        nodeOf("lastRewards", 0),
        nodeOf("lastRewards", 0, 8),
        nodeOf("rewards", 1, 8),
        nodeOf("rewards", 0, 16),
        nodeOf("rewards", 0, 248),
        nodeOf("rewards", 256, 248),
        nodeOf("rewards", 0, 1),
        nodeOf("rewards", 0, 7),
        nodeOf("rewards", 0, 12),
      ]) {
        await expect(demand(world, node), `${Object.values(node)}`)
          .to.be.revertedWithCustomError(demands, "NodeUnknown")
          .withArgs(Object.values(node));
      }
    });

    it("knows no report that was never proposed, is final, or was revoked", async () => {
      const world = await from(pendingWorld);
      const { demands, report } = world;
      const refused = async (bent: object) => {
        await expect(demand({ ...world, report: { ...report, ...bent } }, NODE))
          .to.be.revertedWithCustomError(demands, "ReportNotOpen")
          .withArgs(await world.ledger.reportDigest({ ...report, ...bent }));
      };
      await refused({ attempt: 1 });
      await refused({ bundleHash: ZeroHash });
      await finalize(world, report);
      await refused({});
      const fraud = await from(pendingRobbery);
      await convict(fraud, fraud.report, fraud.evidence);
      await expect(demand(fraud, NODE)).to.be.revertedWithCustomError(demands, "ReportNotOpen");
    });

    it("reaches a vetoed report as if it were pending, also when its epoch is final, until its window is over", async () => {
      const world = await from(pendingWorld);
      const { ledger, demands, digest, guardian } = world;
      const half = await halfOf(world);
      const until = await ledger.openUntil(digest);
      await ledger.connect(guardian).veto(digest);
      const rest = { ...world, members: world.members.slice(2) };
      const next = await proposeTables(rest, world.second);
      await at(world, half);
      await demand(world, NODE);
      expect([await ledger.openUntil(digest), await ledger.provableUntil()]).to.deep.equal([
        NEVER,
        NEVER,
      ]);
      await finalize(world, next);
      expect((await ledger.lastFinal()).epoch).to.equal(2);
      const late = until + 5_000n;
      await at(world, late);
      await answer(world, "rewards", 2);
      const open = late + BigInt(ANSWER_SECONDS);
      expect([await ledger.openUntil(digest), await ledger.provableUntil()]).to.deep.equal([
        open,
        open,
      ]);
      await at(world, late + 10n);
      await demand(world, nodeOf("rewards", 3), { value: DEMAND_BOND * 10n });
      await answer(world, "rewards", 3);
      await goTo(world, await ledger.openUntil(digest));
      await expect(demand(world, nodeOf("rewards", 4))).to.be.revertedWithCustomError(
        demands,
        "ReportNotOpen",
      );
      expect((await reportOf(world, world.second)).epoch).to.equal(3);
    });
  });
});
