import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { startAnvilChain, startHardhatChain } from "../../scripts/local/local-chain.ts";
import { runOracle } from "../../scripts/local/oracle-process.ts";
import { type MemberWorld, startMemberWorld } from "../worlds/network.ts";

const CAST = fileURLToPath(new URL("../../node_modules/@foundry-rs/cast/bin.mjs", import.meta.url));

const CHAINS = { "Hardhat's node": startHardhatChain, anvil: startAnvilChain };

for (const [chain, startChain] of Object.entries(CHAINS)) {
  describe(`with other people's tools: the whole path on ${chain}, read and claimed with cast`, () => {
    let world: MemberWorld;
    let url: string;

    const cast = async (...args: readonly string[]) => {
      const options = ["--rpc-url", world.devnet.rpcUrl];
      const { stdout } = await promisify(execFile)(process.execPath, [CAST, ...args, ...options]);
      return stdout.trim();
    };

    before(async () => {
      world = await startMemberWorld({ startChain });
      const service = await world.oracle.serve();
      url = service.url;
      await world.submit(url, [{}, { egressBytes: 2n * 10n ** 12n }, {}]);
      await world.owe(url, 1, 4n * 10n ** 18n);
      await world.endEpoch(1);
      await world.oracle.close();
      await world.sealEpoch(1);
      expect((await world.oracle.close()).code).to.equal(0);
      await world.passWindow();
      expect((await world.oracle.close()).code).to.equal(0);
    });

    after(() => world.stop());

    it("reads the token and a final epoch", async () => {
      const { token, distributor } = world.devnet.suite;
      expect(await cast("call", await token.getAddress(), "symbol()(string)")).to.equal('"LTK"');
      const root = await cast(
        "call",
        await distributor.getAddress(),
        "rootOf(uint32)(bytes32,uint96,uint32)",
        "1",
      );
      const [hash, total, leaves] = root.split("\n");
      expect(hash).to.equal((await distributor.rootOf(1)).root);
      expect(total).to.match(/^3600000000000000000\b/);
      expect(leaves).to.equal("3");
    });

    it("sends the claim that `proof --json` prints, and reads its event", async () => {
      const owner = world.owners[1];
      if (owner === undefined) throw new Error("there is no second owner");
      const { devnet } = world;
      const proof = await runOracle([
        "proof",
        owner.address,
        ...world.chainArgs,
        "--bundles",
        `${url}/bundles`,
        "--json",
      ]);
      expect(proof.code, proof.stderr).to.equal(0);
      const { to, calldata, claimable } = JSON.parse(proof.stdout);
      expect(claimable).to.equal("1800000000000000000");
      // A throw-away chain's well-known key: nowhere else may a key be an argument.
      const key = devnet.role("bystander").privateKey;
      await cast("send", to, calldata, "--private-key", key);
      expect(await devnet.suite.token.balanceOf(owner.address)).to.equal(BigInt(claimable));
      const logs = await cast(
        "logs",
        "--from-block",
        "0",
        "--address",
        to,
        "Claimed(address indexed account, address indexed payee, uint32 indexed epoch, uint96 amount, uint96 cumulative)",
      );
      expect(logs.toLowerCase()).to.contain(owner.address.slice(2).toLowerCase());
    });
  });
}
