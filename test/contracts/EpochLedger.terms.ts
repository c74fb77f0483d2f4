import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { expect } from "chai";
import { id, ZeroAddress, ZeroHash } from "ethers";
import {
  ANSWER_SECONDS,
  deployedWorld,
  EPOCH_SECONDS,
  FEE_BPS,
  from,
  GRACE_SECONDS,
  goTo,
  startOf,
  TIMEOUT_SECONDS,
  WINDOW_SECONDS,
  type World,
} from "../worlds/contracts.ts";
import { MAX_96 } from "./support/customers.ts";
import { numbered } from "./support/revisions.ts";

const TARIFF = [MAX_96, 7n, MAX_96, 5_000n] as const;
const [egressPrice, storagePrice, computePrice, feeBps] = TARIFF;
const tariff = { egressPrice, storagePrice, computePrice, feeBps };

/** Deploys another ledger, with `change` in what it is built from. */
async function ledgerWith(world: World, change: Record<string, unknown>) {
  const { connection, registry, escrow, quorum, distributor, demands, judge } = world;
  const { governance, guardian } = world;
  const terms = {
    registry,
    escrow,
    quorum,
    distributor,
    demands,
    proposalTimeoutSeconds: TIMEOUT_SECONDS,
    windowSeconds: WINDOW_SECONDS,
    rulesHash: RULES_HASH,
    judge,
    tariff,
    governance,
    guardian,
  };
  return connection.ethers.deployContract("EpochLedger", [{ ...terms, ...change }]);
}

describe("EpochLedger", () => {
  describe("constructor", () => {
    it("keeps grace, timeout and window below half an epoch: a backlog must shrink", async () => {
      const world = await from(deployedWorld);
      const most = EPOCH_SECONDS / 2 - GRACE_SECONDS - TIMEOUT_SECONDS;
      await ledgerWith(world, { windowSeconds: most - 1 });
      await expect(ledgerWith(world, { windowSeconds: most }))
        .to.be.revertedWithCustomError(world.ledger, "InvalidTiming")
        .withArgs(TIMEOUT_SECONDS, most, EPOCH_SECONDS / 2);
    });

    it("wants a window and a timeout above zero", async () => {
      const world = await from(deployedWorld);
      await ledgerWith(world, { proposalTimeoutSeconds: 1 });
      for (const name of ["windowSeconds", "proposalTimeoutSeconds"]) {
        await expect(ledgerWith(world, { [name]: 0 })).to.be.revertedWithCustomError(
          world.ledger,
          "InvalidTiming",
        );
      }
    });

    it("wants a window of four answers: what is demanded in its first half must be proven in its second", async () => {
      const world = await from(deployedWorld);
      const least = 4 * ANSWER_SECONDS;
      await ledgerWith(world, { windowSeconds: least });
      await expect(ledgerWith(world, { windowSeconds: least - 1 }))
        .to.be.revertedWithCustomError(world.ledger, "WindowTooShort")
        .withArgs(least - 1, least);
    });

    it("refuses a zero address in any place, zero rules, no judge, and a fee over half", async () => {
      const world = await from(deployedWorld);
      const { ledger } = world;
      for (const name of ["escrow", "quorum", "distributor", "demands", "governance", "guardian"]) {
        await expect(ledgerWith(world, { [name]: ZeroAddress })).to.be.revertedWithCustomError(
          ledger,
          "ZeroAddress",
        );
      }
      for (const wrong of [{ rulesHash: ZeroHash }, { judge: ZeroAddress }]) {
        await expect(ledgerWith(world, wrong)).to.be.revertedWithCustomError(
          ledger,
          "InvalidRules",
        );
      }
      await expect(ledgerWith(world, { tariff: { ...tariff, feeBps: 5_001 } }))
        .to.be.revertedWithCustomError(ledger, "FeeTooHigh")
        .withArgs(5_001);
    });
  });

  describe("setTariff", () => {
    it("takes effect in the next epoch and leaves the ones before alone", async () => {
      const world = await from(deployedWorld);
      const { ledger, governance } = world;
      await goTo(world, startOf(5));
      const before = await ledger.tariffAt(1);
      await expect(ledger.connect(governance).setTariff(tariff))
        .to.emit(ledger, "TariffSet")
        .withArgs(6, TARIFF, numbered);
      expect(await ledger.tariffAt(0)).to.deep.equal([0n, 0n, 0n, 0n]);
      expect(await ledger.tariffAt(5)).to.deep.equal(before);
      expect(await ledger.tariffAt(6)).to.deep.equal(TARIFF);
    });

    it("lets the last word of an epoch count", async () => {
      const world = await from(deployedWorld);
      const { ledger, governance } = world;
      await ledger.connect(governance).setTariff(tariff);
      await ledger.connect(governance).setTariff({ ...tariff, storagePrice: 8 });
      expect((await ledger.tariffAt(1)).storagePrice).to.equal(8);
    });

    it("refuses a fee over half of what counted", async () => {
      const { ledger, governance } = await from(deployedWorld);
      expect(await ledger.MAX_FEE_BPS()).to.equal(5_000);
      await expect(ledger.connect(governance).setTariff({ ...tariff, feeBps: 5_001 }))
        .to.be.revertedWithCustomError(ledger, "FeeTooHigh")
        .withArgs(5_001);
    });
  });

  describe("feeOf", () => {
    it("is what was taken off when so much was earned, rounded down", async () => {
      const world = await from(deployedWorld);
      const { ledger, governance } = world;
      expect((await ledger.tariffAt(1)).feeBps).to.equal(FEE_BPS);
      for (const [earned, fee] of [
        [0n, 0n],
        [8n, 0n],
        [9n, 1n],
        [17n, 1n],
        [MAX_96, MAX_96 / 9n],
      ] as const) {
        expect(await ledger.feeOf(earned, 1)).to.equal(fee);
      }
      await goTo(world, startOf(1));
      await ledger.connect(governance).setTariff({ ...tariff, feeBps: 5_000 });
      expect([await ledger.feeOf(9, 1), await ledger.feeOf(9, 2)]).to.deep.equal([1n, 9n]);
      expect(await ledger.feeOf(9, 0)).to.equal(0);
    });
  });

  describe("setRules", () => {
    /** Another judge. */
    const newJudge = async ({ connection, registry, escrow }: World) =>
      connection.ethers.deployContract("Judge", [registry, escrow]);

    it("takes effect after at least one whole epoch more, and leaves the ones before alone", async () => {
      const world = await from(deployedWorld);
      const { ledger, governance } = world;
      await goTo(world, startOf(6) - 2);
      const judge = await newJudge(world);
      await goTo(world, startOf(6) - 1);
      await expect(ledger.connect(governance).setRules(id("new"), judge))
        .to.emit(ledger, "RulesSet")
        .withArgs(8, id("new"), judge, numbered);
      const rules = [];
      for (const epoch of [0, 1, 7, 8]) rules.push(await ledger.rulesAt(epoch));
      expect(rules).to.deep.equal([ZeroHash, RULES_HASH, RULES_HASH, id("new")]);
    });

    it("keeps what was set for the epoch before", async () => {
      const world = await from(deployedWorld);
      const { ledger, governance, judge } = world;
      await goTo(world, startOf(5));
      await ledger.connect(governance).setRules(id("first"), judge);
      await goTo(world, startOf(6));
      await ledger.connect(governance).setRules(id("second"), judge);
      expect(await ledger.rulesAt(7)).to.equal(id("first"));
      expect(await ledger.rulesAt(8)).to.equal(id("second"));
    });

    it("gives rules one judge for ever, and may go back to them with it", async () => {
      const world = await from(deployedWorld);
      const { ledger, governance, judge } = world;
      const asGovernance = ledger.connect(governance);
      const other = await newJudge(world);
      await asGovernance.setRules(id("new"), other);
      await asGovernance.setRules(RULES_HASH, judge);
      for (const [rules, fixed, wrong] of [
        [id("new"), other, judge],
        [RULES_HASH, judge, other],
      ] as const) {
        await expect(asGovernance.setRules(rules, wrong))
          .to.be.revertedWithCustomError(ledger, "JudgeIsFixed")
          .withArgs(rules, fixed);
        expect(await ledger.judgeOf(rules)).to.equal(await fixed.getAddress());
      }
      expect(await ledger.judgeOf(id("never"))).to.equal(ZeroAddress);
    });

    it("refuses zero rules, and a judge that is no contract", async () => {
      const { ledger, governance, judge, stranger } = await from(deployedWorld);
      for (const [rules, wrong] of [
        [ZeroHash, judge],
        [id("new"), ZeroAddress],
        [id("new"), stranger],
      ] as const) {
        await expect(ledger.connect(governance).setRules(rules, wrong))
          .to.be.revertedWithCustomError(ledger, "InvalidRules")
          .withArgs(rules, wrong);
      }
    });
  });
});
