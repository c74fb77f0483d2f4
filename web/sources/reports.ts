import type { Hex } from "@link-rewards/core/encoding/bytes";
import type { LawEventArgs } from "@link-rewards/core/law/events";
import type { Report } from "@link-rewards/core/signed/report";
import { type ChainLog, lawEvent } from "./chain.ts";

/** A report on chain: the pending one, or the one an epoch became final with. */
export type ChainReport = {
  readonly report: Report;
  readonly digest: Hex;
  readonly signers: bigint;
  readonly finalizableAt: number;
  readonly proposedIn: Hex;
  /** The transaction that made it final; none while it is pending. */
  readonly finalIn: Hex | undefined;
};

/** By epoch. `pendingDigest` is what the ledger calls pending; anything else that is not final was undone. */
export function reportsFrom(
  logs: readonly ChainLog[],
  pendingDigest: Hex | undefined,
): ReadonlyMap<number, ChainReport> {
  const reports = new Map<number, ChainReport>();
  let last: ChainReport | undefined;
  for (const log of logs) {
    const event = lawEvent(log);
    if (event?.name === "RootProposed") last = proposed(event.args, log.transactionHash);
    if (event?.name === "RootFinalized" && last !== undefined) {
      reports.set(event.args.epoch, { ...last, finalIn: log.transactionHash });
      last = undefined;
    }
  }
  if (last !== undefined && last.digest === pendingDigest) reports.set(last.report.epoch, last);
  return reports;
}

function proposed(args: LawEventArgs<"RootProposed">, proposedIn: Hex): ChainReport {
  const { report, digest, signers, finalizableAt } = args;
  return {
    report,
    digest,
    signers,
    finalizableAt: Number(finalizableAt),
    proposedIn,
    finalIn: undefined,
  };
}
