import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromHex, type Hex, lowercaseHex, toHex, ZERO_HASH } from "../../../oracle/core/bytes.ts";
import { type Report, reportDigest } from "../../../oracle/core/report.ts";
import { RULES_HASH } from "../../../oracle/core/rules.ts";
import { sign } from "../../../oracle/core/signature.ts";
import { domainSeparator } from "../../../oracle/core/typed.ts";
import { toCompact } from "../../../oracle/edge/chain.ts";
import type { MemberWorld } from "./member.ts";
import type { MemberOracle } from "./member-oracle.ts";

/** Somebody with a member's key proposes a report of their own making. Returns its digest. */
export async function proposeAs(
  { devnet }: MemberWorld,
  { wallet }: Pick<MemberOracle, "wallet">,
  changes: Partial<Report>,
): Promise<Hex> {
  const { ledger } = devnet.suite;
  const [proposal, last] = await Promise.all([ledger.proposal(), ledger.lastFinal()]);
  const report: Report = {
    epoch: Number(proposal.epoch),
    attempt: Number(proposal.attempt),
    prevRoot: last.root as Hex,
    root: last.root as Hex,
    contributionRoot: ZERO_HASH,
    bundleHash: ZERO_HASH,
    total: last.total,
    leaves: Number(last.leaves),
    contributions: 0,
    rulesHash: RULES_HASH,
    ...changes,
  };
  const domain = domainSeparator(31337, lowercaseHex(await ledger.getAddress()));
  const digest = reportDigest(domain, report);
  const signature = sign(digest, fromHex(lowercaseHex(wallet.privateKey)));
  const sent = await ledger
    .connect(devnet.role("bystander"))
    .propose(report, [toCompact(signature)]);
  await sent.wait();
  return toHex(digest);
}

/** Publishes files in the place of an epoch's bundle. */
export async function publishFiles(
  folder: string,
  epoch: number,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const place = join(folder, String(epoch));
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(place, name), bytes);
}
