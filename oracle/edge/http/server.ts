import type { Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import fastify, { type FastifyInstance } from "fastify";
import { acceptBodies } from "./bodies.ts";
import { serveBundles } from "./bundles.ts";
import { serveCustomers } from "./customers.ts";
import { serveMembers } from "./members.ts";
import { serveOperation } from "./operation.ts";
import type { HttpServerOptions } from "./options.ts";
import { servePages } from "./pages.ts";
import { limitReaders } from "./readers.ts";
import { serveReceipts } from "./receipts.ts";
import { answerErrors, MAX_BODY_BYTES, sendError } from "./refusals.ts";
import { documentRoutes, jsonSchemas } from "./schemas.ts";
import { keyOf, limitSenders } from "./senders.ts";
import { serveVouchers } from "./vouchers.ts";

/** A sender that has not sent its headers, its request, or the next one, by then is gone or means harm. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 20_000;
const TIMEOUT_CHECK_MS = 5_000;
/** Browsers and proxies send a tenth of it. */
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADERS = 64;
/** Bounds memory and file handles against senders that only connect. */
const MAX_CONNECTIONS = 10_000;
/** Of them, for one address: more than a building full of devices opens, and no other's share. */
const MAX_CONNECTIONS_OF_AN_ADDRESS = 500;
/** Longer than a full queue takes to answer; a reader that is slower is cut off when the server closes. */
const CLOSE_TIMEOUT_MS = 45_000;

const LOOPBACK = "127.0.0.1";

const NO_CONTENT = "default-src 'none'; frame-ancestors 'none'";

export type HttpServer = {
  /** On loopback unless told otherwise; port 0 takes any free one. */
  listen(at?: { host?: string; port?: number }): Promise<{ readonly url: string }>;
  /** Takes no new connections and resolves when every request that came in is answered. */
  close(): Promise<void>;
};

export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    },
    trustProxy: options.trustProxy === undefined ? false : [...options.trustProxy],
    exposeHeadRoutes: false,
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => sendError(error, reply),
  });
  app.server.maxHeadersCount = MAX_HEADERS;
  app.server.maxConnections = MAX_CONNECTIONS;
  // What comes through a proxy comes from one address, and the proxy has limits of its own.
  if (options.trustProxy === undefined) limitConnections(app.server);
  // The schemas are for the document: core's parsers read what comes in, and name the refusal.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => JSON.stringify);
  for (const schema of jsonSchemas()) app.addSchema(schema);
  acceptBodies(app);
  answerErrors(app, options);
  addHeaders(app);
  const senders = limitSenders(app, options.pointsPerAddress);
  const readers = limitReaders(app, options.readPointsPerAddress);
  await documentRoutes(app);
  serveReceipts(app, options, senders, readers);
  serveVouchers(app, options);
  serveCustomers(app, options);
  await serveMembers(app, options);
  await serveBundles(app, options);
  await servePages(app, options);
  serveOperation(app, options);
  return {
    async listen({ host = LOOPBACK, port = 0 } = {}) {
      await app.listen({ host, port });
      const { port: bound } = app.server.address() as AddressInfo;
      return { url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}` };
    },
    async close() {
      const cutOff = setTimeout(() => app.server.closeAllConnections(), CLOSE_TIMEOUT_MS);
      try {
        await app.close();
      } finally {
        clearTimeout(cutOff);
      }
    },
  };
}

/** A connection over its address's share ends before anything of it is read. */
function limitConnections(server: Server): void {
  const open = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const key = keyOf(socket.remoteAddress ?? "");
    const count = (open.get(key) ?? 0) + 1;
    if (count > MAX_CONNECTIONS_OF_AN_ADDRESS) {
      socket.destroy();
      return;
    }
    open.set(key, count);
    socket.once("close", () => {
      const left = (open.get(key) ?? 0) - 1;
      if (left > 0) open.set(key, left);
      else open.delete(key);
    });
  });
}

/** Everything that can be read is public, for pages of any origin; writing from a page is not offered. */
function addHeaders(app: FastifyInstance): void {
  let closing = false;
  app.addHook("preClose", async () => {
    closing = true;
  });
  app.addHook("onSend", async (request, reply) => {
    // Else the server would wait for a next request that must not come.
    if (closing) reply.header("connection", "close");
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
    if (!reply.hasHeader("content-security-policy")) {
      reply.header("content-security-policy", NO_CONTENT);
    }
    reply.headers({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
    if (request.method === "POST") return;
    reply.headers({
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "accept-ranges, content-range, etag",
      "cross-origin-resource-policy": "cross-origin",
    });
  });
}
