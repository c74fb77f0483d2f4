import { type Refusal, type Refused, refuse } from "@link-rewards/core/encoding/refusal";
import type { FastifyError, FastifyInstance, FastifyReply } from "fastify";
import type { HttpServerOptions } from "./options.ts";

/** A full batch with air, unpacked: what is larger is not a batch. */
export const MAX_BODY_BYTES = 1024 * 1024;

const RETRY_AFTER_SECONDS = 5;

export const STATUS_OF: Partial<Record<Refusal, number>> = {
  malformed: 400,
  "wrong-chain": 400,
  stale: 409,
  "too-large": 413,
  busy: 503,
  "not-a-member": 401,
  "wrong-version": 426,
};
const STATUS_OF_THE_REST = 422;

type RefusalError = Error & { readonly statusCode: number; readonly refused: Refused };

/** Without a stack: nothing went wrong here, and who is refused by the thousand would have a thousand of them written. */
export function refusalError(statusCode: number, refused: Refused): RefusalError {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const error = new Error(refused.message);
  Error.stackTraceLimit = stackTraceLimit;
  return Object.assign(error, { statusCode, refused });
}

export function bodyTooLarge(): RefusalError {
  const message = `a body has at most ${MAX_BODY_BYTES} bytes, unpacked`;
  return refusalError(413, refuse("too-large", message));
}

export function answerErrors(app: FastifyInstance, { log, metrics }: HttpServerOptions): void {
  app.setErrorHandler<FastifyError>((err, request, reply) => {
    const route = request.routeOptions.url;
    // A refusal is an answer, whatever its status: strangers would else fill the log.
    if (!("refused" in err) && statusOf(err) >= 500)
      log.error({ err, method: request.method, route }, "request failed");
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
export function sendError(error: FastifyError | RefusalError, reply: FastifyReply): FastifyReply {
  if ("refused" in error) return sendRefused(reply, error.refused, error.statusCode);
  const status = statusOf(error);
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") return sendError(bodyTooLarge(), reply);
  // The answer to a range beyond a file says how long the file is.
  if ("headers" in error) reply.headers(error.headers as Record<string, string>);
  if (status >= 500)
    return reply.code(500).send({ message: "the oracle failed; its log says why" });
  return sendRefused(reply, refuse("malformed", error.message), status);
}

export function sendRefused(
  reply: FastifyReply,
  { refusal, message }: Refused,
  status = STATUS_OF[refusal] ?? STATUS_OF_THE_REST,
): FastifyReply {
  if (refusal === "busy") reply.header("retry-after", RETRY_AFTER_SECONDS);
  // What it still sends is not waited for.
  if (!reply.request.raw.complete) reply.header("connection", "close");
  return reply.code(status).send({ refusal, message });
}
