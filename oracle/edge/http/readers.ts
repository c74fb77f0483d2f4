import { setTimeout as sleep } from "node:timers/promises";
import { refuse } from "@link-rewards/core/encoding/refusal";
import { networkOf } from "@link-rewards/host/network";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { refusalError } from "./refusals.ts";
import { isOpenToAll } from "./senders.ts";

/**
 * A point is about a tenth of a millisecond of the only thread: a plain answer. As many in ten seconds are a few hundredths
 * of a core for each address, more than a page, an audit or a building full of devices asks for.
 */
const POINTS = 3_000;
const WINDOW_SECONDS = 10;
/** An answer that is held back costs nothing, and a flood waits for its answers. */
const HELD_BACK_MS = 1_000;
/** Each metric is written out anew; of a customer's standing, some bundles and the node are asked. */
const POINTS_OF: Readonly<Record<string, number>> = {
  "/metrics": 300,
  "/v1/customers/:customer": 30,
};
/** Whoever says he is a member has his signature checked, here and at once. */
const POINTS_OF_A_MEMBER = 10;
/** What an answer in one piece takes to be written out. */
const BYTES_A_POINT = 16 * 1024;
/** A file is handed on as it is read. */
const FILE_BYTES_A_POINT = 256 * 1024;
/** Looking up a thousand receipts and putting them together. */
const POINTS_OF_A_PAGE = 30;
/** What is many pages, as all receipts of an epoch: one for an address, and so many in all, or their memory had no bound. */
const MOST_STREAMS = 8;
/** Who reads slower, after a start in which nothing is asked, keeps others from it. */
const LEAST_STREAM_BYTES_PER_SECOND = 64 * 1024;
const STREAM_GRACE_MS = 10_000;
/** After each page, for so many times as long as it took, none of any reader: others have most of the only thread. */
const REST_AFTER_A_PAGE = 3;
/** What takes longer waits for a database, and takes nothing of the thread. */
const MAX_TURN_MS = 20;
/**
 * What has points of its own, and is answered also when they are spent, only later: a probe's answer decides whether the
 * process lives, and a member is known by its signature, whoever else is behind its address.
 */
const OWN_POINTS: ReadonlyMap<unknown, "probe" | "member"> = new Map([
  ["/livez", "probe"],
  ["/readyz", "probe"],
  ["/v1/attestations", "member"],
  ["/v1/reviews", "member"],
  ["/v1/arrivals/receipts", "member"],
  ["/v1/arrivals/vouchers", "member"],
] as const);

export type Readers = {
  /** Pages for this reader, if it and all others may have one more stream; refuses when not. */
  stream(
    request: FastifyRequest,
    reply: FastifyReply,
    pages: AsyncIterable<Uint8Array>,
  ): AsyncIterable<Uint8Array>;
};

/** What may be read by everybody may be read as often as costs no one else his answer. */
export function limitReaders(app: FastifyInstance, points = POINTS): Readers {
  const limiter = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
  const streaming = new Set<string>();
  const kindOf = ({ routeOptions }: FastifyRequest) => OWN_POINTS.get(routeOptions.url) ?? "read";
  const purseOf = (request: FastifyRequest) => `${kindOf(request)} ${networkOf(request.ip)}`;
  const charge = (request: FastifyRequest, amount: number) =>
    void limiter.penalty(purseOf(request), amount);

  const costOf = (request: FastifyRequest) => {
    if (kindOf(request) === "member") return POINTS_OF_A_MEMBER;
    return POINTS_OF[request.routeOptions.url ?? ""] ?? 1;
  };

  app.addHook("onRequest", async (request) => {
    if (isOpenToAll(request)) return;
    const spent = await limiter.get(purseOf(request));
    if (spent !== null && spent.consumedPoints >= points) {
      // Stretched by chance: all that were held back together would else come back together.
      await sleep(HELD_BACK_MS * (1 + Math.random()));
      if (kindOf(request) === "read") {
        const message = `${request.ip} has read as much as one address may in ${WINDOW_SECONDS} seconds; wait for the next`;
        throw refusalError(503, refuse("busy", message));
      }
    }
    // Before the answer: many at once would else each find nothing spent.
    charge(request, costOf(request));
  });
  app.addHook("onSend", async (request, reply, payload) => {
    if (isOpenToAll(request) || kindOf(request) !== "read" || request.method === "HEAD") return;
    const isWhole = typeof payload === "string" || payload instanceof Uint8Array;
    const bytes = isWhole ? payload.length : Number(reply.getHeader("content-length") ?? 0);
    const dear = Math.floor(bytes / (isWhole ? BYTES_A_POINT : FILE_BYTES_A_POINT));
    if (dear > 0) charge(request, dear);
  });

  /** One page at a time, of whichever reader: a page of each in every turn of the event loop would leave others little. */
  let turn: Promise<unknown> = Promise.resolve();
  async function* inTurn(pages: AsyncIterable<Uint8Array>) {
    const iterator = pages[Symbol.asyncIterator]();
    const restAfter = async (page: Promise<unknown>) => {
      const began = performance.now();
      const late = new AbortController();
      const { signal } = late;
      await Promise.race([page, sleep(MAX_TURN_MS, undefined, { signal })]).catch(() => undefined);
      late.abort();
      await sleep(REST_AFTER_A_PAGE * (performance.now() - began));
    };
    try {
      for (;;) {
        const page = turn.then(() => iterator.next());
        turn = turn.then(() => restAfter(page));
        const { done, value } = await page;
        if (done === true) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  async function* paced(request: FastifyRequest, pages: AsyncIterable<Uint8Array>) {
    const began = performance.now();
    let sent = 0;
    for await (const page of inTurn(pages)) {
      charge(request, POINTS_OF_A_PAGE);
      yield page;
      sent += page.length;
      const seconds = (performance.now() - began - STREAM_GRACE_MS) / 1_000;
      if (sent < seconds * LEAST_STREAM_BYTES_PER_SECOND) throw new Error("read too slowly");
    }
  }

  return {
    stream(request, reply, pages) {
      const key = networkOf(request.ip);
      if (streaming.has(key) || streaming.size >= MOST_STREAMS) {
        const message = streaming.has(key)
          ? `${request.ip} is reading a long answer already`
          : `${MOST_STREAMS} are reading a long answer already`;
        throw refusalError(503, refuse("busy", message));
      }
      // Its end was told already, and nothing would give the place back.
      if (reply.raw.destroyed) throw refusalError(503, refuse("busy", "the connection is gone"));
      streaming.add(key);
      const { socket } = request.raw;
      const cutOff = () => socket.destroy();
      const before = socket.timeout ?? 0;
      reply.raw.once("close", () => streaming.delete(key));
      // The connection may go on to another request, and is then as it was. Before the server sets how long it may idle.
      reply.raw.prependOnceListener("finish", () =>
        socket.off("timeout", cutOff).setTimeout(before),
      );
      // One that takes nothing at all is cut off, or it would hold its place as long as it likes.
      socket.once("timeout", cutOff).setTimeout(STREAM_GRACE_MS);
      return paced(request, pages);
    },
  };
}
