import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { ledgerDomain } from "@link-rewards/core/signed/deployment";
import { type Report, reportDigest } from "@link-rewards/core/signed/report";
import type { Chain } from "@link-rewards/host/chain/chain";
import { loadCurves } from "@link-rewards/host/curves";
import { concat, getBytes } from "ethers";

/** A report with signatures under it, whose they are not known yet. */
export type ShownReport = {
  readonly report: Report;
  readonly signatures: readonly Uint8Array[];
};

export type ReadReport = ShownReport | { readonly unread: string };

/**
 * What a transaction proposed, or tried to: the signatures of members over their report are nowhere on chain but in its
 * calldata.
 */
export async function signedReportIn(
  { provider, suite: { ledger }, deployment }: Chain,
  hash: string,
): Promise<ReadReport> {
  const sent = await provider.getTransaction(hash);
  if (sent === null) return { unread: `the node does not have transaction ${hash}` };
  if (lowercaseHex(sent.to ?? "") !== deployment.contracts.epochLedger)
    return {
      unread: `transaction ${hash}: it was proposed through ${sent.to}, whose calldata has its own format`,
    };
  const call = ledger.interface.parseTransaction(sent);
  if (call?.name !== "propose") return { unread: `transaction ${hash} proposes nothing` };
  const { report, signatures } = call.args;
  return {
    report: {
      ...report.toObject(),
      epoch: Number(report.epoch),
      attempt: Number(report.attempt),
      contributions: Number(report.contributions),
    },
    signatures: (signatures as readonly { r: string; vs: string }[]).map(({ r, vs }) =>
      getBytes(concat([r, vs])),
    ),
  };
}

/** Whose the signatures are, of all that are anybody's. */
export function signersOf(
  { deployment }: Chain,
  { report, signatures }: ShownReport,
): readonly { readonly signer: Address; readonly signature: Uint8Array }[] {
  const digest = reportDigest(ledgerDomain(deployment), report);
  const { recover } = loadCurves();
  return signatures.flatMap((signature) => {
    const signer = recover(digest, signature);
    return signer === undefined ? [] : [{ signer, signature }];
  });
}
