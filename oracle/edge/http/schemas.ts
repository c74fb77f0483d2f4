import fastifySwagger from "@fastify/swagger";
import { ANSWERS, type AnswerName } from "@link-rewards/core/signed/answers";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { MAX_EPOCH } from "./paths.ts";

export async function documentRoutes(app: FastifyInstance): Promise<void> {
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
  let document: string | undefined;
  app.get("/openapi.json", { schema: { hide: true } }, (_request, reply) => {
    // Once, for it never changes.
    document ??= JSON.stringify(app.swagger());
    return reply.type("application/json; charset=utf-8").send(document);
  });
}

/** JSON Schema, as OpenAPI 3.1 has it. */
type JsonSchema = { readonly [keyword: string]: unknown };

/** The schema of everything that goes in or out, by its name in the document: for readers and generators. */
export function jsonSchemas(): readonly JsonSchema[] {
  const named = z.registry<{ id: string }>();
  for (const [id, answer] of Object.entries(ANSWERS)) named.add(answer, { id });
  const { schemas } = z.toJSONSchema(named, { uri: (id) => `${id}#` });
  return Object.entries(schemas).map(([$id, { $schema: _, ...schema }]) => ({ ...schema, $id }));
}

export function json(description: string, schema: AnswerName): JsonSchema {
  return { description, content: { "application/json": { schema: refTo(schema) } } };
}

export function other(description: string, contentType: string): JsonSchema {
  return { description, content: { [contentType]: { schema: { type: "string" } } } };
}

export function refTo(schema: AnswerName): JsonSchema {
  return { $ref: `${schema}#` };
}

export const REFUSED_BODY = {
  400: json("The body cannot be read, or is for another chain.", "Refused"),
  408: json("It took too long to arrive; send it again after Retry-After.", "Refused"),
  413: json("Over the limit of a body or a batch.", "Refused"),
  415: json("Of no type that is taken, or compressed otherwise than with gzip.", "Refused"),
};
export const BUSY = json("Nothing of it was stored; send it again after Retry-After.", "Refused");
export const TOO_MUCH_READ = {
  503: json("This address has read too much of late; ask again after Retry-After.", "Refused"),
};
export const MEMBERS_ONLY = {
  400: json("The request or its body cannot be read.", "Refused"),
  401: json("It is not signed as a member's.", "Refused"),
  403: json("The body is not the one that was signed.", "Refused"),
  426: json("In a version of the members' protocol that is not spoken here.", "Refused"),
  503: json(
    "Another report is being verified for this member, or this one's clock and its view of the chain are too far apart; ask again after Retry-After.",
    "Refused",
  ),
};
export const EPOCH = { epoch: { type: "integer", minimum: 0, maximum: MAX_EPOCH } };
export const ADDRESS = { type: "string", pattern: "^0x[0-9a-fA-F]{40}$" };
export const BAD_PATH = { 400: json("A part of the path is malformed.", "Refused") };
export const NOT_THERE = { 404: json("There is none.", "Problem") };
