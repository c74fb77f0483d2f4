import { isNodeFault, nodeFault } from "./node-fault.ts";
import type { RpcAnswer, RpcQuestion } from "./rpc.ts";

/** `ask` throws a NodeFault when there is no answer. */
export type AskedNode = {
  readonly host: string;
  ask(questions: readonly RpcQuestion[]): Promise<readonly RpcAnswer[]>;
};

type Opinion = { readonly host: string; readonly node: AskedNode; readonly answer: RpcAnswer };

/**
 * What is a fact for whoever asks, so that nodes must agree about it. Not among them: what is only an offer or an estimate,
 * what is sent, and what proves itself by its hash.
 */
const DECIDING = new Set([
  "eth_chainId",
  "eth_blockNumber",
  "eth_getBlockByNumber",
  "eth_getBlockByHash",
  "eth_getLogs",
  "eth_call",
  "eth_getCode",
  "eth_getStorageAt",
  "eth_getBalance",
  "eth_getTransactionCount",
  "eth_getTransactionReceipt",
]);

export function isDeciding({ method }: RpcQuestion): boolean {
  return DECIDING.has(method);
}

/** Where each method names its block. */
const BLOCK_AT: Readonly<Record<string, number>> = {
  eth_getBlockByNumber: 0,
  eth_call: 1,
  eth_getCode: 1,
  eth_getBalance: 1,
  eth_getTransactionCount: 1,
  eth_getStorageAt: 2,
};

/**
 * One answer for each call, about which `quorum` of the nodes agree. A node that is some blocks behind does not disagree:
 * what is asked of the newest block is asked again of the newest that so many nodes have. Throws a NodeFault when fewer
 * answer, or no so many agree.
 */
export async function askQuorum(
  nodes: readonly AskedNode[],
  quorum: number,
  questions: readonly RpcQuestion[],
): Promise<RpcAnswer[]> {
  const opinions = await opinionsOf(nodes, quorum, questions);
  return Promise.all(
    questions.map((question, i) => {
      const given = opinions.map(({ host, node, answers }) => ({
        ...{ host, node, answer: answers[i] as RpcAnswer },
      }));
      return agreed(nodes, quorum, question, given);
    }),
  );
}

type Opinions = Omit<Opinion, "answer"> & { readonly answers: readonly RpcAnswer[] };

/** Of as many nodes as are needed, the next being asked where one has no answer; of all of them when there are no more. */
async function opinionsOf(
  nodes: readonly AskedNode[],
  quorum: number,
  questions: readonly RpcQuestion[],
): Promise<readonly Opinions[]> {
  const opinions: Opinions[] = [];
  const faults: unknown[] = [];
  for (let next = 0; opinions.length < quorum && next < nodes.length; ) {
    const asked = nodes.slice(next, next + quorum - opinions.length);
    next += asked.length;
    const answered = await Promise.allSettled(asked.map((node) => node.ask(questions)));
    for (const [i, each] of answered.entries()) {
      const node = asked[i] as AskedNode;
      if (each.status === "fulfilled") {
        opinions.push({ host: node.host, node, answers: each.value });
      } else faults.push(each.reason);
    }
  }
  if (opinions.length >= quorum) return opinions;
  const fault = faults.find((each) => !isNodeFault(each)) ?? faults[0];
  if (!isNodeFault(fault) || fault.nodeFault === "too-large") throw fault;
  throw nodeFault(
    fault.nodeFault,
    `${opinions.length} of ${nodes.length} RPC nodes answer, --rpc-quorum asks for ${quorum}: ${fault.message}`,
    { cause: fault, retryAfterMs: fault.retryAfterMs },
  );
}

/** Of those that have been asked, or of all. */
async function agreed(
  nodes: readonly AskedNode[],
  quorum: number,
  question: RpcQuestion,
  given: readonly Opinion[],
): Promise<RpcAnswer> {
  const { id, method } = question;
  const first = majority(question, given, quorum);
  if (first !== undefined) return { ...first, id };
  const opinions = [...given, ...(await others(nodes, question, given))];
  const found = majority(question, opinions, quorum);
  if (found !== undefined) return { ...found, id };
  // Not agreed yet: who waits for it goes on waiting.
  if (method === "eth_getTransactionReceipt") return { id, result: null };
  if (method === "eth_blockNumber") return { id, result: hex(common(opinions, quorum)) };
  const tag = tagOf(question);
  if (tag !== undefined) {
    const block = hex(await newestOf(nodes, quorum, tag, question, opinions));
    const pinned = withBlock(question, block);
    const [answer] = (await askQuorum(nodes, quorum, [pinned])) as [RpcAnswer];
    return { ...answer, id };
  }
  const answers = opinions.filter(({ answer }) => isAnswer(answer));
  // What too few can answer is for whoever asked to judge: a pruned state, or too many logs.
  if (answers.length < quorum) {
    const failed = opinions.find(({ answer }) => !isAnswer(answer));
    if (failed !== undefined) return { ...failed.answer, id };
  }
  const behind = await hostsBehind(nodes, question);
  if (nodes.length - behind.length < quorum)
    throw nodeFault("disagreement", `${behind.join(", ")} is behind the other RPC nodes`);
  throw nodeFault(
    "disagreement",
    `the RPC nodes disagree about ${subjectOf(question)}: ${sayings(opinions)}`,
  );
}

/** The others' answers, as far as they have any. */
async function others(
  nodes: readonly AskedNode[],
  question: RpcQuestion,
  given: readonly Opinion[],
): Promise<readonly Opinion[]> {
  const left = nodes.filter((node) => !given.some((opinion) => opinion.node === node));
  const asked = await Promise.allSettled(left.map((node) => node.ask([question])));
  return asked.flatMap((each, i) => {
    const node = left[i] as AskedNode;
    if (each.status === "rejected") return [];
    return [{ host: node.host, node, answer: each.value[0] as RpcAnswer }];
  });
}

function majority(
  question: RpcQuestion,
  opinions: readonly Opinion[],
  quorum: number,
): RpcAnswer | undefined {
  const said = Map.groupBy(
    opinions.filter(({ answer }) => isAnswer(answer)),
    ({ answer }) => meaningOf(question, answer),
  );
  return [...said.values()].find((same) => same.length >= quorum)?.[0]?.answer;
}

/** A revert is one; that the node could not do it is none. */
function isAnswer(answer: RpcAnswer): boolean {
  if (!("error" in answer)) return true;
  const { code, message = "", data } = answer.error;
  return code === 3 || /revert/i.test(message) || /^0x[0-9a-f]+$/i.test(String(data));
}

/** What two nodes that know the same say alike, however they spell it. */
function meaningOf({ method }: RpcQuestion, answer: RpcAnswer): string {
  if ("error" in answer) return "reverted";
  const result = answer.result as unknown;
  if (result === null) return "null";
  if (method.startsWith("eth_getBlockBy")) {
    const { hash, number, timestamp } = Object(result);
    return spelled([hash, Number(number), Number(timestamp)]);
  }
  if (method === "eth_getTransactionReceipt") {
    const { transactionHash, blockHash, status, logs } = Object(result);
    return spelled([transactionHash, blockHash, Number(status), logsIn(logs)]);
  }
  if (method === "eth_getLogs") return spelled(logsIn(result));
  if (method === "eth_getTransactionCount" || method === "eth_chainId")
    return String(Number(result));
  if (method === "eth_getBalance") return String(BigInt(String(result)));
  return spelled(result);
}

function logsIn(logs: unknown): unknown {
  if (!Array.isArray(logs)) return logs;
  return logs.map((log) => {
    const { address, topics, data, blockNumber, blockHash, logIndex } = Object(log);
    return [address, topics, data, Number(blockNumber), blockHash, Number(logIndex)];
  });
}

function spelled(value: unknown): string {
  return String(JSON.stringify(value)).toLowerCase();
}

function tagOf(question: RpcQuestion): string | undefined {
  const at = BLOCK_AT[question.method];
  if (at === undefined) return undefined;
  const block = (question.params as readonly unknown[])[at] ?? "latest";
  return typeof block === "string" && !block.startsWith("0x") ? block : undefined;
}

function withBlock(question: RpcQuestion, block: string): RpcQuestion {
  const params = [...(question.params as readonly unknown[])];
  const at = BLOCK_AT[question.method] as number;
  params[at] = block;
  return { ...question, params };
}

/** The newest block with this tag that so many nodes have. `opinions` may be about it already. */
async function newestOf(
  nodes: readonly AskedNode[],
  quorum: number,
  tag: string,
  { id, method }: RpcQuestion,
  opinions: readonly Opinion[],
): Promise<number> {
  const question = {
    id,
    method: "eth_getBlockByNumber",
    params: [tag, false],
    jsonrpc: "2.0",
  } as const;
  const blocks = method === question.method ? opinions : await others(nodes, question, []);
  return common(
    blocks.map((opinion) => {
      const { result } = opinion.answer as Extract<RpcAnswer, { result: unknown }>;
      return { ...opinion, answer: { id, result: Object(result).number } };
    }),
    quorum,
  );
}

/** The greatest number that so many nodes reach. */
function common(opinions: readonly Opinion[], quorum: number): number {
  const numbers = opinions
    .map(({ answer }) => ("error" in answer ? Number.NaN : Number(answer.result ?? Number.NaN)))
    .filter((number) => Number.isSafeInteger(number))
    .sort((a, b) => b - a);
  const number = numbers[quorum - 1];
  if (number === undefined)
    throw nodeFault(
      "disagreement",
      `fewer than ${quorum} RPC nodes name a block: ${sayings(opinions)}`,
    );
  return number;
}

/** Those that do not have the blocks that were asked for. */
async function hostsBehind(
  nodes: readonly AskedNode[],
  { id, method, params }: RpcQuestion,
): Promise<readonly string[]> {
  const [asked] = params as readonly { toBlock?: string }[];
  const at = BLOCK_AT[method];
  const needed = Number(
    method === "eth_getLogs" ? asked?.toBlock : (params as readonly unknown[])[at ?? 0],
  );
  if (!Number.isSafeInteger(needed)) return [];
  const heads = await others(
    nodes,
    { id, method: "eth_blockNumber", params: [], jsonrpc: "2.0" },
    [],
  );
  return heads
    .filter(({ answer }) => !("error" in answer) && Number(answer.result) < needed)
    .map(({ host }) => host);
}

function subjectOf({ method, params }: RpcQuestion): string {
  if (method !== "eth_getLogs") return method;
  const [{ fromBlock, toBlock } = {}] = params as readonly {
    fromBlock?: string;
    toBlock?: string;
  }[];
  return `${method} of the blocks ${Number(fromBlock)} to ${Number(toBlock)}`;
}

const SHOWN_CHARACTERS = 66;

function sayings(opinions: readonly Opinion[]): string {
  return opinions.map(({ host, answer }) => `${host} says ${saying(answer)}`).join(", ");
}

function saying(answer: RpcAnswer): string {
  if ("error" in answer) return `"${answer.error.message}"`;
  const result = answer.result as unknown;
  if (Array.isArray(result)) return `${result.length} logs`;
  const { hash, number } = Object(result);
  if (hash !== undefined) return `${hash} is block ${Number(number)}`;
  const text = String(result);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}
