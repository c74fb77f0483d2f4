import { expect } from "chai";
import { dataLength } from "ethers";
import hre from "hardhat";
import { deployedWorld, from } from "../worlds/contracts.ts";

/** EIP-170. */
const MAX_CODE_BYTES = 24_576;
/** What the next change may need. */
const ROOM_BYTES = 1_000;

// Coverage runs other bytecode.
if (!hre.globalOptions.coverage) {
  describe("every contract", () => {
    it("is smaller than a chain takes, with room", async () => {
      const world = await from(deployedWorld);
      const { token, registry, programme, escrow, quorum, judge, demands } = world;
      const { distributor, ledger } = world;
      const suite = { token, registry, programme, escrow, quorum, judge, demands };
      for (const [name, contract] of Object.entries({ ...suite, distributor, ledger })) {
        const size = dataLength((await contract.getDeployedCode()) ?? "0x");
        expect(size, name).to.be.within(1, MAX_CODE_BYTES - ROOM_BYTES);
      }
    });
  });
}
