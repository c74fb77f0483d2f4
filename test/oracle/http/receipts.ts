import { gzipSync } from "node:zlib";
import {
  type Address,
  concatBytes,
  fromHex,
  type Hex,
  toHex,
  writeUint,
} from "@link-rewards/core/encoding/bytes";
import { REFUSALS } from "@link-rewards/core/encoding/refusal";
import { buildTree, proofOf } from "@link-rewards/core/encoding/tree";
import { endOf, sealTimeOf } from "@link-rewards/core/law/clock";
import { acknowledgedBy, acknowledgedRoot } from "@link-rewards/core/signed/acknowledgement";
import type { SignedAcknowledgement } from "@link-rewards/core/signed/answers";
import {
  type Receipt,
  receiptDigest,
  type SignedReceipt,
  signedReceiptToJson,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import type { Store } from "../../../oracle/store/store.ts";
import {
  address,
  deployment,
  enrolled,
  lawOf,
  limit,
  receiptOf,
  registryDomain,
  signReceipt,
} from "../../worlds/paper.ts";
import { envelope, MARGIN_SECONDS, NOON, refusalsSeen, type Served, serve } from "./served.ts";

const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const signed = (fields: Partial<Receipt> = {}, keys = {}) => signReceipt(receiptOf(fields), keys);
const digestOf = ({ receipt }: SignedReceipt): Hex => toHex(receiptDigest(registryDomain, receipt));
const statuses = (results: readonly Record<string, unknown>[]) =>
  results.map(({ status, refusal }) => refusal ?? status);

describe("POST /v1/receipts", () => {
  let served: Served;
  beforeEach(async () => {
    served = await serve();
  });
  afterEach(() => served.close());

  async function answerTo(...items: readonly unknown[]) {
    const { status, body } = await served.post(envelope(...items));
    expect(status).to.equal(200);
    return body as {
      results: readonly Record<string, unknown>[];
      acknowledgement: SignedAcknowledgement;
    };
  }

  describe("takes", () => {
    it("a valid receipt, stores it, and signs for it", async () => {
      const receipt = signed();
      const { results, acknowledgement } = await answerTo(receipt);
      expect(results).to.deep.equal([
        { status: "accepted", digest: digestOf(receipt), warnings: [] },
      ]);
      expect(acknowledgement).to.deep.include({
        root: digestOf(receipt),
        receipts: 1,
        storedAt: String(NOON),
        member: address("member"),
      });
      expect(signerFor(acknowledgement, [receipt])).to.equal(address("member"));
      expect(await headIn(served.store, receipt)).to.deep.equal(receipt);
    });

    it("many, and signs once for those it took or knew, in their order", async () => {
      const [first, second, third, lower] = [
        signed(),
        signed({ device: address("device-2"), sequence: 5 }, { device: "device-2" }),
        signed({ device: address("device-3") }, { device: "device-3" }),
        signed({ device: address("device-2"), sequence: 4 }, { device: "device-2" }),
      ] as const;
      await served.hand(second);
      const { results, acknowledgement } = await answerTo(first, null, second, lower, third, first);
      expect(statuses(results)).to.deep.equal([
        "accepted",
        "malformed",
        "known",
        "stale",
        "accepted",
        "known",
      ]);
      expect(acknowledgement.receipts).to.equal(4);
      const stored = [first, second, third, first];
      expect(signerFor(acknowledgement, stored)).to.equal(address("member"));
      expect(signerFor(acknowledgement, stored.toReversed())).to.equal(undefined);
    });

    it("a higher sequence in place of the lower one", async () => {
      await served.hand(signed());
      const later = signed({ sequence: 2, egressBytes: 6_000_000_000n });
      const [result] = await served.hand(later);
      expect(result).to.deep.include({ status: "accepted", warnings: [] });
      expect(await headIn(served.store, later)).to.deep.equal(later);
    });

    it("a total that fell, because both signed it, and says so", async () => {
      await served.hand(signed());
      const [result] = await served.hand(signed({ sequence: 2, computeMilliseconds: 89_999n }));
      expect(result).to.deep.include({ status: "accepted", warnings: ["total-fell"] });
    });

    it("the same receipt again, and signs for it again", async () => {
      const receipt = signed();
      await served.hand(receipt);
      served.at(NOON + 60);
      const { results, acknowledgement } = await answerTo(receipt);
      expect(results).to.deep.equal([{ status: "known", digest: digestOf(receipt), warnings: [] }]);
      expect(acknowledgement).to.deep.include({
        root: digestOf(receipt),
        storedAt: String(NOON + 60),
      });
      expect(signerFor(acknowledgement, [receipt])).to.equal(address("member"));
    });

    it("an address in any spelling", async () => {
      const { receipt, ...signatures } = signedReceiptToJson(signed());
      const upper = (text: Address) => text.toUpperCase().replace("0X", "0x");
      const shouted = { ...receipt, device: upper(receipt.device) };
      expect(statuses(await served.hand({ ...signatures, receipt: shouted }))).to.deep.equal([
        "accepted",
      ]);
    });

    it("a whole batch, and answers in its order", async () => {
      const items = Array.from({ length: 40 }, (_, i) => signed({ sequence: 40 - i }));
      const results = await served.hand(...items, items[0]);
      expect(statuses(results)).to.deep.equal([
        "accepted",
        ...Array.from({ length: 39 }, () => "stale"),
        "known",
      ]);
      expect(results[0]?.digest).to.equal(digestOf(items[0] as SignedReceipt));
    });

    it("the last epoch until its seal time less the margin", async () => {
      const closesAt = sealTimeOf(deployment, 1) - MARGIN_SECONDS;
      served.at(closesAt - 1);
      expect(statuses(await served.hand(signed(), signed({ epoch: 2 })))).to.deep.equal([
        "accepted",
        "accepted",
      ]);
      served.at(closesAt);
      const results = await served.hand(signed({ sequence: 2 }), signed({ epoch: 2, sequence: 2 }));
      expect(statuses(results)).to.deep.equal(["epoch-closed", "accepted"]);
    });

    it("a gzipped body", async () => {
      const { status, body } = await send(
        served,
        gzipSync(JSON.stringify(envelope(signed()))),
        "gzip",
      );
      expect(status).to.equal(200);
      expect(statuses(body.results as [])).to.deep.equal(["accepted"]);
    });
  });

  describe("refuses", () => {
    it("malformed: an item with a field missing, unknown, or out of its bounds", async () => {
      const { receipt, ...signatures } = signedReceiptToJson(signed()) as { receipt: object };
      const { epoch: _, ...missing } = receipt as { epoch: number };
      const wrong = [
        missing,
        { ...receipt, more: 1 },
        { ...receipt, sequence: 2 ** 32 },
        { ...receipt, sequence: -1 },
        { ...receipt, egressBytes: 5 },
        { ...receipt, egressBytes: "05" },
        { ...receipt, egressBytes: String(2n ** 64n) },
        { ...receipt, device: "0x12" },
      ].map((fields) => ({ ...signatures, receipt: fields }));
      const others = [
        null,
        [],
        "",
        7,
        {},
        { receipt },
        { receipt, ...signatures, deviceSignature: "0x" },
      ];
      const results = await served.hand(...wrong, ...others);
      expect(new Set(statuses(results))).to.deep.equal(new Set(["malformed"]));
      expect(results.map(({ message }) => message).join("\n")).to.contain(
        "receipts[2].receipt.sequence must be",
      );
    });

    it("malformed: a body that is not JSON, not an object, or has no receipts", async () => {
      const bodies = ["", "{", "null", "[]", '"receipts"', "{}", JSON.stringify(envelope())];
      for (const body of [...bodies, JSON.stringify({ ...envelope(signed()), more: 1 })]) {
        expect(refusalOf(await served.post(body)), body).to.deep.equal([400, "malformed"]);
      }
    });

    it("malformed: another content type or encoding, or what is not gzip", async () => {
      const body = JSON.stringify(envelope(signed()));
      const typed = (type: string) =>
        served.request("/v1/receipts", { method: "POST", headers: { "content-type": type }, body });
      expect(refusalOf(await typed("text/plain"))).to.deep.equal([415, "malformed"]);
      expect(refusalOf(await typed("application/x-www-form-urlencoded"))).to.deep.equal([
        415,
        "malformed",
      ]);
      expect(refusalOf(await send(served, gzipSync(body), "br"))).to.deep.equal([415, "malformed"]);
      expect(refusalOf(await send(served, Buffer.from(body), "gzip"))).to.deep.equal([
        400,
        "malformed",
      ]);
    });

    it("too-large: 1,001 receipts, where 1,000 are taken", async () => {
      const items = (length: number) => Array.from({ length }, () => signed());
      expect(await served.hand(...items(1_000))).to.have.length(1_000);
      const answer = await served.post(envelope(...items(1_001)));
      expect(refusalOf(answer)).to.deep.equal([413, "too-large"]);
    });

    it("too-large: a body over 1 MiB, where one of 1 MiB is read", async () => {
      const body = (length: number) => `"${"x".repeat(length - 2)}"`;
      expect(refusalOf(await served.post(body(1024 * 1024)))).to.deep.equal([400, "malformed"]);
      expect(refusalOf(await served.post(body(1024 * 1024 + 1)))).to.deep.equal([413, "too-large"]);
    });

    it("too-large: a gzip that unpacks to more than a body may have", async () => {
      const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024, " "));
      expect(bomb.length).to.be.below(1024 * 1024);
      const before = process.memoryUsage.rss();
      expect(refusalOf(await send(served, bomb, "gzip"))).to.deep.equal([413, "too-large"]);
      expect(process.memoryUsage.rss() - before).to.be.below(128 * 1024 * 1024);
    });

    it("wrong-chain: an envelope for another chain or another registry", async () => {
      const elsewhere = [{ chainId: 1 }, { registry: address("another registry") }];
      for (const difference of elsewhere) {
        const answer = await served.post({ ...envelope(signed()), ...difference });
        expect(refusalOf(answer)).to.deep.equal([400, "wrong-chain"]);
      }
      expect(await headIn(served.store, signed())).to.equal(undefined);
    });

    it("stale: a lower sequence, with the head that counts", async () => {
      const head = signed({ sequence: 7 });
      await served.hand(head);
      const [result] = await served.hand(signed({ sequence: 6 }));
      expect(result).to.deep.include({ status: "refused", refusal: "stale" });
      expect(result?.head).to.deep.equal({ digest: digestOf(head), ...signedReceiptToJson(head) });
    });

    it("epoch-closed: an epoch past or to come, with those that are open", async () => {
      served.at(endOf(deployment, 3) + 1);
      const items = [signed({ epoch: 2 }), signed({ epoch: 6 }), signed({ epoch: 0 })];
      const { body } = await served.post(envelope(...items));
      const { results, open } = body as {
        results: Record<string, unknown>[];
        open: { epoch: number; sealTime: number }[];
      };
      expect(statuses(results)).to.deep.equal(["epoch-closed", "epoch-closed", "epoch-closed"]);
      // Once, and not with each: a thousand of them would be an answer of a hundred kilobytes.
      for (const result of results) expect(result).to.not.have.property("open");
      expect(open.map(({ epoch }) => epoch)).to.deep.equal([3, 4]);
      expect(open.map(({ sealTime }) => sealTime)).to.deep.equal([
        sealTimeOf(deployment, 3),
        sealTimeOf(deployment, 4),
      ]);
    });

    it("epoch-closed: everything before genesis but the first epoch, which will begin", async () => {
      served.at(deployment.genesis - 1);
      const { body } = await served.post(envelope(signed(), signed({ epoch: 2 })));
      expect(body.open).to.deep.equal([]);
      const [next, other] = body.results as Record<string, unknown>[];
      expect(next).to.deep.include({ refusal: "busy" });
      expect(other).to.deep.include({ refusal: "epoch-closed" });
    });

    it("device-unknown: a device that was never enrolled", async () => {
      const stranger = signed({ device: address("stranger") }, { device: "stranger" });
      expect(statuses(await served.hand(stranger))).to.deep.equal(["device-unknown"]);
    });

    it("device-unbound: a device whose binding begins with the next epoch", async () => {
      served.under(
        lawOf(enrolled("device-9"), [
          "DeviceBound",
          { device: address("device-9"), account: address("alice"), fromEpoch: 2 },
        ]),
      );
      served.at(endOf(deployment, 1));
      const by = (epoch: number) =>
        signed({ device: address("device-9"), epoch }, { device: "device-9" });
      expect(statuses(await served.hand(by(1), by(2)))).to.deep.equal([
        "device-unbound",
        "accepted",
      ]);
    });

    it("device-revoked: a device from the epoch of its revocation on", async () => {
      served.under(
        lawOf(["DeviceRevoked", { device: address("device-1"), fromEpoch: 2, reason: "cloned" }]),
      );
      served.at(endOf(deployment, 1));
      expect(statuses(await served.hand(signed({ epoch: 2 }), signed()))).to.deep.equal([
        "device-revoked",
        "accepted",
      ]);
    });

    it("customer-unknown: a customer that is not admitted", async () => {
      const receipt = signed({ customer: address("stranger") });
      expect(statuses(await served.hand(receipt))).to.deep.equal(["customer-unknown"]);
    });

    it("key-unknown: another customer's key", async () => {
      const results = await served.hand(signed({}, { gateway: "gateway-2" }));
      expect(statuses(results)).to.deep.equal(["key-unknown"]);
    });

    it("malformed: sequence 0, which the Judge convicts", async () => {
      expect(statuses(await served.hand(signed({ sequence: 0 })))).to.deep.equal(["malformed"]);
    });

    it("customer-signature-invalid: high s, which most recover functions accept", async () => {
      const { receipt, customerSignature, deviceSignature } = signed();
      const twin = { receipt, customerSignature: withHighS(customerSignature), deviceSignature };
      expect(statuses(await served.hand(twin))).to.deep.equal(["customer-signature-invalid"]);
    });

    it("device-signature-invalid: a signature over other terms", async () => {
      const otherChain = signed({}, { domain: registryDomain.map((byte) => byte ^ 1) });
      expect(statuses(await served.hand(otherChain))).to.deep.equal(["device-signature-invalid"]);
    });

    it("device-signature-invalid: high s, another key, or what is not a signature", async () => {
      const { receipt, customerSignature, deviceSignature } = signed();
      const by = (signature: Uint8Array) => ({
        receipt,
        customerSignature,
        deviceSignature: signature,
      });
      const results = await served.hand(
        by(withHighS(deviceSignature)),
        by(new Uint8Array(64)),
        by(new Uint8Array(64).fill(0xff)),
        signed({}, { device: "device-2" }),
      );
      expect(new Set(statuses(results))).to.deep.equal(new Set(["device-signature-invalid"]));
    });

    it("busy: whatever comes while the queue is full", async () => {
      const { promise: letGo, resolve: release } = Promise.withResolvers<void>();
      const full = await serve({
        maxQueuedReceipts: 1,
        between: (store) => ({
          ...store,
          putReceipts: async (...receipts) => letGo.then(() => store.putReceipts(...receipts)),
        }),
      });
      const first = full.hand(signed());
      while ((await full.request("/metrics")).text.includes("ingest_queue_receipts 0"));
      const answer = await full.post(envelope(signed({ sequence: 2 })));
      expect(refusalOf(answer)).to.deep.equal([503, "busy"]);
      expect(Number(answer.headers.get("retry-after"))).to.be.above(0);
      release();
      expect(statuses(await first)).to.deep.equal(["accepted"]);
      await full.close();
    });

    it("implausible: one unit over what the class can deliver", async () => {
      const at = signed({ egressBytes: limit.egressBytes });
      const over = signed({ egressBytes: limit.egressBytes + 1n, sequence: 2 });
      expect(statuses(await served.hand(at, over))).to.deep.equal(["accepted", "implausible"]);
    });
  });

  it("signs nothing where nothing was stored", async () => {
    await served.hand(signed({ sequence: 2 }));
    const { results, acknowledgement } = await answerTo(signed(), null, signed({ epoch: 9 }));
    expect(statuses(results)).to.deep.equal(["stale", "malformed", "epoch-closed"]);
    expect(acknowledgement).to.equal(undefined);
  });

  it("lets one bad item spoil nothing: every other one is stored and acknowledged", async () => {
    const good = [1, 2, 3].map((n) => signed({ device: address(`device-${n}`) }));
    const [first, second, third] = good;
    const poison = [null, { receipt: "\u0000" }, JSON.parse('{"__proto__": {"receipt": 1}}')];
    const results = await served.hand(first, poison[0], second, poison[1], poison[2], third);
    expect(statuses(results)).to.deep.equal([
      "accepted",
      "malformed",
      "accepted",
      "malformed",
      "malformed",
      "accepted",
    ]);
    for (const receipt of good) {
      expect(await headIn(served.store, receipt as SignedReceipt)).to.deep.equal(receipt);
    }
  });

  it("keeps equivocation as evidence, raises the alarm, and counts by the rule alone", async () => {
    const drafts = [signed({ egressBytes: 1n }), signed({ egressBytes: 2n })];
    const [winner, loser] = drafts.sort((a, b) => (digestOf(a) < digestOf(b) ? -1 : 1)) as [
      SignedReceipt,
      SignedReceipt,
    ];
    expect(statuses(await served.hand(loser))).to.deep.equal(["accepted"]);
    expect(statuses(await served.hand(winner))).to.deep.equal(["accepted"]);
    expect(statuses(await served.hand(loser))).to.deep.equal(["stale"]);
    expect(await headIn(served.store, winner)).to.deep.equal(winner);
    expect(await served.store.equivocations(1)).to.have.length(1);
    const alarms = served.logged().filter(({ alarm }) => alarm === "equivocation");
    expect(alarms).to.have.length(2);
    expect(alarms[0]).to.deep.include({ level: "warn", device: address("device-1"), sequence: 1 });
  });
});

describe("GET /v1/receipts", () => {
  let served: Served;
  before(async () => {
    served = await serve();
    served.at(endOf(deployment, 1));
    await served.hand(
      signed(),
      signed({ sequence: 9 }),
      signed({ device: address("device-2") }),
      signed({ epoch: 2, sequence: 4 }),
    );
  });
  after(() => served.close());

  it("gives the head of a device and a customer", async () => {
    const path = `/v1/receipts/1/${address("device-1")}/${address("customer-1")}`;
    const head = signed({ sequence: 9 });
    const { status, body } = await served.request(path);
    expect(status).to.equal(200);
    expect(body).to.deep.equal({ digest: digestOf(head), ...signedReceiptToJson(head) });
  });

  it("answers 404 where nothing is stored", async () => {
    const path = `/v1/receipts/2/${address("device-2")}/${address("customer-1")}`;
    expect((await served.request(path)).status).to.equal(404);
  });

  it("refuses a path that is malformed", async () => {
    const to = `${address("device-1")}/${address("customer-1")}`;
    for (const path of [
      `-1/${to}`,
      `01/${to}`,
      `4294967296/${to}`,
      `1/0x/${address("customer-1")}`,
      "x",
    ]) {
      expect(refusalOf(await served.request(`/v1/receipts/${path}`)), path).to.deep.equal([
        400,
        "malformed",
      ]);
    }
  });

  it("gives all heads of an epoch, packed, for other members to verify and copy", async () => {
    const response = await fetch(`${served.url}/v1/receipts/1`);
    expect(response.headers.get("content-type")).to.equal("application/octet-stream");
    const bytes = new Uint8Array(await response.arrayBuffer());
    const heads = [0, 204].map((from) => unpackSignedReceipt(bytes.subarray(from, from + 204)));
    expect(bytes.length).to.equal(408);
    expect(heads.map(digestOf).sort()).to.deep.equal(
      [signed({ sequence: 9 }), signed({ device: address("device-2") })].map(digestOf).sort(),
    );
    expect(await (await fetch(`${served.url}/v1/receipts/3`)).text()).to.equal("");
  });

  it("says where signatures belong and which epochs are open", async () => {
    const { body } = await served.request("/v1/epochs/open");
    expect(body).to.deep.include({
      chainId: deployment.chainId,
      registry: deployment.contracts.deviceRegistry,
      contracts: deployment.contracts,
      member: address("member"),
      now: endOf(deployment, 1),
    });
    expect((body.epochs as { epoch: number }[]).map(({ epoch }) => epoch)).to.deep.equal([1, 2]);
  });
});

describe("the refusals", () => {
  it("were each seen in an answer above", () => {
    // A cap is a voucher's, and members are known by what test/oracle/member/replication.ts refuses.
    const elsewhere = ["over-cap", "not-a-member", "wrong-version"];
    const ofReceipts = Object.keys(REFUSALS).filter((refusal) => !elsewhere.includes(refusal));
    expect([...refusalsSeen].sort()).to.include.members(ofReceipts);
  });
});

function refusalOf({ status, body }: { status: number; body: Record<string, unknown> }) {
  return [status, body.refusal];
}

/** Who signed for exactly these; undefined when somebody signed for others. */
function signerFor(
  { signature, member: _, ...word }: SignedAcknowledgement,
  receipts: readonly SignedReceipt[],
): Address | undefined {
  const digests = receipts.map(({ receipt }) => receiptDigest(registryDomain, receipt));
  if (toHex(acknowledgedRoot(concatBytes(...digests))) !== word.root) return undefined;
  const tree = buildTree(concatBytes(...digests));
  const said = { ...word, storedAt: BigInt(word.storedAt) };
  const signers = digests.map((digest, index) =>
    acknowledgedBy(registryDomain, said, fromHex(signature), {
      digest,
      index,
      proof: proofOf(tree, index),
    }),
  );
  return new Set(signers).size === 1 ? signers[0] : undefined;
}

function headIn(store: Store, { receipt: { epoch, device, customer } }: SignedReceipt) {
  return store.head(epoch, device, customer);
}

function send(served: Served, body: Buffer<ArrayBuffer>, encoding: string) {
  return served.request("/v1/receipts", {
    method: "POST",
    headers: { "content-type": "application/json", "content-encoding": encoding },
    body,
  });
}

/** The lowest s that is high. One bit above lies the parity of y, so compact form has room for no others. */
function withHighS(signature: Uint8Array): Uint8Array {
  const twin = Uint8Array.from(signature);
  writeUint(twin, 32, 32, CURVE_ORDER / 2n + 1n);
  return twin;
}
