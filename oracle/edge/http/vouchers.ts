import { isRefused } from "@link-rewards/core/encoding/refusal";
import { signedVoucherToJson } from "@link-rewards/core/signed/submission";
import type { FastifyInstance } from "fastify";
import type { HttpServerOptions } from "./options.ts";
import { sendRefused } from "./refusals.ts";
import { BUSY, json, REFUSED_BODY, refTo, TOO_MUCH_READ } from "./schemas.ts";
import { keyOf } from "./senders.ts";

export function serveVouchers(app: FastifyInstance, { ingest }: HttpServerOptions): void {
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
      const result = await ingest.acceptVoucher(body, keyOf(ip));
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
        response: { 200: json("By epoch.", "Vouchers"), ...TOO_MUCH_READ },
      },
    },
    async () => ({ vouchers: (await ingest.vouchers()).map(signedVoucherToJson) }),
  );
}
