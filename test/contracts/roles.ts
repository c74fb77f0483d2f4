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
const ROLES = ["governance", "guardian", "manufacturer", "admission"] as const;

/** Everything that is not open to all. */
function powersOf(world: World): readonly Power[] {
  const { registry, escrow, quorum, distributor, ledger, stranger } = world;
  const limit = [1, 1, 1];
  return [
    [registry, "enrol", [[stranger.address], 1], id("MANUFACTURER_ROLE")],
    [registry, "revoke", [[stranger.address]], id("MANUFACTURER_ROLE")],
    [registry, "setClassLimit", [1, limit], GOVERNANCE],
    [escrow, "admit", [stranger], id("ADMISSION_ROLE")],
    [escrow, "dismiss", [stranger], id("ADMISSION_ROLE")],
    [quorum, "addMember", [stranger, 1], GOVERNANCE],
    [quorum, "removeMember", [stranger, 1], GOVERNANCE],
    [quorum, "setThreshold", [1], GOVERNANCE],
    [distributor, "pause", [], id("GUARDIAN_ROLE")],
    [distributor, "resume", [], id("GUARDIAN_ROLE")],
    [ledger, "veto", [id("digest")], id("GUARDIAN_ROLE")],
    [ledger, "setTariff", [[1, 1, 1, 1]], GOVERNANCE],
    [ledger, "setRules", [id("rules")], GOVERNANCE],
    [ledger, "scheduleRetirement", [stranger], GOVERNANCE],
    [ledger, "cancelRetirement", [], GOVERNANCE],
    [ledger, "retire", [], GOVERNANCE],
  ];
}

describe("roles", () => {
  it("keep every power from everybody who does not hold its role", async () => {
    const world = await from(deployedWorld);
    const { deployer, treasury, stranger } = world;
    for (const [contract, name, args, role] of powersOf(world)) {
      const others = [deployer, treasury, stranger];
      for (const holder of ROLES) {
        if (!(await contract.getFunction("hasRole")(role, world[holder])))
          others.push(world[holder]);
      }
      expect(others.length, `${name} has one holder`).to.equal(3 + ROLES.length - 1);
      for (const caller of others) {
        await expect(contract.connect(caller).getFunction(name)(...args))
          .to.be.revertedWithCustomError(contract, "AccessControlUnauthorizedAccount")
          .withArgs(caller.address, role);
      }
    }
  });

  it("are given and taken by governance only, and never by the deployer", async () => {
    const world = await from(deployedWorld);
    const { registry, escrow, quorum, distributor, ledger, governance, deployer, stranger } = world;
    for (const contract of [registry, escrow, quorum, distributor, ledger]) {
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
    const { token, registry, escrow, quorum, distributor, governance } = world;
    const someone = governance.address;
    const zero = ZeroAddress;
    const wrong: readonly (readonly [BaseContract, string, readonly unknown[]])[] = [
      [registry, "DeviceRegistry", [GENESIS, 60, 1, zero, someone]],
      [registry, "DeviceRegistry", [GENESIS, 60, 1, someone, zero]],
      [escrow, "CustomerEscrow", [zero, registry, THAW_SECONDS, someone, someone]],
      [escrow, "CustomerEscrow", [token, registry, THAW_SECONDS, zero, someone]],
      [escrow, "CustomerEscrow", [token, registry, THAW_SECONDS, someone, zero]],
      [quorum, "OracleQuorum", [zero, registry, 1, someone]],
      [quorum, "OracleQuorum", [token, registry, 1, zero]],
      [distributor, "RewardDistributor", [zero, registry, escrow, quorum, someone, someone]],
      [distributor, "RewardDistributor", [token, registry, escrow, quorum, zero, someone]],
      [distributor, "RewardDistributor", [token, registry, escrow, quorum, someone, zero]],
    ];
    for (const [contract, name, args] of wrong) {
      await expect(ethers.deployContract(name, [...args])).to.be.revertedWithCustomError(
        contract,
        "ZeroAddress",
      );
    }
  });
});
