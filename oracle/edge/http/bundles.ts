import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { FOR_EVER } from "./caching.ts";
import type { HttpServerOptions } from "./options.ts";
import { DECIMAL } from "./paths.ts";
import { EPOCH, json, NOT_THERE, other, TOO_MUCH_READ } from "./schemas.ts";

/** Begins with no dot, so neither a hidden file nor a way out of the folder. */
const BUNDLE_FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Fixed by the bundle hash. The manifest and what stands beside the hash may still be added to. */
const HASHED_FILE = /\.(bin|fence|tree)$/;

export async function serveBundles(
  app: FastifyInstance,
  { bundles }: HttpServerOptions,
): Promise<void> {
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
        ...TOO_MUCH_READ,
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
