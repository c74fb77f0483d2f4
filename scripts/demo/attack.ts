import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromHex, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { sign, toCompact } from "@link-rewards/core/encoding/signature";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { assembleBundle } from "@link-rewards/core/epoch/bundle";
import { type Manifest, parseManifest, reportOf } from "@link-rewards/core/epoch/manifest";
import { decodeRewards, encodeRewards } from "@link-rewards/core/epoch/records";
import { reportDigest } from "@link-rewards/core/signed/report";
import { openBundles } from "../../oracle/edge/bundles.ts";
import type { Cast } from "./cast.ts";

/**
 * Somebody who has the member's key proposes a root of their own for `epoch`: the first account loses all it ever
 * earned, the second gets it, and a bundle that says so is published in `folder`.
 */
export async function proposeCorruptRoot(
  { devnet, chain }: Cast,
  { epoch, bundles, folder }: { epoch: number; bundles: string; folder: string },
): Promise<void> {
  const honest = openBundles(bundles);
  const last = parseManifest(await honest.read(epoch - 1, "manifest.json"));
  if (isRefused(last)) throw new Error(last.message);
  const leaves = decodeRewards(await honest.read(epoch - 1, "rewards.bin"));
  const [robbed, thief, ...others] = leaves;
  if (robbed === undefined || thief === undefined) throw new Error("nobody to rob");
  const loot = robbed.cumulative;
  const stolen = [
    { ...robbed, cumulative: 0n },
    { ...thief, cumulative: thief.cumulative + loot, prefix: 0n },
    ...others,
  ];
  const nothing = new Uint8Array();
  const bundle = assembleBundle(termsOf(last, epoch), {
    "contributions.bin": nothing,
    "contributions.fence": nothing,
    "invoices.bin": nothing,
    "rewards.bin": encodeRewards(stolen),
  });
  const report = reportOf(bundle.manifest, bundle.bundleHash, 0);
  const ledger = chain.deployment.contracts.epochLedger;
  const digest = reportDigest(domainSeparator(chain.deployment.chainId, ledger), report);
  const member = devnet.role("member");
  const signature = sign(digest, fromHex(lowercaseHex(member.privateKey) as Hex));
  await rm(folder, { recursive: true, force: true });
  await cp(bundles, folder, { recursive: true });
  await mkdir(join(folder, String(epoch)), { recursive: true });
  for (const [name, bytes] of bundle.files)
    await writeFile(join(folder, String(epoch), name), bytes);
  const sent = await devnet.suite.ledger.connect(member).propose(report, [toCompact(signature)]);
  await sent.wait();
}

function termsOf(last: Manifest, epoch: number) {
  const { epoch: lastEpoch, root, total, leaves, ...rest } = last;
  return {
    ...rest,
    epoch,
    total,
    delta: 0n,
    fee: 0n,
    lastFinal: { ...rest.lastFinal, epoch: lastEpoch, root, total, leaves },
  };
}
