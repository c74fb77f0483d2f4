import { type Address, readUint, toHex } from "@link-rewards/core/encoding/bytes";
import { BYTES_OF } from "@link-rewards/core/encoding/fields";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { parseManifest } from "@link-rewards/core/epoch/manifest";
import {
  CONTRIBUTION_BYTES,
  CONTRIBUTION_INPUT_BYTES,
  recordAt,
} from "@link-rewards/core/epoch/records";
import { ledgerDomain } from "@link-rewards/core/signed/deployment";
import { SIGNED_RECEIPT_BYTES } from "@link-rewards/core/signed/receipt";
import { type Report, reportDigest } from "@link-rewards/core/signed/report";
import { finalBundle } from "./attest.ts";
import type { Oracle } from "./oracle.ts";

/** When to stop before proposing and let a person look. */
export type Guards = {
  /** Hold when contributions or devices are fewer than this part of the last epoch's, in ten-thousandths. */
  readonly leastShareBps: number;
  /** Warn when one account earns more than this part of all that an epoch pays out, in ten-thousandths. */
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
  const served = summarize(await bundles.read(report.epoch, "contributions.bin"));
  for (const [account, earned] of served.accounts) {
    if (earned * BigInt(BPS) <= manifest.delta * BigInt(guards.accountShareBps)) continue;
    log("one account takes a large share", {
      epoch: report.epoch,
      account,
      earned: earned.toString(),
    });
  }
  if (report.epoch === 1) return undefined;
  const { files } = await finalBundle(oracle, report.epoch - 1);
  const last = summarize(files.get("contributions.bin") ?? new Uint8Array());
  for (const name of ["contributions", "devices"] as const) {
    if (served[name] * BPS < last[name] * guards.leastShareBps) {
      return `${name} fell from ${last[name]} to ${served[name]}`;
    }
  }
  return undefined;
}

type Served = {
  readonly contributions: number;
  readonly devices: number;
  /** What each account earned, in wei. */
  readonly accounts: ReadonlyMap<Address, bigint>;
};

function summarize(file: Uint8Array): Served {
  const contributions = Math.floor(file.length / CONTRIBUTION_BYTES);
  const devices = new Set<Address>();
  const accounts = new Map<Address, bigint>();
  for (let i = 0; i < contributions; i++) {
    const row = recordAt(file, CONTRIBUTION_BYTES, i);
    // A receipt begins with its device. Rows are not decoded whole: there are millions.
    devices.add(toHex(row.subarray(0, BYTES_OF.address)));
    const account = toHex(row.subarray(SIGNED_RECEIPT_BYTES, CONTRIBUTION_INPUT_BYTES));
    const earned = readUint(row, CONTRIBUTION_INPUT_BYTES, BYTES_OF.uint96);
    accounts.set(account, (accounts.get(account) ?? 0n) + earned);
  }
  return { contributions, devices: devices.size, accounts };
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
