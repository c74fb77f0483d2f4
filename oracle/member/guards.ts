import { toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { parseManifest } from "@link-rewards/core/epoch/manifest";
import { type DeviceRecord, decodeDevices } from "@link-rewards/core/epoch/records";
import { ledgerDomain } from "@link-rewards/core/signed/deployment";
import { type Report, reportDigest } from "@link-rewards/core/signed/report";
import { finalBundle } from "./attest.ts";
import type { Oracle } from "./oracle.ts";

/** When to stop before proposing and let a person look. */
export type Guards = {
  /** Hold when contributions or devices are fewer than this part of the last epoch's, in ten-thousandths. */
  readonly leastShareBps: number;
  /** Warn when one account gets more than this part of an epoch's pot, in ten-thousandths. */
  readonly accountShareBps: number;
};

const BPS = 10_000;

/** Why a report should not be proposed before a person has looked; undefined when nothing is odd. */
export async function reasonToHold(
  oracle: Oracle,
  report: Report,
  guards: Guards,
): Promise<string | undefined> {
  const { bundles, log } = oracle;
  const vetoed = vetoedAttempt(oracle, report);
  if (vetoed !== undefined) return `the guardian vetoed this report in attempt ${vetoed}`;
  const manifest = parseManifest(await bundles.read(report.epoch, "manifest.json"));
  if (isRefused(manifest)) return `the published manifest cannot be read: ${manifest.message}`;
  const devices = decodeDevices(await bundles.read(report.epoch, "devices.bin"));
  const large = largeAccounts(devices, manifest.pot, guards.accountShareBps);
  for (const { accountIndex, reward } of large) {
    log("one account takes a large share", {
      epoch: report.epoch,
      accountIndex,
      reward: reward.toString(),
    });
  }
  if (report.epoch === 1) return undefined;
  const last = parseManifest((await finalBundle(oracle, report.epoch - 1)).manifest);
  if (isRefused(last))
    return `the manifest of epoch ${report.epoch - 1} cannot be read: ${last.message}`;
  for (const name of ["contributions", "devices"] as const) {
    if (manifest[name] * BPS < last[name] * guards.leastShareBps) {
      return `${name} fell from ${last[name]} to ${manifest[name]}`;
    }
  }
  return undefined;
}

/** The same bundle has another digest in each attempt. An attempt that was abandoned since does not undo a veto. */
function vetoedAttempt(oracle: Oracle, report: Report): number | undefined {
  const { vetoed } = oracle.follower.law();
  for (let attempt = 0; attempt < report.attempt; attempt++) {
    const digest = reportDigest(ledgerDomain(oracle.chain.deployment), { ...report, attempt });
    if (vetoed.has(toHex(digest))) return attempt;
  }
  return undefined;
}

function largeAccounts(devices: readonly DeviceRecord[], pot: bigint, shareBps: number) {
  const rewards = new Map<number, bigint>();
  for (const { accountIndex, reward } of devices) {
    rewards.set(accountIndex, (rewards.get(accountIndex) ?? 0n) + reward);
  }
  return [...rewards]
    .filter(([, reward]) => reward * BigInt(BPS) > pot * BigInt(shareBps))
    .map(([accountIndex, reward]) => ({ accountIndex, reward }));
}
