import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { proposals, remembered } from "../support/chronicle.ts";

describe("close, when the ledger was closed for good", () => {
  let world: MemberWorld;
  before(async () => {
    world = await startMemberWorld();
    const { oracle, devnet } = world;
    const serving = await oracle.serve();
    await world.submit(serving.url, [{}]);
    await world.owe(serving.url, 1, LTK);
    await serving.stop();
    await world.endEpoch(1);
    await oracle.close();
    // Nobody works until anyone may close it.
    const ledger = devnet.suite.ledger.connect(devnet.role("bystander"));
    await devnet.warpTo(Number(await ledger.closableAt()));
    await (await ledger.close()).wait();
    await devnet.warpTo(0);
  });
  after(() => world.stop());

  it("says so, leaves the epoch as it is, and stops for a person to look", async () => {
    const { oracle } = world;
    const before = (await remembered(oracle)).epochs;
    for (const { code, outcome } of [await oracle.plan(), await oracle.close()]) {
      expect(code).to.equal(1);
      expect(outcome).to.deep.include({ actions: [], epoch: 1 });
      expect(outcome.held).to.match(/^the ledger was closed for good after epoch 0: .* refund$/);
    }
    expect((await remembered(oracle)).epochs).to.deep.equal(before);
    expect(await proposals(world)).to.deep.equal([]);
  });

  it("brings back all of what was paid for an epoch that never becomes final", async () => {
    const { oracle, devnet, customer } = world;
    const { escrow } = devnet.suite;
    const before = await escrow.balanceOf(customer.address);
    const keyFile = await devnet.keyFile("bystander", devnet.role("bystander"));
    const { code, stdout, stderr } = await runOracle([
      ...["refund", customer.address, ...world.chainArgs, "--bundles", oracle.bundles],
      ...["--key-file", keyFile, "--json"],
    ]);
    expect(code, stderr).to.equal(0);
    expect(JSON.parse(stdout).refunds[0]).to.include({
      epoch: 1,
      customer: lowercaseHex(customer.address),
      amount: String(LTK),
    });
    expect((await escrow.balanceOf(customer.address)) - before).to.equal(LTK);
  });

  it("is told by status", async () => {
    const { stdout } = await runOracle(["status", ...world.chainArgs]);
    expect(stdout).to.match(/^closed +at .*: nothing is proposed any more$/m);
  });
});
