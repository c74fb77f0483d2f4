import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { sign } from "@link-rewards/core/encoding/signature";
import { replay } from "@link-rewards/core/law/replay";
import { acknowledgementDigest } from "@link-rewards/core/signed/acknowledgement";
import type { SignedAcknowledgement } from "@link-rewards/core/signed/answers";
import { type KeptWord, memberOfWord, parseKeptWords } from "@link-rewards/core/signed/kept-word";
import { expect } from "chai";
import { withBackoff } from "../../device/oracle-client.ts";
import type { Store } from "../../oracle/store/store.ts";
import {
  address,
  chain,
  deployment,
  founding,
  keyOf,
  lawOf,
  registryDomain,
} from "../worlds/paper.ts";
import { ECHO, moduleOf } from "./support/modules.ts";
import {
  askJob,
  customer,
  device,
  digestOf,
  draftOf,
  FIRST_SEQUENCE,
  registry,
  type Service,
  type ServiceNode,
  sendDraft,
  startService,
} from "./support/service.ts";
import { layWire, type Spoil, type Wire } from "./support/wire.ts";

describe("submit", () => {
  let service: Service;
  let wire: Wire;

  async function start(spoil?: Spoil, circumstances = {}): Promise<void> {
    service = await startService(circumstances);
    wire = await layWire(() => service.oracle.url, spoil);
  }

  afterEach(async () => {
    await service.close();
    await wire.close();
  });

  async function startNode(options = {}): Promise<ServiceNode> {
    return service.node({ oracles: [wire.url], ...options });
  }

  async function signOne(
    node: ServiceNode,
    sequence = FIRST_SEQUENCE,
    egressBytes = 5n,
  ): Promise<void> {
    const { status, body } = await sendDraft(node, draftOf({ sequence, egressBytes }));
    expect([status, body.message]).to.deep.equal([200, undefined]);
  }

  const submissions = () => wire.requests.filter(({ path }) => path === "/v1/receipts");
  const stored = () => service.oracle.store.head(1, device, customer);
  /** What the device can show of epoch 1. */
  async function keptWords(): Promise<readonly KeptWord[]> {
    const file = join(service.folder, "node", "acknowledgements", "1.json");
    const words = parseKeptWords(JSON.parse(await readFile(file, "utf8")), {
      chainId: deployment.chainId,
      registry,
    });
    if (isRefused(words)) throw new Error(words.message);
    return words;
  }
  const fateOf = (node: ServiceNode) => node.receipts()[0]?.fate;

  it("hands the receipt in and keeps the acknowledgement, after a restart too", async () => {
    await start();
    const node = await startNode();
    await signOne(node);
    await node.idle();
    await node.close();
    const fate = fateOf(await startNode());
    const { signed } = node.receipts()[0] ?? {};
    expect(fate).to.deep.equal({ status: "acknowledged", member: address("member") });
    const [word, ...more] = await keptWords();
    expect(more).to.deep.equal([]);
    expect(word?.signed).to.deep.equal(signed);
    expect(word?.word).to.deep.include({ root: signed && digestOf(signed.receipt), receipts: 1 });
    expect(word && memberOfWord(registryDomain, word)).to.equal(address("member"));
    expect((await stored())?.receipt.sequence).to.equal(FIRST_SEQUENCE);
    expect(submissions()).to.have.length(1);
  });

  it("tries again, with growing and uneven delays, until the oracle is back", async () => {
    await start();
    const node = await startNode({
      backoff: {
        firstMilliseconds: 20,
        longestMilliseconds: 10_000,
        retries: Number.POSITIVE_INFINITY,
      },
    });
    await signOneWhileCut(node);
    while (submissions().length < 6) await sleep(20);
    expect(fateOf(node)).to.deep.equal({ status: "pending" });
    wire.cut(false);
    await node.idle();
    expect(fateOf(node)?.status).to.equal("acknowledged");
    const times = submissions().map(({ at }) => at);
    const delays = times.slice(1).map((at, i) => at - (times[i] as number));
    // Each delay is at least the doubled one, and as much again at most, give or take a slow machine.
    for (const [i, delay] of delays.slice(0, 5).entries()) {
      expect(delay).to.be.greaterThan(20 * 2 ** i - 5);
    }
  });

  it("spreads the retries of a fleet over time", async () => {
    await start();
    const started = performance.now();
    const waits = await Promise.all(
      Array.from({ length: 20 }, async () => {
        let attempts = 0;
        const fail = async () => {
          attempts += 1;
          if (attempts === 1) throw new Error("away");
          return performance.now() - started;
        };
        return withBackoff(fail, { firstMilliseconds: 100, longestMilliseconds: 100, retries: 1 });
      }),
    );
    expect(Math.min(...waits)).to.be.greaterThan(95);
    expect(Math.max(...waits) - Math.min(...waits)).to.be.greaterThan(10);
  });

  it("waits as long as a busy oracle asks it to", async () => {
    let full = true;
    await start(undefined, {
      between: (store: Store) => ({
        ...store,
        putReceipts: async (...args: Parameters<Store["putReceipts"]>) => {
          if (!full) return store.putReceipts(...args);
          full = false;
          throw new Error("the disk is full");
        },
      }),
    });
    const node = await startNode();
    await signOne(node);
    await node.idle();
    expect(fateOf(node)?.status).to.equal("acknowledged");
    const [first, second] = submissions().map(({ at }) => at);
    expect((second ?? 0) - (first ?? 0)).to.be.greaterThan(4_990);
  });

  it("does not take another receipt's acknowledgement, or a stranger's, for its own", async () => {
    let forge: ((answer: Forgeable) => void) | undefined;
    await start((path, body) => {
      if (path !== "/v1/receipts" || forge === undefined) return undefined;
      const answer = JSON.parse(body.toString());
      forge(answer);
      return Buffer.from(JSON.stringify(answer));
    });
    const other: Hex = `0x${"11".repeat(32)}`;
    const forgeries: ((answer: Forgeable) => void)[] = [
      (answer) => {
        answer.acknowledgement.root = other;
      },
      ({ acknowledgement }) => Object.assign(acknowledgement, wordBy("member", { root: other })),
      ({ acknowledgement }) =>
        Object.assign(
          acknowledgement,
          wordBy("member", { root: acknowledgement.root, receipts: 2 }),
        ),
      (answer) => {
        answer.acknowledgement.storedAt = "1";
      },
      ({ acknowledgement }) =>
        Object.assign(acknowledgement, wordBy("stranger", { root: acknowledgement.root })),
      (answer) => Reflect.deleteProperty(answer, "acknowledgement"),
      ({ results }) => results.splice(0),
      ({ results }) => results.push(...results),
    ];
    const node = await startNode();
    for (const [i, forgery] of forgeries.entries()) {
      forge = forgery;
      const before = submissions().length;
      await signOne(node, FIRST_SEQUENCE + i);
      while (submissions().length < before + 2) await sleep(20);
      expect(fateOf(node)).to.deep.equal({ status: "pending" });
    }
    forge = undefined;
    await node.idle();
    expect(fateOf(node)?.status).to.equal("acknowledged");
  });

  it("goes on handing in after a restart", async () => {
    await start();
    const before = await startNode();
    await signOneWhileCut(before);
    await before.close();
    wire.cut(false);
    const node = await startNode();
    await node.idle();
    expect(fateOf(node)?.status).to.equal("acknowledged");
    expect((await stored())?.receipt.egressBytes).to.equal(5n);
  });

  it("hands in only the newest: it covers the ones before it", async () => {
    await start();
    const node = await startNode();
    await signOneWhileCut(node);
    await signOne(node, FIRST_SEQUENCE + 1, 9n);
    wire.cut(false);
    await node.idle();
    expect(fateOf(node)?.status).to.equal("acknowledged");
    expect((await stored())?.receipt.egressBytes).to.equal(9n);
  });

  it("keeps the word for what a newer receipt overtook: that one may never be acknowledged", async () => {
    let newest: (() => Promise<void>) | undefined;
    await start((path) => {
      if (path === "/v1/receipts") void newest?.();
      return undefined;
    });
    const node = await startNode();
    // Signed when the oracle has stored the first and its answer is not here yet.
    newest = () => {
      newest = undefined;
      wire.cut(true);
      return signOne(node, FIRST_SEQUENCE + 1, 9n);
    };
    await signOne(node);
    while (submissions().length < 2) await sleep(20);
    expect(fateOf(node)).to.deep.equal({ status: "pending" });
    expect((await keptWords()).map(({ signed }) => signed.receipt.sequence)).to.deep.equal([
      FIRST_SEQUENCE,
    ]);
    wire.cut(false);
    await node.idle();
    expect((await keptWords()).map(({ signed }) => signed.receipt.sequence)).to.deep.equal([
      FIRST_SEQUENCE + 1,
    ]);
  });

  it("changes nothing by handing in again", async () => {
    await start();
    const node = await startNode();
    await signOne(node);
    await node.idle();
    const { signed } = node.receipts()[0] ?? {};
    const [again] = await service.oracle.hand(signed);
    expect(again?.status).to.equal("known");
    expect((await stored())?.receipt).to.deep.equal(signed?.receipt);
  });

  describe("when refused", () => {
    const without = (...names: readonly string[]) =>
      replay(chain(founding.filter(([name]) => !names.includes(name))));

    it("keeps trying what the oracle may only not have read from the chain yet, and serves no more meanwhile", async () => {
      await start(undefined, { law: without("DeviceBound") });
      const node = await startNode();
      await signOne(node);
      while (submissions().length < 3) await sleep(20);
      expect(fateOf(node)).to.include({ status: "refused", refusal: "device-unbound" });
      const refused = await echo(node);
      expect([refused.status, refused.refusal]).to.deep.equal([503, "device-unbound"]);
      service.oracle.under(lawOf());
      await node.idle();
      expect(fateOf(node)?.status).to.equal("acknowledged");
      expect((await echo(node)).status).to.equal(200);
    });

    it("serves a customer no more whom the chain does not know", async () => {
      await start(undefined, { law: without("KeySet") });
      const node = await startNode();
      await signOne(node);
      while (submissions().length < 2) await sleep(20);
      expect(fateOf(node)).to.include({ status: "refused", refusal: "key-unknown" });
      const { status, refusal } = await echo(node);
      expect([status, refusal]).to.deep.equal([403, "key-unknown"]);
    });

    it("stops for good when its device is revoked", async () => {
      await start(undefined, {
        law: lawOf(["DeviceRevoked", { device, fromEpoch: 1, reason: "stolen" }]),
      });
      const node = await startNode();
      await signOne(node);
      await node.idle();
      expect(submissions()).to.have.length(1);
      expect(fateOf(node)).to.include({ status: "refused", refusal: "device-revoked" });
      service.enter(2);
      const { status, refusal } = await echo(node, 2);
      expect([status, refusal]).to.deep.equal([503, "device-revoked"]);
    });

    it("gives up what came too late", async () => {
      await start();
      const node = await startNode();
      await signOneWhileCut(node);
      service.enter(3);
      wire.cut(false);
      await node.idle();
      expect(fateOf(node)).to.include({ status: "refused", refusal: "epoch-closed" });
    });

    it("does not repeat what is implausible", async () => {
      await start();
      const node = await startNode();
      await signOne(node, FIRST_SEQUENCE, 10n ** 12n + 1n);
      await node.idle();
      expect(submissions()).to.have.length(1);
      expect(fateOf(node)).to.include({ status: "refused", refusal: "implausible" });
    });
  });

  async function signOneWhileCut(node: ServiceNode): Promise<void> {
    // The head is asked for at the first draft; then the oracle goes away before the receipt gets there.
    await sendDraft(node, draftOf({ sequence: 1 }));
    wire.cut(true);
    await signOne(node);
  }
});

type Forgeable = {
  readonly results: unknown[];
  acknowledgement: { -readonly [name in keyof SignedAcknowledgement]: SignedAcknowledgement[name] };
};

/** As anybody with a key can sign it. */
function wordBy(name: string, { root, receipts = 1 }: { root: Hex; receipts?: number }) {
  const digest = acknowledgementDigest(registryDomain, { root, receipts, storedAt: 1n });
  const signature = toHex(sign(digest, keyOf(name)));
  return { root, receipts, storedAt: "1", signature, member: address(name) };
}

async function echo(node: ServiceNode, epoch = 1) {
  return askJob(node, { module: await moduleOf(ECHO), epoch });
}
