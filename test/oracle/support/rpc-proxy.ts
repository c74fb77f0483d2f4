import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** What a client asked of the node in one HTTP request. */
export type RpcRequest = { readonly methods: readonly string[]; readonly body: string };

/**
 * Stands between an oracle and its node. `forward` passes the request on and gives the node's answer; a handler may
 * wait before or after it, answer something else, or throw to cut the connection.
 */
export type RpcHandler = (
  request: RpcRequest,
  forward: () => Promise<string>,
) => Promise<
  string | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
>;

export type RpcProxy = {
  readonly url: string;
  handle(handler: RpcHandler): void;
  close(): Promise<void>;
};

export async function startRpcProxy(nodeUrl: string, path = "/"): Promise<RpcProxy> {
  let handler: RpcHandler = (_, forward) => forward();
  const server = createServer(async (request, response) => {
    try {
      const body = await textOf(request);
      const answer = await handler({ methods: methodsOf(body), body }, () => ask(nodeUrl, body));
      const { status, headers = {} } = typeof answer === "string" ? { status: 200 } : answer;
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(typeof answer === "string" ? answer : "{}");
    } catch {
      request.socket.destroy();
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${path}`,
    handle(next) {
      handler = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

function methodsOf(body: string): readonly string[] {
  const calls: { method: string }[] = [JSON.parse(body)].flat();
  return calls.map(({ method }) => method);
}

async function ask(nodeUrl: string, body: string): Promise<string> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(nodeUrl, { method: "POST", headers, body });
  return response.text();
}
