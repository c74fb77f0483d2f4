import type { ProvenLeaf } from "@link-rewards/client/leaf";
import type { Address } from "@link-rewards/core/encoding/bytes";
import {
  CONTRIBUTION_BYTES,
  DEVICE_BYTES,
  type DeviceRecord,
  decodeContributions,
  decodeDevices,
} from "@link-rewards/core/epoch/records";
import { valueAtTariff } from "@link-rewards/core/epoch/value";
import type { Tariff } from "@link-rewards/core/law/events";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import {
  fromMirrors,
  leafFromMirrors,
  type Mirror,
  readManifest,
  readPagesOf,
} from "../sources/bundles.ts";
import type { Chain } from "../sources/chain.ts";
import type { ChainReport } from "../sources/reports.ts";
import { trouble } from "../sources/trouble.ts";
import type { Position } from "./position.ts";

/** What an account earned in one epoch, with which devices, for what, from whom. */
export type EpochEarnings = {
  readonly epoch: number;
  readonly earned: bigint;
  readonly devices: readonly DeviceEarnings[];
};

export type DeviceEarnings = Pick<DeviceRecord, "device" | "counted" | "reward" | "reason"> & {
  readonly served: readonly ServedCustomer[];
};

export type ServedCustomer = Omit<Receipt, "epoch" | "device"> & {
  /** What it was worth at the tariff, before what was not paid or over the limit was left out. */
  readonly value: bigint;
};

/** One final epoch. Proven: what was earned is the difference of two leaves, and the devices' rewards add up to it. */
export async function readEarnings(
  chain: Chain,
  position: Position,
  epoch: number,
): Promise<EpochEarnings> {
  const { account, index, reports } = position;
  const final = reports.get(epoch);
  if (index === undefined || final === undefined) return { epoch, earned: 0n, devices: [] };
  const [now, before] = await Promise.all([
    position.leaf !== undefined && epoch === position.epoch
      ? position.leaf
      : leafOf(chain, final, index, account),
    leafOf(chain, reports.get(epoch - 1), index, account),
  ]);
  const earned = (now?.cumulative ?? 0n) - (before?.cumulative ?? 0n);
  return fromMirrors(chain.config, epoch, async (mirror) => {
    const {
      devices: records,
      tariff,
      contributions,
    } = await readManifest(mirror, final.report.bundleHash);
    const devices = await devicesOf(mirror, records, index);
    if (devices.reduce((sum, { reward }) => sum + reward, 0n) !== earned) {
      throw trouble("bundle-tampered", `${mirror.url}devices.bin does not add up to ${earned} wei`);
    }
    const served =
      devices.length === 0
        ? new Map<Address, ServedCustomer[]>()
        : await servedBy(mirror, contributions, index, account, tariff);
    return {
      epoch,
      earned,
      devices: devices.map((device) => ({ ...device, served: served.get(device.device) ?? [] })),
    };
  });
}

async function leafOf(
  chain: Chain,
  final: ChainReport | undefined,
  index: number,
  account: Address,
): Promise<ProvenLeaf | undefined> {
  if (final === undefined || index >= final.report.leaves) return undefined;
  return leafFromMirrors(chain.config, final.report, index, account);
}

async function devicesOf(mirror: Mirror, records: number, index: number) {
  const pages = await readPagesOf(mirror, "devices", records, DEVICE_BYTES, index);
  return decodeDevices(pages).filter(({ accountIndex }) => accountIndex === index);
}

async function servedBy(
  mirror: Mirror,
  records: number,
  index: number,
  account: Address,
  tariff: Tariff,
): Promise<ReadonlyMap<Address, ServedCustomer[]>> {
  const pages = await readPagesOf(mirror, "contributions", records, CONTRIBUTION_BYTES, index);
  const served = new Map<Address, ServedCustomer[]>();
  for (const record of decodeContributions(pages)) {
    if (record.account !== account) continue;
    const { device, epoch: _, ...receipt } = record.receipt;
    const row = { ...receipt, value: valueAtTariff(record.receipt, tariff) };
    served.set(device, [...(served.get(device) ?? []), row]);
  }
  return served;
}
