import { toHex } from "@link-rewards/core/encoding/bytes";
import { isIntact, type PublishedBundle } from "@link-rewards/core/epoch/bundle";
import type { ComputedEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { bundleHashOf } from "@link-rewards/core/epoch/manifest";
import { checkBundle } from "@link-rewards/core/judge/divergence";
import { missingFrom } from "@link-rewards/core/judge/missing";
import type { BlockMark } from "@link-rewards/core/law/block";
import { ledgerDomain } from "@link-rewards/core/signed/deployment";
import {
  type Attestation,
  type Declined,
  type Report,
  reportDigest,
} from "@link-rewards/core/signed/report";
import { sealBlockOf } from "@link-rewards/host/chain/chain";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import { isBundleUnavailable, nativeSha256, openBundles } from "../edge/bundles.ts";
import { recoverContributions } from "../edge/recover-pool.ts";
import { type Oracle, receiptContext } from "./oracle.ts";

/**
 * Verifies a report's bundle from scratch and signs it: the proposer for itself, and every member that is asked. What
 * this member acknowledged and is still valid must be in it. Guards do not apply: a true report is signed.
 */
export async function attest(oracle: Oracle, report: Report): Promise<Attestation | Declined> {
  const { chain, store, follower, member } = oracle;
  await follower.refresh();
  const law = follower.law();
  const { epoch, attempt } = report;
  if (epoch !== law.lastFinal.epoch + 1 || attempt !== law.attempt) {
    return {
      declined: `epoch ${epoch} attempt ${attempt} is not open; open is epoch ${law.lastFinal.epoch + 1} attempt ${law.attempt}`,
    };
  }
  const sealBlock = await sealBlockOf(chain, epoch);
  if (sealBlock === undefined)
    return { declined: `the seal time of epoch ${epoch} is not final yet` };
  const published = await findBundle(oracle, report);
  if (published === undefined)
    return { declined: `no bundle ${report.bundleHash} here or at a peer` };
  const { reason } = loadSecp256k1();
  if (reason !== undefined) oracle.log("native signature check not available", { reason });
  const outcome = checkBundle({
    signers: await recoverContributions(chain.deployment, law, published),
    sha256: nativeSha256,
    deployment: chain.deployment,
    law,
    epoch,
    sealBlock,
    previousRewards: await previousRewards(oracle, epoch),
    published,
    report,
  });
  if (!outcome.agrees)
    return { declined: `${outcome.divergence.file}: ${outcome.divergence.message}` };
  await endIngest(oracle, epoch, sealBlock);
  const missing = await findMissing(oracle, epoch, outcome.computed);
  if (missing !== undefined) return { declined: missing };
  const digest = reportDigest(ledgerDomain(chain.deployment), report);
  const recorded = await store.recordReport(epoch, attempt, toHex(digest));
  if (recorded === "other") {
    return {
      declined: `another report of epoch ${epoch} attempt ${attempt} was signed before`,
      signedOther: true,
    };
  }
  if (recorded === "forgone")
    return { declined: `nothing of epoch ${epoch} is signed here: it was forgone`, forgone: true };
  return { member: member.address, signature: member.sign(digest) };
}

/**
 * The bundle of that hash: our own, or a peer's. One whose files are not what its manifest says is taken only when nobody
 * has better ones: whoever checks it then names the file.
 */
async function findBundle(
  oracle: Oracle,
  { epoch, bundleHash }: Pick<Report, "epoch" | "bundleHash">,
): Promise<PublishedBundle | undefined> {
  let spoilt: PublishedBundle | undefined;
  for (const source of [oracle.bundles, ...peerBundles(oracle)]) {
    try {
      const published = await source.bundle(epoch);
      if (bundleHashOf(published.manifest) !== bundleHash) continue;
      if (isIntact(published, nativeSha256)) return published;
      spoilt ??= published;
    } catch (error) {
      if (!isBundleUnavailable(error)) throw error;
    }
  }
  return spoilt;
}

/** rewards.bin of the last final epoch; its root is checked by whoever computes with it. */
export async function previousRewards(oracle: Oracle, epoch: number): Promise<Uint8Array> {
  if (epoch === 1) return new Uint8Array();
  const { files } = await finalBundle(oracle, epoch - 1);
  return files.get("rewards.bin") ?? new Uint8Array();
}

/** The bundle that became final, wherever it is: a member that was away has not published it itself. */
export async function finalBundle(oracle: Oracle, epoch: number): Promise<PublishedBundle> {
  const bundleHash = oracle.follower.law().finals.get(epoch)?.bundleHash;
  const found = bundleHash && (await findBundle(oracle, { epoch, bundleHash }));
  if (found) return found;
  throw new Error(
    `the bundle of epoch ${epoch} (${bundleHash}) is neither in ${oracle.bundles.location} nor at a peer; copy it from any mirror`,
  );
}

function peerBundles({ peers }: Oracle) {
  return peers.urls.map((url) => openBundles(new URL("/bundles", url).href));
}

/**
 * From now on no process of ours acknowledges a receipt of the epoch, however slow its clock: what was acknowledged is in
 * the store, and what is not in a report that is signed now never was.
 */
async function endIngest(oracle: Oracle, epoch: number, sealBlock: BlockMark): Promise<void> {
  const row = await oracle.store.getEpoch(epoch);
  if (row?.sealBlock !== undefined) return;
  const ended = await oracle.store.advance(epoch, row?.state, row?.state ?? "open", { sealBlock });
  // Somebody else moved it on.
  if (!ended) await endIngest(oracle, epoch, sealBlock);
}

/** What this member has stored and is still valid must be in the bundle, as it is or replaced by what counts before it. */
async function findMissing(
  oracle: Oracle,
  epoch: number,
  computed: ComputedEpoch,
): Promise<string | undefined> {
  const findIn = missingFrom(computed.contributions, receiptContext(oracle));
  for await (const page of oracle.store.packedReceipts(epoch)) {
    const missing = findIn(page);
    if (missing === undefined) continue;
    const { device, customer, sequence } = missing.receipt;
    return `the receipt ${sequence} of device ${device} to customer ${customer} was acknowledged here and is not in the bundle`;
  }
  return undefined;
}
