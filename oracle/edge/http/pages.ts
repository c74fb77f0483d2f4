import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { FOR_EVER } from "./caching.ts";
import type { HttpServerOptions } from "./options.ts";

/** The build names these by their content. */
const HASHED_ASSET = /[/\\]assets[/\\]/;

/** The pages' own, as in their index.html; a header can also forbid frames. They ask nodes and mirrors of any origin. */
const PAGES_CONTENT =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self' http: https:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Below /pages/: static files that could as well stand anywhere else. */
export async function servePages(
  app: FastifyInstance,
  { pages }: HttpServerOptions,
): Promise<void> {
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
