import {
  type Bill,
  billOf,
  type ContributionRow,
  type Explanation,
  explainRows,
  type RevokedDevice,
} from "@link-rewards/client/why";
import { type Address, toHex } from "@link-rewards/core/encoding/bytes";
import { BYTES_OF } from "@link-rewards/core/encoding/fields";
import type { ComputedEpoch } from "@link-rewards/core/epoch/compute-epoch";
import {
  CONTRIBUTION_BYTES,
  decodeContribution,
  INVOICE_BYTES,
  type InvoiceLine,
  invoiceAt,
  recordAt,
} from "@link-rewards/core/epoch/records";
import {
  boundTo,
  deviceClass,
  indexOf,
  isEnrolled,
  type Law,
  ownerAt,
  revokedAt,
} from "@link-rewards/core/law/law";
import { type AuditInput, auditReport, rewardsOf } from "./audit.ts";

export type Why = Explanation & {
  readonly epoch: number;
  readonly feeBps: number;
  /** The devices of the account, or the device itself, that earn nothing any more. */
  readonly revoked: readonly RevokedDevice[];
  /** Why there is nothing, when there is nothing. */
  readonly note?: string;
};

/** What a device, or an account with all its devices, earned in a final epoch and why; recomputed, not read off. */
export async function explain(input: AuditInput, address: Address, epoch: number): Promise<Why> {
  const { law } = input;
  const report = law.finals.get(epoch)?.proposal?.report;
  if (report === undefined) throw new Error(`epoch ${epoch} is not final`);
  const previous = await rewardsOf(input, epoch - 1);
  const { computed, divergence, message } = await auditReport(input, report, previous);
  if (computed === undefined || divergence !== undefined) {
    throw new Error(`epoch ${epoch} cannot be explained: ${divergence?.message ?? message}`);
  }
  const { manifest } = computed;
  const rows = rowsOf(computed, address);
  const explained = explainRows(rows, billsOf(computed, rows), manifest);
  if ("contradiction" in explained)
    throw new Error(`epoch ${epoch} cannot be explained: ${explained.contradiction}`);
  const revoked = revokedOf(law, address, epoch);
  const note =
    rows.length === 0 && revoked.length === 0 ? reasonForNothing(law, address, epoch) : undefined;
  return {
    epoch,
    feeBps: manifest.tariff.feeBps,
    ...explained,
    revoked,
    ...(note !== undefined && { note }),
  };
}

/** The contributions of a device, or of all devices of an account. */
function rowsOf({ contributions }: ComputedEpoch, address: Address): readonly ContributionRow[] {
  const { devices, deviceOf, records } = contributions;
  const rows: ContributionRow[] = [];
  for (const [index, device] of deviceOf.entries()) {
    const row = () => decodeContribution(recordAt(records, CONTRIBUTION_BYTES, index));
    const isConcerned = devices[device] === address || row().account === address;
    if (isConcerned) rows.push({ ...row(), index });
  }
  return rows;
}

/** All lines of every customer of these rows. */
function billsOf(
  { files }: ComputedEpoch,
  rows: readonly ContributionRow[],
): ReadonlyMap<Address, Bill> {
  const invoices = files.get("invoices.bin") ?? new Uint8Array();
  const lines = new Map<Address, InvoiceLine[]>(rows.map(({ receipt }) => [receipt.customer, []]));
  for (let position = 0; position * INVOICE_BYTES < invoices.length; position++) {
    // A line begins with its customer.
    const customer = recordAt(invoices, INVOICE_BYTES, position).subarray(0, BYTES_OF.address);
    lines.get(toHex(customer))?.push(invoiceAt(invoices, position));
  }
  return new Map([...lines].map(([customer, own]) => [customer, billOf(own)]));
}

/** By whom they would earn in this epoch, were they not revoked. */
function revokedOf(law: Law, address: Address, epoch: number): readonly RevokedDevice[] {
  return revokedAt(law, epoch).filter(
    ({ device }) => device === address || boundTo(law, device, epoch) === address,
  );
}

function reasonForNothing(law: Law, address: Address, epoch: number): string {
  if (!isEnrolled(law, address)) {
    return indexOf(law, address) !== undefined
      ? `no device of account ${address} has a contribution in epoch ${epoch}`
      : `${address} is neither an enrolled device nor an account`;
  }
  if (ownerAt(law, address, epoch) === undefined)
    return `device ${address} was bound to no account in epoch ${epoch}`;
  return `device ${address} of class ${deviceClass(law, address)} has no contribution in epoch ${epoch}`;
}
