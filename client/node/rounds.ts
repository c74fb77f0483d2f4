import { isNodeFault, type NodeFault } from "./node-fault.ts";

/** Rounds through all nodes before a request fails; a hanging node ends a program after so many timeouts. */
const ROUNDS = 4;
const TIMEOUT_ROUNDS = 2;
const FIRST_WAIT_MS = 250;
/** Also of what a node asks for by Retry-After: a program that waits longer looks dead. */
const LONGEST_WAIT_MS = 15_000;
/** Rate limits are refilled in seconds, so they are waited for longer than what does not come back. */
const RATE_LIMIT_WAIT_MS = 1_000;

/** Asks again, after a while, as long as it may help. `wait` takes milliseconds. */
export async function inRounds<T>(
  ask: () => Promise<T>,
  wait: (ms: number) => Promise<unknown> = sleep,
): Promise<T> {
  for (let round = 1; ; round++) {
    try {
      return await ask();
    } catch (error) {
      if (!isNodeFault(error) || error.nodeFault === "too-large") throw error;
      const rounds = error.nodeFault === "timeout" ? TIMEOUT_ROUNDS : ROUNDS;
      if (round >= rounds) throw error;
      await wait(waitAfter(error, round));
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function waitAfter({ nodeFault: kind, retryAfterMs }: NodeFault, round: number): number {
  const first = kind === "rate-limit" ? RATE_LIMIT_WAIT_MS : FIRST_WAIT_MS;
  return Math.min(LONGEST_WAIT_MS, retryAfterMs ?? first * 2 ** (round - 1));
}

/**
 * What a Retry-After header asks for, in milliseconds: it has seconds, or a date, which is compared with `now`, in unix
 * milliseconds. Undefined for what is neither; a date that is past asks for nothing.
 */
export function retryAfterIn(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  // Date.parse takes "-5" and "7.5" for dates of this century.
  const date = /[a-z]/i.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
