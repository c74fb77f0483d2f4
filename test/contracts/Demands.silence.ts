import { expect } from "chai";
import { ZeroAddress } from "ethers";
import {
  ANSWER_SECONDS,
  at,
  BOND,
  DEMAND_BOND,
  from,
  goTo,
  SPACING_SECONDS,
  sealTimeOf,
  sender,
} from "../worlds/contracts.ts";
import {
  answer,
  demand,
  type Node,
  nodeOf,
  type Pending,
  pendingWorld,
} from "./support/demanding.ts";
import { finalize } from "./support/epochs.ts";
import { numbered } from "./support/revisions.ts";
import { pendingRobbery, vetoedRobbery } from "./support/robbery.ts";
import { proposeTables } from "./support/served.ts";
import { convict } from "./support/trial.ts";

const NODE = nodeOf("rewards", 2);
const OTHER = nodeOf("invoices", 3);

/** Two nodes are demanded, each by somebody else, and time is up for the first. */
async function silent() {
  const world = await from(pendingWorld);
  const { demands, digest, bystander } = world;
  await demand(world, NODE, { value: DEMAND_BOND });
  await demand(world, OTHER, { by: bystander, value: DEMAND_BOND });
  const { due } = await demands.demandOf(digest, NODE);
  return { ...world, due };
}

describe("Demands", () => {
  describe("silence", () => {
    it("revokes the report when time is up, and burns all that its signers had bonded", async () => {
      const world = await from(silent);
      const { demands, ledger, quorum, token, members, report, digest, bystander } = world;
      const supply = await token.totalSupply();
      const held = await token.balanceOf(bystander);
      await at(world, world.due + 1n);
      const showing = demands.connect(bystander).silence(report, NODE);
      await expect(showing)
        .to.emit(demands, "SilenceShown")
        .withArgs(digest, Object.values(NODE))
        .and.to.emit(ledger, "RootRevoked")
        .withArgs(2, 0, digest, ZeroAddress, numbered);
      for (const [slot, { address }] of members.slice(0, 3).entries()) {
        await expect(showing)
          .to.emit(quorum, "MemberSlashed")
          .withArgs(address, slot, BOND, ZeroAddress, 3, numbered);
      }
      expect(await token.totalSupply()).to.equal(supply - 3n * BOND);
      expect(await token.balanceOf(bystander)).to.equal(held);
      await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "NoProposal");
      expect((await ledger.proposal()).attempt).to.equal(1);
    });

    it("waits until there is no time left, to the second", async () => {
      const world = await from(silent);
      const { demands, report, due } = world;
      await at(world, due);
      await expect(demands.silence(report, NODE))
        .to.be.revertedWithCustomError(demands, "NotDue")
        .withArgs(due);
      await at(world, due + 1n);
      await demands.silence(report, NODE);
    });

    it("waits for each demand's own time", async () => {
      const world = await from(silent);
      const { demands, report, due, digest } = world;
      const { due: later } = await demands.demandOf(digest, OTHER);
      expect(later).to.be.above(due);
      await at(world, due + 1n);
      await expect(demands.silence(report, OTHER))
        .to.be.revertedWithCustomError(demands, "NotDue")
        .withArgs(later);
    });

    it("owes the whole bond back to who demanded, whoever shows it", async () => {
      const world = await from(silent);
      const { demands, report, stranger, bystander, digest, customer } = world;
      await at(world, world.due + 1n);
      await demands.connect(customer).silence(report, NODE);
      expect(await demands.owedTo(stranger)).to.equal(DEMAND_BOND);
      expect(await demands.owedTo(customer)).to.equal(0);
      await expect(demands.silence(report, NODE)).to.be.revertedWithCustomError(
        demands,
        "NotDemanded",
      );
      await expect(demands.reclaim(digest, NODE)).to.be.revertedWithCustomError(
        demands,
        "NotDemanded",
      );
      expect(await demands.owedTo(bystander)).to.equal(0);
    });

    it("says nothing of what was never demanded, or was shown", async () => {
      const world = await from(silent);
      const { demands, report } = world;
      await answer(world, "rewards", 2);
      await at(world, world.due + 100n);
      for (const node of [NODE, nodeOf("rewards", 3), nodeOf("rewards", 2, 8)]) {
        await expect(demands.silence(report, node))
          .to.be.revertedWithCustomError(demands, "NotDemanded")
          .withArgs(Object.values(node));
      }
    });

    it("is about this report, and no other", async () => {
      const world = await from(silent);
      const { demands, report } = world;
      await at(world, world.due + 1n);
      await expect(demands.silence({ ...report, attempt: 1 }, NODE)).to.be.revertedWithCustomError(
        demands,
        "NotDemanded",
      );
    });

    it("reaches a vetoed report, before its epoch is final and after", async () => {
      for (const isFinal of [false, true]) {
        const world = await from(vetoedRobbery);
        const { demands, ledger, quorum, report, digest } = world;
        await demand(world, NODE);
        const { due } = await demands.demandOf(digest, NODE);
        if (isFinal) {
          const rest = { ...world, members: world.members.slice(2) };
          await finalize(world, await proposeTables(rest, world.second));
        }
        await at(world, due + 100_000n);
        await expect(demands.silence(report, NODE))
          .to.emit(ledger, "RootRevoked")
          .withArgs(2, 0, digest, ZeroAddress, numbered)
          .and.to.emit(quorum, "MemberSlashed");
        expect(await ledger.openUntil(digest)).to.equal(0);
        expect((await ledger.lastFinal()).epoch).to.equal(isFinal ? 2 : 1);
        // Nothing waits any more, so bonds of others do not either.
        expect(await ledger.provableUntil()).to.be.below(due + 100_000n);
      }
    });

    it("comes too late for a report that was convicted", async () => {
      const world = await from(pendingRobbery);
      const { demands, ledger, report, digest } = world;
      await demand(world, NODE);
      const { due } = await demands.demandOf(digest, NODE);
      await convict(world, report, world.evidence);
      await at(world, due + 1n);
      await expect(demands.silence(report, NODE)).to.be.revertedWithCustomError(
        ledger,
        "NotPendingReport",
      );
    });
  });

  describe("reclaim", () => {
    it("gives bonds back when another proof undid the report, to their owners, by anybody", async () => {
      const world = await from(silent);
      const { demands, report, digest, bystander, stranger, customer } = world;
      await expect(demands.reclaim(digest, OTHER))
        .to.be.revertedWithCustomError(demands, "ReportOpen")
        .withArgs(digest);
      await at(world, world.due + 1n);
      await demands.silence(report, NODE);
      await demands.connect(customer).reclaim(digest, OTHER);
      expect(await demands.owedTo(bystander)).to.equal(DEMAND_BOND);
      expect(await demands.owedTo(customer)).to.equal(0);
      await expect(demands.reclaim(digest, OTHER))
        .to.be.revertedWithCustomError(demands, "NotDemanded")
        .withArgs(Object.values(OTHER));
      for (const account of [stranger, bystander]) {
        await demands.connect(account).withdraw();
      }
      expect(await world.connection.ethers.provider.getBalance(demands)).to.equal(0);
    });

    it("has nothing for what was never demanded, or was shown", async () => {
      const world = await from(pendingRobbery);
      const { demands, report, digest, tables } = world;
      await demand(world, NODE);
      await answer({ ...world, tables }, "rewards", 2);
      await convict(world, report, world.evidence);
      for (const node of [NODE, OTHER]) {
        await expect(demands.reclaim(digest, node)).to.be.revertedWithCustomError(
          demands,
          "NotDemanded",
        );
      }
    });

    it("waits as long as a vetoed report is open", async () => {
      const world = await from(vetoedRobbery);
      const { demands, report, digest } = world;
      await demand(world, NODE);
      await expect(demands.reclaim(digest, NODE)).to.be.revertedWithCustomError(
        demands,
        "ReportOpen",
      );
      await convict(world, report, world.evidence);
      await demands.reclaim(digest, NODE);
    });

    /** When a demand is due, counted from itself, less the time there always is. */
    async function spacingOf(world: Pending, node: Node): Promise<bigint> {
      const { demands, digest, connection } = world;
      await demand(world, node);
      const { due } = await demands.demandOf(digest, node);
      const time = await connection.networkHelpers.time.latest();
      return due - BigInt(time + ANSWER_SECONDS);
    }

    it("lets none of the report's demands put off others any more, nor does silence", async () => {
      for (const end of ["convicted", "silent"] as const) {
        const world = await from(pendingRobbery);
        const { demands, report, digest, evidence } = world;
        for (const node of [NODE, OTHER]) await demand(world, node);
        const { due } = await demands.demandOf(digest, NODE);
        if (end === "convicted") await convict(world, report, evidence);
        else {
          await at(world, due + 1n);
          await demands.silence(report, NODE);
        }
        expect((await demands.queueOf(digest)).open).to.equal(end === "silent" ? 0 : 2);
        // Three members are gone; two are enough after an epoch.
        await goTo(world, sealTimeOf(4));
        const rest = { ...world, members: world.members.slice(3) };
        const again = await proposeTables(rest, world.second, rest.members);
        const next = { ...world, report: again, digest: (await world.ledger.proposal()).digest };
        const waiting = end === "convicted" ? 2n * BigInt(SPACING_SECONDS) : 0n;
        expect(await spacingOf(next, nodeOf("rewards", 0)), end).to.equal(waiting);
        await demands.reclaim(digest, OTHER);
        expect((await demands.queueOf(digest)).open).to.equal(0);
        expect(await spacingOf(next, nodeOf("rewards", 1)), end).to.equal(BigInt(SPACING_SECONDS));
        if (end === "silent") continue;
        // The second to be given back changes nothing more.
        await demands.reclaim(digest, NODE);
        expect(await spacingOf(next, nodeOf("rewards", 3))).to.equal(2n * BigInt(SPACING_SECONDS));
      }
    });

    it("owes who takes no coin, and stands in nobody's way", async () => {
      const world = await from(pendingRobbery);
      const { demands, token, report, digest } = world;
      const deaf = await sender(world, await token.getAddress());
      await demand(world, NODE, { by: deaf, value: DEMAND_BOND });
      await convict(world, report, world.evidence);
      await demands.reclaim(digest, NODE);
      expect(await demands.owedTo(token)).to.equal(DEMAND_BOND);
    });
  });
});
