import { toHex, utf8 } from "@link-rewards/core/encoding/bytes";
import { REFUSALS } from "@link-rewards/core/encoding/refusal";
import { bodyHashOf } from "@link-rewards/core/signed/member-request";
import { expect } from "chai";
import type { MemberDoor } from "../../../oracle/edge/http/options.ts";
import type { EpochProgress } from "../../../oracle/edge/metrics.ts";
import { address } from "../../worlds/paper.ts";
import { resolve, type Schema } from "./document.ts";
import { type Circumstances, type Served, serve } from "./served.ts";

/** A door that takes everybody for a member who signed this body. */
function door(changes: Partial<MemberDoor>, body = JSON.stringify({ report: {} })): MemberDoor {
  const member = address("member");
  return {
    recognize: () => ({ member, bodyHash: bodyHashOf(utf8(body)) }),
    introduce: () => ({
      member,
      chainId: 1,
      ledger: member,
      versions: { oldest: 1, newest: 1 },
      now: 0,
    }),
    attest: async () => ({ declined: "" }),
    review: async () => ({ declined: "" }),
    arrivals: async () => undefined,
    ...changes,
  };
}

describe("operation", () => {
  let served: Served;
  afterEach(() => served.close());

  const start = async (circumstances: Circumstances = {}) => {
    served = await serve(circumstances);
  };
  const metrics = async () => (await fetch(`${served.url}/metrics`)).text();

  describe("GET /livez", () => {
    it("asks nothing of the database or the chain (lido-oracle 1010, 1027)", async () => {
      await start({
        readiness: () => Promise.reject(new Error("the database is down")),
        sources: { epochs: () => Promise.reject(new Error("the database is down")) },
      });
      const { status, body } = await served.request("/livez");
      expect([status, body]).to.deep.equal([200, { live: true }]);
    });
  });

  describe("GET /readyz", () => {
    it("is ready when nothing speaks against it", async () => {
      await start();
      const { status, body } = await served.request("/readyz");
      expect([status, body]).to.deep.equal([200, { ready: true, reasons: [] }]);
    });

    it("names every reason why not", async () => {
      const reasons = [
        { reason: "chain-head-old", message: "the newest block is 900 s old" },
        { reason: "epoch-late", message: "epoch 7 is sealed since 2 h" },
      ];
      await start({ readiness: async () => reasons });
      const { status, body } = await served.request("/readyz");
      expect([status, body]).to.deep.equal([503, { ready: false, reasons }]);
    });
  });

  describe("GET /metrics", () => {
    it("leaves out what is not known, instead of a 0 that pages a person (hashi 844)", async () => {
      await start();
      const text = await metrics();
      for (const name of ["chain_head_block", "chain_head_timestamp_seconds", "epoch_state"])
        expect(text).to.not.match(new RegExp(`^${name}[ {]`, "m"));
      expect(text).to.match(/^ingest_queue_receipts 0$/m);
    });

    it("shows head, epochs and deadlines once they are known, and drops them when they are gone", async () => {
      let head: { number: number; timestamp: number } | undefined = { number: 7, timestamp: 1_700 };
      let epochs: EpochProgress[] = [
        { epoch: 3, state: "sealed", deadline: 1_800 },
        { epoch: 4, state: "open" },
      ];
      await start({ sources: { chainHead: () => head, epochs: async () => epochs } });
      const known = await metrics();
      expect(known).to.match(/^chain_head_block 7$/m);
      expect(known).to.match(/^epoch_state\{epoch="3",state="sealed"\} 1$/m);
      expect(known).to.match(
        /^epoch_deadline_timestamp_seconds\{epoch="3",state="sealed"\} 1800$/m,
      );
      expect(known).to.not.match(/^epoch_deadline_timestamp_seconds\{epoch="4"/m);
      head = undefined;
      epochs = [];
      const gone = await metrics();
      expect(gone).to.not.match(/^(chain_head_block|epoch_state)[ {]/m);
    });

    it("still answers when the database does not", async () => {
      await start({ sources: { epochs: () => Promise.reject(new Error("down")) } });
      expect(await metrics()).to.contain("receipts_accepted_total 0");
    });

    it("has a counter for every refusal from the start, so that a rate of it can be asked for", async () => {
      await start();
      const text = await metrics();
      for (const refusal of Object.keys(REFUSALS))
        expect(text).to.contain(`receipts_refused_total{refusal="${refusal}"} 0`);
    });

    it("counts requests by route, not by path: what is asked for must not fill the memory", async () => {
      await start();
      await served.request(`/v1/receipts/1/${address("device-1")}/${address("customer-1")}`);
      await served.request("/no/such/thing");
      const text = await metrics();
      expect(text).to.contain('route="/v1/receipts/:epoch/:device/:customer",status="404"');
      expect(text).to.contain('route="none",status="404"');
      expect(text).to.not.contain("such");
    });
  });

  describe("POST /v1/attestations", () => {
    const ask = () => served.post({ report: {} }, "/v1/attestations");

    it("is not there on an oracle that signs nothing", async () => {
      await start();
      expect((await ask()).status).to.equal(404);
    });

    it("gives the member's signature, the reason against one, or a refusal", async () => {
      const signature = new Uint8Array(64).fill(7);
      const answers = [
        { member: address("member"), signature },
        { declined: "record 3 of invoices.bin differs" },
        { refusal: "malformed" as const, message: "report must be an object" },
      ];
      const asked: unknown[] = [];
      await start({
        members: door({
          attest: async (body) => {
            asked.push(body);
            return answers[asked.length - 1] as (typeof answers)[0];
          },
        }),
      });
      const given = [await ask(), await ask(), await ask()];
      expect(given.map(({ status, body }) => [status, body])).to.deep.equal([
        [200, { member: address("member"), signature: toHex(signature) }],
        [409, { message: "record 3 of invoices.bin differs" }],
        [400, answers[2]],
      ]);
      expect(asked[0]).to.deep.equal({ report: {} });
    });

    it("answers 500 without a word about its insides when it fails, and logs them", async () => {
      await start({
        members: door(
          { attest: () => Promise.reject(new Error("no rewards.bin in /var/lib/oracle")) },
          "{}",
        ),
      });
      const response = await fetch(`${served.url}/v1/attestations`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      expect(response.status).to.equal(500);
      const text = await response.text();
      expect(text).to.not.contain("/var/lib").and.not.contain("at ");
      const [error] = served.logged().filter(({ level }) => level === "error");
      expect(error).to.have.nested.property("err.message", "no rewards.bin in /var/lib/oracle");
    });
  });

  describe("every answer", () => {
    beforeEach(() => start());

    it("is JSON for a route that does not exist, whatever the method", async () => {
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
        const response = await fetch(`${served.url}/nothing`, { method });
        expect(response.status, method).to.equal(404);
        expect(response.headers.get("content-type")).to.contain("application/json");
        expect(await response.json()).to.have.all.keys("message");
      }
    });

    it("does not take a method for another", async () => {
      for (const [method, path] of [
        ["GET", "/v1/attestations"],
        ["PUT", "/v1/receipts"],
        ["POST", "/v1/epochs/open"],
        ["DELETE", "/v1/vouchers"],
      ] as const)
        expect((await fetch(`${served.url}${path}`, { method })).status, path).to.equal(404);
    });

    it("is JSON for a path that is not text", async () => {
      const response = await fetch(`${served.url}/v1/receipts/%ff`);
      expect(response.status).to.equal(400);
      expect(await response.json()).to.deep.include({ refusal: "malformed" });
    });

    it("may be read by any page, written by none, framed and sniffed by nobody", async () => {
      const { headers } = await served.request("/v1/epochs/open");
      expect(headers.get("x-content-type-options")).to.equal("nosniff");
      expect(headers.get("content-security-policy")).to.contain("default-src 'none'");
      expect(headers.get("cache-control")).to.equal("no-store");
      expect(headers.get("access-control-allow-origin")).to.equal("*");
      const posted = await served.post({});
      expect(posted.headers.get("access-control-allow-origin")).to.equal(null);
      const preflight = await fetch(`${served.url}/v1/receipts`, { method: "OPTIONS" });
      expect(preflight.status).to.equal(404);
    });

    it("is on loopback unless told otherwise", () => {
      expect(new URL(served.url).hostname).to.equal("127.0.0.1");
    });
  });

  describe("GET /openapi.json", () => {
    beforeEach(() => start({ members: door({}), bundles: "/nowhere" }));

    it("lists every route, with its answers", () => {
      const routes = Object.entries(served.document.paths).flatMap(([path, operations]) =>
        Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
      );
      expect(served.document.openapi).to.equal("3.1.0");
      expect(routes.sort()).to.deep.equal([
        "GET /bundles/{epoch}/{file}",
        "GET /livez",
        "GET /metrics",
        "GET /readyz",
        "GET /v1/arrivals/receipts",
        "GET /v1/arrivals/vouchers",
        "GET /v1/epochs/open",
        "GET /v1/member",
        "GET /v1/receipts/{epoch}",
        "GET /v1/receipts/{epoch}/{device}/{customer}",
        "GET /v1/vouchers",
        "HEAD /bundles/{epoch}/{file}",
        "POST /v1/attestations",
        "POST /v1/receipts",
        "POST /v1/reviews",
        "POST /v1/vouchers",
      ]);
    });

    it("declares what it refers to: every parameter, every schema", () => {
      for (const [path, operations] of Object.entries(served.document.paths)) {
        const inPath = [...path.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => name).sort();
        for (const { parameters = [], requestBody, responses, summary } of Object.values(
          operations,
        )) {
          expect(summary, path).to.be.a("string");
          const named = parameters.filter(({ in: place }) => place === "path");
          expect(named.map(({ name }) => name).sort()).to.deep.equal(inPath);
          const schemas = [requestBody, ...Object.values(responses)].flatMap((part) =>
            Object.values(part?.content ?? {}).map(({ schema }) => schema),
          );
          for (const schema of schemas) expectResolved(schema);
          for (const { description } of Object.values(responses))
            expect(description).to.have.length.above(5).and.not.contain("Default");
        }
      }
      for (const schema of Object.values(served.document.components.schemas))
        expectResolved(schema);
    });

    it("lists every refusal, with its meaning and what to do", () => {
      const schema = served.document.components.schemas.Refusal as Schema & { description: string };
      expect(schema.enum).to.deep.equal(Object.keys(REFUSALS));
      for (const { meaning, remedy } of Object.values(REFUSALS))
        expect(schema.description).to.contain(meaning).and.contain(remedy);
    });

    it("writes the fields of a receipt as the protocol has them", () => {
      const { properties = {}, required } = resolve(
        served.document,
        "#/components/schemas/Receipt",
      );
      expect(required).to.deep.equal(Object.keys(properties));
      expect(properties.sequence).to.deep.include({ type: "integer", maximum: 2 ** 32 - 1 });
      expect(properties.egressBytes).to.deep.include({ type: "string" });
    });

    function expectResolved(value: unknown): void {
      if (typeof value !== "object" || value === null) return;
      const { $ref } = value as Schema;
      if ($ref !== undefined) resolve(served.document, $ref);
      for (const inner of Object.values(value)) expectResolved(inner);
    }
  });
});
