import type { ProofName } from "@link-rewards/core/judge/evidence";
import { expect } from "chai";
import { from, type World } from "../../worlds/contracts.ts";
import { propose, type Report } from "./epochs.ts";
import { proposeTables, reportOf, type Served, servedWorld } from "./served.ts";
import type { Tables } from "./tables.ts";
import { convict, findIn } from "./trial.ts";

/** Epoch 2 is sealed, what customers paid for it is 10,078 wei, and all members conspire. */
export async function corruptQuorum(): Promise<Served> {
  return from(servedWorld);
}

/** The ledger refuses a report with this change, though all have signed it. */
export async function expectRefused(
  world: Served,
  change: Partial<Report>,
  rule: string,
): Promise<void> {
  const report = await reportOf(world, world.second, change);
  await expect(propose(world, report)).to.be.revertedWithCustomError(world.ledger, rule);
}

/** A bystander who has these tables finds what convicts them, and takes the report back with it. */
export async function expectConvicted(
  world: Served,
  tables: Tables,
  proof: ProofName,
): Promise<void> {
  const report = await proposeTables(world, tables);
  const found = findIn(world, tables);
  if (found === undefined) throw new Error("nothing was found");
  expect(found.proof, found.says).to.equal(proof);
  await expectUndone(world, convict(world, report, found.evidence), report);
}

/** One transaction took the root back and cost its signers their bonds. */
export async function expectUndone(
  world: World,
  proving: Promise<unknown>,
  report: Report,
): Promise<void> {
  const { ledger, quorum } = world;
  const { epoch } = await ledger.lastFinal();
  await expect(proving).to.emit(ledger, "RootRevoked").and.to.emit(quorum, "MemberSlashed");
  await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "NoProposal");
  expect((await ledger.lastFinal()).epoch).to.equal(epoch);
}
