import { AbiCoder, id } from "ethers";
import type { Page } from "playwright-core";
import type { Stage } from "./stage.ts";

/** What a contract is made to say: its function's signature, the types it returns, and the values. */
export type Answer = readonly [signature: string, types: readonly string[], values: unknown[]];

/** Answers some calls in the node's place; everything else reaches the real chain. */
export async function answerCalls(
  page: Page,
  stage: Stage,
  answers: readonly Answer[],
): Promise<void> {
  const coder = AbiCoder.defaultAbiCoder();
  const results = new Map(
    answers.map(([signature, types, values]) => [
      id(signature).slice(0, 10),
      coder.encode(types, values),
    ]),
  );
  await page.route(`${stage.world.devnet.rpcUrl}/**`, (route) => {
    const { id: callId, method, params } = route.request().postDataJSON();
    const result = method === "eth_call" ? results.get(params[0].data.slice(0, 10)) : undefined;
    if (result === undefined) return route.continue();
    return route.fulfill({
      contentType: "application/json",
      headers: { "access-control-allow-origin": "*" },
      body: JSON.stringify({ jsonrpc: "2.0", id: callId, result }),
    });
  });
}
