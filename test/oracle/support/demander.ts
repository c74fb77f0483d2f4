import { type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { DemandNode } from "@link-rewards/core/judge/answer";
import type { Report } from "@link-rewards/core/signed/report";
import type { HDNodeWallet, Result } from "ethers";
import { nodeOf } from "../../../oracle/edge/demands.ts";
import type { MemberWorld } from "../../worlds/network.ts";

/** Whoever wants to see rows, and what the chain tells of it. */

/** As the event has it, which is what every call about a report takes. */
export async function reportOf({ devnet }: MemberWorld, digest: string) {
  const { ledger } = devnet.suite;
  const [event] = await ledger.queryFilter(
    ledger.filters.RootProposed(undefined, undefined, digest),
  );
  if (event === undefined) throw new Error(`${digest} was never proposed`);
  return (event.args.report as unknown as Result).toObject() as unknown as Report;
}

export async function pendingDigest({ devnet }: MemberWorld): Promise<Hex> {
  return (await devnet.suite.ledger.proposal()).digest as Hex;
}

/** In wei of the chain's coin: more than any bond takes, which is owed back. */
const ENOUGH = 5n * 10n ** 17n;

/** Demands these nodes, one transaction each. */
export async function demandAll(
  world: MemberWorld,
  digest: string,
  nodes: readonly DemandNode[],
  by: HDNodeWallet = world.devnet.role("bystander"),
): Promise<void> {
  const demands = world.devnet.suite.demands.connect(by);
  const report = await reportOf(world, digest);
  for (const node of nodes) {
    await (await demands.demand(report, nodeOf(node), { value: ENOUGH })).wait();
  }
}

/** How many demands of a report wait. */
export async function waitingOf({ devnet }: MemberWorld, digest: string): Promise<number> {
  return Number((await devnet.suite.demands.queueOf(digest)).open);
}

/** Ends when none waits any more. */
export async function allAnswered(world: MemberWorld, digest: string): Promise<void> {
  while ((await waitingOf(world, digest)) > 0) await new Promise((next) => setTimeout(next, 50));
}

/** Who sent each answer of a report. */
export async function answerers(world: MemberWorld, digest: string): Promise<readonly string[]> {
  const shown = await shownOf(world, digest);
  return Promise.all(shown.map(async (event) => lowercaseHex((await event.getTransaction()).from)));
}

/** When each demand of a report was due and was answered, in unix seconds, by the table, level and position. */
export async function answerTimes(
  world: MemberWorld,
  digest: string,
): Promise<ReadonlyMap<string, { readonly due: number; readonly at: number }>> {
  const { demands } = world.devnet.suite;
  const due = new Map<string, number>();
  for (const { args } of await demands.queryFilter(demands.filters.Demanded(digest)))
    due.set(String(args.node), Number(args.due));
  const shown = await shownOf(world, digest);
  const times = shown.map(async (event) => {
    const node = String(event.args.node);
    return [node, { due: due.get(node) ?? 0, at: (await event.getBlock()).timestamp }] as const;
  });
  return new Map(await Promise.all(times));
}

async function shownOf({ devnet }: MemberWorld, digest: string) {
  const { demands } = devnet.suite;
  return [
    ...(await demands.queryFilter(demands.filters.RowShown(digest))),
    ...(await demands.queryFilter(demands.filters.PageShown(digest))),
  ];
}
