import { isRefused } from "@link-rewards/core/encoding/refusal";
import type { FastifyInstance } from "fastify";
import type { HttpServerOptions } from "./options.ts";
import { parseAddress } from "./paths.ts";
import { sendRefused } from "./refusals.ts";
import { ADDRESS, BAD_PATH, json, NOT_THERE } from "./schemas.ts";

/** Whom a device may serve, where to dial, and how they stand. */
export function serveCustomers(app: FastifyInstance, { customers }: HttpServerOptions): void {
  if (customers === undefined) return;
  const UNKNOWN = {
    503: json(
      "The chain cannot be asked now, or this address has read too much of late.",
      "Refused",
    ),
  };
  app.get(
    "/v1/customers",
    {
      schema: {
        summary: "The customers of this epoch that have gateways to dial",
        response: { 200: json("By address; a few seconds old at most.", "Customers"), ...UNKNOWN },
      },
    },
    async (_request, reply) => {
      const list = await customers.list();
      return isRefused(list) ? sendRefused(reply, list) : list;
    },
  );
  app.get<{ Params: { customer: string } }>(
    "/v1/customers/:customer",
    {
      schema: {
        summary: "How one customer stands, and how it paid",
        params: { type: "object", properties: { customer: ADDRESS } },
        response: {
          200: json("As of now.", "Standing"),
          ...BAD_PATH,
          ...NOT_THERE,
          ...UNKNOWN,
        },
      },
    },
    async ({ params }, reply) => {
      const customer = parseAddress(params.customer, "customer");
      const standing = await customers.standing(customer);
      if (standing === undefined)
        return reply.code(404).send({ message: `${customer} is not a customer of this epoch` });
      return isRefused(standing) ? sendRefused(reply, standing) : standing;
    },
  );
}
