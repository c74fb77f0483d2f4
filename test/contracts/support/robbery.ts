import { expect } from "chai";
import { from } from "../../worlds/contracts.ts";
import { finalize, type Report } from "./epochs.ts";
import { proposeTables, type Served, servedWorld } from "./served.ts";
import { bend, summed, type Tables } from "./tables.ts";
import { evidenceOf } from "./trial.ts";

/** Account 1 is robbed of what it earned in epoch 2, in favour of account 3; nothing else is wrong. */
export function robbed(tables: Tables): Tables {
  const less = bend(tables, "rewards", 1, { cumulative: 225n });
  const cumulative = (tables.rewards[3]?.cumulative ?? 0n) + 345n;
  return summed(bend(less, "rewards", 3, { cumulative }));
}

/** What shows it; at other positions nothing is wrong. */
export const askLeaf = (position: number) =>
  ({ proof: "reward-boundary", table: "rewards", position }) as const;
export const ROBBED = 2;

/** A robbery is pending, signed by members 0 to 2; and what convicts it. */
export async function pendingRobbery() {
  const world = await from(servedWorld);
  const tables = robbed(world.second);
  const report = await proposeTables(world, tables);
  const { digest } = await world.ledger.proposal();
  return { ...world, tables, report, digest, evidence: evidenceOf(world, tables, askLeaf(ROBBED)) };
}

/** The same, vetoed. */
export async function vetoedRobbery() {
  const world = await from(pendingRobbery);
  await world.ledger.connect(world.guardian).veto(world.digest);
  return world;
}

/** Epoch 2 becomes final as it was, with the signatures of members 2 to 4. */
export async function finalizeHonest(world: Served): Promise<Report> {
  const rest = { ...world, members: world.members.slice(2) };
  const report = await proposeTables(rest, world.second);
  await finalize(world, report);
  return report;
}

export async function expectNotOpen(
  world: Served,
  report: Report,
  evidence: string,
): Promise<void> {
  const { ledger } = world;
  await expect(ledger.convict(report, evidence)).to.be.revertedWithCustomError(
    ledger,
    "NotPendingReport",
  );
}
