import type { AddressInfo } from "node:net";
import fastify from "fastify";
import { askStatus } from "./status.ts";
import { linesOf } from "./status-lines.ts";

const REFRESH_SECONDS = 10;

/**
 * A plain page for the owner, on this machine alone. It knows no key: it asks the device that runs with the folder. Whoever
 * got a browser here to ask in another name, as DNS rebinding does, is not answered.
 */
export async function servePage(
  folder: string,
  port: number,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const app = fastify({ forceCloseConnections: true });
  app.addHook("onRequest", async ({ headers }, reply) => {
    const { port: own } = app.server.address() as AddressInfo;
    if (headers.host === `127.0.0.1:${own}` || headers.host === `localhost:${own}`) return;
    return reply.code(403).send("ask for 127.0.0.1 or localhost");
  });
  app.get("/", async (_request, reply) => {
    const lines = await askStatus(folder).then(linesOf, (error: Error) => [error.message]);
    return reply
      .header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
      .header("cache-control", "no-store")
      .type("text/html; charset=utf-8")
      .send(pageOf(lines));
  });
  await app.listen({ host: "127.0.0.1", port });
  const { port: bound } = app.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${bound}/`, close: () => app.close() };
}

function pageOf(lines: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="${REFRESH_SECONDS}">
<title>Device</title>
<style>body { font: 1rem/1.6 ui-monospace, monospace; margin: 2rem; white-space: pre-wrap; color-scheme: light dark }</style>
<main>${escaped(lines.join("\n"))}</main>
</html>
`;
}

function escaped(plain: string): string {
  return plain.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
