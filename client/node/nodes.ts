import { isOfForm } from "./forms.ts";
import { isNodeFault, type NodeFault, nodeFault } from "./node-fault.ts";
import { fetchPaced, type PacedAnswer } from "./paced.ts";
import { askQuorum, isDeciding } from "./quorum.ts";
import { type NodesError, refusalOf } from "./refusals.ts";
import { inRounds, retryAfterIn } from "./rounds.ts";
import type { RpcAnswer, RpcQuestion } from "./rpc.ts";

/** One request must not hang a cron job: a node that does not answer in this time is down. */
const TIMEOUT_MS = 30_000;
/**
 * Of one answer, also once it is unpacked: as many logs as three full blocks can have. A range with more is asked for in
 * parts, and all else is smaller by far.
 */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Of a node's own words: enough to find them in its documentation. */
const SHOWN_CHARACTERS = 500;

type Endpoint = {
  readonly url: string;
  readonly host: string;
  readonly headers: Record<string, string>;
  /** Learnt from a refusal. */
  takesBatches: boolean;
};

export type NodesOptions = {
  /** So many nodes must agree about what is a fact. */
  readonly quorum?: number | undefined;
  readonly timeoutMs?: number;
};

/**
 * RPC nodes, by the URLs of one or several: the next is asked when one fails. ethers' own FallbackProvider asks all of them
 * all the time and takes a rate limit for a failure, and viem's fallback knows neither ranges nor refused batches. With a
 * `quorum` above one, so many nodes must give an answer, where it is a fact: FallbackProvider has a quorum too, but takes two
 * nodes of which one is a block behind for two that disagree, and says neither which nor about what.
 */
export class Nodes {
  readonly #endpoints: readonly Endpoint[];
  readonly #timeoutMs: number;
  readonly #quorum: number;
  #current = 0;

  constructor(urls: readonly string[], { quorum = 1, timeoutMs = TIMEOUT_MS }: NodesOptions = {}) {
    const distinct = [...new Set(urls)];
    if (quorum < 1 || quorum > distinct.length) throw noSuchQuorum(quorum, distinct.length);
    this.#endpoints = distinct.map(endpointOf);
    this.#timeoutMs = timeoutMs;
    this.#quorum = quorum;
  }

  /** Never their whole URLs, which may hold a key. */
  get hosts(): readonly string[] {
    return this.#endpoints.map(({ host }) => host);
  }

  /** Whom requests go to first, of `hosts`. */
  get current(): number {
    return this.#current;
  }

  /** What that one says is not to be acted on: the next is asked first, unless it is already. */
  passOver(index: number): void {
    if (this.#current === index) this.#current = (index + 1) % this.#endpoints.length;
  }

  /**
   * One answer for each question, in any order. Throws a NodeFault when there is none; that a node refuses one question is
   * an answer.
   */
  async ask(questions: readonly RpcQuestion[]): Promise<RpcAnswer[]> {
    const facts = this.#quorum > 1 ? questions.filter(isDeciding) : [];
    const others = questions.filter((each) => !facts.includes(each));
    const answers = await Promise.all([
      facts.length > 0 ? inRounds(() => this.#askSeveral(facts)) : [],
      others.length > 0 ? inRounds(() => this.#askInTurn(others)) : [],
    ]);
    return answers.flat();
  }

  /** The first that answers; of what it lacks, the first that has it. */
  async #askInTurn(questions: readonly RpcQuestion[]): Promise<RpcAnswer[]> {
    const first = this.#current;
    const answers = new Map<number, RpcAnswer>();
    for (let tried = 1; ; tried++) {
      const index = (first + tried - 1) % this.#endpoints.length;
      const endpoint = this.#endpoints[index] as Endpoint;
      const isLast = tried === this.#endpoints.length;
      const asked = questions.filter((question) => isLacking(question, answers.get(question.id)));
      try {
        for (const answer of await this.#ask(endpoint, asked)) answers.set(answer.id, answer);
        if (isLast || !asked.some((question) => isLacking(question, answers.get(question.id))))
          break;
      } catch (error) {
        // What is too large here may not be elsewhere, but then each range would be asked twice.
        if (!isNodeFault(error) || error.nodeFault === "too-large") throw error;
        this.passOver(index);
        if (!isLast) continue;
        if (answers.size < questions.length) throw error;
        break;
      }
    }
    const given = questions.map((question) => answers.get(question.id) as RpcAnswer);
    for (const [i, question] of questions.entries())
      refuseBehind(question, given[i] as RpcAnswer, this.hosts);
    return given;
  }

  #askSeveral(questions: readonly RpcQuestion[]): Promise<RpcAnswer[]> {
    // Beginning with the one that is asked first: where one was passed over, the others make up the quorum.
    const inTurn = [
      ...this.#endpoints.slice(this.#current),
      ...this.#endpoints.slice(0, this.#current),
    ];
    const nodes = inTurn.map((endpoint) => ({
      host: endpoint.host,
      ask: (some: readonly RpcQuestion[]) => this.#ask(endpoint, some),
    }));
    return askQuorum(nodes, this.#quorum, questions);
  }

  async #ask(endpoint: Endpoint, questions: readonly RpcQuestion[]): Promise<RpcAnswer[]> {
    if (questions.length > 1 && endpoint.takesBatches) {
      const answers = await this.#askAtOnce(endpoint, questions);
      if (answers !== undefined) return answers;
      endpoint.takesBatches = false;
    }
    const answers: RpcAnswer[] = [];
    for (const question of questions) answers.push(await this.#askOne(endpoint, question));
    return answers;
  }

  async #askOne(endpoint: Endpoint, question: RpcQuestion): Promise<RpcAnswer> {
    const { status, body } = await this.#post(endpoint, question);
    return answerIn(body, question, endpoint.host, status);
  }

  /** Undefined when the node takes no batches. */
  async #askAtOnce(
    endpoint: Endpoint,
    questions: readonly RpcQuestion[],
  ): Promise<RpcAnswer[] | undefined> {
    const { status, body } = await this.#post(endpoint, questions);
    if (!Array.isArray(body)) {
      const error = errorIn(body);
      if (error !== undefined && refusalOf("", error) === "rate-limit")
        throw rateLimit(endpoint.host, error);
      return undefined;
    }
    const byId = new Map(body.map((answer: RpcAnswer) => [Object(answer).id, answer]));
    // Some without an answer, or with two: each is asked alone.
    if (byId.size < body.length || questions.some(({ id }) => !byId.has(id))) return undefined;
    return questions.map((question) =>
      answerIn(byId.get(question.id), question, endpoint.host, status),
    );
  }

  async #post(
    { url, host, headers }: Endpoint,
    question: RpcQuestion | readonly RpcQuestion[],
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const answer = await this.#fetch(url, host, headers, question);
    const { status, bytes } = answer;
    const isBatch = Array.isArray(question);
    const unavailable = (what: string) => {
      const retryAfterMs = retryAfterIn(answer.headers.get("retry-after"), Date.now());
      return nodeFault("rate-limit", `the RPC node at ${host} ${what} (HTTP ${status})`, {
        retryAfterMs,
      });
    };
    if (status === 429) throw unavailable("limits the rate of requests");
    if (status === 503) throw unavailable("is not available");
    if (status === 413 || bytes === undefined) {
      if (isBatch) return { status, body: undefined };
      const size = bytes === undefined ? `more than ${MAX_ANSWER_BYTES} bytes` : `HTTP ${status}`;
      throw nodeFault("too-large", `the RPC node at ${host} answered ${size}`);
    }
    const redirected = redirectIn(answer);
    if (redirected !== undefined) throw nodeFault("nonsense", `${host} ${redirected}`);
    try {
      return { status, body: JSON.parse(new TextDecoder().decode(bytes)) };
    } catch (cause) {
      // Of a proxy before the node that has none to ask.
      if (status === 502 || status === 504) throw unavailable("is not available");
      if (isBatch && status >= 400) return { status, body: undefined };
      const message = `what answers at ${host} is no RPC node: HTTP ${status}, not JSON`;
      throw nodeFault("nonsense", message, { cause });
    }
  }

  async #fetch(
    url: string,
    host: string,
    headers: Endpoint["headers"],
    question: unknown,
  ): Promise<PacedAnswer> {
    try {
      return await fetchPaced(
        url,
        {
          method: "POST",
          headers,
          body: JSON.stringify(question),
          // For the whole answer: one that comes a byte a second is none either.
          signal: AbortSignal.timeout(this.#timeoutMs),
        },
        { maxBytes: () => MAX_ANSWER_BYTES },
      );
    } catch (cause) {
      if ((cause as Error).name === "TimeoutError") {
        const message = `the RPC node at ${host} gave no answer within ${this.#timeoutMs} ms`;
        throw nodeFault("timeout", message, { cause });
      }
      const reason = causeOf(cause);
      throw nodeFault("unreachable", `the RPC node at ${host} cannot be reached: ${reason}`, {
        cause,
      });
    }
  }
}

/** Undefined when it is none. Another host is not asked what this one was to be: with it, it would see the key. */
function redirectIn({ status, headers }: PacedAnswer): string | undefined {
  if (status < 300 || status >= 400) return undefined;
  const location = headers.get("location") ?? "";
  const to = URL.canParse(location) ? new URL(location).host : "elsewhere";
  return `redirects to ${to} (HTTP ${status}): give that URL as --rpc, where it is the right one`;
}

/** A Misuse, as host/program.ts has it. */
function noSuchQuorum(quorum: number, nodes: number): Error {
  const message = `--rpc-quorum is ${quorum}, with ${nodes} different --rpc: it must be from 1 to their number`;
  return Object.assign(new Error(message), { misuse: true as const });
}

function rateLimit(host: string, { message }: NodesError): NodeFault {
  return nodeFault("rate-limit", `${host} limits the rate of requests: ${message}`);
}

/** With words in any case, and not too many: what it says ends in a log. Undefined when the node gave none. */
function errorIn(body: unknown): Required<NodesError> | undefined {
  const { error } = Object(body) as { error?: unknown };
  if (error === undefined || error === null) return undefined;
  const { code, message, data } = Object(error) as NodesError;
  const said = typeof message === "string" ? message : spelled(error);
  return {
    code: typeof code === "number" || typeof code === "string" ? Number(code) || 0 : 0,
    message: said.length > SHOWN_CHARACTERS ? `${said.slice(0, SHOWN_CHARACTERS)}…` : said,
    data: revertIn(data),
  };
}

/** Some nodes wrap it once; deeper nothing is looked for, since what is nested without end has no bottom. */
function revertIn(data: unknown): unknown {
  if (typeof data === "string") return data;
  const { data: wrapped, message } = Object(data) as NodesError;
  return typeof wrapped === "string"
    ? { data: wrapped, message: typeof message === "string" ? message : "" }
    : undefined;
}

function spelled(value: unknown): string {
  try {
    return String(JSON.stringify(value));
  } catch {
    return "an error of no form";
  }
}

function answerIn(body: unknown, question: RpcQuestion, host: string, status: number): RpcAnswer {
  const { id, method } = question;
  const error = errorIn(body);
  if (error !== undefined) {
    const refusal = refusalOf(method, error);
    if (refusal === "rate-limit") throw rateLimit(host, error);
    if (refusal === "timeout") throw nodeFault("timeout", `${host}: ${error.message}`);
    return { id, error } as RpcAnswer;
  }
  const { result, id: of } = Object(body) as { result?: unknown; id?: unknown };
  if (result === undefined) {
    const message = `the RPC node at ${host} answered neither a result nor an error: HTTP ${status}`;
    throw nodeFault("nonsense", message);
  }
  // As of a cache that mixes up what it is asked.
  if (of !== id && of !== String(id))
    throw nodeFault("nonsense", `the RPC node at ${host} answered another question than was asked`);
  if (!isOfForm(question, result))
    throw nodeFault(
      "nonsense",
      `the RPC node at ${host} answered ${method} with what can be no answer to it`,
    );
  return { id, result };
}

/** Whether another node may have it. */
function isLacking(question: RpcQuestion, answer: RpcAnswer | undefined): boolean {
  if (answer === undefined) return true;
  if (!("error" in answer)) return false;
  const refusal = refusalOf(question.method, answer.error);
  return refusal === "pruned" || refusal === "behind";
}

/** No node has the block yet, and it will come. That there is none of a name, such as «finalized», is an answer. */
function refuseBehind(question: RpcQuestion, answer: RpcAnswer, hosts: readonly string[]): void {
  if (!("error" in answer) || question.method === "eth_getBlockByNumber") return;
  if (refusalOf(question.method, answer.error) !== "behind") return;
  throw nodeFault(
    "behind",
    `${hosts.join(", ")} does not have the block that is asked about: ${answer.error.message}`,
  );
}

function endpointOf(url: string): Endpoint {
  const parsed = new URL(url);
  const headers: Record<string, string> = { "content-type": "application/json" };
  const { username, password } = parsed;
  // fetch takes none in the URL.
  if (username !== "" || password !== "") {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    headers.authorization = `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(pair)))}`;
    parsed.username = "";
    parsed.password = "";
  }
  return { url: parsed.href, host: parsed.host, headers, takesBatches: true };
}

/** fetch says "fetch failed"; why is in its cause. */
function causeOf(error: unknown): string {
  const { cause, message } = error as Error;
  const inner = cause as (Error & { code?: string }) | undefined;
  return inner?.code ?? inner?.message ?? message;
}
