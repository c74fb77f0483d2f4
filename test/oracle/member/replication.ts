import { fromHex, type Hex, lowercaseHex, toHex, utf8 } from "@link-rewards/core/encoding/bytes";
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
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { inStore, proposals } from "../support/chronicle.ts";
import { freePort } from "../support/free-port.ts";
import type { MemberOracle, Serving } from "../support/member-oracle.ts";

/** Nobody listens there. */
const DOWN = "http://127.0.0.1:9";

describe("three members, of whom one is killed", () => {
  let world: MemberWorld;
  let oracles: readonly [MemberOracle, MemberOracle, MemberOracle];
  let third: Serving;
  let second: Serving;
  let first: Serving;

  before(async () => {
    world = await startMemberWorld({ members: 3, threshold: 2 });
    oracles = world.oracles as unknown as typeof oracles;
    const port = String(await freePort());
    const firstUrl = `http://127.0.0.1:${port}`;
    third = await oracles[2].serve("--peer", firstUrl);
    second = await oracles[1].serve("--peer", `${firstUrl},${third.url}`);
    first = await oracles[0].serve("--port", port, "--peer", second.url);
  });
  after(() => world.stop());

  const device = (i: number) => lowercaseHex(world.devices[i]?.address ?? "");
  const servedIn = async (epoch: number) => {
    const bytes = await openBundles(oracles[0].bundles).read(epoch, "contributions.bin");
    return decodeContributions(bytes).map(({ receipt }) => receipt.egressBytes);
  };
  const isAt = async ({ url }: Serving, i: number, epoch: number) => {
    const customer = lowercaseHex(world.customer.address);
    const path = `/v1/receipts/${epoch}/${device(i)}/${customer}`;
    while (!(await fetch(new URL(path, url))).ok) await soon();
  };

  it("keep its receipts and vouchers, which went on from member to member before", async () => {
    await world.submit(third.url, [{ device: device(0), egressBytes: 3n }]);
    await world.owe(third.url, 1, LTK);
    await isAt(first, 0, 1);
    await inStore(oracles[0], async (store) => {
      while ((await Array.fromAsync(store.vouchers())).length === 0) await soon();
    });
    await third.kill();
    await world.endEpoch(1);
    const { outcome } = await oracles[0].close("--peer", second.url);
    expect(outcome.actions?.map(({ action }) => action)).to.include("collect");
    const { escrow } = world.devnet.suite;
    expect(await escrow.paid(world.customer.address, 1)).to.equal(LTK);
    await world.sealEpoch(1);
    const { code, stderr } = await oracles[0].close("--peer", second.url);
    expect(code, stderr).to.equal(0);
    expect(await servedIn(1)).to.deep.equal([3n]);
    expect(await proposals(world)).to.deep.equal([[1, 0]]);
    await world.passWindow();
    await oracles[0].close("--peer", second.url);
  });

  it("compute its receipts in when it comes back after the seal", async () => {
    // Nobody knows where it is, until it is over.
    const alone = await oracles[2].serve();
    await world.submit(alone.url, [{ epoch: 2, device: device(1), egressBytes: 5n }]);
    await alone.kill();
    await world.submit(first.url, [{ epoch: 2, device: device(0), egressBytes: 4n }]);
    await world.sealEpoch(2);
    const waits = await oracles[0].close("--peer", DOWN);
    expect(waits.outcome.waiting, waits.stderr).to.contain("1 of 2 signatures");
    expect(await servedIn(2)).to.deep.equal([4n]);
    const back = await oracles[2].serve("--peer", first.url);
    const { code, stderr } = await oracles[0].close("--peer", back.url);
    expect(code, stderr).to.equal(0);
    expect(await servedIn(2)).to.have.members([4n, 5n]);
    expect(await proposals(world)).to.deep.equal([
      [1, 0],
      [2, 0],
    ]);
    third = back;
  });

  it("propose nothing without it while it may still come back with what it alone has", async () => {
    await world.passWindow();
    await oracles[0].close("--peer", second.url, "--peer", third.url);
    await third.kill();
    const alone = await oracles[2].serve();
    await world.submit(alone.url, [{ epoch: 3, device: device(1), egressBytes: 7n }]);
    await alone.kill();
    await world.submit(second.url, [{ epoch: 3, device: device(0), egressBytes: 6n }]);
    await world.sealEpoch(3);
    const port = String(await freePort());
    const away = `http://127.0.0.1:${port}`;
    const waits = await oracles[0].close("--peer", second.url, "--peer", away);
    expect([waits.code, await proposals(world)]).to.deep.equal([
      0,
      [
        [1, 0],
        [2, 0],
      ],
    ]);
    expect(waits.outcome.waiting, waits.stderr).to.contain(`no answer from ${away}`);
    third = await oracles[2].serve("--port", port, "--peer", first.url);
    const { code, stderr } = await oracles[0].close("--peer", second.url, "--peer", away);
    expect(code, stderr).to.equal(0);
    expect(await servedIn(3)).to.have.members([6n, 7n]);
    expect(await proposals(world)).to.deep.include([3, 0]);
  });

  it("go on without it when half the proposal timeout is over, or what the operator says", async () => {
    const { devnet } = world;
    const { genesis, epochSeconds, graceSeconds, proposalTimeoutSeconds } = devnet.parameters;
    await world.passWindow();
    await oracles[0].close("--peer", second.url, "--peer", third.url);
    await world.submit(second.url, [{ epoch: 4, egressBytes: 6n }]);
    await world.sealEpoch(4);
    const isWaiting = async (...more: string[]) => {
      const { outcome } = await oracles[0].close("--peer", second.url, "--peer", DOWN, ...more);
      return String(outcome.waiting).includes(`no answer from ${DOWN}`);
    };
    expect(await isWaiting()).to.equal(true);
    const seal = genesis + 4 * epochSeconds + graceSeconds;
    await devnet.warpTo(seal + proposalTimeoutSeconds / 2);
    expect(await isWaiting("--peer-patience", "200")).to.equal(true);
    expect(await isWaiting()).to.equal(false);
    expect(await proposals(world)).to.deep.include([4, 0]);
  });

  it("send strangers away at once, and sign while those flood them (three of them stopped every epoch)", async () => {
    await world.passWindow();
    await oracles[0].close("--peer", second.url, "--peer", third.url);
    await world.submit(first.url, [{ epoch: 5, egressBytes: 6n }]);
    await world.sealEpoch(5);
    const answers = new Set<number>();
    let isOver = false;
    const body = JSON.stringify({ report: {} });
    const flood = async (url: string, authorization: () => string | undefined) => {
      while (!isOver) {
        const signed = authorization();
        const headers = {
          "content-type": "application/json",
          ...(signed !== undefined && { authorization: signed }),
        };
        const { status } = await fetch(new URL("/v1/attestations", url), {
          method: "POST",
          headers,
          body,
        });
        answers.add(status);
      }
    };
    const forged = await requestTo(third.url, body);
    const floods = [first, second, third].flatMap(({ url }) => [
      flood(url, () => undefined),
      flood(url, () => "LinkMember 0x00"),
      flood(url, () => forged.authorization),
    ]);
    const { code, outcome, stderr } = await oracles[0].close("--peer", third.url);
    isOver = true;
    await Promise.all(floods);
    expect(code, stderr).to.equal(0);
    expect(outcome.waiting).to.contain("the window is open");
    expect([...answers]).to.have.members([401, 426]);
  });

  it("answer a member's request once, for whom and for what it was signed, near its time", async () => {
    const body = JSON.stringify({ report: {} });
    const { wallet } = oracles[0];
    const own = { key: fromHex(lowercaseHex(wallet.privateKey)), member: oracles[0].member };
    const post = async ({ authorization }: { authorization: string }, sent = body) => {
      const headers = { "content-type": "application/json", authorization };
      const url = new URL("/v1/attestations", third.url);
      const response = await fetch(url, { method: "POST", headers, body: sent });
      return [response.status, ((await response.json()) as { message: string }).message] as const;
    };
    const good = await requestTo(third.url, body, own);
    expect((await post(good))[0]).to.equal(400);
    expect((await post(good))[1]).to.equal("the request came before");
    const other = await requestTo(third.url, body, own);
    expect((await post(other, "{}"))[1]).to.equal("the body is not the one that was signed");
    const cases: readonly (readonly [Partial<MemberRequest>, RegExp])[] = [
      [{ recipient: oracles[1].member }, /^the request is for member/],
      [{ sentAt: BigInt(Math.floor(Date.now() / 1000) - 86_400) }, /set both clocks by NTP/],
      [{ target: requestTarget("POST", "/v1/reviews") }, /another method or path/],
      [{ member: lowercaseHex(world.customer.address) }, /is no member/],
      [{ member: oracles[1].member }, /^the signature is not by/],
      [{ version: 2 }, /^versions 1 to 1 are spoken here, the request is in version 2/],
    ];
    for (const [changes, message] of cases) {
      const [, answer] = await post(await requestTo(third.url, body, { ...own, changes }));
      expect(answer).to.match(message);
    }
  });

  async function requestTo(
    url: string,
    body: string,
    by: {
      readonly key?: Uint8Array;
      readonly member?: Hex;
      readonly changes?: Partial<MemberRequest>;
    } = {},
  ) {
    const { member: recipient } = (await (await fetch(new URL("/v1/member", url))).json()) as {
      member: Hex;
    };
    const { devnet } = world;
    const { chainId } = await devnet.provider.getNetwork();
    const ledger = lowercaseHex(await devnet.suite.ledger.getAddress());
    const request: MemberRequest = {
      version: 1,
      member: by.member ?? oracles[0].member,
      recipient,
      target: requestTarget("POST", "/v1/attestations"),
      bodyHash: bodyHashOf(utf8(body)),
      sentAt: BigInt(Math.floor(Date.now() / 1000)),
      nonce: toHex(crypto.getRandomValues(new Uint8Array(32))),
      ...by.changes,
    };
    const digest = memberRequestDigest(domainSeparator(chainId, ledger), request);
    const signature = sign(digest, by.key ?? new Uint8Array(32).fill(1));
    return { authorization: memberAuthorization(request, signature) };
  }
});

function soon(): Promise<void> {
  return new Promise((passed) => setTimeout(passed, 20));
}
