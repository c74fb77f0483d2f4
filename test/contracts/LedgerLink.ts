import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { deployedWorld, from } from "../worlds/contracts.ts";

describe("LedgerLink", () => {
  describe("linkLedger", () => {
    it("links once and for ever", async () => {
      const world = await from(deployedWorld);
      const { programme, escrow, quorum, distributor, demands, ledger, deployer, stranger } = world;
      for (const contract of [programme, escrow, quorum, distributor, demands]) {
        expect(await contract.ledger()).to.equal(await ledger.getAddress());
        await expect(contract.connect(deployer).linkLedger(stranger))
          .to.be.revertedWithCustomError(contract, "LedgerAlreadyLinked")
          .withArgs(await ledger.getAddress());
      }
    });

    it("is open to the deployer only, who has no other power", async () => {
      const world = await from(deployedWorld);
      const { programme, escrow, quorum, distributor, demands, stranger } = world;
      for (const contract of [programme, escrow, quorum, distributor, demands]) {
        await expect(contract.connect(stranger).linkLedger(stranger))
          .to.be.revertedWithCustomError(contract, "NotDeployer")
          .withArgs(stranger.address);
      }
    });

    it("tells of the link, and refuses the zero address", async () => {
      const { connection, token, registry, governance, deployer } = await from(deployedWorld);
      const quorum = await connection.ethers.deployContract("OracleQuorum", [
        token,
        registry,
        1,
        governance,
      ]);
      await expect(quorum.linkLedger(ZeroAddress)).to.be.revertedWithCustomError(
        quorum,
        "ZeroAddress",
      );
      await expect(quorum.linkLedger(deployer))
        .to.emit(quorum, "LedgerLinked")
        .withArgs(deployer.address);
    });
  });

  describe("onlyLedger", () => {
    it("keeps everybody else from publishing roots and from slashing", async () => {
      const { quorum, distributor, deployer, governance, stranger } = await from(deployedWorld);
      for (const caller of [deployer, governance, stranger]) {
        await expect(quorum.connect(caller).slash(1, caller))
          .to.be.revertedWithCustomError(quorum, "NotLedger")
          .withArgs(caller.address);
        await expect(
          distributor.connect(caller).publish(1, `0x${"11".repeat(32)}`, 1, 1),
        ).to.be.revertedWithCustomError(distributor, "NotLedger");
      }
    });
  });
});
