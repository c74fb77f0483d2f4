import { type Address, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, refuse } from "@link-rewards/core/encoding/refusal";
import { bodyHashOf } from "@link-rewards/core/signed/member-request";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { parseJson } from "./json.ts";
import type { HttpServerOptions } from "./options.ts";
import { refusalError, STATUS_OF, sendRefused } from "./refusals.ts";
import { json, MEMBERS_ONLY, other, refTo, TOO_MUCH_READ } from "./schemas.ts";

/** What members ask fits many times. */
const MAX_MEMBER_BODY_BYTES = 16 * 1024;

/** Strangers are sent away by their headers: they cost neither a body nor a place in a queue. */
export async function serveMembers(
  app: FastifyInstance,
  { members }: HttpServerOptions,
): Promise<void> {
  if (members === undefined) return;
  const { introduce, recognize, attest, review, arrivals } = members;
  app.get(
    "/v1/member",
    {
      schema: {
        summary:
          "Which member this is, and in which versions it can be asked as one member by another",
        response: { 200: json("As of now.", "Introduction"), ...TOO_MUCH_READ },
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
        return parseJson(body);
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
