import { expect } from "chai";
import { ZeroAddress } from "ethers";
import {
  deployedWorld,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  sender,
  startOf,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { collect, GATEWAY, ltk, MAX_96 } from "./support/customers.ts";
import { numbered } from "./support/revisions.ts";

const YEAR_SECONDS = 365 * 24 * 3600;
const INSPECTOR = walletOf("inspector").address;
const SECOND = walletOf("second inspector").address;

async function programmeWith(world: World, epochSeconds: number, share: bigint) {
  const { connection, token, governance } = world;
  const clock = await connection.ethers.deployContract("DeviceRegistry", [
    GENESIS,
    epochSeconds,
    0,
    governance,
    governance,
  ]);
  return connection.ethers.deployContract("RewardProgramme", [token, clock, share, governance]);
}

/** Makes a customer with a key; money it has none. */
async function admit(world: World, inspector: string): Promise<void> {
  const { escrow, admission } = world;
  await escrow.connect(admission).admit(inspector);
  await escrow.connect(await sender(world, inspector)).setKey(GATEWAY, MAX_96);
}

/** One inspector buys from epoch 1 on, which is running. */
async function inspectedWorld(): Promise<World> {
  const world = await from(deployedWorld);
  await admit(world, INSPECTOR);
  await admit(world, SECOND);
  await world.programme.connect(world.governance).addInspector(INSPECTOR);
  await goTo(world, GENESIS);
  return world;
}

describe("RewardProgramme", () => {
  describe("constructor", () => {
    it("wants an epoch to fit into a year, and a share that 96 bits hold", async () => {
      const world = await from(deployedWorld);
      const { programme } = world;
      await programmeWith(world, YEAR_SECONDS, MAX_96);
      await expect(programmeWith(world, YEAR_SECONDS, MAX_96 + 1n))
        .to.be.revertedWithCustomError(programme, "InvalidEmission")
        .withArgs(MAX_96 + 1n, 1);
    });
  });

  describe("emission", () => {
    it("is half of the share in the first year, and half of the rest in each after", async () => {
      const { programme } = await from(deployedWorld);
      const share = await programme.emissionShare();
      expect(await programme.emission(0)).to.equal(0);
      for (const [year, epochs] of [
        [1n, [1, 365]],
        [2n, [366, 730]],
        [3n, [731, 1095]],
        [90n, [365 * 89 + 1]],
      ] as const) {
        for (const epoch of epochs) {
          expect(await programme.emission(epoch), `epoch ${epoch}`).to.equal(
            (share >> year) / 365n,
          );
        }
      }
      expect(await programme.emission(2n ** 32n - 1n)).to.equal(0);
    });

    it("never exceeds the share in all", async () => {
      const { programme } = await from(deployedWorld);
      let issued = 0n;
      for (let year = 0; year < 130; year++) {
        issued += 365n * (await programme.emission(365 * year + 1));
      }
      expect(issued).to.be.at.most(await programme.emissionShare());
    });
  });

  describe("addInspector and removeInspector", () => {
    it("take effect in the next epoch, and leave earlier ones alone", async () => {
      const world = await from(inspectedWorld);
      const { programme, governance } = world;
      const governed = programme.connect(governance);
      await goTo(world, startOf(4));
      await expect(governed.addInspector(SECOND))
        .to.emit(programme, "InspectorAdded")
        .withArgs(SECOND, 5, numbered);
      await goTo(world, startOf(6));
      await expect(governed.removeInspector(INSPECTOR))
        .to.emit(programme, "InspectorRemoved")
        .withArgs(INSPECTOR, 7, numbered);
      const facts = [];
      for (const epoch of [0, 1, 4, 5, 6, 7]) {
        facts.push([
          await programme.isInspectorAt(INSPECTOR, epoch),
          await programme.isInspectorAt(SECOND, epoch),
          await programme.inspectorsAt(epoch),
        ]);
      }
      expect(facts).to.deep.equal([
        [false, false, 0n],
        [true, false, 1n],
        [true, false, 1n],
        [true, true, 2n],
        [true, true, 2n],
        [false, true, 1n],
      ]);
    });

    it("undo each other within one epoch", async () => {
      const { programme, governance } = await from(inspectedWorld);
      const governed = programme.connect(governance);
      await governed.addInspector(SECOND);
      await governed.removeInspector(SECOND);
      expect(await programme.isInspectorAt(SECOND, 2)).to.equal(false);
      expect(await programme.inspectorsAt(2)).to.equal(1);
    });

    it("refuse one who is an inspector already, or is not, and the zero address", async () => {
      const { programme, governance } = await from(inspectedWorld);
      const governed = programme.connect(governance);
      await expect(governed.addInspector(INSPECTOR))
        .to.be.revertedWithCustomError(programme, "InspectorUnchanged")
        .withArgs(INSPECTOR);
      await expect(governed.removeInspector(SECOND)).to.be.revertedWithCustomError(
        programme,
        "InspectorUnchanged",
      );
      await expect(governed.addInspector(ZeroAddress)).to.be.revertedWithCustomError(
        programme,
        "ZeroAddress",
      );
    });

    it("keep as many inspectors as there can be, and not one more", async () => {
      const { programme, governance } = await from(deployedWorld);
      const governed = programme.connect(governance);
      const most = Number(await programme.MAX_INSPECTORS());
      for (let i = 1; i <= most; i++) {
        await governed.addInspector(`0x${i.toString(16).padStart(40, "0")}`);
      }
      await expect(governed.addInspector(SECOND))
        .to.be.revertedWithCustomError(programme, "TooManyInspectors")
        .withArgs(most);
    });
  });

  describe("draw", () => {
    it("pays what an inspector's voucher promises, and never from its balance", async () => {
      const world = await from(inspectedWorld);
      const { connection, escrow, token, programme, customer } = world;
      await token.connect(customer).approve(escrow, ltk(50));
      await escrow.connect(customer).depositFor(INSPECTOR, ltk(50));
      const collecting = collect(world, 1, 30, { customer: INSPECTOR });
      await expect(collecting).to.emit(programme, "Drawn").withArgs(INSPECTOR, 1, ltk(30));
      await expect(collecting).to.changeTokenBalances(
        connection.ethers,
        token,
        [programme, escrow],
        [-ltk(30), ltk(30)],
      );
      expect(await escrow.paid(INSPECTOR, 1)).to.equal(ltk(30));
      expect(await escrow.fund(1)).to.equal(ltk(30));
      expect(await escrow.balanceOf(INSPECTOR)).to.equal(ltk(50));
      expect(await programme.drawn(INSPECTOR, 1)).to.equal(ltk(30));
    });

    it("pays the difference of a further voucher, and nothing twice", async () => {
      const world = await from(inspectedWorld);
      const { programme } = world;
      await collect(world, 1, 30, { customer: INSPECTOR });
      await expect(collect(world, 1, 30, { customer: INSPECTOR })).not.to.emit(programme, "Drawn");
      await expect(collect(world, 1, 31, { customer: INSPECTOR }))
        .to.emit(programme, "Drawn")
        .withArgs(INSPECTOR, 1, ltk(1));
    });

    it("pays each inspector its part of the epoch's emission and not a wei more", async () => {
      const world = await from(inspectedWorld);
      const { programme, governance, escrow } = world;
      await programme.connect(governance).addInspector(SECOND);
      const emission = await programme.emission(1);
      expect(await programme.shareAt(0)).to.equal(0);
      expect(await programme.shareAt(1)).to.equal(emission);
      expect(await programme.shareAt(2)).to.equal(emission / 2n);
      await collect(world, 1, 5_000_000, { customer: INSPECTOR });
      expect(await programme.drawn(INSPECTOR, 1)).to.equal(emission);
      await goTo(world, sealTimeOf(1));
      for (const customer of [INSPECTOR, SECOND]) {
        await collect(world, 2, 5_000_000, { customer });
        expect(await programme.drawn(customer, 2)).to.equal(emission / 2n);
      }
      expect(await escrow.fund(2)).to.equal(2n * (emission / 2n));
    });

    it("pays for the epochs of an inspector that was removed, and none after", async () => {
      const world = await from(inspectedWorld);
      const { programme, governance, escrow } = world;
      await programme.connect(governance).removeInspector(INSPECTOR);
      await goTo(world, startOf(2));
      await collect(world, 1, 30, { customer: INSPECTOR });
      await goTo(world, sealTimeOf(1));
      await collect(world, 2, 30, { customer: INSPECTOR });
      expect(await programme.drawn(INSPECTOR, 1)).to.equal(ltk(30));
      expect(await escrow.paid(INSPECTOR, 2)).to.equal(0);
    });

    it("issues no more than what is held here", async () => {
      const world = await from(inspectedWorld);
      const { programme, token, escrow, stranger } = world;
      const own = await sender(world, await programme.getAddress());
      await token.connect(own).transfer(stranger, (await token.balanceOf(programme)) - 5n);
      await collect(world, 1, 30, { customer: INSPECTOR });
      expect(await escrow.paid(INSPECTOR, 1)).to.equal(5);
      await expect(collect(world, 1, 31, { customer: INSPECTOR })).not.to.emit(
        escrow,
        "VoucherCollected",
      );
    });

    it("is the escrow's alone, and gives a customer nothing", async () => {
      const world = await from(inspectedWorld);
      const { programme, escrow, governance, ledger, customer } = world;
      for (const caller of [governance, await sender(world, await ledger.getAddress())]) {
        await expect(programme.connect(caller).draw(INSPECTOR, 1, 1))
          .to.be.revertedWithCustomError(programme, "NotEscrow")
          .withArgs(caller.address);
      }
      const own = programme.connect(await sender(world, await escrow.getAddress()));
      expect(await own.draw.staticCall(customer, 1, 1)).to.equal(0);
      expect(await own.draw.staticCall(INSPECTOR, 1, 1)).to.equal(1);
    });
  });
});
