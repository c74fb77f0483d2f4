import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { toHex } from "@link-rewards/core/encoding/bytes";
import { sign } from "@link-rewards/core/encoding/signature";
import { endOf } from "@link-rewards/core/law/clock";
import { replay } from "@link-rewards/core/law/replay";
import { acknowledgementDigest } from "@link-rewards/core/signed/acknowledgement";
import { signedReceiptToJson } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import { type Circumstances, type Served, serve } from "../oracle/http/served.ts";
import {
  address,
  chain,
  deployment,
  founding,
  keyOf,
  lawOf,
  registryDomain,
} from "../worlds/paper.ts";
import {
  customer,
  device,
  draftOf,
  FIRST_SEQUENCE,
  type Service,
  type ServiceNode,
  sendDraft,
  startService,
} from "./support/service.ts";
import { layWire, type Wire } from "./support/wire.ts";

const MEMBERS = ["member", "member-2", "member-3"] as const;

describe("several oracles", () => {
  let service: Service;
  let others: Served[];
  const ends: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    service = await startService();
    others = [];
  });

  afterEach(async () => {
    await service.close();
    for (const end of ends.splice(0)) await end();
  });

  async function another(circumstances: Circumstances = {}): Promise<Served> {
    const member = MEMBERS[others.length + 1] as string;
    const oracle = await serve({ member, customers: service.customers, ...circumstances });
    others.push(oracle);
    ends.push(() => oracle.close());
    return oracle;
  }

  /** A server that reads like an oracle, and answers as it likes to what it is handed. */
  async function stranger(answer: RequestListener): Promise<{ url: string; asked: string[] }> {
    const asked: string[] = [];
    const server = createServer(async (request, response) => {
      asked.push(request.url ?? "");
      request.resume();
      if (request.method === "POST") return answer(request, response);
      const read = await fetch(`${service.oracle.url}${request.url}`);
      response.writeHead(read.status, { "content-type": "application/json" });
      return response.end(await read.text());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    ends.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
  }

  async function wireTo(oracle: { readonly url: string }, spoil?: Parameters<typeof layWire>[1]) {
    const wire = await layWire(() => oracle.url, spoil);
    ends.push(wire.close);
    return wire;
  }

  const start = (oracles: readonly { readonly url: string }[], options = {}) =>
    service.node({
      oracles: oracles.map(({ url }) => url),
      members: MEMBERS.map(address),
      ...options,
    });

  async function signOne(node: ServiceNode, sequence = FIRST_SEQUENCE, egressBytes = 5n) {
    const { status, body } = await sendDraft(node, draftOf({ sequence, egressBytes }));
    expect([status, body.message]).to.deep.equal([200, undefined]);
  }

  const fateOf = (node: ServiceNode) => node.receipts()[0]?.fate;
  const acknowledgedBy = (name: string) => ({ status: "acknowledged", member: address(name) });
  const receiptsAt = ({ requests }: Wire) => requests.filter(({ path }) => path === "/v1/receipts");

  it("hand in at the next when one was killed in mid-run, and at the first when it is back and the next is gone", async () => {
    const second = await another();
    const wires = [await wireTo(service.oracle), await wireTo(second)] as const;
    const node = await start(wires);
    await signOne(node);
    await node.idle();
    expect(fateOf(node)).to.deep.equal(acknowledgedBy("member"));
    wires[0].cut(true);
    await signOne(node, FIRST_SEQUENCE + 1, 6n);
    await node.idle();
    expect(fateOf(node)).to.deep.equal(acknowledgedBy("member-2"));
    wires[0].cut(false);
    wires[1].cut(true);
    await signOne(node, FIRST_SEQUENCE + 2, 7n);
    await node.idle();
    expect(fateOf(node)).to.deep.equal(acknowledgedBy("member"));
    expect(await second.store.head(1, device, customer)).to.have.nested.property(
      "receipt.egressBytes",
      6n,
    );
  });

  it("pass over one that hangs, and ask it no more for a while", async () => {
    const hanging = await stranger(() => undefined);
    const node = await start([hanging, service.oracle], { oracleTimeoutMilliseconds: 300 });
    await signOne(node);
    await node.idle();
    expect(fateOf(node)).to.deep.equal(acknowledgedBy("member"));
    const before = hanging.asked.length;
    for (const [i, egressBytes] of [6n, 7n, 8n].entries()) {
      await signOne(node, FIRST_SEQUENCE + 1 + i, egressBytes);
      await node.idle();
    }
    expect(hanging.asked.length - before).to.be.lessThan(4);
  });

  for (const [name, answer] of [
    ["is not ready", [503, '{"refusal":"busy","message":"not now"}']],
    ["has had enough", [429, "slow down"]],
    ["is a page", [200, "<html>welcome</html>"]],
    ["is nothing there", [404, "<html>not found</html>"]],
    ["sends away", [301, ""]],
    ["fails", [500, '{"message":"the oracle failed"}']],
    ["talks without end", [200, "x".repeat(1_000_000)]],
    [
      "is of another chain",
      [400, '{"refusal":"wrong-chain","message":"the registry is another one"}'],
    ],
  ] as const) {
    it(`go on to the next when what the first answers ${name}`, async () => {
      const [status, body] = answer;
      const first = await stranger((_request, response) => {
        response.writeHead(status, { "retry-after": "600", location: service.oracle.url });
        response.end(body);
      });
      const node = await start([first, service.oracle]);
      await signOne(node);
      await node.idle();
      expect(fateOf(node)).to.deep.equal(acknowledgedBy("member"));
      expect(first.asked).to.include("/v1/receipts");
      expect(await service.oracle.store.head(1, device, customer)).to.not.equal(undefined);
    });
  }

  for (const [name, forge] of [
    ["by no member", (root: string) => wordBy("stranger", root, address("stranger"))],
    ["in another member's name", (root: string) => wordBy("stranger", root, address("member"))],
    ["for another receipt", () => wordBy("member", `0x${"11".repeat(32)}`, address("member"))],
  ] as const) {
    it(`take an acknowledgement ${name} for silence`, async () => {
      const liar = await wireTo(await another(), (path, body) => {
        if (path !== "/v1/receipts") return undefined;
        const answer = JSON.parse(body.toString());
        return Buffer.from(
          JSON.stringify({ ...answer, acknowledgement: forge(answer.acknowledgement.root) }),
        );
      });
      const node = await start([liar, service.oracle]);
      await signOne(node);
      await node.idle();
      expect(receiptsAt(liar)).to.have.length(1);
      expect(fateOf(node)).to.deep.equal(acknowledgedBy("member"));
    });
  }

  it("take what one accepts, whatever another refuses it for", async () => {
    const refusing = await another({
      law: replay(chain(founding.filter(([name]) => name !== "DeviceBound"))),
    });
    const fast = await another();
    fast.at(endOf(deployment, 9));
    const node = await start([refusing, fast, service.oracle]);
    await signOne(node);
    await node.idle();
    expect(fateOf(node)).to.deep.equal(acknowledgedBy("member"));
  });

  it("serve no more for what one refuses while the others are silent, and go on when one of them takes it", async () => {
    const refusing = await another();
    const wires = [await wireTo(refusing), await wireTo(service.oracle)] as const;
    const node = await start(wires);
    await sendDraft(node, draftOf());
    refusing.under(revoked());
    wires[1].cut(true);
    await signOne(node);
    while (receiptsAt(wires[1]).length < 3) await sleep(20);
    expect(fateOf(node)).to.include({ status: "refused", refusal: "device-revoked" });
    // For the same bytes its answer would be the same.
    expect(receiptsAt(wires[0])).to.have.length(1);
    wires[1].cut(false);
    await node.idle();
    expect(fateOf(node)).to.deep.equal(acknowledgedBy("member"));
  });

  it("believe a refusal when more than half of all refuse", async () => {
    const oracles = [await another(), service.oracle];
    const gone = await wireTo(await another());
    gone.cut(true);
    const node = await start([gone, ...oracles]);
    await signOne(node, FIRST_SEQUENCE, 10n ** 12n + 1n);
    await node.idle();
    expect(fateOf(node)).to.include({ status: "refused", refusal: "implausible" });
  });

  it("hand in once more after a restart what the oracles named before refused", async () => {
    const wrong = await another({ law: revoked() });
    const first = await start([wrong]);
    await signOne(first);
    await first.idle();
    expect(fateOf(first)).to.include({ status: "refused", refusal: "device-revoked" });
    await first.close();
    const node = await start([wrong, service.oracle]);
    await node.idle();
    expect(fateOf(node)).to.deep.equal(acknowledgedBy("member"));
  });

  it("say together which epoch it is, when the clock of one is wrong", async () => {
    const fast = await another();
    const node = await start([fast, await another(), service.oracle]);
    fast.at(endOf(deployment, 9));
    await signOne(node);
    await node.idle();
    expect(fateOf(node)?.status).to.equal("acknowledged");
  });

  it("tell a device that lost its book of every head: the one that was away has an old one", async () => {
    const second = await another();
    const first = await start([service.oracle]);
    await signOne(first);
    await first.idle();
    const [old] = first.receipts();
    if (old?.signed === undefined) throw new Error("nothing was signed");
    await second.hand(signedReceiptToJson(old.signed));
    await signOne(first, FIRST_SEQUENCE + 1, 9n);
    await first.idle();
    await first.close();
    const node = await start([second, service.oracle], { folder: `${service.folder}/other` });
    const { body } = await sendDraft(node, draftOf());
    expect(body).to.deep.include({ next: 2 * FIRST_SEQUENCE + 1 });
    expect(node.metered(1, customer).egressBytes).to.equal(9n);
  });

  describe("and a gateway", () => {
    const voucherAt = async ({ store }: Served) =>
      (await Array.fromAsync(store.vouchers()))[0]?.voucher.customer;
    const backoff = { firstMilliseconds: 1, longestMilliseconds: 1, retries: 1 };

    async function settled(oracles: readonly { readonly url: string }[]) {
      const node = await service.node();
      const gateway = await service.gateway({
        nodes: () => [node],
        files: [await service.file("film", 40_000)],
        oracles: oracles.map(({ url }) => url),
        backoff,
      });
      await gateway.serveRound();
      return gateway.settle();
    }

    it("hand a voucher to all, so that one that drops it costs nothing", async () => {
      const second = await another();
      const liar = await wireTo(service.oracle, (path) =>
        path === "/v1/vouchers"
          ? Buffer.from(JSON.stringify({ status: "known", digest: `0x${"00".repeat(32)}` }))
          : undefined,
      );
      const { failures, vouchers } = await settled([liar, second]);
      expect([failures, vouchers.map(({ delivered }) => delivered)]).to.deep.equal([[], [true]]);
      expect(await voucherAt(second)).to.equal(customer);
    });

    it("need one that takes it: others may be gone, or refuse", async () => {
      const gone = await wireTo(service.oracle);
      gone.cut(true);
      const fast = await another();
      const { failures } = await settled([gone, service.oracle, fast]);
      expect(failures).to.deep.equal([]);
      expect(await voucherAt(service.oracle)).to.equal(customer);
    });

    it("say what each said when none took it", async () => {
      const [gone, wrong] = [await wireTo(service.oracle), await stranger((_, to) => to.end("?"))];
      const node = await service.node();
      const gateway = await service.gateway({
        nodes: () => [node],
        files: [await service.file("film", 40_000)],
        oracles: [gone.url, wrong.url],
        backoff,
      });
      await gateway.serveRound();
      gone.cut(true);
      const { failures, vouchers } = await gateway.settle();
      expect(failures.join()).to.match(
        /voucher: .*\/v1\/vouchers did not answer; .* did not answer/,
      );
      expect(vouchers.map(({ delivered }) => delivered)).to.deep.equal([false]);
    });
  });
});

function revoked() {
  return lawOf(["DeviceRevoked", { device, fromEpoch: 1, reason: "stolen" }]);
}

function wordBy(signer: string, root: string, member: string) {
  const word = { root: root as `0x${string}`, receipts: 1, storedAt: 1n };
  const signature = toHex(sign(acknowledgementDigest(registryDomain, word), keyOf(signer)));
  return { ...word, storedAt: "1", signature, member };
}
