import type { Hex } from "@link-rewards/core/encoding/bytes";
import { type FraudProof, findFraud, type Opening } from "@link-rewards/core/judge/fraud";
import { accountsAt, indexOf } from "@link-rewards/core/law/law";
import type { Report } from "@link-rewards/core/signed/report";
import type { Call } from "@link-rewards/host/transactions";
import { isBundleUnavailable } from "../edge/bundles.ts";
import { type Audited, type AuditInput, auditReport, rewardsOf } from "./audit.ts";

/** What a watcher finds about the proposal that is pending. */
export type Watched = {
  readonly epoch: number;
  readonly attempt: number;
  readonly digest: Hex;
  readonly finalizableAt: bigint;
  readonly report: Report;
  readonly verdict: Audited;
  /** What the ledger would convict for; absent when it agrees, or when only the guardian's veto can stop it. */
  readonly proof?: FraudProof;
};

/** Verifies the pending proposal from scratch; undefined when none is pending. Needs no key. */
export async function watchPending(input: AuditInput): Promise<Watched | undefined> {
  const { law } = input;
  if (law.pending === undefined) return undefined;
  const { report, digest, finalizableAt } = law.pending;
  const { epoch, attempt } = report;
  const previousRewards = await rewardsOf(input, epoch - 1);
  const verdict = await auditReport(input, report, previousRewards);
  const found = { epoch, attempt, digest, finalizableAt, report, verdict };
  if (verdict.verdict === "agrees") return found;
  const proof = await proofOf(input, report, previousRewards);
  return proof === undefined ? found : { ...found, proof };
}

/** What the ledger convicts for although the guardian has vetoed it, until its epoch is final. */
export type Vetoed = Omit<Watched, "finalizableAt" | "verdict"> & Required<Pick<Watched, "proof">>;

export async function watchVetoed(input: AuditInput): Promise<readonly Vetoed[]> {
  const found: Vetoed[] = [];
  for (const { report, digest } of input.law.vetoed.values()) {
    const { epoch, attempt } = report;
    const proof = await proofOf(input, report, await rewardsOf(input, epoch - 1));
    if (proof !== undefined) found.push({ epoch, attempt, digest, report, proof });
  }
  return found;
}

async function proofOf(
  { law, source }: AuditInput,
  report: Report,
  previousRewards: Uint8Array | undefined,
): Promise<FraudProof | undefined> {
  try {
    return findFraud({
      report,
      leaves: accountsAt(law, report.epoch),
      rewards: await source.read(report.epoch, "rewards.bin"),
      previousRewards: previousRewards ?? new Uint8Array(),
      previousRoot: law.lastFinal.root,
      indexOf: (account) => indexOf(law, account),
    });
  } catch (error) {
    // Withheld leaves cannot be opened: the alarm is for the guardian.
    if (isBundleUnavailable(error)) return undefined;
    throw error;
  }
}

/** The ledger call that undoes the proposal and slashes its signers. */
export async function proofCall(
  { chain }: AuditInput,
  { report, proof }: { readonly report: Report; readonly proof: FraudProof },
): Promise<Call> {
  const { ledger } = chain.suite;
  const opened = ({ proof: siblings, ...opening }: Opening) => ({
    ...opening,
    proof: [...siblings],
  });
  switch (proof.name) {
    case "proveGap":
      return ledger.proveGap.populateTransaction(report, proof.openings.map(opened), proof.index);
    case "proveMisplaced":
      return ledger.proveMisplaced.populateTransaction(report, opened(proof.opening));
    case "proveEmptyLeaf":
      return ledger.proveEmptyLeaf.populateTransaction(report, proof.index, [...proof.proof]);
    case "proveRegression":
      return ledger.proveRegression.populateTransaction(
        report,
        opened(proof.old),
        opened(proof.new_),
      );
  }
}
