import { AbiCoder, id } from "ethers";
import type { Page } from "playwright-core";
import { beforeNode } from "./node.ts";
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
  await beforeNode(page, stage, ({ method, params: [call] }, given) => {
    const result =
      method === "eth_call" ? results.get((call as { data: string }).data.slice(0, 10)) : undefined;
    return result === undefined ? given : { result };
  });
}
