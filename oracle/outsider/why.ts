import { at } from "@link-rewards/core/encoding/at";
import type { Address } from "@link-rewards/core/encoding/bytes";
import type { ComputedEpoch } from "@link-rewards/core/epoch/compute-epoch";
import {
  CONTRIBUTION_BYTES,
  decodeContribution,
  decodeDevices,
  recordAt,
} from "@link-rewards/core/epoch/records";
import { sumOf } from "@link-rewards/core/epoch/value";
import { deviceClass, isRevokedAt, type Law, ownerAt } from "@link-rewards/core/law/law";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import { type AuditInput, auditReport, rewardsOf } from "./audit.ts";

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
  const concerned = concernedIn(computed, input.law, address);
  const devices = new Set(concerned.map(({ receipt }) => receipt.device));
  const note = concerned.length === 0 ? reasonForNothing(input, address, epoch) : undefined;
  return {
    epoch,
    served: concerned.map(({ receipt: { epoch: _, ...receipt }, account, ...valued }) => {
      const { value, counted, scaled } = valued;
      const reasons = [
        ...(scaled ? ["scaled"] : []),
        ...(counted < value ? ["unpaid-in-part"] : []),
      ];
      return { ...receipt, account, value, counted, reasons };
    }),
    devices: decodeDevices(computed.files.get("devices.bin") ?? new Uint8Array())
      .filter(({ device }) => devices.has(device))
      .map(({ device, counted, reward }) => ({ device, counted, reward })),
    customers: customersOf(computed, new Set(concerned.map(({ receipt }) => receipt.customer))),
    counted: computed.manifest.counted,
    pot: computed.manifest.pot,
    ...(note !== undefined && { note }),
  };
}

/** The contributions of a device, or of all devices of an account. */
function concernedIn({ contributions, valued }: ComputedEpoch, law: Law, address: Address) {
  const { devices, accountIndexes, deviceOf, records } = contributions;
  const index = law.accountIndex.get(address);
  const isConcerned = (device: number) =>
    devices[device] === address || accountIndexes[device] === index;
  return deviceOf.flatMap((device, i) =>
    isConcerned(device)
      ? {
          ...decodeContribution(recordAt(records, CONTRIBUTION_BYTES, i)),
          value: at(valued.values, i),
          counted: at(valued.counted, i),
          scaled: valued.scaled[i] === 1,
        }
      : [],
  );
}

function customersOf(
  { contributions, valued, manifest }: ComputedEpoch,
  customers: ReadonlySet<Address>,
) {
  const { customerOf } = contributions;
  return [...customers].map((customer) => ({
    customer,
    owed: sumOf(
      valued.values.filter((_, i) => contributions.customers[at(customerOf, i)] === customer),
    ),
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
