import { createServer, type Http2Server } from "node:http2";
import { Readable, Transform } from "node:stream";
import {
  type Address,
  type Hex,
  isHexOf,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { parseSignature } from "@link-rewards/core/encoding/signature";
import {
  type Amounts,
  parseReceipt,
  parseSignedReceipt,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import fastify, {
  type FastifyReply,
  type FastifyRequest,
  type RouteGenericInterface,
} from "fastify";
import { z } from "zod";
import { amountsToJson } from "../amounts.ts";
import { MOST_JOB_MILLISECONDS } from "../compute/job.ts";
import { type ContentTree, chunkCount, keptFor } from "../content.ts";
import type { EpochView } from "../oracle-client.ts";
import { parseRange } from "../range.ts";
import { isNodeRefused, type NodeRefused, statusOf } from "../refusal.ts";
import { createStopwatch } from "../stopwatch.ts";
import type { Admit, Admitted } from "./admit.ts";
import type { Contents } from "./contents.ts";
import type { Draft, DraftRefused } from "./countersign.ts";
import type { Jobs } from "./jobs.ts";
import type { Meter } from "./meter.ts";

export type HttpParts = {
  readonly about: {
    readonly device: Address;
    readonly chainId: number;
    readonly registry: Address;
    readonly publicKey?: Hex;
  };
  readonly admit: Admit;
  readonly contents: Contents;
  readonly jobs: Jobs;
  readonly meter: Meter;
  readonly epochs: EpochView;
  /** Whether no more may go out to a customer, in the middle of an answer. */
  readonly isReached: (customer: Address) => boolean;
  readonly countersign: (draft: Draft) => Promise<SignedReceipt | DraftRefused>;
  /** Whose gateway is at the other end of a connection. */
  readonly customerAt: (session: object | undefined) => Address | undefined;
};

const JSON_LIMIT_BYTES = 65_536;
/** Of one gateway at once, and what may be on its way here of a content that is to be kept. */
const SETTINGS = { maxConcurrentStreams: 64, initialWindowSize: 1024 * 1024 } as const;
const ROOT = z
  .string()
  .refine((text) => isHexOf(text, 32))
  .transform(lowercaseHex);
const OFFER = z.strictObject({
  module: ROOT,
  input: ROOT,
  milliseconds: z.int().min(1).max(MOST_JOB_MILLISECONDS),
});

type Request = FastifyRequest<{ Params: { root: string; index: string } }, Http2Server>;
type Reply = FastifyReply<RouteGenericInterface, Http2Server>;

type Handler = (admitted: Admitted, request: Request, reply: Reply) => Promise<unknown>;

/** Answers what comes over the connections that the device opened (reach.ts); it never listens. */
export function nodeHttp(parts: HttpParts) {
  const { about, admit, contents, epochs, customerAt } = parts;
  const app = fastify({
    http2: true,
    serverFactory: (handler) => createServer({ settings: SETTINGS }, handler as never),
    http2SessionTimeout: 0,
    bodyLimit: JSON_LIMIT_BYTES,
  });
  app.addContentTypeParser("application/octet-stream", (_request, payload, done) =>
    done(null, payload),
  );
  app.setErrorHandler(answerFailure);

  /** Only for requests that say, signed, who is served. */
  const serve = (handler: Handler) => async (request: Request, reply: Reply) => {
    const admitted = await admit(request.headers.authorization);
    if (isNodeRefused(admitted)) return refuseWith(reply, admitted);
    if (admitted.customer !== customerAt(request.raw.stream.session)) {
      const message = `this is not a connection to a gateway of ${admitted.customer}`;
      return refuseWith(reply, { refusal: "customer-unknown", message });
    }
    return handler(admitted, request, reply);
  };
  const serveContent = (
    handler: (contentTree: ContentTree, ...rest: Parameters<Handler>) => Promise<unknown>,
  ) =>
    serve(async (admitted, request, reply) => {
      const contentTree = contents.find(lowercaseHex(request.params.root));
      if (contentTree !== undefined) return handler(contentTree, admitted, request, reply);
      return refuseWith(reply, {
        refusal: "content-unknown",
        message: `no content ${request.params.root}`,
      });
    });

  app.get("/v1/device", async () => ({
    ...about,
    epoch: await epochs.current(),
    contents: contents.list().map(({ root, size }) => ({ root, size })),
    freeBytes: contents.freeBytes(),
  }));
  app.get("/v1/contents/:root", serveContent(rangeServer(parts)));
  app.get("/v1/contents/:root/proofs/:index", serveContent(prover(parts)));
  app.put("/v1/contents/:root", serve(keeper(parts)));
  app.post("/v1/jobs", serve(worker(parts)));
  app.post("/v1/receipts", (request, reply) => answerDraft(parts, request.body, reply));
  return app;
}

/** Counts what was handed on, so that a broken download counts for what went out. */
function rangeServer({ contents, meter, isReached }: HttpParts) {
  return async (
    { root, size }: ContentTree,
    { epoch, customer }: Admitted,
    request: Request,
    reply: Reply,
  ) => {
    const header = request.headers.range;
    const range = header === undefined ? { first: 0, last: size - 1 } : parseRange(header, size);
    if (range === undefined || range === "outside") {
      const message = `${header?.slice(0, 60)} is not a range of ${size} bytes`;
      return refuseWith(reply.header("content-range", `bytes */${size}`), {
        refusal: "range-invalid",
        message,
      });
    }
    const { first, last } = range;
    if (header !== undefined)
      reply.code(206).header("content-range", `bytes ${first}-${last}/${size}`);
    const count = new Transform({
      transform(piece: Uint8Array, _encoding, done) {
        // One request may be for more than the owner allows.
        if (isReached(customer)) return done(new Error("the exposure is reached"));
        meter.add(epoch, customer, { egressBytes: BigInt(piece.length) });
        done(null, piece);
      },
    });
    contents
      .read(root, first, last)
      .on("error", (cause) => count.destroy(cause))
      .pipe(count);
    return reply
      .type("application/octet-stream")
      .header("accept-ranges", "bytes")
      .header("content-length", last - first + 1)
      .send(count);
  };
}

/** Between two answered challenges of one epoch the content counts as kept. */
function prover({ contents, meter }: HttpParts) {
  const stopwatch = createStopwatch();
  return async (
    contentTree: ContentTree,
    { epoch, customer }: Admitted,
    request: Request,
    reply: Reply,
  ) => {
    const index = Number(request.params.index);
    if (!Number.isInteger(index) || index < 0 || index >= chunkCount(contentTree.size)) {
      return refuseWith(reply, { refusal: "range-invalid", message: `no chunk ${index}` });
    }
    const { chunk, proof } = await contents.prove(contentTree, index);
    const milliseconds = stopwatch.lap(`${customer}/${contentTree.root}`, epoch);
    meter.add(epoch, customer, { storageByteSeconds: keptFor(contentTree.size, milliseconds) });
    return { chunk: Buffer.from(chunk).toString("base64"), proof: proof.map(toHex) };
  };
}

function keeper({ contents }: HttpParts): Handler {
  return async (_admitted, { params, body }, reply) => {
    const root = params.root;
    if (!isHexOf(root, 32) || !(body instanceof Readable)) {
      const message = "PUT /v1/contents/{root} takes application/octet-stream";
      return refuseWith(reply, { refusal: "malformed", message });
    }
    const kept = await contents.put(lowercaseHex(root), body);
    if (isNodeRefused(kept)) return refuseWith(reply, kept);
    return reply.code(201).send({ root: kept.root, size: kept.size });
  };
}

/** Counts what was offered, whatever time it took, and nothing where there is no answer. */
function worker({ jobs, meter }: HttpParts): Handler {
  return async (admitted, { body }, reply) => {
    const offer = OFFER.safeParse(body);
    if (!offer.success) return refuseWith(reply, malformed(z.prettifyError(offer.error)));
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    const answer = await jobs.run(admitted, offer.data, gone.signal);
    if (isNodeRefused(answer)) return refuseWith(reply, answer);
    const { epoch, customer } = admitted;
    meter.add(epoch, customer, { computeMilliseconds: BigInt(offer.data.milliseconds) });
    return reply.type("application/octet-stream").send(answer.output);
  };
}

async function answerDraft(
  { countersign }: HttpParts,
  body: unknown,
  reply: Reply,
): Promise<unknown> {
  const draft = parseDraft(body);
  if (isNodeRefused(draft)) return refuseWith(reply, draft);
  const signed = await countersign(draft);
  return isNodeRefused(signed) ? refuseWith(reply, signed) : signedReceiptToJson(signed);
}

function parseDraft(body: unknown): Draft | NodeRefused {
  if (typeof body !== "object" || body === null) return malformed("a draft is an object");
  const {
    receipt: receiptJson,
    customerSignature: signatureJson,
    head: headJson,
  } = body as Record<string, unknown>;
  const receipt = parseReceipt(receiptJson);
  if (isRefused(receipt)) return receipt;
  const customerSignature = parseSignature(signatureJson, "customerSignature");
  if (isRefused(customerSignature)) return customerSignature;
  const head = headJson === undefined ? undefined : parseSignedReceipt(headJson, "head");
  return isRefused(head) ? head : { receipt, customerSignature, head };
}

function malformed(message: string): NodeRefused {
  return { refusal: "malformed", message };
}

function refuseWith(reply: Reply, refused: NodeRefused & { readonly metered?: Amounts }): Reply {
  const { metered } = refused;
  if (refused.refusal === "busy") reply.header("retry-after", 1);
  return reply.code(statusOf(refused.refusal)).send({
    ...refused,
    ...(metered && { metered: amountsToJson(metered) }),
  });
}

/** Not the sender's fault: the oracle is away, or the disk. The same request may succeed later. */
function answerFailure(
  error: unknown,
  _request: FastifyRequest<RouteGenericInterface, Http2Server>,
  reply: Reply,
): Reply {
  const { statusCode, message } = error as Error & { statusCode?: number };
  if (statusCode === 413) return refuseWith(reply, { refusal: "too-large", message });
  if (statusCode !== undefined && statusCode < 500) return refuseWith(reply, malformed(message));
  return refuseWith(reply, { refusal: "busy", message });
}
