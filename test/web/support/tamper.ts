import type { Route } from "playwright-core";

/** Flips one bit of a file's answer, for `page.route`. */
export function tamper(at: number) {
  return async (route: Route): Promise<void> => {
    const response = await route.fetch();
    const body = Buffer.from(await response.body());
    body[at] = (body[at] ?? 0) ^ 1;
    await route.fulfill({ response, body });
  };
}
