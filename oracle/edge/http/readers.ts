import { setTimeout as sleep } from "node:timers/promises";
import { refuse } from "@link-rewards/core/encoding/refusal";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { refusalError } from "./refusals.ts";
import { keyOf } from "./senders.ts";

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
  "/metrics": 30,
  "/v1/customers/:customer": 30,
};
/** What an answer in one piece takes to be written out. */
const BYTES_A_POINT = 16 * 1024;
/** A file is handed on as it is read. */
const FILE_BYTES_A_POINT = 256 * 1024;
/** Looking up a thousand receipts and putting them together. */
const POINTS_OF_A_PAGE = 30;
/** All receipts of an epoch are many pages: one for an address, and so many in all, or their memory had no bound. */
const MOST_STREAMS = 8;
/** Who reads slower, after a start in which nothing is asked, keeps others from it. */
const LEAST_STREAM_BYTES_PER_SECOND = 64 * 1024;
const STREAM_GRACE_MS = 10_000;
/** Probes and members: the ones cost nothing, the others are known by their signature. */
const FREE: readonly unknown[] = [
  "/livez",
  "/readyz",
  "/v1/arrivals/receipts",
  "/v1/arrivals/vouchers",
];

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
  const charge = (ip: string, amount: number) => void limiter.penalty(keyOf(ip), amount);
  const isRead = ({ method, routeOptions }: FastifyRequest) =>
    method !== "POST" && !FREE.includes(routeOptions.url);

  app.addHook("onRequest", async (request) => {
    if (!isRead(request)) return;
    const { ip } = request;
    const spent = await limiter.get(keyOf(ip));
    if (spent !== null && spent.consumedPoints >= points) {
      // Stretched by chance: all that were held back together would else come back together.
      await sleep(HELD_BACK_MS * (1 + Math.random()));
      const message = `${ip} has read as much as one address may in ${WINDOW_SECONDS} seconds; wait for the next`;
      throw refusalError(503, refuse("busy", message));
    }
    // Before the answer: many at once would else each find nothing spent.
    charge(ip, POINTS_OF[request.routeOptions.url ?? ""] ?? 1);
  });
  app.addHook("onSend", async (request, reply, payload) => {
    if (!isRead(request) || request.method === "HEAD") return;
    const isWhole = typeof payload === "string" || payload instanceof Uint8Array;
    const bytes = isWhole ? payload.length : Number(reply.getHeader("content-length") ?? 0);
    const dear = Math.floor(bytes / (isWhole ? BYTES_A_POINT : FILE_BYTES_A_POINT));
    if (dear > 0) charge(request.ip, dear);
  });

  async function* paced(ip: string, pages: AsyncIterable<Uint8Array>) {
    const began = performance.now();
    let sent = 0;
    for await (const page of pages) {
      charge(ip, POINTS_OF_A_PAGE);
      yield page;
      sent += page.length;
      const seconds = (performance.now() - began - STREAM_GRACE_MS) / 1_000;
      if (sent < seconds * LEAST_STREAM_BYTES_PER_SECOND) throw new Error("read too slowly");
    }
  }

  return {
    stream(request, reply, pages) {
      const key = keyOf(request.ip);
      if (streaming.has(key) || streaming.size >= MOST_STREAMS) {
        const message = streaming.has(key)
          ? `${request.ip} is reading an epoch's receipts already`
          : `${MOST_STREAMS} are reading an epoch's receipts already`;
        throw refusalError(503, refuse("busy", message));
      }
      // Its end was told already, and nothing would give the place back.
      if (reply.raw.destroyed) throw refusalError(503, refuse("busy", "the connection is gone"));
      streaming.add(key);
      reply.raw.once("close", () => streaming.delete(key));
      // One that takes nothing at all is cut off, or it would hold its place as long as it likes.
      request.raw.socket.setTimeout(STREAM_GRACE_MS, () => request.raw.socket.destroy());
      return paced(request.ip, pages);
    },
  };
}
