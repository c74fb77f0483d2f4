import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A server that is no oracle, and answers as `listener` says. */
export type Liar = { readonly url: string; close(): Promise<void> };

export async function startLiar(listener: RequestListener): Promise<Liar> {
  const server = createServer(listener);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

const DRIP_MS = 100;

/** An answer that never ends: of its headers, or after them of its body, a byte at a time. */
export function drip(response: ServerResponse, part: "headers" | "body"): void {
  const { socket } = response;
  if (part === "headers") socket?.write("HTTP/1.1 200 OK\r\nx-drip: ");
  else response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
  const drops = setInterval(() => {
    if (part === "headers") socket?.write("a");
    else response.write(" ");
  }, DRIP_MS);
  response.on("close", () => clearInterval(drops));
}
