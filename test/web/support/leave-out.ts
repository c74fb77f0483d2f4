import { id } from "ethers";
import type { Page } from "playwright-core";
import { beforeNode } from "./node.ts";
import type { Stage } from "./stage.ts";

type Log = { readonly topics: readonly string[] };

/** A node that gives all logs but one: the first or the last of the event with this signature. */
export function leaveOut(stage: Stage, which: "first" | "last", signature: string) {
  const topic = id(signature);
  const isIt = ({ topics }: Log) => topics[0] === topic;
  return (page: Page) =>
    beforeNode(page, stage, ({ method }, given) => {
      if (method !== "eth_getLogs") return given;
      const logs = given.result as readonly Log[];
      const left = which === "first" ? logs.findIndex(isIt) : logs.findLastIndex(isIt);
      return { result: logs.filter((_, i) => i !== left) };
    });
}
