import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** What a client asked of the node in one HTTP request. */
export type RpcRequest = { readonly methods: readonly string[]; readonly body: string };

/** What stands there in place of an answer. */
type HttpRefusal = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
};

/**
 * Stands between a program and its node. `forward` passes the request on, or another in its place, and gives the node's
 * answer; a handler may wait before or after it, answer something else, or throw to cut the connection.
 */
export type RpcHandler = (
  request: RpcRequest,
  forward: (body?: string) => Promise<string>,
) => Promise<string | HttpRefusal>;

export type RpcProxy = {
  readonly url: string;
  handle(handler: RpcHandler): void;
  close(): Promise<void>;
};

export const truly: RpcHandler = (_, forward) => forward();

export async function startRpcProxy(nodeUrl: string, path = "/"): Promise<RpcProxy> {
  let handler = truly;
  const server = createServer(async (request, response) => {
    try {
      const body = await textOf(request);
      const answer = await handler({ methods: methodsOf(body), body }, (other = body) =>
        ask(nodeUrl, other),
      );
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

export type RpcCall = {
  readonly id: unknown;
  readonly method: string;
  readonly params: readonly unknown[];
};
export type RpcAnswer = { readonly result: unknown } | { readonly error: unknown };

/** Answers one call, with or without what the node says to it, as a handler answers a request. */
export type RpcManner = (
  call: RpcCall,
  ask: (call: RpcCall) => Promise<RpcAnswer>,
) => Promise<RpcAnswer | HttpRefusal>;

/** A handler that takes requests apart: the calls of a batch are answered one after the other. */
export function callByCall(manner: RpcManner): RpcHandler {
  return async ({ body }, forward) => {
    const asked = JSON.parse(body) as RpcCall | readonly RpcCall[];
    const askOne = async ({ id, method, params }: RpcCall): Promise<RpcAnswer> => {
      const said = await forward(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      const { result, error } = JSON.parse(said) as { result: unknown; error?: unknown };
      return error === undefined ? { result } : { error };
    };
    const answers: object[] = [];
    for (const call of [asked].flat() as readonly RpcCall[]) {
      const answer = await manner(call, askOne);
      if ("status" in answer) return answer;
      answers.push({ jsonrpc: "2.0", id: call.id, ...answer });
    }
    return JSON.stringify(Array.isArray(asked) ? answers : answers[0]);
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
