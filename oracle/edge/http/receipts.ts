import { Readable } from "node:stream";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { PACKED_BATCH_TYPE } from "@link-rewards/core/signed/submission";
import { networkOf } from "@link-rewards/host/network";
import type { FastifyInstance } from "fastify";
import type { HttpServerOptions } from "./options.ts";
import { parseAddress, parseEpoch } from "./paths.ts";
import type { Readers } from "./readers.ts";
import { sendRefused } from "./refusals.ts";
import {
  ADDRESS,
  BAD_PATH,
  BUSY,
  EPOCH,
  json,
  NOT_THERE,
  other,
  REFUSED_BODY,
  refTo,
  TOO_MUCH_READ,
} from "./schemas.ts";
import type { Senders } from "./senders.ts";

export function serveReceipts(
  app: FastifyInstance,
  { ingest, receipts }: HttpServerOptions,
  senders: Senders,
  readers: Readers,
): void {
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
    async ({ body, ip }, reply) => {
      const answer = await ingest.accept(body, networkOf(ip));
      if (isRefused(answer)) return sendRefused(reply, answer);
      senders.count(ip, answer);
      return answer;
    },
  );
  app.get(
    "/v1/epochs/open",
    {
      schema: {
        summary: "The open epochs, and where signatures belong",
        response: {
          200: json("As of now.", "Terms"),
          503: json(
            "Its clock or its node is in doubt, or this address has read too much of late; ask again after Retry-After.",
            "Refused",
          ),
        },
      },
    },
    (_request, reply) => {
      const terms = ingest.open();
      return isRefused(terms) ? sendRefused(reply, terms) : terms;
    },
  );
  app.get<{ Params: { epoch: string; device: string; customer: string } }>(
    "/v1/receipts/:epoch/:device/:customer",
    {
      schema: {
        summary: "The receipt that counts",
        params: { type: "object", properties: { ...EPOCH, device: ADDRESS, customer: ADDRESS } },
        response: {
          200: json("The head.", "Head"),
          ...BAD_PATH,
          ...NOT_THERE,
          ...TOO_MUCH_READ,
        },
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
        description:
          "204 bytes each: the packed receipt, the customer's, the device's signature. In the order in which they arrived here, so in another one at each member.",
        params: { type: "object", properties: EPOCH },
        response: {
          200: other("Back to back.", "application/octet-stream"),
          ...BAD_PATH,
          ...TOO_MUCH_READ,
        },
      },
    },
    async (request, reply) => {
      const pages = readers.stream(request, reply, receipts(parseEpoch(request.params.epoch)));
      return reply.type("application/octet-stream").send(Readable.from(pages));
    },
  );
}
