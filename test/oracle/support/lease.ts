import type { Store } from "../../../oracle/store/store.ts";

/** Longer than the tests that are about it take on any machine: none of them waits for the clock. */
export const LEASE_SECONDS = 600;

/** Whether somebody gets a killed close's lease at this time, unix seconds; it is then one that has run out. */
export function takeLease(store: Store, now: number): Promise<boolean> {
  return store.acquireLease("close", "somebody", -2 * LEASE_SECONDS, now);
}
