import { expect } from "chai";
import { type BaseContract, id, ZeroAddress, ZeroHash } from "ethers";
import {
  chain,
  deployedWorld,
  from,
  GENESIS,
  THAW_SECONDS,
  type World,
} from "../worlds/contracts.ts";

type Power = readonly [
  contract: BaseContract,
  name: string,
  args: readonly unknown[],
  role: string,
];

const GOVERNANCE = ZeroHash;
const HOLDERS = ["governance", "guardian", "manufacturer", "admission"] as const;

/** Everything that a role is needed for. */
function powersOf(world: World): readonly Power[] {
  const { registry, programme, escrow, quorum, distributor, ledger, stranger } = world;
  const limit = [1, 1, 1];
  return [
    [registry, "enrol", [[stranger.address], 1], id("MANUFACTURER_ROLE")],
    [registry, "enrolP256", [[], 1], id("MANUFACTURER_ROLE")],
    [registry, "revoke", [[stranger.address], ""], id("MANUFACTURER_ROLE")],
    [registry, "setClassLimit", [1, limit], GOVERNANCE],
    [programme, "addInspector", [stranger], GOVERNANCE],
    [programme, "removeInspector", [stranger], GOVERNANCE],
    [programme, "scheduleRetirement", [stranger], GOVERNANCE],
    [programme, "cancelRetirement", [], GOVERNANCE],
    [programme, "retire", [], GOVERNANCE],
    [escrow, "admit", [stranger], id("ADMISSION_ROLE")],
    [escrow, "dismiss", [stranger], id("ADMISSION_ROLE")],
    [quorum, "addMember", [stranger, 1], GOVERNANCE],
    [quorum, "removeMember", [stranger], GOVERNANCE],
    [quorum, "setThreshold", [1], GOVERNANCE],
    [distributor, "setGuardian", [stranger], GOVERNANCE],
    [ledger, "setGuardian", [stranger], GOVERNANCE],
    [ledger, "setTariff", [[1, 1, 1, 1]], GOVERNANCE],
    [ledger, "setRules", [id("rules"), stranger], GOVERNANCE],
  ];
}

/** Everything that is the guardian's. */
function guardedOf({ distributor, ledger }: World) {
  return [
    [distributor, "pause", []],
    [distributor, "resume", []],
    [ledger, "veto", [id("digest")]],
  ] as const;
}

describe("roles", () => {
  it("keep every power from everybody who does not hold its role", async () => {
    const world = await from(deployedWorld);
    const { deployer, treasury, stranger } = world;
    for (const [contract, name, args, role] of powersOf(world)) {
      const others = [deployer, treasury, stranger];
      for (const holder of HOLDERS) {
        if (!(await contract.getFunction("hasRole")(role, world[holder])))
          others.push(world[holder]);
      }
      expect(others.length, `${name} has one holder`).to.equal(3 + HOLDERS.length - 1);
      for (const caller of others) {
        await expect(contract.connect(caller).getFunction(name)(...args))
          .to.be.revertedWithCustomError(contract, "AccessControlUnauthorizedAccount")
          .withArgs(caller.address, role);
      }
    }
  });

  it("give nobody but the guardian in force what is the guardian's", async () => {
    const world = await from(deployedWorld);
    const { deployer, treasury, stranger, guardian, governance, manufacturer, admission } = world;
    for (const [contract, name, args] of guardedOf(world)) {
      for (const caller of [deployer, treasury, stranger, governance, manufacturer, admission]) {
        const target: BaseContract = contract;
        await expect(target.connect(caller).getFunction(name)(...args))
          .to.be.revertedWithCustomError(contract, "NotGuardian")
          .withArgs(caller.address, guardian.address);
      }
    }
  });

  it("are given and taken by governance only, and never by the deployer", async () => {
    const world = await from(deployedWorld);
    const { registry, programme, escrow, quorum, distributor, ledger } = world;
    const { governance, deployer, stranger } = world;
    for (const contract of [registry, programme, escrow, quorum, distributor, ledger]) {
      expect(await contract.hasRole(GOVERNANCE, deployer)).to.equal(false);
      await expect(
        contract.connect(deployer).grantRole(GOVERNANCE, deployer),
      ).to.be.revertedWithCustomError(contract, "AccessControlUnauthorizedAccount");
      await contract.connect(governance).grantRole(GOVERNANCE, stranger);
      await contract.connect(stranger).revokeRole(GOVERNANCE, governance);
      expect(await contract.hasRole(GOVERNANCE, governance)).to.equal(false);
    }
  });

  it("let nobody move an owner's claimed or unclaimed tokens", async () => {
    const { distributor } = await from(deployedWorld);
    const sends = distributor.interface.fragments
      .filter((fragment) => fragment.type === "function")
      .map((fragment) => fragment.format("sighash"))
      .filter((signature) => /withdraw|sweep|rescue|transfer|execute|upgrade/i.test(signature));
    expect(sends).to.deep.equal([]);
  });
});

describe("constructors", () => {
  it("refuse a zero address in any place of power", async () => {
    const { ethers } = await chain();
    const world = await from(deployedWorld);
    const { token, registry, programme, escrow, quorum, distributor, governance } = world;
    const one = governance.address;
    const zero = ZeroAddress;
    const wrong: readonly (readonly [BaseContract, string, readonly unknown[]])[] = [
      [registry, "DeviceRegistry", [GENESIS, 60, 1, zero, one]],
      [registry, "DeviceRegistry", [GENESIS, 60, 1, one, zero]],
      [programme, "RewardProgramme", [zero, registry, 1, one]],
      [programme, "RewardProgramme", [token, registry, 1, zero]],
      [escrow, "CustomerEscrow", [zero, registry, programme, THAW_SECONDS, one, one]],
      [escrow, "CustomerEscrow", [token, registry, zero, THAW_SECONDS, one, one]],
      [escrow, "CustomerEscrow", [token, registry, programme, THAW_SECONDS, zero, one]],
      [escrow, "CustomerEscrow", [token, registry, programme, THAW_SECONDS, one, zero]],
      [quorum, "OracleQuorum", [zero, registry, 1, one]],
      [quorum, "OracleQuorum", [token, registry, 1, zero]],
      ...[0, 2, 3, 4, 5, 6].map((place) => {
        const terms = [token, registry, programme, escrow, quorum, one, one];
        return [distributor, "RewardDistributor", terms.with(place, zero)] as const;
      }),
    ];
    for (const [contract, name, args] of wrong) {
      await expect(ethers.deployContract(name, [...args])).to.be.revertedWithCustomError(
        contract,
        "ZeroAddress",
      );
    }
  });
});
