import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { endOf, sealTimeOf } from "@link-rewards/core/law/clock";
import { receiptDigest } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import { openRecoverPool } from "../../../oracle/edge/recover-pool.ts";
import { batchRecovery } from "../../../oracle/member/batch-recovery.ts";
import {
  address,
  deployment,
  happen,
  keySet,
  lawOf,
  NO_CAP,
  receiptOf,
  registryDomain,
  signReceipt,
} from "../../worlds/paper.ts";
import {
  type Circumstances,
  envelope,
  MARGIN_SECONDS,
  NOON,
  type Served,
  serve,
} from "../http/served.ts";

/** A promise and what settles it. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

const signed = (sequence: number) => signReceipt(receiptOf({ sequence }));
const statuses = (results: unknown) =>
  (results as { status: string; refusal?: string }[]).map(
    ({ status, refusal }) => refusal ?? status,
  );

describe("ingest", () => {
  let served: Served;
  afterEach(() => served.close());

  /** The commit of every batch waits for `let go`; `reached` resolves when the first one has come that far. */
  async function serveWithHeldCommits(circumstances: Circumstances = {}) {
    const reached = gate();
    const letGo = gate();
    served = await serve({
      ...circumstances,
      between: (store) => ({
        ...store,
        async putReceipts(receipts) {
          reached.open();
          await letGo.opened;
          return store.putReceipts(receipts);
        },
      }),
    });
    return { reached, letGo };
  }

  it("acknowledges nothing before the database has committed", async () => {
    const { reached, letGo } = await serveWithHeldCommits();
    let answered = false;
    const answer = served.hand(signed(1)).finally(() => {
      answered = true;
    });
    await reached.opened;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).to.equal(false);
    letGo.open();
    expect(statuses(await answer)).to.deep.equal(["accepted"]);
  });

  it("refuses every waiter of a commit that failed, and acknowledges none (Helium, indexer-rs)", async () => {
    let fails = true;
    served = await serve({
      between: (store) => ({
        ...store,
        async putReceipts(receipts) {
          if (fails) throw new Error("disk I/O error");
          return store.putReceipts(receipts);
        },
        async putVoucher() {
          throw new Error("disk I/O error");
        },
      }),
    });
    const posts = [1, 2, 3].map((n) => served.post(envelope(signed(n), null)));
    for (const { status, headers, body } of await Promise.all(posts)) {
      expect(status).to.equal(503);
      expect(Number(headers.get("retry-after"))).to.be.above(0);
      expect(body).to.have.all.keys("refusal", "message");
      expect(body.refusal).to.equal("busy");
      expect(body.message).to.not.contain("disk");
    }
    const failures = served.logged().filter(({ level }) => level === "error");
    expect(failures).to.have.length(3);
    expect(JSON.stringify(failures[0])).to.contain("disk I/O error");
    expect(await metric("commit_failures_total")).to.equal(3);
    expect(await metric('receipts_refused_total{refusal="busy"}')).to.equal(6);
    expect(await metric("receipts_accepted_total")).to.equal(0);
    const unready = await served.request("/readyz");
    expect([unready.status, unready.body.reasons]).to.deep.equal([
      503,
      [{ reason: "commits-fail", message: "the last 3 failed; the log says why" }],
    ]);
    expect(await metric('unready{reason="commits-fail"}')).to.equal(1);
    fails = false;
    expect(statuses(await served.hand(signed(1)))).to.deep.equal(["accepted"]);
    expect((await served.request("/readyz")).status).to.equal(200);
    expect(await metric('unready{reason="commits-fail"}')).to.equal(undefined);
  });

  it("refuses a whole request as busy on a full queue, and takes it when there is room again", async () => {
    const { reached, letGo } = await serveWithHeldCommits({ maxQueuedReceipts: 3 });
    const first = served.hand(signed(1), signed(2));
    await reached.opened;
    const tooMuch = await served.post(envelope(signed(3), signed(4)));
    expect([tooMuch.status, tooMuch.body.refusal]).to.deep.equal([503, "busy"]);
    expect(Number(tooMuch.headers.get("retry-after"))).to.be.above(0);
    const fits = served.hand(signed(3));
    await served.request("/livez");
    expect(await metric("ingest_queue_receipts")).to.equal(3);
    letGo.open();
    expect(statuses(await first)).to.deep.equal(["accepted", "accepted"]);
    expect(statuses(await fits)).to.deep.equal(["accepted"]);
    expect(statuses(await served.hand(signed(4), signed(5)))).to.deep.equal([
      "accepted",
      "accepted",
    ]);
    expect(await metric("ingest_queue_receipts")).to.equal(0);
  });

  it("takes a batch over its bound when idle: refused for ever, it would be sent for ever", async () => {
    served = await serve({ maxQueuedReceipts: 1 });
    expect(statuses(await served.hand(signed(1), signed(2)))).to.deep.equal([
      "accepted",
      "accepted",
    ]);
  });

  it("gives no word for a receipt stored after its epoch's seal time", async () => {
    const { reached, letGo } = await serveWithHeldCommits();
    served.at(sealTimeOf(deployment, 1) - MARGIN_SECONDS - 1);
    const answer = served.post(envelope(signed(1)));
    await reached.opened;
    served.at(sealTimeOf(deployment, 1));
    letGo.open();
    const { body } = await answer;
    expect(statuses(body.results)).to.deep.equal(["epoch-closed"]);
    expect(body).to.not.have.property("acknowledgement");
  });

  it("leaves out of its word what was sealed meanwhile, and gives it for the epoch that goes on", async () => {
    const { reached, letGo } = await serveWithHeldCommits();
    const running = signReceipt(receiptOf({ epoch: 2 }));
    served.at(sealTimeOf(deployment, 1) - MARGIN_SECONDS - 1);
    const answer = served.post(envelope(signed(1), running, signed(2)));
    await reached.opened;
    served.at(sealTimeOf(deployment, 1));
    letGo.open();
    const { body } = await answer;
    expect(statuses(body.results)).to.deep.equal(["epoch-closed", "accepted", "epoch-closed"]);
    expect(body.acknowledgement).to.deep.include({
      root: toHex(receiptDigest(registryDomain, running.receipt)),
      receipts: 1,
    });
  });

  it("gives its word for a receipt that came before the margin, however long the commit took", async () => {
    const { reached, letGo } = await serveWithHeldCommits();
    served.at(sealTimeOf(deployment, 1) - MARGIN_SECONDS - 1);
    const answer = served.post(envelope(signed(1)));
    await reached.opened;
    const storedAt = sealTimeOf(deployment, 1) - 1;
    served.at(storedAt);
    letGo.open();
    const { body } = await answer;
    expect(body.acknowledgement).to.deep.include({ receipts: 1, storedAt: String(storedAt) });
  });

  it("gives no word for a receipt of an epoch that was sealed here, whatever its clock says", async () => {
    const { reached, letGo } = await serveWithHeldCommits();
    const running = signReceipt(receiptOf({ epoch: 2 }));
    served.at(endOf(deployment, 1));
    const answer = served.post(envelope(signed(1), running));
    await reached.opened;
    const { store } = served;
    await store.advance(1, undefined, "open");
    await store.advance(1, "open", "sealed", { sealBlock: { number: 1, hash: ZERO_HASH } });
    // Looked at by a person, and held.
    await store.advance(1, "sealed", "held", { heldReason: "", heldFrom: "sealed" });
    await store.advance(2, undefined, "open");
    letGo.open();
    const { body } = await answer;
    expect(statuses(body.results)).to.deep.equal(["epoch-closed", "accepted"]);
    expect(body.acknowledgement).to.deep.include({
      root: toHex(receiptDigest(registryDomain, running.receipt)),
      receipts: 1,
    });
  });

  it("takes receipts of an epoch only when all that took effect before it is known", async () => {
    served = await serve();
    const next = (sequence: number) => signReceipt(receiptOf({ epoch: 2, sequence }));
    served.at(endOf(deployment, 1));
    served.knowingUntil(endOf(deployment, 1) - 1);
    const { body } = await served.post(envelope(next(1), signed(1)));
    expect(statuses(body.results)).to.deep.equal(["busy", "accepted"]);
    expect(body.acknowledgement).to.deep.include({ receipts: 1 });
    served.knowingUntil(endOf(deployment, 1));
    expect(statuses(await served.hand(next(1)))).to.deep.equal(["accepted"]);
  });

  it("lets no receipt displace one that it acknowledged by a key that was taken away before the epoch", async () => {
    const earlier = () => lawOf(keySet("customer-1", "another gateway", NO_CAP));
    served = await serve({ law: earlier() });
    served.at(endOf(deployment, 1));
    served.knowingUntil(endOf(deployment, 1) - 1);
    const receipt = receiptOf({ epoch: 2 });
    const good = signReceipt(receipt, { gateway: "another gateway" });
    const bad = signReceipt({ ...receipt, sequence: 2 });
    expect(statuses(await served.hand(good, bad))).to.deep.equal(["busy", "busy"]);
    served.under(happen(earlier(), keySet("customer-1", "gateway-1", 0n, 2)));
    served.knowingUntil(endOf(deployment, 1));
    expect(statuses(await served.hand(good, bad))).to.deep.equal(["accepted", "key-unknown"]);
    const head = await served.store.head(2, receipt.device, receipt.customer);
    expect(head?.receipt.sequence).to.equal(1);
  });

  it("answers probes while it checks the signatures of a long batch", async () => {
    served = await serve();
    let done = false;
    const items = Array.from({ length: 300 }, (_, i) => signed(i + 1));
    const batch = served.hand(...items).finally(() => {
      done = true;
    });
    let probes = 0;
    while (!done) {
      await served.request("/livez");
      probes += 1;
    }
    expect(statuses(await batch)).to.have.length(300);
    expect(probes).to.be.above(5);
  });

  it("answers what it has taken in before it closes, and takes nothing more", async () => {
    const { reached, letGo } = await serveWithHeldCommits();
    const answer = served.hand(signed(1));
    await reached.opened;
    const closed = served.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    let refusedConnection = false;
    await fetch(`${served.url}/livez`).catch(() => {
      refusedConnection = true;
    });
    expect(refusedConnection).to.equal(true);
    letGo.open();
    expect(statuses(await answer)).to.deep.equal(["accepted"]);
    await closed;
    served = await serve();
  });

  it("keeps two receipts of one batch in their order", async () => {
    served = await serve();
    const results = await served.hand(signed(1), signed(2), signed(1), signed(2));
    expect(statuses(results)).to.deep.equal(["accepted", "accepted", "stale", "known"]);
  });

  it("answers 500 to what a thread held that was killed, stores nothing of it, and takes it when sent again", async () => {
    const pool = openRecoverPool(1, 1);
    const [thread] = (await once(process, "worker")) as [Worker];
    await once(thread, "online");
    try {
      const recovery = batchRecovery(pool.recover, { calls: 1, receipts: 200 });
      served = await serve({ recovery });
      const batch = envelope(...Array.from({ length: 200 }, (_, i) => signed(i + 1)));
      const answer = served.post(batch);
      while (served.depth() === 0) await new Promise((resolve) => setImmediate(resolve));
      await thread.terminate();
      const { status, body } = await answer;
      expect([status, body]).to.deep.equal([
        500,
        { message: "the oracle failed; its log says why" },
      ]);
      expect(served.logged().filter(({ level }) => level === "error")).to.have.length(1);
      const { device, customer } = receiptOf();
      expect(await served.store.head(1, device, customer)).to.equal(undefined);
      const again = await served.post(batch);
      expect(statuses(again.body.results)).to.deep.equal(Array(200).fill("accepted"));
    } finally {
      await pool.close();
    }
  });

  it("counts what it took, knew and refused", async () => {
    served = await serve();
    await served.hand(signed(1), signed(1), null, signReceipt(receiptOf({ epoch: 9 })));
    await served.post({ ...envelope(signed(1), signed(2)), chainId: 1 });
    await served.post("{}");
    expect(await metric("receipts_accepted_total")).to.equal(1);
    expect(await metric("receipts_known_total")).to.equal(1);
    expect(await metric('receipts_refused_total{refusal="malformed"}')).to.equal(2);
    expect(await metric('receipts_refused_total{refusal="epoch-closed"}')).to.equal(1);
    expect(await metric('receipts_refused_total{refusal="wrong-chain"}')).to.equal(2);
    expect(await metric("equivocations_total")).to.equal(0);
    expect(await metric("receipts_answer_seconds_count")).to.equal(1);
  });

  it("takes receipts of the epoch the clock says, at its first second and no earlier", async () => {
    served = await serve();
    const next = signReceipt(receiptOf({ epoch: 2, device: address("device-2") }));
    served.at(endOf(deployment, 1) - 1);
    expect(statuses(await served.hand(next))).to.deep.equal(["busy"]);
    served.at(endOf(deployment, 1));
    expect(statuses(await served.hand(next))).to.deep.equal(["accepted"]);
  });

  it("opens no epoch by a clock that is fast, and ends none for good", async () => {
    served = await serve();
    served.at(endOf(deployment, 1));
    served.clockAt(endOf(deployment, 3));
    const ahead = signReceipt(receiptOf({ epoch: 3 }));
    const { body } = await served.post(envelope(signed(1), ahead));
    expect(statuses(body.results)).to.deep.equal(["busy", "busy"]);
    expect(body).to.not.have.property("acknowledgement");
    const open = await served.request("/v1/epochs/open");
    expect(open.body).to.deep.include({ now: endOf(deployment, 1), epochs: [] });
    served.clockAt(sealTimeOf(deployment, 1) - MARGIN_SECONDS - 1);
    expect(statuses(await served.hand(signed(1)))).to.deep.equal(["accepted"]);
  });

  it("keeps no epoch open by a clock that is slow", async () => {
    served = await serve();
    served.at(sealTimeOf(deployment, 1) - MARGIN_SECONDS);
    served.clockAt(endOf(deployment, 1) - 1);
    expect(statuses(await served.hand(signed(1)))).to.deep.equal(["epoch-closed"]);
  });

  it("says nothing final while its clock and the chain are too far apart, and takes all of it after", async () => {
    served = await serve();
    served.doubting("a day apart");
    served.at(sealTimeOf(deployment, 1));
    const receipts = await served.post(envelope(signed(1)));
    expect([receipts.status, receipts.body]).to.deep.equal([
      503,
      { refusal: "busy", message: "a day apart" },
    ]);
    expect(Number(receipts.headers.get("retry-after"))).to.be.above(0);
    const open = await served.request("/v1/epochs/open");
    expect([open.status, open.body.refusal]).to.deep.equal([503, "busy"]);
    served.at(NOON);
    served.doubting(undefined);
    expect(statuses(await served.hand(signed(1)))).to.deep.equal(["accepted"]);
  });

  it("gives no word for what it stored while its clock went wrong", async () => {
    const { reached, letGo } = await serveWithHeldCommits();
    const answer = served.post(envelope(signed(1)));
    await reached.opened;
    served.doubting("a day apart");
    letGo.open();
    const { status, body } = await answer;
    expect([status, body]).to.deep.equal([503, { refusal: "busy", message: "a day apart" }]);
  });

  async function metric(name: string): Promise<number | undefined> {
    const text = await (await fetch(`${served.url}/metrics`)).text();
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  }
});
