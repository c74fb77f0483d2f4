import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { verifyP256 } from "@link-rewards/core/encoding/p256";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { recover } from "@link-rewards/core/encoding/signature";
import {
  parseSignedReceipt,
  receiptDigest,
  type SignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import {
  address,
  NO_CAP,
  publicKey,
  receiptOf,
  registryDomain,
  signReceipt,
  tariff,
} from "../worlds/paper.ts";
import { ECHO, moduleOf } from "./support/modules.ts";
import {
  askJob,
  customer,
  device,
  deviceKey,
  draftOf,
  FIRST_SEQUENCE,
  registry,
  type Service,
  type ServiceNode,
  sendDraft,
  startService,
} from "./support/service.ts";
import { layWire, type Wire } from "./support/wire.ts";

const SIGNS_AND_DIES = fileURLToPath(new URL("support/signs-and-dies.ts", import.meta.url));

describe("countersign", () => {
  let service: Service;
  const wires: Wire[] = [];

  beforeEach(async () => {
    service = await startService();
  });

  afterEach(async () => {
    await service.close();
    for (const wire of wires.splice(0)) await wire.close();
  });

  it("signs last, over the digest the customer signed", async () => {
    const node = await service.node();
    const draft = draftOf({ sequence: FIRST_SEQUENCE, egressBytes: 5n });
    const { status, body } = await sendDraft(node, draft);
    expect(status).to.equal(200);
    expect(body).to.deep.include(draft);
    const signed = signedOf(body);
    const digest = receiptDigest(registryDomain, signed.receipt);
    expect(recover(digest, signed.deviceSignature)).to.equal(device);
    expect(recover(digest, signed.customerSignature)).to.equal(address("gateway-1"));
  });

  it("signs with a P-256 key, and says what its public key is", async () => {
    const node = await service.node({ key: deviceKey("device-2") });
    const { body } = await sendDraft(
      node,
      draftOf({ device: address("device-2"), sequence: FIRST_SEQUENCE }),
    );
    const { receipt, deviceSignature } = signedOf(body);
    const digest = receiptDigest(registryDomain, receipt);
    expect(verifyP256(digest, deviceSignature, publicKey("device-2"))).to.equal(true);
    const about = await (await node.fetch("/v1/device")).json();
    expect(about).to.deep.include({
      device: address("device-2"),
      publicKey: publicKey("device-2"),
    });
  });

  it("names the sequence it signs next", async () => {
    const node = await service.node();
    const { status, body } = await sendDraft(node, draftOf({ sequence: 7 }));
    expect(status).to.equal(409);
    expect(body).to.deep.include({ refusal: "sequence-unexpected", next: FIRST_SEQUENCE });
  });

  it("signs no sequence but the next, so that a customer cannot use them up", async () => {
    const node = await service.node();
    await sendDraft(node, draftOf({ sequence: FIRST_SEQUENCE }));
    const { body } = await sendDraft(node, draftOf({ sequence: 0xffff_ffff, egressBytes: 1n }));
    expect(body).to.deep.include({ refusal: "sequence-unexpected", next: FIRST_SEQUENCE + 1 });
  });

  it("begins at 1 in an epoch it knows from its beginning", async () => {
    const node = await service.node();
    await sendDraft(node, draftOf({ sequence: FIRST_SEQUENCE }));
    service.enter(2);
    const { status } = await sendDraft(node, draftOf({ epoch: 2, sequence: 1 }));
    expect(status).to.equal(200);
  });

  it("answers a draft that is sent again with the receipt it signed", async () => {
    const node = await service.node();
    const draft = draftOf({ sequence: FIRST_SEQUENCE, egressBytes: 5n });
    const first = await sendDraft(node, draft);
    const again = await sendDraft(node, draft);
    expect(again).to.deep.equal(first);
  });

  it("signs one of two drafts of one sequence that come at once", async () => {
    const node = await service.node();
    const answers = await Promise.all(
      [1n, 2n, 3n].map((egressBytes) =>
        sendDraft(node, draftOf({ sequence: FIRST_SEQUENCE, egressBytes })),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted()).to.deep.equal([200, 409, 409]);
  });

  it("refuses a draft for another device", async () => {
    const node = await service.node();
    const { status, body } = await sendDraft(node, draftOf({ device: address("device-2") }));
    expect([status, body.refusal]).to.deep.equal([400, "malformed"]);
  });

  it("refuses an epoch that is not open", async () => {
    const node = await service.node();
    const { status, body } = await sendDraft(node, draftOf({ epoch: 2 }));
    expect([status, body.refusal]).to.deep.equal([409, "epoch-closed"]);
  });

  it("refuses a signature that is none", async () => {
    const node = await service.node();
    const draft = { ...draftOf(), customerSignature: `0x${"ff".repeat(64)}` };
    const { status, body } = await sendDraft(node, draft);
    expect([status, body.refusal]).to.deep.equal([401, "customer-signature-invalid"]);
  });

  it("refuses a customer or a key that the chain does not know", async () => {
    const node = await service.node({
      standingOf: async (_customer, key) =>
        key === address("gateway-1")
          ? { cap: NO_CAP, tariff }
          : { refusal: "key-unknown", message: `${key}` },
    });
    const { status, body } = await sendDraft(node, draftOf({}, "gateway-2"));
    expect([status, body.refusal]).to.deep.equal([403, "key-unknown"]);
    const known = await sendDraft(node, draftOf({ sequence: FIRST_SEQUENCE }));
    expect(known.status).to.equal(200);
  });

  it("signs up to the cap of the customer's key in the epoch, and not a byte beyond", async () => {
    const caps = new Map([
      [1, 5n * 10n ** 6n],
      [2, 6n * 10n ** 6n],
    ]);
    const node = await service.node({
      standingOf: async (_customer, _key, epoch) => ({ cap: caps.get(epoch) ?? 0n, tariff }),
    });
    const drafted = (sequence: number, egressBytes: bigint, epoch = 1) =>
      sendDraft(node, draftOf({ epoch, sequence, egressBytes }));
    const beyond = await drafted(FIRST_SEQUENCE, 6n);
    expect([beyond.status, beyond.body.refusal]).to.deep.equal([402, "over-cap"]);
    expect(beyond.body.message).to.equal("worth 6000000 wei; the key may promise 5000000");
    expect((await drafted(FIRST_SEQUENCE, 5n)).status).to.equal(200);
    service.enter(2);
    expect((await drafted(1, 6n, 2)).status).to.equal(200);
  });

  describe("totals", () => {
    const tolerance = {
      percent: 10n,
      least: { egressBytes: 10n, storageByteSeconds: 0n, computeMilliseconds: 0n },
    };

    /** More than any machine needs. */
    const METERED = 40_000;

    /** The node has metered a job. */
    async function computed(): Promise<ServiceNode> {
      const node = await service.node({ tolerance });
      const { status } = await askJob(node, {
        module: await moduleOf(ECHO),
        milliseconds: METERED,
      });
      expect(status).to.equal(200);
      return node;
    }

    const drafted = (computeMilliseconds: bigint) =>
      draftOf({ sequence: FIRST_SEQUENCE, computeMilliseconds });

    it("signs what it metered", async () => {
      expect((await sendDraft(await computed(), drafted(40_000n))).status).to.equal(200);
    });

    it("signs a little less: some of it may be on its way, or may have failed a check", async () => {
      expect((await sendDraft(await computed(), drafted(36_000n))).status).to.equal(200);
    });

    it("does not sign less than that without saying what it metered", async () => {
      const { status, body } = await sendDraft(await computed(), drafted(35_999n));
      expect([status, body.refusal]).to.deep.equal([409, "totals-short"]);
      expect(body.metered).to.deep.equal({
        egressBytes: "0",
        storageByteSeconds: "0",
        computeMilliseconds: "40000",
      });
    });

    it("signs more than it metered: the customer says that it received it, and pays", async () => {
      expect((await sendDraft(await computed(), drafted(50_000n))).status).to.equal(200);
    });

    it("does not sign less than it signed before", async () => {
      const node = await service.node();
      await sendDraft(node, draftOf({ sequence: FIRST_SEQUENCE, egressBytes: 5n }));
      const fallen = draftOf({ sequence: FIRST_SEQUENCE + 1, egressBytes: 4n });
      expect((await sendDraft(node, fallen)).body.refusal).to.equal("totals-short");
      const same = draftOf({ sequence: FIRST_SEQUENCE + 1, egressBytes: 5n });
      expect((await sendDraft(node, same)).status).to.equal(200);
    });
  });

  describe("after a crash", () => {
    it("never signs the sequence that was stored when it was killed before signing", async () => {
      const folder = join(service.folder, "node");
      const options = { oracles: [service.oracle.url], folder, registry };
      const child = spawn(process.execPath, [SIGNS_AND_DIES, JSON.stringify(options)], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      const dying = await service.linked(device);
      const killed = once(child, "exit");
      const lost = draftOf({ sequence: FIRST_SEQUENCE, egressBytes: 5n });
      const failure = await sendDraft(dying, lost).catch((error: Error) => error);
      expect(failure).to.be.instanceOf(Error);
      expect(await killed).to.deep.equal([null, "SIGKILL"]);

      const node = await service.node({ folder });
      const other = draftOf({ sequence: FIRST_SEQUENCE, egressBytes: 6n });
      for (const draft of [other, lost]) {
        const { body } = await sendDraft(node, draft);
        expect(body).to.deep.include({
          refusal: "sequence-unexpected",
          next: FIRST_SEQUENCE + 1,
        });
      }
      const next = draftOf({ sequence: FIRST_SEQUENCE + 1, egressBytes: 6n });
      expect((await sendDraft(node, next)).status).to.equal(200);
    });

    it("goes on from its book, and gives again what it signed", async () => {
      const before = await service.node();
      const draft = draftOf({ sequence: FIRST_SEQUENCE, egressBytes: 5n });
      const signed = await sendDraft(before, draft);
      await before.close();
      const node = await service.node();
      expect(node.metered(1, customer).egressBytes).to.equal(5n);
      expect(await sendDraft(node, draft)).to.deep.equal(signed);
      const next = draftOf({ sequence: FIRST_SEQUENCE + 1, egressBytes: 9n });
      expect((await sendDraft(node, next)).status).to.equal(200);
    });

    it("does not start with the book of another device", async () => {
      const node = await service.node();
      await sendDraft(node, draftOf({ sequence: FIRST_SEQUENCE }));
      await node.close();
      const failure = await service
        .node({ key: deviceKey("device-2") })
        .catch((error: Error) => error);
      expect(String(failure)).to.match(
        /receipts\.json cannot be used: it is the book of device 0x/,
      );
    });
  });

  describe("after the loss of its state", () => {
    async function lose(node: ServiceNode, name = "device-1"): Promise<ServiceNode> {
      await node.idle();
      await node.close();
      await rm(join(service.folder, "node"), { recursive: true });
      return service.node({ key: deviceKey(name) });
    }

    for (const [keyType, name] of [
      ["secp256k1", "device-1"],
      ["P-256", "device-2"],
    ] as const) {
      it(`goes on 65,536 past the oracle's head, with a ${keyType} key`, async () => {
        const own = address(name);
        const draft = (sequence: number, egressBytes: bigint) =>
          draftOf({ device: own, sequence, egressBytes });
        const before = await service.node({ key: deviceKey(name) });
        await sendDraft(before, draft(FIRST_SEQUENCE, 5n));
        const node = await lose(before, name);
        const next = FIRST_SEQUENCE + 65_536;
        const { body } = await sendDraft(node, draft(FIRST_SEQUENCE + 1, 0n));
        expect(body).to.deep.include({ refusal: "sequence-unexpected", next });
        expect(node.metered(1, customer).egressBytes).to.equal(5n);
        expect((await sendDraft(node, draft(next, 7n))).status).to.equal(200);
        await node.idle();
        const head = await service.oracle.store.head(1, own, customer);
        expect(head?.receipt).to.deep.include({ sequence: next, egressBytes: 7n });
      });
    }

    it("goes on 65,536 past the customer's head when that is the higher one", async () => {
      const before = await service.node();
      await sendDraft(before, draftOf({ sequence: FIRST_SEQUENCE, egressBytes: 5n }));
      const node = await lose(before);
      const head = signReceipt(receiptOf({ sequence: 100_000, egressBytes: 6n }));
      const { body } = await sendDraft(node, draftOf(), head);
      expect(body).to.deep.include({ refusal: "sequence-unexpected", next: 165_536 });
    });

    it("does not believe a head that it did not sign", async () => {
      const node = await service.node();
      const forged = signReceipt(receiptOf({ sequence: 100_000 }), { device: "device-2" });
      const { body } = await sendDraft(node, draftOf(), forged);
      expect(body).to.deep.include({ refusal: "sequence-unexpected", next: FIRST_SEQUENCE });
    });

    it("signs nothing while it cannot ask the oracle for its head", async () => {
      const wire = await layWire(() => service.oracle.url);
      wires.push(wire);
      const node = await service.node({ oracles: [wire.url] });
      await node.fetch("/v1/device");
      wire.cut(true);
      const draft = draftOf({ sequence: FIRST_SEQUENCE });
      const { status, body } = await sendDraft(node, draft);
      expect([status, body.refusal]).to.deep.equal([503, "busy"]);
      wire.cut(false);
      expect((await sendDraft(node, draft)).status).to.equal(200);
    });
  });

  it("serves on, by the last word on the epoch, while the oracle is away", async () => {
    const wire = await layWire(() => service.oracle.url);
    wires.push(wire);
    const node = await service.node({ oracles: [wire.url] });
    await sendDraft(node, draftOf({ sequence: FIRST_SEQUENCE }));
    wire.cut(true);
    const next = draftOf({ sequence: FIRST_SEQUENCE + 1, egressBytes: 1n });
    expect((await sendDraft(node, next)).status).to.equal(200);
  });

  for (const [keyType, name] of [
    ["secp256k1", "device-1"],
    ["P-256", "device-2"],
  ] as const) {
    it(`jumps past a head that another holder of its ${keyType} key signed`, async () => {
      const node = await service.node({ key: deviceKey(name) });
      const receipt = (sequence: number) => receiptOf({ device: address(name), sequence });
      await service.oracle.hand(signReceipt(receipt(200_000)));
      await sendDraft(node, draftOf(receipt(200_000 + 65_536)));
      await node.idle();
      expect(node.receipts()[0]?.fate.status).to.equal("acknowledged");
      await service.oracle.hand(signReceipt(receipt(300_000)));
      await sendDraft(node, draftOf(receipt(265_537)));
      await node.idle();
      expect(node.receipts()[0]?.fate).to.include({ status: "refused", refusal: "stale" });
      const { body } = await sendDraft(node, draftOf(receipt(265_538)));
      expect(body).to.deep.include({ refusal: "sequence-unexpected", next: 365_536 });
    });
  }
});

function signedOf(body: unknown): SignedReceipt {
  const signed = parseSignedReceipt(body);
  if (isRefused(signed)) throw new Error(signed.message);
  return signed;
}
