import { trouble } from "./trouble.ts";

const TIMEOUT_MS = 20_000;

/** What a node or a wallet answered instead of a result. */
export type RpcError = Error & { readonly code: number; readonly data?: unknown };

export type Request = <T>(method: string, params?: readonly unknown[]) => Promise<T>;

export function isRpcError(error: unknown): error is RpcError {
  return error instanceof Error && typeof (error as { code?: unknown }).code === "number";
}

export function rpcError(error: { code?: number; message?: string; data?: unknown }): RpcError {
  return Object.assign(new Error(error.message ?? "the node refused"), {
    code: error.code ?? -32603,
    data: error.data,
  });
}

/** JSON-RPC over HTTP. A node that does not answer is `rpc-down`; one that answers with an error is an RpcError. */
export function connectRpc(url: string): Request {
  let id = 0;
  return async <T>(method: string, params: readonly unknown[] = []): Promise<T> => {
    id += 1;
    const answer = await post(url, { jsonrpc: "2.0", id, method, params });
    if (answer.error !== undefined) throw rpcError(answer.error);
    return answer.result as T;
  };
}

type Answer = { result?: unknown; error?: { code: number; message: string; data?: unknown } };

async function post(url: string, body: unknown): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answer = (await response.json()) as Answer;
    if (answer.result === undefined && answer.error === undefined) {
      throw new Error(`HTTP ${response.status}`);
    }
    return answer;
  } catch (cause) {
    throw trouble("rpc-down", `${new URL(url).host}: ${(cause as Error).message}`, cause);
  }
}

/** The bytes a contract reverted with: nodes put them in different places. */
export function revertBytes(error: unknown): string | undefined {
  let data: unknown = (error as { data?: unknown }).data;
  for (let depth = 0; depth < 4 && data !== undefined && data !== null; depth++) {
    if (typeof data === "string") return /0x[0-9a-fA-F]{8,}/.exec(data)?.[0];
    const holder = data as { data?: unknown; originalError?: { data?: unknown } };
    data = holder.data ?? holder.originalError?.data;
  }
  return undefined;
}
