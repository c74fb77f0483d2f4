import { RateLimiterMemory } from "rate-limiter-flexible";

const WINDOW_SECONDS = 10;

export type Allowance = {
  isSpent(key: string): Promise<boolean>;
  spend(key: string): void;
};

/** So many in ten seconds, for each key by itself. */
export function createAllowance(points: number): Allowance {
  const limiter = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
  return {
    async isSpent(key) {
      return ((await limiter.get(key))?.consumedPoints ?? 0) >= points;
    },
    spend: (key) => void limiter.penalty(key, 1),
  };
}
