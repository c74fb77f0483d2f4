import { isNodeFault, type NodeFaultKind, nodeFault } from "@link-rewards/client/node/node-fault";
import { Nodes } from "@link-rewards/client/node/nodes";
import { refusalOf } from "@link-rewards/client/node/refusals";
import type { RpcAnswer, RpcQuestion } from "@link-rewards/client/node/rpc";
import { type TroubleKind, trouble } from "./trouble.ts";

const TIMEOUT_MS = 20_000;
/** In one request. What asks for more is split, as public nodes do not take any number. */
const MOST_AT_ONCE = 50;

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

type Waiting = {
  readonly question: RpcQuestion;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * JSON-RPC over HTTP, to one node or several in turn. What is asked at once goes as one request. Throws an RpcError for what
 * a node refuses, and a NodeFault where there is no answer.
 */
export function connectRpc(urls: readonly string[]): Request {
  const nodes = new Nodes(urls, { timeoutMs: TIMEOUT_MS });
  let lastId = 0;
  let waiting: Waiting[] = [];

  function askAll(): void {
    const all = waiting;
    waiting = [];
    for (let i = 0; i < all.length; i += MOST_AT_ONCE) askSome(all.slice(i, i + MOST_AT_ONCE));
  }

  async function askSome(asked: readonly Waiting[]): Promise<void> {
    try {
      const answers = await nodes.ask(asked.map(({ question }) => question));
      const byId = new Map(answers.map((answer) => [answer.id, answer]));
      for (const { question, resolve, reject } of asked) {
        const answer = byId.get(question.id) as RpcAnswer;
        if ("result" in answer) resolve(answer.result);
        else reject(refused(question, answer));
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  return <T>(method: string, params: readonly unknown[] = []) =>
    new Promise<T>((resolve, reject) => {
      lastId += 1;
      const question = { jsonrpc: "2.0", id: lastId, method, params } as const;
      waiting.push({ question, resolve: resolve as Waiting["resolve"], reject });
      if (waiting.length === 1) setTimeout(askAll);
    });
}

function refused(
  { method }: RpcQuestion,
  { error }: Extract<RpcAnswer, { error: unknown }>,
): Error {
  return refusalOf(method, error) === "too-large"
    ? nodeFault("too-large", error.message ?? "the answer is too large")
    : rpcError(error);
}

const KIND_OF: Readonly<Record<NodeFaultKind, TroubleKind>> = {
  "rate-limit": "rpc-busy",
  "too-large": "rpc-refused",
  timeout: "rpc-down",
  unreachable: "rpc-down",
  nonsense: "rpc-refused",
  behind: "rpc-incomplete",
  disagreement: "rpc-incomplete",
};

/** What a page tells of a node's fault; anything else as it is. */
export function nodeTrouble(error: unknown): unknown {
  return isNodeFault(error) ? trouble(KIND_OF[error.nodeFault], error.message, error) : error;
}

/** Of a question that has an answer everywhere: to refuse it is the node's choice. */
export function refusalTrouble(error: unknown): unknown {
  return isRpcError(error) ? trouble("rpc-refused", error.message, error) : nodeTrouble(error);
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
