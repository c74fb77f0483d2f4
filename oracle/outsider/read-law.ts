import { emptyLaw, type Law } from "@link-rewards/core/law/law";
import { applyEvent } from "@link-rewards/core/law/replay";
import type { Chain } from "@link-rewards/host/chain/chain";

/**
 * The law from the chain alone, as an outsider reads it: up to the newest block, so that what is pending is in it. Throws
 * IncompleteEvents when the node did not give all of it.
 */
export async function readLaw(
  chain: Chain,
  onProgress?: (through: number, target: number) => void,
): Promise<Law> {
  const law = emptyLaw();
  const target = await chain.head();
  const pages = chain.events(chain.startBlock, target.number, law.revisions);
  for await (const { events, through } of pages) {
    for (const event of events) applyEvent(law, event);
    onProgress?.(through, target.number);
  }
  return law;
}
