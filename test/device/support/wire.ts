import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A real wire to a real server, that can be cut, and that can spoil what comes back. */
export type Wire = {
  readonly url: string;
  /** When each request came, by a clock that only runs forward. */
  readonly requests: readonly { readonly path: string; readonly at: number }[];
  /** While cut, every connection is dropped as if the other side were gone. */
  cut(isCut: boolean): void;
  close(): Promise<void>;
};

export type Spoil = (path: string, body: Buffer) => Buffer | undefined;

export async function layWire(target: () => string, spoil: Spoil = () => undefined): Promise<Wire> {
  const requests: { path: string; at: number }[] = [];
  let isCut = false;
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? "/";
    requests.push({ path, at: performance.now() });
    if (isCut) incoming.socket.destroy();
    else forward(new URL(path, target()), incoming, outgoing, (body) => spoil(path, body) ?? body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    cut(value) {
      isCut = value;
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function forward(
  url: URL,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  change: (body: Buffer) => Buffer,
): void {
  const { method, headers } = incoming;
  const onward = request(
    url,
    { method, headers: { ...headers, host: url.host } },
    async (answer) => {
      const body = change(Buffer.concat(await Array.fromAsync(answer as AsyncIterable<Buffer>)));
      const { "transfer-encoding": _chunked, ...rest } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 502, { ...rest, "content-length": body.length });
      outgoing.end(body);
    },
  );
  onward.on("error", () => incoming.socket.destroy());
  incoming.pipe(onward);
}
