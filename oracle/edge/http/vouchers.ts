import { Readable } from "node:stream";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { signedVoucherToJson } from "@link-rewards/core/signed/submission";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import { networkOf } from "@link-rewards/host/network";
import type { FastifyInstance } from "fastify";
import type { HttpServerOptions } from "./options.ts";
import type { Readers } from "./readers.ts";
import { sendRefused } from "./refusals.ts";
import { BUSY, json, REFUSED_BODY, refTo, TOO_MUCH_READ } from "./schemas.ts";

/** What is written at once, some 60 kB. */
const VOUCHERS_A_PAGE = 250;

export function serveVouchers(
  app: FastifyInstance,
  { ingest }: HttpServerOptions,
  readers: Readers,
): void {
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
    async ({ body, ip }, reply) => {
      const result = await ingest.acceptVoucher(body, networkOf(ip));
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
        response: { 200: json("By customer and epoch.", "Vouchers"), ...TOO_MUCH_READ },
      },
    },
    async (request, reply) => {
      const pages = readers.stream(request, reply, pagesOf(ingest.vouchers()));
      return reply.type("application/json; charset=utf-8").send(Readable.from(pages));
    },
  );
}

/** The text of `{"vouchers":[…]}`, which as a whole would be as long as there are customers. */
async function* pagesOf(vouchers: AsyncIterable<SignedVoucher>): AsyncGenerator<Uint8Array> {
  let page: string[] = [];
  let before = '{"vouchers":[';
  const written = (after = "") => Buffer.from(before + page.join(",") + after);
  for await (const voucher of vouchers) {
    page.push(JSON.stringify(signedVoucherToJson(voucher)));
    if (page.length < VOUCHERS_A_PAGE) continue;
    yield written();
    before = ",";
    page = [];
  }
  // Nothing follows a comma but a voucher.
  if (page.length === 0 && before === ",") before = "";
  yield written("]}");
}
