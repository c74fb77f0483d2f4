import { type Address, type Hex, toHex, utf8, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import { recover, toCompact } from "@link-rewards/core/encoding/signature";
import { computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { lawfulStored } from "@link-rewards/core/epoch/lawful";
import { bundleHashOf, parseManifest, reportOf } from "@link-rewards/core/epoch/manifest";
import type { BlockMark } from "@link-rewards/core/law/block";
import { sealTimeOf } from "@link-rewards/core/law/clock";
import { checkAllSigned, checkLawful, type VerifiedReceipt } from "@link-rewards/core/law/verify";
import { ledgerDomain } from "@link-rewards/core/signed/deployment";
import {
  packSignedReceipt,
  receiptToJson,
  type SignedReceipt,
  signedReceiptToJson,
  unpackReceipt,
} from "@link-rewards/core/signed/receipt";
import {
  parseSignedReport,
  type Report,
  reportDigest,
  type SignedReport,
  signedReportToJson,
} from "@link-rewards/core/signed/report";
import { sealBlockOf } from "@link-rewards/host/chain/chain";
import { revertReason } from "@link-rewards/host/chain/errors";
import type { Sender } from "@link-rewards/host/transactions";
import { nativeSha256 } from "../edge/bundles.ts";
import { WAITING } from "../edge/demands.ts";
import { recoverInPool } from "../edge/recover-pool.ts";
import type { EpochRow, Store } from "../store/store.ts";
import { attest, previousRewards } from "./attest.ts";
import { type Guards, reasonToHold } from "./guards.ts";
import { type Oracle, receiptContext } from "./oracle.ts";

/**
 * An epoch's way: open → sealed → computed → published → attested → proposed → final. Each function here takes one
 * step, can be repeated, and is guarded by a compare-and-set on the epoch's state: killed anywhere and started again,
 * it comes to the same bytes and one proposal. How receipts come in is in ingest.ts; who calls the steps, in close.ts.
 */

/** Receipts copied from a peer in one commit. */
const COPY_BATCH = 500;

/** A member that signed has left since, or more must sign by now: members are asked again, for the same report. */
const NO_LONGER_SIGNED = /^(SignerNotActive|TooFewSignatures)\(/;

/** A step's answer: the epoch moved on, or it cannot yet, or a person must look. */
export type StepOutcome =
  | { readonly moved: true }
  | { readonly waiting: string }
  | { readonly held: string };

/** Also when the store says that another process took the step: the next look at the row goes on from there. */
const MOVED: StepOutcome = { moved: true };

/** open → sealed, when a finalized block has reached the seal time: from here on the inputs are frozen. */
export async function sealStep(oracle: Oracle, epoch: number): Promise<StepOutcome> {
  const { chain, peers, store } = oracle;
  const sealBlock = await sealBlockOf(chain, epoch);
  if (sealBlock === undefined) {
    const sealTime = sealTimeOf(chain.deployment, epoch);
    return { waiting: `no finalized block has reached the seal time ${sealTime}` };
  }
  for (const url of peers.urls) await copyReceipts(oracle, url, epoch);
  await store.advance(epoch, "open", "sealed", { sealBlock });
  return MOVED;
}

/** sealed → computed: the bundle is written beside its place. */
export async function computeStep(oracle: Oracle, row: EpochRow): Promise<StepOutcome> {
  const { store, bundles, chain, follower } = oracle;
  const { epoch } = row;
  if (!follower.law().finals.has(epoch - 1)) {
    return { waiting: `no finalized block says yet that epoch ${epoch - 1} is final` };
  }
  const gathering = lawfulStored(follower.law(), epoch);
  const refusals: unknown[] = [];
  const noteRefused = (packed: Uint8Array, refused: Refused) => {
    const receipt = unpackReceipt(packed);
    refusals.push({ ...refused, receipt: receiptToJson(receipt) });
    oracle.log("receipt no longer counts", { ...refused, epoch, device: receipt.device });
  };
  for await (const page of store.packedReceipts(epoch)) gathering.take(page, noteRefused);
  const computed = computeEpoch({
    deployment: chain.deployment,
    law: follower.law(),
    epoch,
    sealBlock: sealBlockIn(row),
    contributions: gathering.finish(),
    previousRewards: await previousRewards(oracle, epoch),
    sha256: nativeSha256,
  });
  const equivocations = (await store.equivocations(epoch)).map(({ counting, other }) => ({
    counting: signedReceiptToJson(counting),
    other: signedReceiptToJson(other),
  }));
  const beside = new Map([
    ["refusals.ndjson", ndjson(refusals)],
    ["equivocations.ndjson", ndjson(equivocations)],
  ]);
  await bundles.stage(epoch, computed, beside);
  await store.advance(epoch, "sealed", "computed", { bundleHash: computed.bundleHash });
  return MOVED;
}

function ndjson(rows: readonly unknown[]): Uint8Array {
  return utf8(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

/** computed → published: the bundle is moved to its place and read back. */
export async function publishStep(oracle: Oracle, row: EpochRow): Promise<StepOutcome> {
  const { store, bundles, follower } = oracle;
  const bundleHash = bundleHashIn(row);
  // What the guardian vetoed can still be demanded: another bundle must not take its files away.
  for (const { report } of follower.law().vetoed.values())
    if (report.epoch === row.epoch && report.bundleHash !== bundleHash)
      await bundles.putAside(row.epoch, report.bundleHash);
  await bundles.publish(row.epoch, bundleHash);
  const { manifest } = await bundles.bundle(row.epoch);
  const found = bundleHashOf(manifest);
  if (found !== bundleHash) {
    return { held: `the published bundle has hash ${found}, computed was ${bundleHash}` };
  }
  await store.advance(row.epoch, "computed", "published");
  return MOVED;
}

/** published → attested: enough members have verified the bundle and signed the report of the current attempt. */
export async function attestStep(
  oracle: Oracle,
  row: EpochRow,
): Promise<StepOutcome | { readonly abandon: true }> {
  const { chain, follower, peers } = oracle;
  const { manifest: bytes } = await oracle.bundles.bundle(row.epoch);
  const manifest = parseManifest(bytes);
  if (isRefused(manifest))
    return { held: `the published manifest cannot be read: ${manifest.message}` };
  const proposal = await chain.suite.ledger.proposal();
  const attempt = Number(proposal.attempt);
  const report = reportOf(manifest, bundleHashIn(row), attempt);
  const digest = toHex(reportDigest(ledgerDomain(oracle.chain.deployment), report));
  if (proposal.digest === digest || Number(proposal.epoch) > row.epoch) {
    // Another member was faster: nothing is left to be signed, only to be followed to its end.
    return attested(oracle, row, { report, signatures: [] });
  }
  if (attempt !== follower.law().attempt) {
    return { waiting: `no finalized block says yet that attempt ${attempt} has begun` };
  }
  const own = await attest(oracle, report);
  if ("declined" in own && !own.forgone) {
    return own.signedOther ? { abandon: true } : { held: own.declined };
  }
  const threshold = Number(await chain.suite.quorum.threshold());
  const signatures = new Map<Address, Uint8Array>();
  if (!("declined" in own) && (await chain.suite.quorum.isActive(own.member)))
    signatures.set(own.member, own.signature);
  for (const url of peers.urls) {
    if (signatures.size >= threshold) break;
    const answer = await askPeer(oracle, url, report);
    if (answer !== undefined) signatures.set(answer.member, answer.signature);
  }
  if (signatures.size < threshold) {
    return {
      waiting: `${signatures.size} of ${threshold} signatures of active members for attempt ${attempt}`,
    };
  }
  return attested(oracle, row, {
    report,
    signatures: [...signatures].map(([member, signature]) => ({ member, signature })),
  });
}

async function attested(
  { store }: Oracle,
  { epoch }: EpochRow,
  signed: SignedReport,
): Promise<StepOutcome> {
  const { attempt } = signed.report;
  const signedReport = signedReportToJson(signed);
  await store.advance(epoch, "published", "attested", { attempt, signedReport });
  return MOVED;
}

/** attested → proposed. The chain is asked first: another member may have proposed the same report. */
export async function proposeStep(
  oracle: Oracle,
  sender: Sender,
  row: EpochRow,
  guards: Guards | undefined,
): Promise<StepOutcome> {
  const { chain, store, follower } = oracle;
  const { ledger } = chain.suite;
  const { report, signatures } = signedReportIn(row);
  const digest = toHex(reportDigest(ledgerDomain(oracle.chain.deployment), report));
  const proposal = await ledger.proposal();
  if (Number(proposal.epoch) > row.epoch) return proposed(store, row.epoch);
  if (Number(proposal.attempt) !== report.attempt) return retry(store, row);
  if (proposal.digest === digest) return proposed(store, row.epoch);
  if (proposal.digest !== ZERO_HASH) {
    return {
      held: `the report pending on chain, ${proposal.digest}, is not ours, ${digest}: verify it with watch`,
    };
  }
  // Another member's proposal was only followed, and is gone with a reorg.
  if (signatures.length === 0) return retry(store, row);
  if (guards !== undefined) {
    const reason = await reasonToHold(oracle, report, guards);
    if (reason !== undefined) return { held: reason };
  }
  const call = await ledger.propose.populateTransaction(
    report,
    signatures.map(({ signature }) => toCompact(signature)),
  );
  try {
    const { hash, outcome } = await sender.send(`propose/${row.epoch}/${report.attempt}`, call);
    if (outcome === "reverted") {
      // Somebody else's transaction came first; the next look at the chain says which.
      return { waiting: `the proposal ${hash} was reverted` };
    }
  } catch (error) {
    const reason = revertReason(error) ?? "";
    if (!NO_LONGER_SIGNED.test(reason)) throw error;
    await retry(store, row);
    return { waiting: `the signatures are no longer enough: ${reason}` };
  }
  await follower.refresh();
  return proposed(store, row.epoch);
}

/**
 * proposed → final, after the window, once the block is final that says so: a reorg must not leave us an epoch ahead of
 * the chain. What was vetoed, revoked or abandoned goes back to be signed anew.
 */
export async function finalizeStep(
  oracle: Oracle,
  sender: Sender,
  row: EpochRow,
): Promise<StepOutcome> {
  const { chain, store, follower } = oracle;
  const { ledger } = chain.suite;
  const { report } = signedReportIn(row);
  if (follower.law().lastFinal.epoch >= row.epoch) return finalOrForeign(oracle, row, report);
  const digest = toHex(reportDigest(ledgerDomain(oracle.chain.deployment), report));
  const [proposal, head] = await Promise.all([ledger.proposal(), chain.head()]);
  if (Number(proposal.epoch) > row.epoch) {
    return { waiting: `epoch ${row.epoch} is final in a block that is not finalized yet` };
  }
  if (Number(proposal.attempt) !== report.attempt) return retry(store, row);
  if (proposal.digest === ZERO_HASH) {
    // A reorg has taken the proposal with it: it is sent again.
    await store.advance(row.epoch, "proposed", "attested");
    return MOVED;
  }
  if (proposal.digest !== digest) {
    return { held: `the report pending on chain, ${proposal.digest}, is not ours, ${digest}` };
  }
  // Not as the event says: demands move it.
  const finalizableAt = Number(proposal.finalizableAt);
  if (finalizableAt === WAITING) {
    const { open } = await chain.suite.demands.queueOf(digest);
    return { waiting: `the window is open: ${open} demanded rows or pages wait for their answers` };
  }
  if (head.timestamp < finalizableAt) {
    return { waiting: `the window is open until ${finalizableAt}` };
  }
  const call = await ledger.finalize.populateTransaction(report);
  const { hash, outcome } = await sender.send(`finalize/${row.epoch}/${report.attempt}`, call);
  return outcome === "reverted" ? { waiting: `the finalization ${hash} was reverted` } : MOVED;
}

/** A final root other than ours means that our history is not the chain's: a person must look. */
async function finalOrForeign(
  { store, follower }: Oracle,
  row: EpochRow,
  report: Report,
): Promise<StepOutcome> {
  const root = follower.law().finals.get(row.epoch)?.root;
  if (root !== report.root) {
    return { held: `epoch ${row.epoch} is final with root ${root}, ours is ${report.root}` };
  }
  await store.advance(row.epoch, "proposed", "final");
  return MOVED;
}

async function proposed(store: Store, epoch: number): Promise<StepOutcome> {
  await store.advance(epoch, "attested", "proposed");
  return MOVED;
}

/** The attempt, or a signer's time, has ended: the same bundle is signed again. */
async function retry(store: Store, row: EpochRow): Promise<StepOutcome> {
  await store.advance(row.epoch, row.state, "published");
  return MOVED;
}

/** A peer that is down or sends rubbish costs nothing but what it alone has: the others' receipts still count. */
async function copyReceipts(oracle: Oracle, url: string, epoch: number): Promise<void> {
  const context = receiptContext(oracle);
  let batch: SignedReceipt[] = [];
  let copied = 0;
  const put = async () => {
    const items = batch.map((signed) => {
      const lawful = checkLawful(signed, context.law);
      return isRefused(lawful) ? lawful : { lawful, packed: packSignedReceipt(signed) };
    });
    const checked = await checkAllSigned(items, context, recoverInPool);
    const verified = checked.filter((outcome): outcome is VerifiedReceipt => !isRefused(outcome));
    await oracle.store.putReceipts(verified);
    copied += verified.length;
    batch = [];
  };
  try {
    for await (const signed of oracle.peers.receipts(url, epoch)) {
      if (signed.receipt.epoch !== epoch) continue;
      batch.push(signed);
      if (batch.length === COPY_BATCH) await put();
    }
    await put();
    oracle.log("receipts copied", { peer: url, epoch, copied });
  } catch (error) {
    oracle.log("peer has no receipts for us", { peer: url, epoch, reason: String(error) });
  }
}

async function askPeer(oracle: Oracle, url: string, report: Report) {
  try {
    const answer = await oracle.peers.attest(url, report);
    if ("declined" in answer) {
      oracle.log("peer did not sign", { peer: url, epoch: report.epoch, reason: answer.declined });
      return undefined;
    }
    const signer = recover(
      reportDigest(ledgerDomain(oracle.chain.deployment), report),
      answer.signature,
    );
    if (signer !== answer.member || !(await oracle.chain.suite.quorum.isActive(signer))) {
      oracle.log("peer is not an active member", { peer: url, member: answer.member });
      return undefined;
    }
    return answer;
  } catch (error) {
    oracle.log("peer does not answer", { peer: url, epoch: report.epoch, reason: String(error) });
    return undefined;
  }
}

function sealBlockIn({ epoch, sealBlock }: EpochRow): BlockMark {
  if (sealBlock === undefined) throw new Error(`epoch ${epoch} has no seal block`);
  return sealBlock;
}

function bundleHashIn({ epoch, bundleHash }: EpochRow): Hex {
  if (bundleHash === undefined) throw new Error(`epoch ${epoch} has no bundle hash`);
  return bundleHash;
}

function signedReportIn({ epoch, signedReport }: EpochRow): SignedReport {
  const parsed = parseSignedReport(signedReport ?? "");
  if (isRefused(parsed)) throw new Error(`epoch ${epoch} has no signed report: ${parsed.message}`);
  return parsed;
}
