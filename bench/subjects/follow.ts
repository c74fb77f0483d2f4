import { logsIn } from "@link-rewards/client/node/logs";
import registryArtifact from "@link-rewards/contracts/DeviceRegistry.json" with { type: "json" };
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { decodeLog } from "@link-rewards/core/law/decode-log";
import { emptyLaw } from "@link-rewards/core/law/law";
import { applyEvent } from "@link-rewards/core/law/replay";
import { Interface } from "ethers";
import { deployment } from "../../test/worlds/paper.ts";
import type { Case, Contestant } from "../case.ts";
import { answersOf, type NodesLog } from "../chronicle.ts";

const filter = { address: deployment.contracts.deviceRegistry };

/** A node's answers about so many devices, taken apart by `take`. Making them up is not timed. */
function reading(begin: () => (logs: readonly NodesLog[]) => void): Contestant {
  return async (size) => () => {
    const take = begin();
    let milliseconds = 0;
    for (const answer of answersOf(size, deployment.contracts.deviceRegistry)) {
      const began = performance.now();
      take(JSON.parse(answer) as readonly NodesLog[]);
      milliseconds += performance.now() - began;
    }
    return milliseconds;
  };
}

export const cases: readonly Case[] = [
  {
    what: "a node's answers to the law, by devices",
    unit: "ms",
    sizes: { quick: [2_000], full: [100_000, 1_000_000] },
    rounds: { quick: 1, full: 3 },
    ours: reading(() => {
      const law = emptyLaw();
      return (answer) => {
        for (const log of logsIn(answer, filter, 0, Number.MAX_SAFE_INTEGER)) {
          const event = decodeLog(log);
          if (event === undefined || isRefused(event)) throw new Error("not decoded");
          applyEvent(law, event);
        }
      };
    }),
    peers: {
      // Decoded, and nothing made of it.
      ethers: {
        run: reading(() => {
          const registry = new Interface(registryArtifact.abi);
          return (logs) => {
            for (const { topics, data } of logs)
              if (registry.parseLog({ topics, data }) === null) throw new Error("not decoded");
          };
        }),
        upTo: 100_000,
      },
    },
  },
];
