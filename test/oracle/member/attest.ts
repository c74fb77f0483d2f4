import { expect } from "chai";
import { type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { bundleOf, manifestOf } from "../support/forger.ts";
import type { MemberOracle } from "../support/member-oracle.ts";

describe("attest", () => {
  let world: MemberWorld;
  before(async () => {
    world = await startMemberWorld({ members: 2, threshold: 2 });
  });
  after(() => world.stop());

  it("signs what its clock, hours behind the chain's, let it acknowledge, and acknowledges nothing of that epoch after", async () => {
    const [proposer, slow] = world.oracles as [MemberOracle, MemberOracle];
    // It looks at the chain once, when it starts: from then on it has its own clock alone.
    const peer = await proposer.serve();
    const { url } = await slow.serve("--follow-seconds", "86400", "--peer", peer.url);
    const device = (i: number) => ({ device: world.devices[i]?.address as `0x${string}` });
    const submit = async (i: number) => (await world.submit(url, [device(i)]))[0];
    expect(await submit(0)).to.include({ status: "accepted" });
    await world.endEpoch(1);
    await world.sealEpoch(1);
    expect(await submit(1)).to.include({ status: "accepted" });
    const { outcome, stderr } = await proposer.close("--peer", url);
    expect(outcome.waiting, stderr).to.match(/the window is open until/);
    expect(manifestOf(await bundleOf(proposer, 1)).contributions).to.equal(2);
    expect(await submit(2)).to.include({ status: "refused", refusal: "epoch-closed" });
  });
});
