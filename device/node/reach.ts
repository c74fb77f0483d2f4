import { once } from "node:events";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { isLinkRefused } from "../link/handshake.ts";
import type { Log } from "../log.ts";
import { type Backoff, withBackoff } from "../oracle-client.ts";
import { type DialParts, dial } from "./dial.ts";

/** A customer's gateway, as the customer published it. */
export type Endpoint = { readonly customer: Address; readonly url: string };

/** How it stands with one gateway. */
export type Link = Endpoint & {
  readonly state: "dialling" | "connected" | "waiting";
  /** Why it is waiting: the word of a refusal, or `unreachable`. */
  readonly word?: string;
  readonly reason?: string;
  /** Unix milliseconds. */
  readonly since: number;
  /** Milliseconds; of a connected one, as soon as it is known. */
  readonly roundTrip?: number;
};

export type ReachParts = {
  /** Answers what gateways ask; it never listens. */
  readonly server: Http2Server;
  /** The endpoints of all customers; asked again and again. */
  readonly endpoints: () => Promise<readonly Endpoint[]>;
  readonly end: Omit<DialParts["end"], "customer">;
  readonly allowPrivate: boolean;
  readonly everyMilliseconds?: number | undefined;
  readonly backoff?: Backoff | undefined;
  readonly lastingMilliseconds?: number | undefined;
  readonly log: Log;
};

export type Reach = {
  links(): readonly Link[];
  /** Whose gateway is at the other end of a connection. */
  customerAt(session: object | undefined): Address | undefined;
  close(): Promise<void>;
};

/** Customers come and go with epochs, which last hours. */
const LOOK_MS = 60_000;
/** A home router keeps track of some thousand connections; a device earns from a few. */
const MOST_LINKS = 32;
/** Then another may have its place. */
const MOST_FAILURES = 4;
const BACKOFF: Backoff = {
  firstMilliseconds: 1_000,
  // Longer than a gateway takes to come back, and no burden for a host that is none.
  longestMilliseconds: 300_000,
  retries: Number.POSITIVE_INFINITY,
};
/** A connection that ended sooner counts as one that did not come about. */
const LASTING_MS = 30_000;
/** A gateway that comes back must not meet all its devices in one second. */
const RETURN_MS = 5_000;
/** Gateways ask for a sign of life three times in it: one that is gone says nothing. */
const SILENCE_MS = 90_000;

type Kept = {
  link: Link;
  /** In a row. */
  failures: number;
  readonly end: AbortController;
  done: Promise<void>;
};

/** Keeps a connection to every gateway there is, as far as it may. */
export function reachGateways(parts: ReachParts): Reach {
  const { server, log } = parts;
  const links = new Map<string, Kept>();
  const customers = new WeakMap<object, Address>();
  const stop = new AbortController();
  const running = look();

  async function look(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        follow(await parts.endpoints());
      } catch (error) {
        log("warn", "no-customers", { reason: (error as Error).message });
      }
      const pause = (parts.everyMilliseconds ?? LOOK_MS) * (1 + Math.random() / 4);
      await sleep(pause, undefined, { signal: stop.signal }).catch(ignore);
    }
  }

  /**
   * Those that are there stay: only what was withdrawn is let go, and for others what could not be reached again and again,
   * or one oracle that names hosts without end would take all places.
   */
  function follow(endpoints: readonly Endpoint[]): void {
    const wanted = new Map(endpoints.map((each) => [`${each.customer} ${each.url}`, each]));
    for (const [name, { end }] of links) if (!wanted.has(name)) end.abort();
    const fresh = shuffled([...wanted].filter(([name]) => !links.has(name)));
    const lost = [...links.values()].filter(
      ({ failures, link }) => failures >= MOST_FAILURES && link.state !== "connected",
    );
    const missing = Math.max(0, fresh.length - (MOST_LINKS - links.size));
    for (const { end } of shuffled(lost).slice(0, missing)) end.abort();
    for (const [name, endpoint] of fresh.slice(0, Math.max(0, MOST_LINKS - links.size)))
      begin(name, endpoint);
  }

  function begin(name: string, endpoint: Endpoint): void {
    const end = new AbortController();
    const signal = AbortSignal.any([stop.signal, end.signal]);
    const kept: Kept = {
      link: linkOf(endpoint, "dialling"),
      failures: 0,
      end,
      done: Promise.resolve(),
    };
    links.set(name, kept);
    kept.done = keep(endpoint, signal, kept).finally(() => links.delete(name));
  }

  async function keep(endpoint: Endpoint, signal: AbortSignal, kept: Kept): Promise<void> {
    const { customer, url } = endpoint;
    const end = { ...parts.end, customer };
    const failed = (error: Error) => {
      if (signal.aborted) return;
      const word = isLinkRefused(error) ? error.word : "unreachable";
      kept.failures += 1;
      kept.link = { ...linkOf(endpoint, "waiting"), word, reason: error.message };
      log("warn", "not-connected", { url, customer, word, reason: error.message });
    };
    /** Throws as well when the connection did not last: who hangs up again and again is no better than who is not there. */
    async function connect(): Promise<void> {
      const socket = await dial({ url, signal, allowPrivate: parts.allowPrivate, end });
      const began = performance.now();
      log("info", "connected", { url, customer });
      await serveOver(socket, endpoint, signal, kept);
      log("info", "disconnected", { url, customer });
      const lasted = performance.now() - began;
      if (!signal.aborted && lasted < (parts.lastingMilliseconds ?? LASTING_MS))
        throw new Error(`the connection ended after ${Math.round(lasted)} ms`);
    }
    while (!signal.aborted) {
      try {
        // What is no network's error would else end the trying.
        await withBackoff(() => connect().catch(asError), parts.backoff ?? BACKOFF, {
          ...{ signal, onFailure: failed },
        });
        kept.failures = 0;
        kept.link = linkOf(endpoint, "dialling");
      } catch (error) {
        failed(error as Error);
      }
      await sleep(RETURN_MS * Math.random(), undefined, { signal }).catch(ignore);
    }
  }

  /** Until the connection ends. */
  async function serveOver(
    socket: TLSSocket,
    endpoint: Endpoint,
    signal: AbortSignal,
    kept: Kept,
  ): Promise<void> {
    const session = serverSession(socket);
    customers.set(session, endpoint.customer);
    const connected = linkOf(endpoint, "connected");
    kept.link = connected;
    session.ping((error, milliseconds) => {
      if (error === null && kept.link === connected)
        kept.link = { ...connected, roundTrip: milliseconds };
    });
    session.setTimeout(SILENCE_MS, () => session.destroy());
    session.on("error", ignore);
    const hangUp = () => session.destroy();
    signal.addEventListener("abort", hangUp);
    if (signal.aborted) hangUp();
    if (!session.destroyed) await once(session, "close");
    signal.removeEventListener("abort", hangUp);
  }

  /** Throws when the socket ended before. */
  function serverSession(socket: TLSSocket): ServerHttp2Session {
    let begun: ServerHttp2Session | undefined;
    const take = (session: ServerHttp2Session) => {
      begun = session;
    };
    server.once("session", take);
    server.emit("connection", socket);
    server.off("session", take);
    if (begun === undefined) throw new Error("the connection ended at once");
    return begun;
  }

  return {
    links: () => [...links.values()].map(({ link }) => link),
    customerAt: (session) => session && customers.get(session),
    async close() {
      stop.abort();
      await running;
      await Promise.all([...links.values()].map(({ done }) => done));
    },
  };
}

function linkOf(endpoint: Endpoint, state: Link["state"]): Link {
  return { ...endpoint, state, since: Date.now() };
}

/** Of more than a device may keep, each device takes others. */
function shuffled<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const ignore = () => undefined;

/** A TypeError would be taken for a fault of ours that no trying again mends. */
function asError(error: unknown): never {
  if (isLinkRefused(error)) throw error;
  throw new Error((error as Error).message, { cause: error });
}
