import { type AuditInput, auditReport, rewardsOf } from "./audit.ts";
import type { Address } from "./core/bytes.ts";
import type { ComputedEpoch } from "./core/epoch.ts";
import { deviceClass, isRevokedAt, ownerAt } from "./core/law.ts";
import type { Receipt } from "./core/receipt.ts";
import { decodeDevices } from "./core/records.ts";

export type ServedRow = Omit<Receipt, "epoch"> & {
  readonly account: Address;
  readonly value: bigint;
  readonly counted: bigint;
  readonly reasons: readonly string[];
};

export type Why = {
  readonly epoch: number;
  readonly served: readonly ServedRow[];
  readonly devices: readonly { device: Address; counted: bigint; reward: bigint }[];
  /** The customers of these devices: what they owed to all devices in the epoch, and what they paid. */
  readonly customers: readonly { customer: Address; owed: bigint; paid: bigint }[];
  readonly counted: bigint;
  readonly pot: bigint;
  /** Why there is nothing, when there is nothing. */
  readonly note?: string;
};

/** What a device, or an account with all its devices, earned in a final epoch and why; recomputed, not read off. */
export async function explain(input: AuditInput, address: Address, epoch: number): Promise<Why> {
  const report = input.law.finals.get(epoch)?.proposal?.report;
  if (report === undefined) throw new Error(`epoch ${epoch} is not final`);
  const { computed, divergence, message } = await auditReport(
    input,
    report,
    await rewardsOf(input, epoch - 1),
  );
  if (computed === undefined || divergence !== undefined) {
    throw new Error(`epoch ${epoch} cannot be explained: ${divergence?.message ?? message}`);
  }
  const concerned = computed.valued.filter(
    ({ contribution }) =>
      contribution.receipt.device === address || contribution.account === address,
  );
  const devices = new Set(concerned.map(({ contribution }) => contribution.receipt.device));
  const note = concerned.length === 0 ? reasonForNothing(input, address, epoch) : undefined;
  return {
    epoch,
    served: concerned.map(({ contribution, value, counted, scaled }) => {
      const { epoch: _, ...receipt } = contribution.receipt;
      const reasons = [
        ...(scaled ? ["scaled"] : []),
        ...(counted < value ? ["unpaid-in-part"] : []),
      ];
      return { ...receipt, account: contribution.account, value, counted, reasons };
    }),
    devices: decodeDevices(computed.files.get("devices.bin") ?? new Uint8Array())
      .filter(({ device }) => devices.has(device))
      .map(({ device, counted, reward }) => ({ device, counted, reward })),
    customers: customersOf(
      computed,
      new Set(concerned.map(({ contribution }) => contribution.receipt.customer)),
    ),
    counted: computed.manifest.counted,
    pot: computed.manifest.pot,
    ...(note !== undefined && { note }),
  };
}

function customersOf({ valued, manifest }: ComputedEpoch, customers: ReadonlySet<Address>) {
  return [...customers].map((customer) => ({
    customer,
    owed: valued
      .filter(({ contribution }) => contribution.receipt.customer === customer)
      .reduce((sum, { value }) => sum + value, 0n),
    paid: manifest.paid.find((payer) => payer.customer === customer)?.amount ?? 0n,
  }));
}

function reasonForNothing({ law }: AuditInput, address: Address, epoch: number): string {
  const device = law.devices.get(address);
  if (device === undefined) {
    return law.accountIndex.has(address)
      ? `no device of account ${address} has a contribution in epoch ${epoch}`
      : `${address} is neither an enrolled device nor an account`;
  }
  if (isRevokedAt(device, epoch))
    return `device ${address} is revoked from epoch ${device.revokedFrom} on`;
  if (ownerAt(law, address, epoch) === undefined)
    return `device ${address} was bound to no account in epoch ${epoch}`;
  return `device ${address} of class ${deviceClass(law, address)} has no contribution in epoch ${epoch}`;
}
