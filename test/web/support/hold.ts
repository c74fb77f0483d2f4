import type { Page } from "playwright-core";
import type { Stage } from "./stage.ts";

/** A node that takes a visitor's calls and does not answer until it is released. */
export function holdNode(stage: Stage) {
  const called = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  return {
    /** Before the page is loaded. */
    hold: (page: Page) =>
      page.route(`${stage.world.devnet.rpcUrl}/**`, async (route) => {
        called.resolve();
        await released.promise;
        await route.continue();
      }),
    /** Settles with the first call. */
    called: called.promise,
    release: released.resolve,
  };
}
