import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { gunzip as gunzipCallback } from "node:zlib";
import fastifyStatic from "@fastify/static";
import fastifySwagger from "@fastify/swagger";
import {
  type Address,
  type Hex,
  isHexOf,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refusal, type Refused, refuse } from "@link-rewards/core/encoding/refusal";
import {
  ANSWERS,
  type AnswerName,
  type HeadAnswer,
  type Introduction,
  type Results,
  type Reviewed,
  type Terms,
  type VoucherResult,
} from "@link-rewards/core/signed/answers";
import { bodyHashOf } from "@link-rewards/core/signed/member-request";
import type { Attestation, Declined } from "@link-rewards/core/signed/report";
import { PACKED_BATCH_TYPE, signedVoucherToJson } from "@link-rewards/core/signed/submission";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import { z } from "zod";

const gunzip = promisify(gunzipCallback);

/** A full batch with air, unpacked: what is larger is not a batch. */
const MAX_BODY_BYTES = 1024 * 1024;
/** A sender that has not sent its headers, its request, or the next one, by then is gone or means harm. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 20_000;
const TIMEOUT_CHECK_MS = 5_000;
/** Bounds memory and file handles against senders that only connect. */
const MAX_CONNECTIONS = 10_000;
/** Longer than a full queue takes to answer; a reader that is slower is cut off when the server closes. */
const CLOSE_TIMEOUT_MS = 45_000;
/** What members ask fits many times. */
const MAX_MEMBER_BODY_BYTES = 16 * 1024;
const RETRY_AFTER_SECONDS = 5;
const LOOPBACK = "127.0.0.1";

const DECIMAL = /^(0|[1-9][0-9]{0,9})$/;
const MAX_EPOCH = 0xffff_ffff;
/** Begins with no dot, so neither a hidden file nor a way out of the folder. */
const BUNDLE_FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Fixed by the bundle hash. The manifest and what stands beside the hash may still be added to. */
const HASHED_FILE = /\.(bin|fence|tree)$/;
const FOR_EVER = "public, max-age=31536000, immutable";
/** The build names these by their content. */
const HASHED_ASSET = /[/\\]assets[/\\]/;
const NO_CONTENT = "default-src 'none'; frame-ancestors 'none'";
/** The pages' own, as in their index.html; a header can also forbid frames. They ask nodes and mirrors of any origin. */
const PAGES_CONTENT =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self' http: https:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STATUS_OF: Partial<Record<Refusal, number>> = {
  malformed: 400,
  "wrong-chain": 400,
  stale: 409,
  "too-large": 413,
  busy: 503,
  "not-a-member": 401,
  "wrong-version": 426,
};
const STATUS_OF_THE_REST = 422;

export type HttpServerOptions = {
  readonly ingest: {
    accept(body: unknown): Promise<Results | Refused>;
    acceptVoucher(body: unknown): Promise<VoucherResult | Refused>;
    open(): Terms;
    head(epoch: number, device: Address, customer: Address): Promise<HeadAnswer | undefined>;
    vouchers(): Promise<readonly SignedVoucher[]>;
  };
  /** All heads of an epoch, packed, many to a page: for the other members. */
  readonly receipts: (epoch: number) => AsyncIterable<Uint8Array>;
  /** Why it should get no traffic now; empty when it should. */
  readonly readiness: () => Promise<readonly Unready[]>;
  readonly metrics: {
    readonly contentType: string;
    render(): Promise<string>;
    request(labels: { method: string; route: string; status: number }, seconds: number): void;
  };
  readonly log: {
    debug(details: Record<string, unknown>, message: string): void;
    error(details: Record<string, unknown>, message: string): void;
  };
  /** What members ask each other. Without it this oracle signs no reports, and the routes do not exist. */
  readonly members?: MemberDoor;
  /** Absolute path of the published bundles; without it there are none. */
  readonly bundles?: string;
  /** Absolute path of the claim and audit pages, with their config.json; without it there are none. */
  readonly pages?: string;
};

/** What is here for members alone, and how they are told from strangers. */
export type MemberDoor = {
  /** By the headers alone, before the body is read. */
  readonly recognize: (request: {
    readonly authorization: string | undefined;
    readonly method: string;
    readonly url: string;
  }) => { readonly member: Address; readonly bodyHash: Hex } | Refused;
  /** Who this is, and what it speaks: for everybody. */
  readonly introduce: () => Introduction;
  readonly attest: (body: unknown, asker: Address) => Promise<Attestation | Declined | Refused>;
  /** Verifies the report as {@link attest} does, and signs nothing. */
  readonly review: (body: unknown, asker: Address) => Promise<Reviewed | Declined | Refused>;
  /** What arrived after the cursor, packed, in the order of arrival; undefined for a cursor of another store. */
  readonly arrivals: (
    table: "receipts" | "vouchers",
    after: string | undefined,
  ) => Promise<{ readonly packed: Uint8Array; readonly cursor: string } | undefined>;
};

/** `reason` is a fixed word for alerts, `message` says the numbers. */
export type Unready = { readonly reason: string; readonly message: string };

export type HttpServer = {
  /** On loopback unless told otherwise; port 0 takes any free one. */
  listen(at?: { host?: string; port?: number }): Promise<{ readonly url: string }>;
  /** Takes no new connections and resolves when every request that came in is answered. */
  close(): Promise<void>;
};

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: TIMEOUT_CHECK_MS },
    exposeHeadRoutes: false,
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => sendError(error, reply),
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  // The schemas are for the document: core's parsers read what comes in, and name the refusal.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => JSON.stringify);
  for (const schema of jsonSchemas()) app.addSchema(schema);
  acceptBodies(app);
  answerErrors(app, options);
  addHeaders(app);
  await documentRoutes(app);
  serveReceipts(app, options);
  serveVouchers(app, options);
  await serveMembers(app, options);
  await serveBundles(app, options);
  await servePages(app, options);
  serveOperation(app, options);
  return {
    async listen({ host = LOOPBACK, port = 0 } = {}) {
      await app.listen({ host, port });
      const { port: bound } = app.server.address() as AddressInfo;
      return { url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}` };
    },
    async close() {
      const cutOff = setTimeout(() => app.server.closeAllConnections(), CLOSE_TIMEOUT_MS);
      try {
        await app.close();
      } finally {
        clearTimeout(cutOff);
      }
    },
  };
}

/** JSON and packed receipts, plain or gzipped. Plain `JSON.parse`: core copies the fields it knows and no others. */
function acceptBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>(
    "application/json",
    { parseAs: "buffer" },
    async ({ headers }: FastifyRequest, body: Buffer) => {
      return parseJson((await unpack(body, headers["content-encoding"])).toString("utf8"));
    },
  );
  app.addContentTypeParser<Buffer>(
    [PACKED_BATCH_TYPE, "application/octet-stream"],
    { parseAs: "buffer" },
    ({ headers }: FastifyRequest, body: Buffer) => unpack(body, headers["content-encoding"]),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refusalError(400, refuse("malformed", "the body is not JSON"));
  }
}

/** Unpacks up to the limit and not a byte further, whatever the body claims to hold. */
async function unpack(body: Buffer, encoding: string | undefined): Promise<Buffer> {
  if (encoding === undefined || encoding === "identity") return body;
  if (encoding !== "gzip") {
    throw refusalError(415, refuse("malformed", "content-encoding must be gzip or absent"));
  }
  try {
    return await gunzip(body, { maxOutputLength: MAX_BODY_BYTES });
  } catch (cause) {
    const tooLarge = (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw tooLarge
      ? bodyTooLarge()
      : refusalError(400, refuse("malformed", "the body is not gzip"));
  }
}

type RefusalError = Error & { readonly statusCode: number; readonly refused: Refused };

function refusalError(statusCode: number, refused: Refused): RefusalError {
  return Object.assign(new Error(refused.message), { statusCode, refused });
}

function bodyTooLarge(): RefusalError {
  const message = `a body has at most ${MAX_BODY_BYTES} bytes, unpacked`;
  return refusalError(413, refuse("too-large", message));
}

function answerErrors(app: FastifyInstance, { log, metrics }: HttpServerOptions): void {
  app.setErrorHandler<FastifyError>((err, request, reply) => {
    const route = request.routeOptions.url;
    if (statusOf(err) >= 500) log.error({ err, method: request.method, route }, "request failed");
    return sendError(err, reply);
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ message: "nothing here; GET /openapi.json lists what there is" }),
  );
  app.addHook("onResponse", async (request, reply) => {
    const { method } = request;
    const route = request.routeOptions.url ?? "none";
    const { statusCode: status, elapsedTime: milliseconds } = reply;
    metrics.request({ method, route, status }, milliseconds / 1000);
    log.debug({ method, route, status, milliseconds }, "request answered");
  });
}

function statusOf({ statusCode = 500 }: { statusCode?: number }): number {
  return statusCode;
}

/** What happened inside stays inside: the log has it. */
function sendError(error: FastifyError | RefusalError, reply: FastifyReply): FastifyReply {
  if ("refused" in error) return sendRefused(reply, error.refused, error.statusCode);
  const status = statusOf(error);
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") return sendError(bodyTooLarge(), reply);
  // The answer to a range beyond a file says how long the file is.
  if ("headers" in error) reply.headers(error.headers as Record<string, string>);
  if (status >= 500)
    return reply.code(500).send({ message: "the oracle failed; its log says why" });
  return sendRefused(reply, refuse("malformed", error.message), status);
}

function sendRefused(
  reply: FastifyReply,
  { refusal, message }: Refused,
  status = STATUS_OF[refusal] ?? STATUS_OF_THE_REST,
): FastifyReply {
  if (refusal === "busy") reply.header("retry-after", RETRY_AFTER_SECONDS);
  return reply.code(status).send({ refusal, message });
}

/** Everything that can be read is public, for pages of any origin; writing from a page is not offered. */
function addHeaders(app: FastifyInstance): void {
  let closing = false;
  app.addHook("preClose", async () => {
    closing = true;
  });
  app.addHook("onSend", async (request, reply) => {
    // Else the server would wait for a next request that must not come.
    if (closing) reply.header("connection", "close");
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
    if (!reply.hasHeader("content-security-policy")) {
      reply.header("content-security-policy", NO_CONTENT);
    }
    reply.headers({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
    if (request.method === "POST") return;
    reply.headers({
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "accept-ranges, content-range, etag",
      "cross-origin-resource-policy": "cross-origin",
    });
  });
}

async function documentRoutes(app: FastifyInstance): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Link Rewards oracle",
        version: "1",
        description:
          "Takes receipts that device and customer both signed, and vouchers; serves what was published. " +
          "Integers wider than 53 bits are decimal strings, addresses and hashes 0x and hex.",
      },
    },
    refResolver: { buildLocalReference: ({ $id }, _baseUri, _fragment, i) => String($id ?? i) },
  });
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
}

/** JSON Schema, as OpenAPI 3.1 has it. */
type JsonSchema = { readonly [keyword: string]: unknown };

/** The schema of everything that goes in or out, by its name in the document: for readers and generators. */
function jsonSchemas(): readonly JsonSchema[] {
  const named = z.registry<{ id: string }>();
  for (const [id, answer] of Object.entries(ANSWERS)) named.add(answer, { id });
  const { schemas } = z.toJSONSchema(named, { uri: (id) => `${id}#` });
  return Object.entries(schemas).map(([$id, { $schema: _, ...schema }]) => ({ ...schema, $id }));
}

function json(description: string, schema: AnswerName): JsonSchema {
  return { description, content: { "application/json": { schema: refTo(schema) } } };
}

function other(description: string, contentType: string): JsonSchema {
  return { description, content: { [contentType]: { schema: { type: "string" } } } };
}

function refTo(schema: AnswerName): JsonSchema {
  return { $ref: `${schema}#` };
}

const REFUSED_BODY = {
  400: json("The body cannot be read, or is for another chain.", "Refused"),
  413: json("Over the limit of a body or a batch.", "Refused"),
  415: json("Of no type that is taken, or compressed otherwise than with gzip.", "Refused"),
};
const BUSY = json("Nothing of it was stored; send it again after Retry-After.", "Refused");
const MEMBERS_ONLY = {
  400: json("The request or its body cannot be read.", "Refused"),
  401: json("It is not signed as a member's.", "Refused"),
  403: json("The body is not the one that was signed.", "Refused"),
  426: json("In a version of the members' protocol that is not spoken here.", "Refused"),
  503: json(
    "Another report is being verified for this member; ask again after Retry-After.",
    "Refused",
  ),
};
const EPOCH = { epoch: { type: "integer", minimum: 0, maximum: MAX_EPOCH } };
const ADDRESS = { type: "string", pattern: "^0x[0-9a-fA-F]{40}$" };
const BAD_PATH = { 400: json("A part of the path is malformed.", "Refused") };
const NOT_THERE = { 404: json("There is none.", "Problem") };

function serveReceipts(app: FastifyInstance, { ingest, receipts }: HttpServerOptions): void {
  app.post(
    "/v1/receipts",
    {
      schema: {
        summary: "Hand in receipts, one or many",
        description:
          "JSON, or packed: 4 bytes version (1), 8 chain id, 20 registry, then 204 for each receipt. The body may be gzipped. What is acknowledged is durable.",
        body: {
          content: {
            "application/json": { schema: refTo("Batch") },
            [PACKED_BATCH_TYPE]: { schema: { type: "string" } },
          },
        },
        response: {
          200: json(
            "A result for each, and one acknowledgement of those that are stored.",
            "Results",
          ),
          ...REFUSED_BODY,
          500: json("It failed inside; nothing of it is acknowledged. Send it again.", "Problem"),
          503: BUSY,
        },
      },
    },
    async ({ body }, reply) => {
      const answer = await ingest.accept(body);
      return isRefused(answer) ? sendRefused(reply, answer) : answer;
    },
  );
  app.get(
    "/v1/epochs/open",
    {
      schema: {
        summary: "The open epochs, and where signatures belong",
        response: { 200: json("As of now.", "Terms") },
      },
    },
    () => ingest.open(),
  );
  app.get<{ Params: { epoch: string; device: string; customer: string } }>(
    "/v1/receipts/:epoch/:device/:customer",
    {
      schema: {
        summary: "The receipt that counts",
        params: { type: "object", properties: { ...EPOCH, device: ADDRESS, customer: ADDRESS } },
        response: { 200: json("The head.", "Head"), ...BAD_PATH, ...NOT_THERE },
      },
    },
    async ({ params }, reply) => {
      const epoch = parseEpoch(params.epoch);
      const device = parseAddress(params.device, "device");
      const customer = parseAddress(params.customer, "customer");
      const head = await ingest.head(epoch, device, customer);
      return head ?? reply.code(404).send({ message: `no receipt is stored for epoch ${epoch}` });
    },
  );
  app.get<{ Params: { epoch: string } }>(
    "/v1/receipts/:epoch",
    {
      schema: {
        summary: "All receipts that count, packed",
        description: "204 bytes each: the packed receipt, the customer's, the device's signature.",
        params: { type: "object", properties: EPOCH },
        response: { 200: other("Back to back.", "application/octet-stream"), ...BAD_PATH },
      },
    },
    ({ params }, reply) => {
      const pages = receipts(parseEpoch(params.epoch));
      return reply.type("application/octet-stream").send(Readable.from(pages));
    },
  );
}

function serveVouchers(app: FastifyInstance, { ingest }: HttpServerOptions): void {
  app.post(
    "/v1/vouchers",
    {
      schema: {
        summary: "Hand in a voucher",
        body: refTo("SignedVoucher"),
        response: {
          200: json("Stored, now or before.", "TakenVoucher"),
          ...REFUSED_BODY,
          409: json("One that promises more is stored, or as much is paid.", "Refused"),
          422: json(
            "Not by a key of an admitted customer, over that key's cap, or for an epoch that is not open.",
            "Refused",
          ),
          503: BUSY,
        },
      },
    },
    async ({ body }, reply) => {
      const result = await ingest.acceptVoucher(body);
      return isRefused(result) ? sendRefused(reply, result) : result;
    },
  );
  app.get(
    "/v1/vouchers",
    {
      schema: {
        summary: "The vouchers still to be collected",
        description:
          "The highest of each customer for the epochs that are not sealed. Anyone may collect them.",
        response: { 200: json("By epoch.", "Vouchers") },
      },
    },
    async () => ({ vouchers: (await ingest.vouchers()).map(signedVoucherToJson) }),
  );
}

/** Strangers are sent away by their headers: they cost neither a body nor a place in a queue. */
async function serveMembers(app: FastifyInstance, { members }: HttpServerOptions): Promise<void> {
  if (members === undefined) return;
  const { introduce, recognize, attest, review, arrivals } = members;
  app.get(
    "/v1/member",
    {
      schema: {
        summary:
          "Which member this is, and in which versions it can be asked as one member by another",
        response: { 200: json("As of now.", "Introduction") },
      },
    },
    () => introduce(),
  );
  await app.register(async (scope) => {
    const recognized = new WeakMap<FastifyRequest, { member: Address; bodyHash: Hex }>();
    const memberOf = (request: FastifyRequest) => recognized.get(request)?.member as Address;
    scope.addHook("onRequest", async (request) => {
      const { headers, method, url } = request;
      const found = recognize({ authorization: headers.authorization, method, url });
      if (isRefused(found)) throw refusalError(STATUS_OF[found.refusal] ?? 400, found);
      recognized.set(request, found);
    });
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser<Buffer>(
      "application/json",
      { parseAs: "buffer", bodyLimit: MAX_MEMBER_BODY_BYTES },
      async (request: FastifyRequest, body: Buffer) => {
        if (bodyHashOf(body) !== recognized.get(request)?.bodyHash) {
          throw refusalError(
            403,
            refuse("not-a-member", "the body is not the one that was signed"),
          );
        }
        return parseJson(body.toString("utf8"));
      },
    );
    const body = refTo("AttestationRequest");
    scope.post(
      "/v1/attestations",
      {
        schema: {
          summary: "Members only: ask this member to verify an epoch and to sign its report",
          body,
          response: {
            200: json("Verified from scratch, and signed.", "Attestation"),
            ...MEMBERS_ONLY,
            409: json("It does not sign; the message says why.", "Problem"),
          },
        },
      },
      async (request, reply) => {
        const answer = await attest(request.body, memberOf(request));
        if (isRefused(answer)) return sendRefused(reply, answer);
        if ("declined" in answer) return reply.code(409).send({ message: answer.declined });
        return { member: answer.member, signature: toHex(answer.signature) };
      },
    );
    scope.post(
      "/v1/reviews",
      {
        schema: {
          summary:
            "Members only: ask this member whether it would sign a report, before anybody signs",
          body,
          response: {
            200: json("Verified from scratch; it would sign.", "Review"),
            ...MEMBERS_ONLY,
            409: json("It would not; the message says why.", "Problem"),
          },
        },
      },
      async (request, reply) => {
        const answer = await review(request.body, memberOf(request));
        if (isRefused(answer)) return sendRefused(reply, answer);
        if ("declined" in answer) return reply.code(409).send({ message: answer.declined });
        return answer;
      },
    );
    for (const table of ["receipts", "vouchers"] as const) {
      scope.get<{ Querystring: { after?: string } }>(
        `/v1/arrivals/${table}`,
        {
          schema: {
            summary: `Members only: ${table} in the order of arrival, packed`,
            description:
              "A page of what arrived after the cursor that the last answer gave in `link-cursor`; empty when there is no more.",
            querystring: { type: "object", properties: { after: { type: "string" } } },
            response: {
              200: other("Back to back.", "application/octet-stream"),
              ...MEMBERS_ONLY,
              410: json("The cursor is of another store: begin without one.", "Problem"),
            },
          },
        },
        async ({ query }, reply) => {
          const page = await arrivals(table, query.after);
          if (page === undefined)
            return reply.code(410).send({ message: "this store does not know that cursor" });
          reply.header("link-cursor", page.cursor).type("application/octet-stream");
          return reply.send(Buffer.from(page.packed));
        },
      );
    }
  });
}

async function serveBundles(app: FastifyInstance, { bundles }: HttpServerOptions): Promise<void> {
  if (bundles === undefined) return;
  await app.register(fastifyStatic, {
    root: bundles,
    serve: false,
    dotfiles: "ignore",
    index: false,
    cacheControl: false,
    setHeaders: (reply, path) =>
      reply.header("cache-control", HASHED_FILE.test(path) ? FOR_EVER : "no-cache"),
  });
  app.route<{ Params: { epoch: string; file: string } }>({
    method: ["GET", "HEAD"],
    url: "/bundles/:epoch/:file",
    schema: {
      summary: "A file of a published bundle, whole or in ranges",
      params: {
        type: "object",
        properties: { ...EPOCH, file: { type: "string", pattern: BUNDLE_FILE.source } },
      },
      response: {
        200: other("The file.", "application/octet-stream"),
        206: other("The range asked for.", "application/octet-stream"),
        304: { description: "As the sender has it." },
        ...NOT_THERE,
        412: json("It is not as the sender has it.", "Refused"),
        416: json("The range is beyond the file.", "Refused"),
      },
    },
    handler: ({ params: { epoch, file } }, reply) =>
      DECIMAL.test(epoch) && BUNDLE_FILE.test(file)
        ? reply.sendFile(`${epoch}/${file}`)
        : reply.callNotFound(),
  });
  app.options("/bundles/*", { schema: { hide: true } }, (_request, reply) =>
    reply
      .headers({
        "access-control-allow-methods": "GET, HEAD",
        "access-control-allow-headers": "range, if-range, if-none-match",
        "access-control-max-age": "86400",
      })
      .code(204)
      .send(),
  );
}

/** Below /pages/: static files that could as well stand anywhere else. */
async function servePages(app: FastifyInstance, { pages }: HttpServerOptions): Promise<void> {
  if (pages === undefined) return;
  await app.register(fastifyStatic, {
    root: pages,
    prefix: "/pages/",
    decorateReply: false,
    dotfiles: "ignore",
    cacheControl: false,
    setHeaders: (reply, path) => {
      reply.header("cache-control", HASHED_ASSET.test(path) ? FOR_EVER : "no-cache");
      reply.header("content-security-policy", PAGES_CONTENT);
    },
  });
}

/** Liveness asks nothing of anyone: a slow database must not get a healthy process restarted. */
function serveOperation(app: FastifyInstance, { readiness, metrics }: HttpServerOptions): void {
  app.get(
    "/livez",
    { schema: { summary: "Is the process alive", response: { 200: json("It is.", "Live") } } },
    () => ({ live: true }),
  );
  app.get(
    "/readyz",
    {
      schema: {
        summary: "Should it get traffic",
        response: { 200: json("It should.", "Readiness"), 503: json("Why not.", "Readiness") },
      },
    },
    async (_request, reply) => {
      const reasons = await readiness();
      const ready = reasons.length === 0;
      return reply.code(ready ? 200 : 503).send({ ready, reasons });
    },
  );
  app.get(
    "/metrics",
    {
      schema: {
        summary: "For Prometheus",
        response: { 200: other("Exposition format.", "text/plain") },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()),
  );
}

function parseEpoch(text: string): number {
  if (DECIMAL.test(text) && Number(text) <= MAX_EPOCH) return Number(text);
  throw refusalError(400, refuse("malformed", `epoch must be a number from 0 to ${MAX_EPOCH}`));
}

function parseAddress(text: string, where: string): Address {
  if (isHexOf(text, 20)) return lowercaseHex(text);
  throw refusalError(400, refuse("malformed", `${where} must be 0x and 40 hex digits`));
}
