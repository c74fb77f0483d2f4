import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

/** As plain a web server as there is: folders, ranges, and the types a browser insists on. */
export type StaticServer = { readonly url: string; close(): Promise<void> };

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

/** `mounts` are folders by their first path segment; `files` are answered from memory. */
export async function serveStatic(
  mounts: Readonly<Record<string, string>>,
  files: ReadonlyMap<string, () => string>,
): Promise<StaticServer> {
  const server = createServer(async ({ url = "/", headers }, response) => {
    const path = normalize(decodeURIComponent(new URL(url, "http://x").pathname));
    response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream");
    const made = files.get(path);
    if (made !== undefined) return response.end(made());
    const [, mount = "", ...rest] = path.split("/");
    const folder = mounts[mount];
    const file = folder === undefined ? undefined : join(folder, ...rest);
    const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
    if (file === undefined || !found?.isFile()) return response.writeHead(404).end();
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    if (from === undefined || to === undefined) {
      return createReadStream(file).pipe(response.writeHead(200));
    }
    const end = Math.min(Number(to), found.size - 1);
    if (Number(from) > end) return response.writeHead(416).end();
    response.writeHead(206, { "content-range": `bytes ${from}-${end}/${found.size}` });
    return createReadStream(file, { start: Number(from), end }).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
