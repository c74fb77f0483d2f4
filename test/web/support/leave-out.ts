import { id } from "ethers";
import type { Page } from "playwright-core";
import type { Stage } from "./stage.ts";

type Log = { readonly topics: readonly string[] };

/** A node that gives all logs but one: the first or the last of the event with this signature. */
export function leaveOut(stage: Stage, which: "first" | "last", signature: string) {
  const topic = id(signature);
  return (page: Page) =>
    page.route(`${stage.world.devnet.rpcUrl}/**`, async (route) => {
      if (route.request().postDataJSON().method !== "eth_getLogs") return route.continue();
      const response = await route.fetch();
      const answer = (await response.json()) as { result: readonly Log[] };
      const isIt = ({ topics }: Log) => topics[0] === topic;
      const { result } = answer;
      const left = which === "first" ? result.findIndex(isIt) : result.findLastIndex(isIt);
      const json = { ...answer, result: result.filter((_, i) => i !== left) };
      return route.fulfill({ response, json });
    });
}
