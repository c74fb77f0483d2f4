import type { ProvenLeaf } from "@link-rewards/client/leaf";
import { rowsOfAccount } from "@link-rewards/client/rows";
import {
  type ExplainedCustomer,
  type ExplainedDevice,
  explainRows,
  type RevokedDevice,
} from "@link-rewards/client/why";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { fromMirrors, leafFromMirrors, readManifest } from "../sources/bundles.ts";
import { type Chain, leavesAt } from "../sources/chain.ts";
import type { ChainReport } from "../sources/reports.ts";
import { trouble } from "../sources/trouble.ts";
import type { Past, Position } from "./position.ts";

/** What an account earned in one epoch, with which devices, for what, from whom. */
export type EpochEarnings = {
  readonly epoch: number;
  readonly earned: bigint;
  readonly devices: readonly ExplainedDevice[];
  readonly customers: ReadonlyMap<Address, ExplainedCustomer>;
  /** The account's devices that earn nothing any more. */
  readonly revoked: readonly RevokedDevice[];
};

/**
 * One final epoch. Proven: what was earned is the difference of two leaves, every row is under a root on chain, and the
 * rows add up to the difference.
 */
export async function readEarnings(
  chain: Chain,
  position: Position,
  past: Past,
  epoch: number,
): Promise<EpochEarnings> {
  const { account, index } = position;
  const { reports } = past;
  const revoked = past.revoked.filter(({ fromEpoch }) => fromEpoch <= epoch);
  const nothing = { epoch, earned: 0n, devices: [], customers: new Map(), revoked };
  if (index === undefined) return nothing;
  const { report } = reportOf(reports, epoch);
  const now = epoch === position.epoch ? position.leaf : await leafOf(chain, position, past, epoch);
  if (now === undefined) return nothing;
  const before = epoch === 1 ? undefined : await leafOf(chain, position, past, epoch - 1);
  const earned = now.cumulative - (before?.cumulative ?? 0n);
  return fromMirrors(chain.config, epoch, async (mirror) => {
    const anotherCopy = (message: string) => trouble("another-copy", `${mirror.url}: ${message}`);
    const manifest = await readManifest(mirror, report.bundleHash);
    const found = await rowsOfAccount(mirror.range, report, index, account);
    if (found === undefined) throw anotherCopy("rows do not lead to the roots on chain");
    const explained = explainRows(found.rows, found.bills, manifest);
    if ("contradiction" in explained) throw anotherCopy(explained.contradiction);
    if (explained.earned !== earned)
      throw anotherCopy(`the contributions do not add up to ${earned} wei`);
    const customers = new Map(explained.customers.map((customer) => [customer.customer, customer]));
    return { epoch, earned, devices: explained.devices, customers, revoked };
  });
}

function reportOf(reports: Past["reports"], epoch: number): ChainReport {
  const report = reports.get(epoch);
  if (report !== undefined) return report;
  throw trouble("rpc-incomplete", `the node gives no report of epoch ${epoch}, which is final`);
}

/** None when the account had no leaf yet. */
async function leafOf(
  chain: Chain,
  { account, index }: Position,
  { reports }: Past,
  epoch: number,
): Promise<ProvenLeaf | undefined> {
  const { root } = reportOf(reports, epoch).report;
  const leaves = await leavesAt(chain, epoch);
  if (index === undefined || index >= leaves) return undefined;
  return leafFromMirrors(chain.config, { epoch, root, leaves }, index, account);
}
