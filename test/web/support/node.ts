import type { Page } from "playwright-core";
import type { Place } from "./visit.ts";

export type Call = { readonly method: string; readonly params: readonly unknown[] };
type Numbered = { readonly id: number };
export type Given = { readonly result?: unknown; readonly error?: unknown };

/** Stands between a visitor and the node: `change` gets what was asked and what the real chain says of it. */
export function beforeNode(
  page: Page,
  stage: Place,
  change: (call: Call, given: Given) => Given,
): Promise<unknown> {
  return page.route(`${stage.world.devnet.rpcUrl}/**`, async (route) => {
    const body = route.request().postDataJSON() as (Call & Numbered) | (Call & Numbered)[];
    const response = await route.fetch();
    const given = [await response.json()].flat() as (Given & Numbered)[];
    const answers = [body].flat().map((call) => {
      const own = given.find(({ id }) => id === call.id) ?? {};
      return { jsonrpc: "2.0", id: call.id, ...change(call, own) };
    });
    return route.fulfill({ response, json: Array.isArray(body) ? answers : answers[0] });
  });
}
