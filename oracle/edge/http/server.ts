import type { AddressInfo } from "node:net";
import fastify, { type FastifyInstance } from "fastify";
import { acceptBodies } from "./bodies.ts";
import { serveBundles } from "./bundles.ts";
import { createConnections } from "./connections.ts";
import { serveCustomers } from "./customers.ts";
import { serveMembers } from "./members.ts";
import { serveOperation } from "./operation.ts";
import type { HttpServerOptions } from "./options.ts";
import { servePages } from "./pages.ts";
import { limitReaders } from "./readers.ts";
import { serveReceipts } from "./receipts.ts";
import { answerErrors, MAX_BODY_BYTES, sendError } from "./refusals.ts";
import { documentRoutes, jsonSchemas } from "./schemas.ts";
import { limitSenders } from "./senders.ts";
import { serveVouchers } from "./vouchers.ts";

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
  const connections = createConnections({ behindProxy: options.trustProxy !== undefined });
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    serverFactory: connections.createServer,
    trustProxy: options.trustProxy === undefined ? false : [...options.trustProxy],
    exposeHeadRoutes: false,
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => sendError(error, reply),
  });
  // The schemas are for the document: core's parsers read what comes in, and name the refusal.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => JSON.stringify);
  for (const schema of jsonSchemas()) app.addSchema(schema);
  acceptBodies(app, connections.cutOff);
  answerErrors(app, options);
  addHeaders(app);
  const senders = limitSenders(app, options.pointsPerAddress);
  const readers = limitReaders(app, options.readPointsPerAddress);
  await documentRoutes(app);
  serveReceipts(app, options, senders, readers);
  serveVouchers(app, options, readers);
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
