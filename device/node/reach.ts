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
const BACKOFF: Backoff = {
  firstMilliseconds: 1_000,
  // Longer than a gateway takes to come back, and no burden for a host that is none.
  longestMilliseconds: 300_000,
  retries: Number.POSITIVE_INFINITY,
};
/** A gateway that comes back must not meet all its devices in one second. */
const RETURN_MS = 5_000;
/** Gateways ask for a sign of life three times in it: one that is gone says nothing. */
const SILENCE_MS = 90_000;

/** Keeps a connection to every gateway there is, as far as it may. */
export function reachGateways(parts: ReachParts): Reach {
  const { server, log } = parts;
  const links = new Map<
    string,
    { link: Link; readonly end: AbortController; done: Promise<void> }
  >();
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

  /** Those that are there stay: only what was withdrawn is let go. */
  function follow(endpoints: readonly Endpoint[]): void {
    const wanted = new Map(endpoints.map((each) => [`${each.customer} ${each.url}`, each]));
    for (const [name, { end }] of links) if (!wanted.has(name)) end.abort();
    const fresh = [...wanted].filter(([name]) => !links.has(name));
    for (const [name, endpoint] of shuffled(fresh).slice(0, MOST_LINKS - links.size)) {
      const end = new AbortController();
      const entry = { link: linkOf(endpoint, "dialling"), end, done: Promise.resolve() };
      links.set(name, entry);
      entry.done = keep(endpoint, AbortSignal.any([stop.signal, end.signal]), (link) => {
        entry.link = link;
      }).finally(() => links.delete(name));
    }
  }

  async function keep(
    endpoint: Endpoint,
    signal: AbortSignal,
    tell: (link: Link) => void,
  ): Promise<void> {
    const { customer, url } = endpoint;
    while (!signal.aborted) {
      try {
        const socket = await withBackoff(
          () =>
            dial({
              url,
              signal,
              allowPrivate: parts.allowPrivate,
              end: { ...parts.end, customer },
            }),
          parts.backoff ?? BACKOFF,
          {
            signal,
            onFailure(error) {
              if (signal.aborted) return;
              const word = isLinkRefused(error) ? error.word : "unreachable";
              tell({ ...linkOf(endpoint, "waiting"), word, reason: error.message });
              log("warn", "not-connected", { url, customer, word, reason: error.message });
            },
          },
        );
        log("info", "connected", { url, customer });
        await serveOver(socket, endpoint, signal, tell);
        log("info", "disconnected", { url, customer });
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      tell(linkOf(endpoint, "dialling"));
      await sleep(RETURN_MS * Math.random(), undefined, { signal }).catch(ignore);
    }
  }

  /** Until the connection ends. */
  async function serveOver(
    socket: TLSSocket,
    endpoint: Endpoint,
    signal: AbortSignal,
    tell: (link: Link) => void,
  ): Promise<void> {
    const session = begin(socket);
    customers.set(session, endpoint.customer);
    const connected = linkOf(endpoint, "connected");
    tell(connected);
    session.ping((error, milliseconds) => {
      if (error === null) tell({ ...connected, roundTrip: milliseconds });
    });
    session.setTimeout(SILENCE_MS, () => session.destroy());
    session.on("error", ignore);
    const hangUp = () => session.destroy();
    signal.addEventListener("abort", hangUp);
    if (signal.aborted) hangUp();
    if (!session.destroyed) await once(session, "close");
    signal.removeEventListener("abort", hangUp);
  }

  function begin(socket: TLSSocket): ServerHttp2Session {
    let begun: ServerHttp2Session | undefined;
    server.once("session", (session) => {
      begun = session;
    });
    server.emit("connection", socket);
    return begun as unknown as ServerHttp2Session;
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
