import { setTimeout as sleep } from "node:timers/promises";
import {
  type JsonRpcError,
  type JsonRpcPayload,
  JsonRpcProvider,
  type JsonRpcResult,
  type Networkish,
} from "ethers";
import { isNodeFault, type NodeFault, nodeFault } from "./node-fault.ts";
import { type Answer, askQuorum, isDeciding } from "./quorum.ts";

/** One request must not hang a cron job: a node that does not answer in this time is down. */
const TIMEOUT_MS = 30_000;
/** Rounds through all nodes before a request fails; a hanging node ends a program after so many timeouts. */
const ROUNDS = 4;
const TIMEOUT_ROUNDS = 2;
const FIRST_WAIT_MS = 250;
/** Also of what a node asks for by Retry-After: a program that waits longer looks dead. */
const LONGEST_WAIT_MS = 15_000;
/** Rate limits are refilled in seconds, so they are waited for longer than what does not come back. */
const RATE_LIMIT_WAIT_MS = 1_000;

/** Of logs, by geth, Erigon, Nethermind, Alchemy, Infura, QuickNode, Ankr and their like; before the rate limits, of which -32005 is both. */
const TOO_LARGE =
  /more than \d+ (results|logs)|(query|block|log)s?[\s_-]*(returned|range).*(more|large|exceed|limit|wide|big)|(range|result|response|log).*(too (large|big|wide|many)|exceed|limited to|is limited)|exceed.*(range|block|results|logs)|too many (results|logs|blocks)|maximum.*(range|blocks)|max (block )?range|limit.*block.*range|query timeout|response size|query exceeds|block range/i;
const RATE_LIMITED =
  /rate[\s_-]?limit|too many requests|request(s)? (limit|rate)|limit.*(requests|per second|exceeded)|(capacity|quota|throughput|compute units).*(exceed|limit)|exceeded.*(capacity|quota|compute units|limit)|throttl|try again (later|in)|-32005|\b429\b/i;

/** Says something about the call or transaction, such as "gas limit exceeded", whatever else its words are like. */
const ABOUT_THE_CALL = /revert|gas|nonce|fee|fund|balance/i;

type NodesError = { readonly code: number; readonly message: string; readonly data?: unknown };

function isTooLarge(method: string, message: string): boolean {
  return method === "eth_getLogs" && TOO_LARGE.test(message);
}

function isRateLimit({ code, message }: NodesError): boolean {
  if (code === -32005 || code === 429) return true;
  return !ABOUT_THE_CALL.test(message) && RATE_LIMITED.test(message);
}

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
    const { message = "" } = answer.error;
    if (!isTooLarge(payload.method, message)) return super.getRpcError(payload, answer);
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

  /** The first that answers. */
  async #askInTurn(payloads: readonly JsonRpcPayload[]): Promise<Answer[]> {
    for (let tried = 1; ; tried++) {
      const endpoint = this.#endpoints[this.#current] as Endpoint;
      try {
        return await this.#ask(endpoint, payloads);
      } catch (error) {
        // What is too large here may not be elsewhere, but then each range would be asked twice.
        if (!isNodeFault(error) || error.nodeFault === "too-large") throw error;
        this.#current = (this.#current + 1) % this.#endpoints.length;
        if (tried === this.#endpoints.length) throw error;
      }
    }
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
      const { error } = Object(body) as { error?: NodesError };
      if (error && isRateLimit(error)) throw rateLimit(endpoint.host, error);
      return undefined;
    }
    const byId = new Map(body.map((answer: Answer) => [Object(answer).id, answer]));
    if (payloads.some(({ id }) => !byId.has(id))) return undefined;
    return payloads.map((payload) =>
      answerIn(byId.get(payload.id), payload, endpoint.host, status),
    );
  }

  async #post({ url, host, headers }: Endpoint, payload: unknown) {
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method: "POST",
        headers,
        body: JSON.stringify(payload),
        // For the whole answer: one that comes a byte a second is none either.
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      text = await response.text();
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
    const { status } = response;
    if (status === 429) {
      const retryAfterMs = retryAfterIn(response.headers.get("retry-after"));
      const message = `the RPC node at ${host} limits the rate of requests (HTTP 429)`;
      throw nodeFault("rate-limit", message, { retryAfterMs });
    }
    if (status === 413) throw nodeFault("too-large", `${host}: HTTP 413`);
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch (cause) {
      // Of a proxy before the node that has none to ask, or asks for patience.
      if (status === 503 || status === 502 || status === 504) {
        const retryAfterMs = retryAfterIn(response.headers.get("retry-after"));
        throw nodeFault("rate-limit", `the RPC node at ${host} is not available (HTTP ${status})`, {
          retryAfterMs,
        });
      }
      if (Array.isArray(payload) && status >= 400) return { status, body: undefined };
      const message = `what answers at ${host} is no RPC node: HTTP ${status}, not JSON`;
      throw nodeFault("nonsense", message, { cause });
    }
    if (status === 503) {
      const retryAfterMs = retryAfterIn(response.headers.get("retry-after"));
      throw nodeFault("rate-limit", `the RPC node at ${host} is not available (HTTP 503)`, {
        retryAfterMs,
      });
    }
    return { status, body };
  }
}

/** A Misuse, as host/program.ts has it. */
function noSuchQuorum(quorum: number, nodes: number): Error {
  const message = `--rpc-quorum is ${quorum}, with ${nodes} different --rpc: it must be from 1 to their number`;
  return Object.assign(new Error(message), { misuse: true as const });
}

/** Asks again, after a while, as long as it may help. */
async function inRounds<T>(ask: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round++) {
    try {
      return await ask();
    } catch (error) {
      if (!isNodeFault(error) || error.nodeFault === "too-large") throw error;
      const rounds = error.nodeFault === "timeout" ? TIMEOUT_ROUNDS : ROUNDS;
      if (round >= rounds) throw error;
      await sleep(waitAfter(error, round));
    }
  }
}

function rateLimit(host: string, { message }: NodesError): NodeFault {
  return nodeFault("rate-limit", `${host} limits the rate of requests: ${message}`);
}

function answerIn(
  body: unknown,
  { id, method }: JsonRpcPayload,
  host: string,
  status: number,
): Answer {
  const { error, result } = Object(body) as { error?: NodesError; result?: unknown };
  if (error && typeof error.message === "string") {
    if (!isTooLarge(method, error.message) && isRateLimit(error)) throw rateLimit(host, error);
    return { id, error: { code: error.code, message: error.message, data: error.data } };
  }
  if (result === undefined) {
    const message = `the RPC node at ${host} answered neither a result nor an error: HTTP ${status}`;
    throw nodeFault("nonsense", message);
  }
  return { id, result };
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

function waitAfter({ nodeFault: kind, retryAfterMs }: NodeFault, round: number): number {
  const first = kind === "rate-limit" ? RATE_LIMIT_WAIT_MS : FIRST_WAIT_MS;
  return Math.min(LONGEST_WAIT_MS, retryAfterMs ?? first * 2 ** (round - 1));
}

/** Seconds, or a date. */
function retryAfterIn(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** fetch says "fetch failed"; why is in its cause. */
function causeOf(error: unknown): string {
  const { cause, message } = error as Error;
  const inner = cause as (Error & { code?: string }) | undefined;
  return inner?.code ?? inner?.message ?? message;
}
