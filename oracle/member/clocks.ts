import type { Implausible } from "@link-rewards/host/chain/plausible";
import type { Peers } from "../edge/peers.ts";

/** Two clocks set by NTP are not so far apart. */
export const MAX_SKEW_SECONDS = 30;

/** Unix seconds, by this machine's clock: it says how old what a node says may be, and nothing about epochs. */
export function clockSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** The same error, with what peers' clocks say: a third opinion on whether the clock or the node is off. */
export async function withPeersClocks(peers: Peers, error: Implausible): Promise<Implausible> {
  const opinion = await opinionOf(peers);
  if (opinion === undefined) return error;
  const { implausible, head } = error;
  return Object.assign(new Error(`${error.message}. ${opinion}`, { cause: error }), {
    ...{ implausible, head },
  });
}

/** Undefined when no peer answers. */
async function opinionOf(peers: Peers): Promise<string | undefined> {
  const asked = await Promise.allSettled(
    peers.urls.map(async (url) => (await peers.introduce(url)).now - clockSeconds()),
  );
  const ahead = asked.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  if (ahead.length === 0) return undefined;
  const agreeing = ahead.filter((seconds) => Math.abs(seconds) <= MAX_SKEW_SECONDS).length;
  const look =
    2 * agreeing > ahead.length ? "look at the node first" : "look at this machine's clock first";
  return `${agreeing} of ${ahead.length} peers have this machine's time (they are ${ahead.join(", ")} seconds ahead): ${look}`;
}
