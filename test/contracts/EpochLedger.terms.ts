import { emission } from "@link-rewards/core/epoch/emission";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { expect } from "chai";
import { id, parseEther, ZeroAddress, ZeroHash } from "ethers";
import {
  addMembers,
  at,
  deployedWorld,
  EPOCH_SECONDS,
  from,
  GRACE_SECONDS,
  goTo,
  sealTimeOf,
  startOf,
  TIMEOUT_SECONDS,
  WINDOW_SECONDS,
  type World,
} from "../worlds/contracts.ts";
import { collect, payingWorld } from "./support/customers.ts";
import {
  EMPTY_TREE,
  finalizeEpoch,
  ltkTree,
  NO_CONTRIBUTIONS,
  pendingReport,
  reportOf,
  staffedWorld,
} from "./support/epochs.ts";

const TARIFF = [2n ** 96n - 1n, 7n, 2n ** 96n - 1n, 2n ** 32n - 1n] as const;
const [egressPrice, storagePrice, computePrice, rewardCapBps] = TARIFF;
const tariff = { egressPrice, storagePrice, computePrice, rewardCapBps };
const MONTH_SECONDS = 30 * 24 * 3600;

/** Deploys another ledger, with `change` in what it is built from. */
async function ledgerWith(world: World, change: Record<string, unknown>) {
  const { connection, token, registry, escrow, quorum, distributor, governance, guardian } = world;
  const terms = {
    token,
    registry,
    escrow,
    quorum,
    distributor,
    emissionShare: parseEther("750000000"),
    proposalTimeoutSeconds: TIMEOUT_SECONDS,
    windowSeconds: WINDOW_SECONDS,
    rulesHash: RULES_HASH,
    tariff,
    governance,
    guardian,
  };
  return connection.ethers.deployContract("EpochLedger", [{ ...terms, ...change }]);
}

async function registryWith(world: World, epochSeconds: number, graceSeconds: number) {
  const { connection, governance } = world;
  const terms = [startOf(1), epochSeconds, graceSeconds, governance, governance];
  return connection.ethers.deployContract("DeviceRegistry", terms);
}

describe("EpochLedger", () => {
  describe("constructor", () => {
    it("keeps grace, timeout and window below half an epoch: a backlog must shrink", async () => {
      const world = await from(deployedWorld);
      const most = EPOCH_SECONDS / 2 - GRACE_SECONDS - TIMEOUT_SECONDS;
      await ledgerWith(world, { windowSeconds: most - 1 });
      await expect(ledgerWith(world, { windowSeconds: most }))
        .to.be.revertedWithCustomError(world.ledger, "TimingTooLong")
        .withArgs(EPOCH_SECONDS / 2, EPOCH_SECONDS / 2);
    });

    it("wants an epoch to fit into a year, and an emission share within the supply", async () => {
      const world = await from(deployedWorld);
      const { ledger, token } = world;
      const year = 365 * 24 * 3600;
      await ledgerWith(world, { registry: await registryWith(world, year, 0) });
      await expect(ledgerWith(world, { registry: await registryWith(world, year + 1, 0) }))
        .to.be.revertedWithCustomError(ledger, "InvalidEmission")
        .withArgs(parseEther("750000000"), 0);
      const supply = await token.SUPPLY();
      await ledgerWith(world, { emissionShare: supply });
      await expect(ledgerWith(world, { emissionShare: supply + 1n }))
        .to.be.revertedWithCustomError(ledger, "InvalidEmission")
        .withArgs(supply + 1n, 365);
    });

    it("refuses a zero address in any place, and zero rules", async () => {
      const world = await from(deployedWorld);
      for (const name of ["token", "escrow", "quorum", "distributor", "governance", "guardian"]) {
        await expect(ledgerWith(world, { [name]: ZeroAddress })).to.be.revertedWithCustomError(
          world.ledger,
          "ZeroAddress",
        );
      }
      await expect(ledgerWith(world, { rulesHash: ZeroHash })).to.be.revertedWithCustomError(
        world.ledger,
        "ZeroRules",
      );
    });
  });

  describe("emission", () => {
    it("is what the oracle computes, in every year until nothing is left", async () => {
      const { ledger } = await from(deployedWorld);
      const share = await ledger.emissionShare();
      for (let year = 0; year <= 130; year++) {
        for (const epoch of [365 * year + 1, 365 * (year + 1)]) {
          expect(await ledger.emission(epoch)).to.equal(emission(epoch, share, EPOCH_SECONDS));
        }
      }
      expect(await ledger.emission(0)).to.equal(0);
      expect(await ledger.emission(2n ** 32n - 1n)).to.equal(0);
    });

    it("halves from one year to the next and never exceeds the share", async () => {
      const { ledger } = await from(deployedWorld);
      const share = await ledger.emissionShare();
      expect(await ledger.emission(365)).to.equal(share / 2n / 365n);
      expect(await ledger.emission(366)).to.equal(share / 4n / 365n);
      let issued = 0n;
      for (let year = 0; year < 130; year++)
        issued += 365n * (await ledger.emission(365 * year + 1));
      expect(issued).to.be.at.most(share);
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
        .withArgs(6, TARIFF);
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
  });

  describe("setRules", () => {
    it("takes effect in the next epoch and leaves the ones before alone", async () => {
      const world = await from(deployedWorld);
      const { ledger, governance } = world;
      await goTo(world, startOf(5));
      await expect(ledger.connect(governance).setRules(id("new")))
        .to.emit(ledger, "RulesSet")
        .withArgs(6, id("new"));
      expect(await ledger.rulesAt(0)).to.equal(ZeroHash);
      expect(await ledger.rulesAt(5)).to.equal(RULES_HASH);
      expect(await ledger.rulesAt(6)).to.equal(id("new"));
    });

    it("refuses zero", async () => {
      const { ledger, governance } = await from(deployedWorld);
      await expect(ledger.connect(governance).setRules(ZeroHash)).to.be.revertedWithCustomError(
        ledger,
        "ZeroRules",
      );
    });
  });

  describe("retire", () => {
    async function scheduled() {
      const world = await from(staffedWorld);
      const { ledger, governance, stranger } = world;
      await at(world, startOf(2));
      await ledger.connect(governance).scheduleRetirement(stranger);
      return { ...world, due: startOf(2) + MONTH_SECONDS };
    }

    it("is announced 30 days before, and can be called off", async () => {
      const { ledger, governance, stranger, due } = await from(scheduled);
      expect(await ledger.RETIREMENT_DELAY_SECONDS()).to.equal(MONTH_SECONDS);
      const events = await ledger.queryFilter(ledger.filters.RetirementScheduled());
      expect(events.map(({ args }) => [...args])).to.deep.equal([[stranger.address, BigInt(due)]]);
      await expect(ledger.connect(governance).cancelRetirement())
        .to.emit(ledger, "RetirementCancelled")
        .withArgs(stranger.address);
      for (const calling of [
        ledger.connect(governance).cancelRetirement(),
        ledger.connect(governance).retire(),
      ]) {
        await expect(calling).to.be.revertedWithCustomError(ledger, "NotRetirable").withArgs(0);
      }
    });

    it("sends all that was not released to the successor, to the second when due", async () => {
      const world = await from(scheduled);
      const { ledger, governance, stranger, token, due } = world;
      const held = await token.balanceOf(ledger);
      await at(world, due - 1);
      await expect(ledger.connect(governance).retire())
        .to.be.revertedWithCustomError(ledger, "NotRetirable")
        .withArgs(due);
      await at(world, due);
      const retiring = ledger.connect(governance).retire();
      await expect(retiring).to.emit(ledger, "Retired").withArgs(stranger.address, held);
      await expect(retiring).to.changeTokenBalances(
        world.connection.ethers,
        token,
        [ledger, stranger],
        [-held, held],
      );
    });

    it("waits for a pending proposal, whose tokens are the owners'", async () => {
      const world = await from(scheduled);
      const { ledger, governance, token, distributor, due } = world;
      const tree = ltkTree(world.accounts, [1, 1, 1, 1, 1]);
      const report = await pendingReport(world, tree);
      const { digest } = await ledger.proposal();
      await goTo(world, due);
      await expect(ledger.connect(governance).retire())
        .to.be.revertedWithCustomError(ledger, "ProposalPending")
        .withArgs(digest);
      await ledger.finalize(report);
      await ledger.connect(governance).retire();
      expect(await token.balanceOf(distributor)).to.equal(tree.total);
    });

    it("ends proposing for ever, and cannot be announced or called off again", async () => {
      const world = await from(scheduled);
      const { ledger, governance, stranger, due } = world;
      await goTo(world, due);
      await ledger.connect(governance).retire();
      const report = await reportOf(world, EMPTY_TREE, NO_CONTRIBUTIONS);
      await expect(ledger.propose(report, [])).to.be.revertedWithCustomError(
        ledger,
        "LedgerRetired",
      );
      await expect(
        ledger.connect(governance).scheduleRetirement(stranger),
      ).to.be.revertedWithCustomError(ledger, "LedgerRetired");
      await expect(ledger.connect(governance).cancelRetirement()).to.be.revertedWithCustomError(
        ledger,
        "NotRetirable",
      );
    });

    it("can be repeated for what is collected afterwards", async () => {
      const world = await from(payingWorld);
      const { ledger, governance, stranger, token, connection } = world;
      await ledger.connect(governance).scheduleRetirement(stranger);
      await goTo(world, startOf(40));
      await ledger.connect(governance).retire();
      await collect(world, 40, 25);
      await expect(ledger.connect(governance).retire()).to.changeTokenBalance(
        connection.ethers,
        token,
        stranger,
        parseEther("25"),
      );
    });

    it("refuses the zero successor", async () => {
      const { ledger, governance } = await from(deployedWorld);
      await expect(
        ledger.connect(governance).scheduleRetirement(ZeroAddress),
      ).to.be.revertedWithCustomError(ledger, "ZeroAddress");
    });
  });

  describe("budgetOf", () => {
    it("grows with what is collected until the seal time, and not after", async () => {
      const world = await from(payingWorld);
      const { ledger } = world;
      const members = await addMembers(world, 3, 2);
      const staffed = { ...world, accounts: [], members };
      const bare = await ledger.budgetOf(1);
      await collect(world, 1, 5);
      await at(world, sealTimeOf(1) - 1);
      await collect(world, 1, 6);
      await collect(world, 1, 9);
      expect(await ledger.budgetOf(1)).to.equal(bare + parseEther("6"));
      await finalizeEpoch(staffed, EMPTY_TREE, NO_CONTRIBUTIONS);
      expect(await ledger.budgetOf(2)).to.equal((await ledger.emission(2)) + parseEther("9"));
    });
  });
});
