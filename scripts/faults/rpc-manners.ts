import { setTimeout as sleep } from "node:timers/promises";
import type { RpcAnswer, RpcCall, RpcManner } from "../local/rpc-proxy.ts";

/** How a node can be bad, in words. */
export const RPC_MANNERS = {
  slow: "answers late",
  dead: "cuts every connection",
  hanging: "answers nothing",
  stale: "stands still",
  empty: "has no logs",
  lossy: "leaves out the last log of each answer",
  ahead: "says that it is a day later",
  behind: "says that it is a day earlier",
  limiting: "answers every other request with HTTP 429",
  overloaded: "answers every third request with HTTP 503",
  refusing: "answers every other call with error -32005",
  forgetful: "has no receipt of a transaction at the first looks",
} as const;
export type RpcMannerName = keyof typeof RPC_MANNERS;

/** A close asks some hundred times: late, and still at its end within a run's patience. */
const SLOW_MS = 25;
const DAY_SECONDS = 86_400;
/** Looks at receipts that find nothing. A sender looks every half second. */
const FORGOTTEN_LOOKS = 4;

/** `head`: where the chain is now; `ended` resolves when the fault does. */
export function mannerOf(name: RpcMannerName, head: number, ended: Promise<void>): RpcManner {
  let calls = 0;
  let looks = 0;
  switch (name) {
    case "slow":
      return async (call, ask) => {
        await sleep(SLOW_MS);
        return ask(call);
      };
    case "dead":
      return async () => {
        throw new Error("dead");
      };
    case "hanging":
      return async () => {
        await ended;
        throw new Error("hung");
      };
    case "stale":
      return (call, ask) => answerAt(head, call, ask);
    case "empty":
      return (call, ask) =>
        call.method === "eth_getLogs" ? Promise.resolve({ result: [] }) : ask(call);
    case "lossy":
      return async (call, ask) => {
        const answer = await ask(call);
        if (call.method !== "eth_getLogs" || !("result" in answer)) return answer;
        return { result: (answer.result as readonly unknown[]).slice(0, -1) };
      };
    case "ahead":
      return (call, ask) => withTimeMoved(DAY_SECONDS, call, ask);
    case "behind":
      return (call, ask) => withTimeMoved(-DAY_SECONDS, call, ask);
    case "limiting":
    case "overloaded":
      return async (call, ask) => {
        const [every, status] = name === "limiting" ? [2, 429] : [3, 503];
        return ++calls % every === 0 ? { status } : ask(call);
      };
    case "refusing":
      return async (call, ask) =>
        ++calls % 2 === 0 ? { error: { code: -32005, message: "rate limit exceeded" } } : ask(call);
    case "forgetful":
      return async (call, ask) => {
        if (call.method !== "eth_getTransactionReceipt") return ask(call);
        return looks++ < FORGOTTEN_LOOKS ? { result: null } : ask(call);
      };
  }
}

type Ask = (call: RpcCall) => Promise<RpcAnswer>;

async function withTimeMoved(seconds: number, call: RpcCall, ask: Ask): Promise<RpcAnswer> {
  const answer = await ask(call);
  if (!call.method.startsWith("eth_getBlockBy") || !("result" in answer)) return answer;
  const block = answer.result as { timestamp: string } | null;
  if (block === null) return answer;
  return { result: { ...block, timestamp: hex(Number(block.timestamp) + seconds) } };
}

/** Where each method names its block. */
const BLOCK_AT: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_estimateGas: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getTransactionCount: 1,
  eth_getBlockByNumber: 0,
};

/** As a node answers whose newest block is `head`. */
async function answerAt(head: number, call: RpcCall, ask: Ask): Promise<RpcAnswer> {
  const { method, params } = call;
  if (method === "eth_blockNumber") return { result: hex(head) };
  if (method === "eth_getLogs") {
    const filter = params[0] as { fromBlock?: string; toBlock?: string };
    if (Number(filter.fromBlock ?? head) > head) return { result: [] };
    return ask({ ...call, params: [{ ...filter, toBlock: atMost(head, filter.toBlock) }] });
  }
  if (method === "eth_getTransactionReceipt") {
    const answer = await ask(call);
    const receipt = "result" in answer ? (answer.result as { blockNumber: string } | null) : null;
    return receipt !== null && Number(receipt.blockNumber) > head ? { result: null } : answer;
  }
  const at = BLOCK_AT[method];
  if (at === undefined) return ask(call);
  const named = params[at] as string | undefined;
  if (method === "eth_getBlockByNumber" && Number(named) > head) return { result: null };
  const moved = [...params];
  moved[at] = atMost(head, named);
  return ask({ ...call, params: moved });
}

function atMost(head: number, named: string | undefined): string {
  const number = Number(named ?? Number.NaN);
  return hex(Number.isNaN(number) ? head : Math.min(number, head));
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}
