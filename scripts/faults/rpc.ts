import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export type RpcCall = {
  readonly id: unknown;
  readonly method: string;
  readonly params: readonly unknown[];
};
export type RpcAnswer = { readonly result: unknown } | { readonly error: unknown };

/** Answers a call; `ask` is the true node. May throw `httpStatus`, or anything else to cut the connection. */
export type Manner = (
  call: RpcCall,
  ask: (call: RpcCall) => Promise<RpcAnswer>,
) => Promise<RpcAnswer>;

type HttpStatus = { readonly httpStatus: number };

export function httpStatus(status: number): HttpStatus {
  return { httpStatus: status };
}

/** A node of one member's, between it and the chain. */
export type RpcProxy = {
  readonly url: string;
  /** From now on; undefined: truly. */
  behave(manner: Manner | undefined): void;
  /** What was sent through it, so that a reorg can bring it back. */
  readonly sent: string[];
  close(): Promise<void>;
};

/** Each hears of a call and may have its connection cut. */
export type RpcListener = {
  /** Before it is answered. */
  onCall(call: RpcCall): Promise<"goes" | "cut">;
  /** When the node has a transaction, before the sender knows. */
  onSent(): Promise<"goes" | "cut">;
};

export async function startRpcProxy(
  nodeUrl: string,
  { onCall, onSent }: RpcListener,
): Promise<RpcProxy> {
  let manner: Manner | undefined;
  const sent: string[] = [];
  const ask = async ({ method, params }: RpcCall): Promise<RpcAnswer> => {
    const response = await fetch(nodeUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    const { result, error } = (await response.json()) as { result: unknown; error?: unknown };
    return error === undefined ? { result } : { error };
  };
  const answer = async (call: RpcCall) => {
    if ((await onCall(call)) === "cut") throw new Error("cut");
    const said = manner === undefined ? await ask(call) : await manner(call, ask);
    if (call.method === "eth_sendRawTransaction" && "result" in said) {
      sent.push(String(call.params[0]));
      if ((await onSent()) === "cut") throw new Error("cut");
    }
    return { jsonrpc: "2.0", id: call.id, ...said };
  };
  const server = createServer(async (request, response) => {
    try {
      const asked = JSON.parse(await textOf(request)) as RpcCall | readonly RpcCall[];
      const said = isBatch(asked) ? await inTurn(asked, answer) : await answer(asked);
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(said));
    } catch (error) {
      const { httpStatus: status } = error as Partial<HttpStatus>;
      if (status === undefined) return void request.socket.destroy();
      response.writeHead(status, { "content-type": "application/json" }).end("{}");
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    sent,
    behave(next) {
      manner = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function isBatch(asked: RpcCall | readonly RpcCall[]): asked is readonly RpcCall[] {
  return Array.isArray(asked);
}

async function inTurn<T>(calls: readonly RpcCall[], answer: (call: RpcCall) => Promise<T>) {
  const answers: T[] = [];
  for (const call of calls) answers.push(await answer(call));
  return answers;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
