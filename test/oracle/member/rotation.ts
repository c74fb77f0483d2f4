import { fromHex, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import { sign } from "@link-rewards/core/encoding/signature";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { decodeContributions } from "@link-rewards/core/epoch/records";
import {
  bodyHashOf,
  type MemberRequest,
  memberAuthorization,
  memberRequestDigest,
  requestTarget,
} from "@link-rewards/core/signed/member-request";
import { expect } from "chai";
import { openBundles } from "../../../oracle/edge/bundles.ts";
import { addMember } from "../../../scripts/local/devnet.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { inStore, lastFinalEpoch, proposals } from "../support/chronicle.ts";
import { freePort } from "../support/free-port.ts";
import { type MemberOracle, memberOracle, type Serving } from "../support/member-oracle.ts";

type Finding = { readonly ok: boolean; readonly message: string };
type Told = { readonly done?: boolean; readonly message?: string; readonly transaction?: string };

/** The runbook's "Changing keys", with three members of which two must sign; the third's key is lost. */
describe("a member's key", () => {
  let world: MemberWorld;
  let first: MemberOracle;
  let second: MemberOracle;
  /** The second's folder with its new key. */
  let renewed: MemberOracle;
  let lost: MemberOracle;
  let fourth: MemberOracle;
  let ports: readonly [string, string, string];
  const served = new Map<MemberOracle, Serving>();

  before(async () => {
    world = await startMemberWorld({ members: 3, threshold: 2 });
    [first, second, lost] = world.oracles as [MemberOracle, MemberOracle, MemberOracle];
    const { devnet } = world;
    const [successor, replacement] = [devnet.wallet(8), devnet.wallet(9)];
    const { data } = second;
    renewed = await memberOracle({ devnet, name: "renewed", wallet: successor, data });
    fourth = await memberOracle({ devnet, name: "fourth", wallet: replacement });
    ports = [String(await freePort()), String(await freePort()), String(await freePort())];
    await serve(first, 0);
    await serve(second, 1);
  });
  after(async () => {
    for (const member of [renewed, fourth]) await member.stop();
    await world.stop();
  });

  const urlOf = (place: number) => `http://127.0.0.1:${ports[place]}`;
  const peersOf = (place: number) =>
    [0, 1, 2].filter((other) => other !== place).flatMap((other) => ["--peer", urlOf(other)]);
  async function serve(member: MemberOracle, place: number) {
    served.set(member, await member.serve("--port", ports[place] as string, ...peersOf(place)));
  }
  const close = (member: MemberOracle, ...places: readonly number[]) =>
    member.close(...places.flatMap((place) => ["--peer", urlOf(place)]));
  async function told(member: MemberOracle, command: string, ...more: readonly string[]) {
    const { code, stdout, stderr } = await member.run(command, ...more, "--json");
    const answer: Told = stdout === "" ? {} : JSON.parse(stdout);
    return { code, stderr, ...answer };
  }
  const device = (i: number) => lowercaseHex(world.devices[i]?.address ?? "");
  const signers = async () => {
    const { signers: bits } = await world.devnet.suite.ledger.proposal();
    return [0, 1, 2, 3].filter((slot) => (bits >> BigInt(slot)) & 1n);
  };
  const countedIn = async (member: MemberOracle, epoch: number) => {
    const bytes = await openBundles(member.bundles).read(epoch, "contributions.bin");
    return decodeContributions(bytes).map(({ receipt }) => receipt.egressBytes);
  };
  const take = async (place: number, fields: { epoch: number; egressBytes: bigint }, i = place) => {
    const [answer] = await world.submit(urlOf(place), [{ device: device(i), ...fields }]);
    expect(answer?.status).to.equal("accepted");
  };

  /** What the first answers when this member asks for its receipts, as members do. */
  async function statusOfReading({ wallet, member }: MemberOracle): Promise<number> {
    const { devnet } = world;
    const { chainId } = await devnet.provider.getNetwork();
    const ledger = lowercaseHex(await devnet.suite.ledger.getAddress());
    const request: MemberRequest = {
      ...{ version: 1, member, recipient: first.member },
      target: requestTarget("GET", "/v1/arrivals/receipts"),
      bodyHash: bodyHashOf(new Uint8Array()),
      sentAt: BigInt(Math.floor(Date.now() / 1000)),
      nonce: toHex(crypto.getRandomValues(new Uint8Array(32))),
    };
    const digest = memberRequestDigest(domainSeparator(chainId, ledger), request);
    const signature = sign(digest, fromHex(lowercaseHex(wallet.privateKey)));
    const headers = { authorization: memberAuthorization(request, signature) };
    return (await fetch(new URL("/v1/arrivals/receipts", urlOf(0)), { headers })).status;
  }
  async function memberFinding(member: MemberOracle) {
    const { stdout } = await member.run("check", "--json");
    const { findings } = JSON.parse(stdout) as { findings: (Finding & { name: string })[] };
    const { ok, message } = findings.find(({ name }) => name === "member") as Finding;
    return { ok, message };
  }

  it("is handed on while a report with its signature is pending, which becomes final with it", async () => {
    await take(0, { epoch: 1, egressBytes: 1n });
    await take(1, { epoch: 1, egressBytes: 2n });
    await world.owe(urlOf(0), 1, LTK);
    await world.endEpoch(1);
    await close(first, 1);
    await world.sealEpoch(1);
    const proposed = await close(first, 1);
    expect(proposed.outcome.waiting, proposed.stderr).to.contain("the window is open");
    expect(await signers()).to.deep.equal([0, 1]);

    const planned = await told(second, "rotate", renewed.member);
    expect([planned.code, planned.done, planned.transaction]).to.deep.equal([0, true, undefined]);
    expect(planned.message).to.equal(
      `would hand the seat of ${second.member} to ${renewed.member} from epoch 3 on; until then ${second.member} signs; --execute sends it`,
    );
    const sent = await told(second, "rotate", renewed.member, "--execute");
    expect([sent.code, sent.done], sent.stderr).to.deep.equal([0, true]);
    expect(sent.message).to.contain("done: hand the seat");
    const again = await told(second, "rotate", renewed.member, "--execute");
    expect([again.code, again.done]).to.deep.equal([1, false]);
    expect(again.message).to.contain("the contract would refuse").and.contain("MemberUnknown");

    await world.passWindow();
    await close(first, 1);
    expect(await lastFinalEpoch(world)).to.equal(1);
    expect(await countedIn(first, 1)).to.have.members([1n, 2n]);
  });

  it("signs until its last epoch ends, then is a stranger's: refused by members, and counted by nobody", async () => {
    await take(0, { epoch: 2, egressBytes: 3n });
    // Acknowledged with the old key, and by this member alone until its key is changed.
    await take(1, { epoch: 2, egressBytes: 4n });
    await world.owe(urlOf(0), 2, LTK);
    await world.endEpoch(2);
    await close(first, 1);
    await world.sealEpoch(2);
    const waits = await close(first, 1);
    expect([waits.code, waits.outcome.waiting], waits.stderr).to.deep.equal([
      0,
      "1 of 2 signatures of active members for attempt 0 can be had",
    ]);
    expect(waits.stderr).to.contain('"msg":"not an active member"').and.contain(second.member);
    const alone = await close(second, 0);
    expect([alone.code, alone.outcome.waiting]).to.deep.equal([
      0,
      "0 of 2 signatures of active members for attempt 0 can be had",
    ]);
    expect(alone.stderr).to.contain(`${second.member} is no member in this epoch or the next`);
    expect(await statusOfReading(second)).to.equal(401);
    expect(await memberFinding(second)).to.deep.equal({
      ok: false,
      message: `${second.member} was replaced as the key of slot 1 by ${renewed.member}`,
    });
    // Nobody has spent its signature, not even the one that others count.
    for (const member of [first, second])
      await inStore(member, async (store) =>
        expect(await store.recordedReport(2, 0)).to.equal(undefined),
      );
  });

  it("is changed with a restart in the same folder, which goes on with all that was acknowledged", async () => {
    await served.get(second)?.stop();
    await serve(renewed, 1);
    expect((await memberFinding(renewed)).ok).to.equal(true);
    expect(await statusOfReading(renewed)).to.equal(200);
    const { outcome, stderr } = await close(first, 1);
    expect(outcome.waiting, stderr).to.contain("the window is open");
    expect(await signers()).to.deep.equal([0, 1]);
    expect(await proposals(world)).to.deep.equal([
      [1, 0],
      [2, 0],
    ]);
    await world.passWindow();
    await close(first, 1);
    expect(await lastFinalEpoch(world)).to.equal(2);
    expect(await countedIn(first, 2)).to.have.members([3n, 4n]);
    const fees = await told(renewed, "withdraw-fees", "--execute");
    expect(fees.message, fees.stderr).to.contain(`done: pay ${renewed.member}`);
    expect(await world.devnet.suite.quorum.feesOf(1)).to.equal(0n);
    const none = await told(renewed, "withdraw-fees");
    expect([none.code, none.message]).to.deep.equal([
      1,
      `the contract would refuse to pay ${renewed.member} the 0.0 LTK of fees in slot 1: NoFees(1)`,
    ]);
  });

  it("that is lost gives way to a new member, which begins with an empty folder", async () => {
    const { devnet } = world;
    const governed = devnet.suite.quorum.connect(devnet.role("governance"));
    // In epoch 3, so from epoch 5 on: the report of epoch 3 still has the members before it.
    await (await governed.removeMember(lost.member)).wait();
    await addMember(devnet, fourth.member, 2);
    expect((await memberFinding(fourth)).message).to.contain("is a member from epoch 5 on");
    await take(0, { epoch: 3, egressBytes: 5n });
    await world.sealEpoch(3);
    await close(first, 1);
    await world.passWindow();
    await close(first, 1);
    await take(0, { epoch: 4, egressBytes: 6n });
    await take(0, { epoch: 4, egressBytes: 7n }, 1);
    await served.get(renewed)?.stop();
    await world.endEpoch(4);
    await serve(fourth, 2);
    await world.sealEpoch(4);
    // The second is away: the new one's signature is needed.
    const { outcome, stderr } = await close(first, 2);
    expect(outcome.waiting, stderr).to.contain("the window is open");
    expect(await signers()).to.deep.equal([0, 3]);
    expect(await countedIn(first, 4)).to.have.members([6n, 7n]);
    await world.passWindow();
    await close(first, 2);
    expect(await lastFinalEpoch(world)).to.equal(4);
  });

  it("takes its bond along when the epoch in which it left and the next are final, and no sooner", async () => {
    const { quorum } = world.devnet.suite;
    const held = await told(renewed, "withdraw-bond", "--execute");
    expect([held.code, held.message]).to.deep.equal([
      1,
      `the contract would refuse to pay ${renewed.member} the bond of 1000.0 LTK in slot 1: BondHeld(1, 0)`,
    ]);
    const left = await told(renewed, "exit", "--execute");
    expect([left.code, left.message], left.stderr).to.deep.equal([
      0,
      `done: leave the quorum for good from epoch 6 on (${left.transaction})`,
    ]);
    expect(Number((await quorum.memberOf(renewed.member)).untilEpoch)).to.equal(6);
    // The key was not lost, only thought to be.
    const paid = await told(lost, "withdraw-bond", "--execute");
    expect([paid.code, paid.done], paid.stderr).to.deep.equal([0, true]);
    expect(await world.devnet.suite.token.balanceOf(lost.member)).to.be.at.least(1_000n * LTK);
  });

  it("ends an attempt that nobody else ends, after the proposal timeout", async () => {
    const early = await told(first, "abandon", "5", "--execute");
    expect([early.code, early.done]).to.deep.equal([1, false]);
    expect(early.message).to.contain("the contract would refuse").and.contain("TooEarlyToAbandon");
    const { ledger } = world.devnet.suite;
    await world.devnet.warpTo(Number((await ledger.proposal()).abandonableAt));
    const done = await told(first, "abandon", "5", "--execute");
    expect([done.code, done.done], done.stderr).to.deep.equal([0, true]);
    expect(done.message).to.contain("done: end attempt 0 of epoch 5");
    expect(Number((await ledger.proposal()).attempt)).to.equal(1);
  });

  it("is not handed to an address with a mistyped digit", async () => {
    const checksummed = renewed.wallet.address;
    const mistyped = checksummed.replace(/[a-f]/, (digit) => digit.toUpperCase());
    const { code, stderr } = await first.run("rotate", mistyped);
    expect(code).to.equal(3);
    expect(stderr).to.contain("its checksum is wrong");
  });
});
