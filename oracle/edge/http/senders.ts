import { setTimeout as sleep } from "node:timers/promises";
import { refuse } from "@link-rewards/core/encoding/refusal";
import type { Results } from "@link-rewards/core/signed/answers";
import { networkOf } from "@link-rewards/host/network";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { refusalError } from "./refusals.ts";

/**
 * Points of an address are what was looked at in vain: a receipt not newly stored is one, a request that is refused as a
 * whole ten. A third of a batch of forgeries every ten seconds costs a hundredth of a core.
 */
const POINTS = 300;
const WINDOW_SECONDS = 10;
const POINTS_OF_A_REQUEST = 10;
/** An answer that is held back costs nothing, and a flood waits for its answers. */
const HELD_BACK_MS = 1_000;
const LEAST_FAILED_STATUS = 400;
/** What anybody may send; everything else is counted as reading is (readers.ts). */
const OPEN_TO_ALL: readonly unknown[] = ["/v1/receipts", "/v1/vouchers"];

export type Senders = {
  /** Counts what of these answers was looked at in vain. */
  count(address: string, answer: Results): void;
};

/**
 * Who sends what is good for nothing is told so, before its next body is read. It counts against the address it came from
 * and nobody else: what a forgery names is public, and would else be a way to silence it.
 */
export function limitSenders(app: FastifyInstance, points = POINTS): Senders {
  const limiter = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
  const charge = (ip: string, amount: number) => void limiter.penalty(networkOf(ip), amount);

  app.addHook("onRequest", async (request) => {
    if (!isOpenToAll(request)) return;
    const { ip } = request;
    const spent = await limiter.get(networkOf(ip));
    if (spent === null || spent.consumedPoints < points) return;
    // Stretched by chance: all that were held back together would else come back together.
    await sleep(HELD_BACK_MS * (1 + Math.random()));
    const message = `too much of what came from ${ip} was good for nothing; wait ${WINDOW_SECONDS} seconds`;
    throw refusalError(503, refuse("busy", message));
  });
  app.addHook("onResponse", async (request, { statusCode }) => {
    // What the oracle is to blame for, or refused unseen, is not the sender's.
    if (!isOpenToAll(request) || statusCode < LEAST_FAILED_STATUS || statusCode >= 500) return;
    charge(request.ip, POINTS_OF_A_REQUEST);
  });
  return {
    count(ip, { results }) {
      const vain = results.filter(({ status }) => status !== "accepted").length;
      if (vain > 0) charge(ip, vain);
    },
  };
}

export function isOpenToAll({ method, routeOptions }: FastifyRequest): boolean {
  return method === "POST" && OPEN_TO_ALL.includes(routeOptions.url);
}
