import {
  type JsonRpcError,
  type JsonRpcPayload,
  JsonRpcProvider,
  type JsonRpcResult,
  type Networkish,
} from "ethers";
import { fetchPaced, type PacedAnswer } from "../paced.ts";
import { isOfForm } from "./forms.ts";
import { isNodeFault, type NodeFault, nodeFault } from "./node-fault.ts";
import { type Answer, askQuorum, isDeciding } from "./quorum.ts";
import { type NodesError, refusalOf } from "./refusals.ts";
import { inRounds, retryAfterIn } from "./rounds.ts";

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

export type NodeOptions = {
  /** So many nodes must agree about what is a fact. */
  readonly quorum?: number | undefined;
  readonly timeoutMs?: number;
};

/**
 * A node, or several in turn: the next is asked when one fails. ethers' own FallbackProvider asks all of them all the time
 * and takes a rate limit for a failure, and viem's fallback knows neither ranges nor refused batches; both lie behind
 * another interface than the contracts' classes use. What is below ethers' is here instead: how one request is brought to
 * its answer. With a `quorum` above one, so many nodes must give it, where it is a fact: FallbackProvider has a quorum too,
 * but takes two nodes of which one is a block behind for two that disagree, and says neither which nor about what.
 */
export class NodeProvider extends JsonRpcProvider {
  readonly #endpoints: readonly Endpoint[];
  readonly #timeoutMs: number;
  readonly #quorum: number;
  #current = 0;

  constructor(
    urls: readonly string[],
    network: Networkish,
    { quorum = 1, timeoutMs = TIMEOUT_MS }: NodeOptions = {},
  ) {
    const distinct = [...new Set(urls)];
    if (quorum < 1 || quorum > distinct.length) throw noSuchQuorum(quorum, distinct.length);
    super(distinct[0], network, {
      staticNetwork: true,
      cacheTimeout: -1,
      // Calls made at once still go as one batch; what is asked one after the other waits for no others.
      batchStallTime: 0,
    });
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

  /** What one call of a batch was answered with is that call's alone. */
  override getRpcError(payload: JsonRpcPayload, answer: JsonRpcError): Error {
    const { message } = answer.error;
    if (refusalOf(payload.method, answer.error) !== "too-large")
      return super.getRpcError(payload, answer);
    return nodeFault("too-large", `${this.hosts.join(", ")}: ${message}`);
  }

  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const payloads = [payload].flat();
    const facts = this.#quorum > 1 ? payloads.filter(isDeciding) : [];
    const others = payloads.filter((each) => !facts.includes(each));
    const answers = await Promise.all([
      facts.length > 0 ? inRounds(() => this.#askSeveral(facts)) : [],
      others.length > 0 ? inRounds(() => this.#askInTurn(others)) : [],
    ]);
    // ethers takes errors here too; only its type of this class does not say so.
    return answers.flat() as JsonRpcResult[];
  }

  /** The first that answers; of what it lacks, the first that has it. */
  async #askInTurn(payloads: readonly JsonRpcPayload[]): Promise<Answer[]> {
    const first = this.#current;
    const answers = new Map<number, Answer>();
    for (let tried = 1; ; tried++) {
      const index = (first + tried - 1) % this.#endpoints.length;
      const endpoint = this.#endpoints[index] as Endpoint;
      const isLast = tried === this.#endpoints.length;
      const asked = payloads.filter((payload) => isLacking(payload, answers.get(payload.id)));
      try {
        for (const answer of await this.#ask(endpoint, asked)) answers.set(answer.id, answer);
        if (isLast || !asked.some((payload) => isLacking(payload, answers.get(payload.id)))) break;
      } catch (error) {
        // What is too large here may not be elsewhere, but then each range would be asked twice.
        if (!isNodeFault(error) || error.nodeFault === "too-large") throw error;
        this.passOver(index);
        if (!isLast) continue;
        if (answers.size < payloads.length) throw error;
        break;
      }
    }
    const given = payloads.map((payload) => answers.get(payload.id) as Answer);
    for (const [i, payload] of payloads.entries())
      refuseBehind(payload, given[i] as Answer, this.hosts);
    return given;
  }

  #askSeveral(payloads: readonly JsonRpcPayload[]): Promise<Answer[]> {
    // Beginning with the one that is asked first: where one was passed over, the others make up the quorum.
    const inTurn = [
      ...this.#endpoints.slice(this.#current),
      ...this.#endpoints.slice(0, this.#current),
    ];
    const nodes = inTurn.map((endpoint) => ({
      host: endpoint.host,
      ask: (some: readonly JsonRpcPayload[]) => this.#ask(endpoint, some),
    }));
    return askQuorum(nodes, this.#quorum, payloads);
  }

  async #ask(endpoint: Endpoint, payloads: readonly JsonRpcPayload[]): Promise<Answer[]> {
    if (payloads.length > 1 && endpoint.takesBatches) {
      const answers = await this.#askAtOnce(endpoint, payloads);
      if (answers !== undefined) return answers;
      endpoint.takesBatches = false;
    }
    const answers: Answer[] = [];
    for (const payload of payloads) answers.push(await this.#askOne(endpoint, payload));
    return answers;
  }

  async #askOne(endpoint: Endpoint, payload: JsonRpcPayload): Promise<Answer> {
    const { status, body } = await this.#post(endpoint, payload);
    return answerIn(body, payload, endpoint.host, status);
  }

  /** Undefined when the node takes no batches. */
  async #askAtOnce(
    endpoint: Endpoint,
    payloads: readonly JsonRpcPayload[],
  ): Promise<Answer[] | undefined> {
    const { status, body } = await this.#post(endpoint, payloads);
    if (!Array.isArray(body)) {
      const error = errorIn(body);
      if (error !== undefined && refusalOf("", error) === "rate-limit")
        throw rateLimit(endpoint.host, error);
      return undefined;
    }
    const byId = new Map(body.map((answer: Answer) => [Object(answer).id, answer]));
    // Some without an answer, or with two: each is asked alone.
    if (byId.size < body.length || payloads.some(({ id }) => !byId.has(id))) return undefined;
    return payloads.map((payload) =>
      answerIn(byId.get(payload.id), payload, endpoint.host, status),
    );
  }

  async #post(
    { url, host, headers }: Endpoint,
    payload: JsonRpcPayload | readonly JsonRpcPayload[],
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const answer = await this.#fetch(url, host, headers, payload);
    const { status, bytes } = answer;
    const isBatch = Array.isArray(payload);
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
    payload: unknown,
  ): Promise<PacedAnswer> {
    try {
      return await fetchPaced(
        url,
        {
          method: "POST",
          headers,
          body: JSON.stringify(payload),
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

function answerIn(body: unknown, payload: JsonRpcPayload, host: string, status: number): Answer {
  const { id, method } = payload;
  const error = errorIn(body);
  if (error !== undefined) {
    const refusal = refusalOf(method, error);
    if (refusal === "rate-limit") throw rateLimit(host, error);
    if (refusal === "timeout") throw nodeFault("timeout", `${host}: ${error.message}`);
    return { id, error } as JsonRpcError;
  }
  const { result, id: of } = Object(body) as { result?: unknown; id?: unknown };
  if (result === undefined) {
    const message = `the RPC node at ${host} answered neither a result nor an error: HTTP ${status}`;
    throw nodeFault("nonsense", message);
  }
  // As of a cache that mixes up what it is asked.
  if (of !== id && of !== String(id))
    throw nodeFault("nonsense", `the RPC node at ${host} answered another question than was asked`);
  if (!isOfForm(payload, result))
    throw nodeFault(
      "nonsense",
      `the RPC node at ${host} answered ${method} with what can be no answer to it`,
    );
  return { id, result };
}

/** Whether another node may have it. */
function isLacking(payload: JsonRpcPayload, answer: Answer | undefined): boolean {
  if (answer === undefined) return true;
  if (!("error" in answer)) return false;
  const refusal = refusalOf(payload.method, answer.error);
  return refusal === "pruned" || refusal === "behind";
}

/** No node has the block yet, and it will come. That there is none of a name, such as «finalized», is an answer. */
function refuseBehind(payload: JsonRpcPayload, answer: Answer, hosts: readonly string[]): void {
  if (!("error" in answer) || payload.method === "eth_getBlockByNumber") return;
  if (refusalOf(payload.method, answer.error) !== "behind") return;
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
    headers.authorization = `Basic ${Buffer.from(pair).toString("base64")}`;
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
