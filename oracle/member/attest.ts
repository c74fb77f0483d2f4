import { type Address, type Hex, toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import type { PublishedBundle } from "@link-rewards/core/epoch/bundle";
import type { ComputedEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { checkBundle } from "@link-rewards/core/judge/divergence";
import { missingFrom } from "@link-rewards/core/judge/missing";
import type { BlockMark } from "@link-rewards/core/law/block";
import { accountsAt, type Law, rulesAt } from "@link-rewards/core/law/law";
import { ledgerDomain } from "@link-rewards/core/signed/deployment";
import {
  type Attestation,
  type Declined,
  type Report,
  reportDigest,
} from "@link-rewards/core/signed/report";
import { sealBlockOf } from "@link-rewards/host/chain/chain";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import {
  type BundleSource,
  isBundleUnavailable,
  nativeSha256,
  openBundles,
  signedBundle,
} from "../edge/bundles.ts";
import { recoverContributions } from "../edge/recover-pool.ts";
import { type Oracle, receiptContext } from "./oracle.ts";

/** What came of looking at a report: it may be signed here, or why not. */
export type Examined = { readonly agrees: true } | Declined;

/**
 * Verifies a report's bundle from scratch, and that what this member acknowledged and is still valid is in it. Guards do
 * not apply: a true report is signed. What is cheap to refuse is refused first.
 */
export async function examine(oracle: Oracle, report: Report): Promise<Examined> {
  const { chain, follower } = oracle;
  await follower.refresh();
  const law = follower.law();
  const { epoch } = report;
  const amiss = amissInReport(law, report);
  if (amiss !== undefined) return { declined: amiss };
  const sealBlock = await sealBlockOf(chain, epoch);
  if (sealBlock === undefined)
    return { declined: `the seal time of epoch ${epoch} is not final yet` };
  const held = await heldByHand(oracle, epoch);
  if (held !== undefined) return { declined: held };
  if (await signedAnother(oracle, report))
    return {
      declined: `another report of epoch ${epoch} attempt ${report.attempt} was signed before`,
      signedOther: true,
    };
  const published = await findBundle(oracle, report);
  if ("amiss" in published) {
    // Not for others: it names this machine's folders.
    oracle.log("bundle not to be had", { epoch, reason: published.amiss });
    return { declined: `no bundle ${report.bundleHash} here or at a peer` };
  }
  const outcome = await checkFiles(oracle, { report, published, sealBlock });
  if (!outcome.agrees)
    return { declined: `${outcome.divergence.file}: ${outcome.divergence.message}` };
  await endIngest(oracle, epoch, sealBlock);
  // Complete then is complete for good: nothing of the epoch was acknowledged since.
  if (await wasSigned(oracle, report)) return { agrees: true };
  const missing = await findMissing(oracle, epoch, outcome.computed);
  return missing === undefined ? { agrees: true } : { declined: missing, incomplete: true };
}

async function heldByHand({ store }: Oracle, epoch: number): Promise<string | undefined> {
  const row = await store.getEpoch(epoch);
  if (row?.state !== "held" || row.heldBy !== "person") return undefined;
  return `epoch ${epoch} is held here by hand: ${row.heldReason}`;
}

/** What the chain's word alone speaks against. */
function amissInReport(law: Law, report: Report): string | undefined {
  const { epoch, attempt, prevRoot, root, total, rulesHash } = report;
  const { lastFinal } = law;
  if (epoch !== lastFinal.epoch + 1 || attempt !== law.attempt)
    return `epoch ${epoch} attempt ${attempt} is not open; open is epoch ${lastFinal.epoch + 1} attempt ${law.attempt}`;
  if (prevRoot !== lastFinal.root)
    return `the report goes on from root ${prevRoot}, the last final one is ${lastFinal.root}`;
  if (rulesHash !== rulesAt(law, epoch))
    return `the report is under rules ${rulesHash}, epoch ${epoch} is under ${rulesAt(law, epoch)}`;
  if ((root === ZERO_HASH) !== (accountsAt(law, epoch) === 0))
    return `the report's root is ${root}, epoch ${epoch} has ${accountsAt(law, epoch)} accounts`;
  if (total < lastFinal.total)
    return `the report's total ${total} is below the last one, ${lastFinal.total}`;
  return undefined;
}

async function checkFiles(
  oracle: Oracle,
  {
    report,
    published,
    sealBlock,
  }: {
    readonly report: Report;
    readonly published: PublishedBundle;
    readonly sealBlock: BlockMark;
  },
) {
  const { deployment } = oracle.chain;
  const law = oracle.follower.law();
  const { reason } = loadSecp256k1();
  if (reason !== undefined) oracle.log("native signature check not available", { reason });
  return checkBundle({
    signers: await recoverContributions(deployment, law, published),
    sha256: nativeSha256,
    deployment,
    law,
    epoch: report.epoch,
    sealBlock,
    previousRewards: await previousRewards(oracle, report.epoch),
    published,
    report,
  });
}

/** Whether this member signed the same bundle, in this attempt or one before. */
async function wasSigned({ chain, store }: Oracle, report: Report): Promise<boolean> {
  const domain = ledgerDomain(chain.deployment);
  for (let attempt = report.attempt; attempt >= 0; attempt--) {
    const recorded = await store.recordedReport(report.epoch, attempt);
    if (recorded === undefined) continue;
    if (recorded === toHex(reportDigest(domain, { ...report, attempt }))) return true;
  }
  return false;
}

async function signedAnother({ chain, store }: Oracle, report: Report): Promise<boolean> {
  const recorded = await store.recordedReport(report.epoch, report.attempt);
  if (recorded === undefined) return false;
  return recorded !== toHex(reportDigest(ledgerDomain(chain.deployment), report));
}

/** Signs what {@link examine} agreed to: one report an attempt. */
export async function signReport(
  { chain, store, member }: Oracle,
  report: Report,
): Promise<Attestation | Declined> {
  const { epoch, attempt } = report;
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

/** Reports that were agreed to lately, and need no second verification before they are signed. */
const MAX_AGREED = 16;

export type Attester = {
  /** Undefined while this member's last request is still being worked on, and was about another report. */
  examine(report: Report, asker: Address): Promise<Examined> | undefined;
};

/**
 * Verifies one report at a time, whoever asks: who asks for the one that is being verified gets the same answer. Each
 * member has one report in the queue, so none can fill it.
 */
export function createAttester(oracle: Oracle): Attester {
  const domain = ledgerDomain(oracle.chain.deployment);
  const running = new Map<Hex, Promise<Examined>>();
  const asking = new Map<Address, Hex>();
  const agreed = new Set<Hex>();
  let last: Promise<unknown> = Promise.resolve();

  function begin(digest: Hex, report: Report): Promise<Examined> {
    const verdict = last.then(async (): Promise<Examined> => {
      await oracle.follower.refresh();
      const amiss = amissInReport(oracle.follower.law(), report);
      if (amiss !== undefined) return { declined: amiss };
      // Also after it was agreed to.
      const held = await heldByHand(oracle, report.epoch);
      if (held !== undefined) return { declined: held };
      if (agreed.has(digest)) return { agrees: true };
      const examined = await examine(oracle, report);
      if ("agrees" in examined) agreed.add(digest);
      for (const oldest of agreed) if (agreed.size > MAX_AGREED) agreed.delete(oldest);
      return examined;
    });
    last = verdict.catch(() => undefined);
    running.set(digest, verdict);
    const end = () => void running.delete(digest);
    verdict.then(end, end);
    return verdict;
  }

  return {
    examine(report, asker) {
      const digest = toHex(reportDigest(domain, report));
      const asked = asking.get(asker);
      if (asked !== undefined && asked !== digest && running.has(asked)) return undefined;
      asking.set(asker, digest);
      return running.get(digest) ?? begin(digest, report);
    },
  };
}

/** The bundle of that hash, as it was signed: our own, out of `more`, or a peer's; else what is wrong at each. */
export async function findBundle(
  { bundles, peers }: Oracle,
  wanted: Pick<Report, "epoch" | "bundleHash">,
  more: readonly BundleSource[] = [],
): Promise<PublishedBundle | { readonly amiss: string }> {
  const ofPeers = peers.urls.map((url) => openBundles(new URL("/bundles", url).href));
  try {
    return await signedBundle([bundles, ...more, ...ofPeers], wanted);
  } catch (error) {
    if (!isBundleUnavailable(error)) throw error;
    return { amiss: error.message };
  }
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
  if (bundleHash === undefined) throw new Error(`epoch ${epoch} is not final`);
  const found = await findBundle(oracle, { epoch, bundleHash });
  if (!("amiss" in found)) return found;
  throw new Error(
    `the bundle of epoch ${epoch} (${bundleHash}) is not to be had: ${found.amiss}; take it from any mirror with adopt ${epoch} --bundles <location>`,
  );
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
