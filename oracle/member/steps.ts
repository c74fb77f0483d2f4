import { setTimeout as sleep } from "node:timers/promises";
import { type Address, type Hex, toHex, utf8, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import { recover, toCompact } from "@link-rewards/core/encoding/signature";
import { type ComputedEpoch, computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { lawfulStored } from "@link-rewards/core/epoch/lawful";
import { bundleHashOf, parseManifest, reportOf } from "@link-rewards/core/epoch/manifest";
import type { BlockMark } from "@link-rewards/core/law/block";
import { sealTimeOf } from "@link-rewards/core/law/clock";
import { ledgerDomain } from "@link-rewards/core/signed/deployment";
import {
  receiptToJson,
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
import { isBundleUnavailable, nativeSha256 } from "../edge/bundles.ts";
import { WAITING } from "../edge/demands.ts";
import type { EpochRow, Store } from "../store/store.ts";
import { adoptFinal } from "./adopt.ts";
import { examine, previousRewards, signReport } from "./attest.ts";
import { type Guards, reasonToHold } from "./guards.ts";
import type { Oracle } from "./oracle.ts";
import { replicateFromAll } from "./replicate.ts";

/**
 * An epoch's way: open → sealed → computed → published → attested → proposed → final. Each function here takes one
 * step, can be repeated, and is guarded by a compare-and-set on the epoch's state: killed anywhere and started again,
 * it comes to the same bytes and one proposal. How receipts come in is in ingest.ts; who calls the steps, in close.ts.
 */

/** A member that signed has left since, or more must sign by now: members are asked again, for the same report. */
const NO_LONGER_SIGNED = /^(SignerNotActive|TooFewSignatures)\(/;

/** What the ledger says when somebody else came first with what was to be sent, or with what makes it void. */
const LOST_RACE =
  /^(NoProposal|NotPendingReport|ProposalPending|EpochOutOfOrder|WrongAttempt|WindowOpen|TooEarlyToAbandon|LedgerIsClosed)\(/;

function fasterThanUs(reason: string): string {
  return `another member was faster: ${reason}; the next run goes on from there`;
}

/** Sends what others may send as well; undefined when one of them was faster, with what the ledger said. */
export async function raceFor(send: () => Promise<void>): Promise<string | undefined> {
  try {
    await send();
    return undefined;
  } catch (error) {
    const reason = revertReason(error) ?? "";
    if (!LOST_RACE.test(reason)) throw error;
    return fasterThanUs(reason);
  }
}

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
  await replicateFromAll(oracle, peers.urls);
  await store.advance(epoch, "open", "sealed", { sealBlock });
  return MOVED;
}

/** sealed → computed: the bundle is written beside its place. */
export async function computeStep(oracle: Oracle, row: EpochRow): Promise<StepOutcome> {
  const { store, follower } = oracle;
  const { epoch } = row;
  if (!follower.law().finals.has(epoch - 1)) {
    return { waiting: `no finalized block says yet that epoch ${epoch - 1} is final` };
  }
  const staged = await stageBundle(oracle, row);
  if ("held" in staged) return staged;
  await store.advance(epoch, "sealed", "computed", staged);
  return MOVED;
}

async function stageBundle(
  oracle: Oracle,
  row: EpochRow,
): Promise<{ readonly bundleHash: Hex } | { readonly held: string }> {
  const { store, bundles, chain, follower } = oracle;
  const { epoch } = row;
  const gathering = lawfulStored(follower.law(), epoch);
  const refusals: unknown[] = [];
  const noteRefused = (packed: Uint8Array, refused: Refused) => {
    const receipt = unpackReceipt(packed);
    refusals.push({ ...refused, receipt: receiptToJson(receipt) });
    oracle.log("receipt no longer counts", { ...refused, epoch, device: receipt.device });
  };
  for await (const page of store.packedReceipts(epoch)) gathering.take(page, noteRefused);
  const last = await previousRewards(oracle, epoch);
  let computed: ComputedEpoch;
  try {
    computed = computeEpoch({
      deployment: chain.deployment,
      law: follower.law(),
      epoch,
      sealBlock: sealBlockIn(row),
      contributions: gathering.finish(),
      previousRewards: last,
      sha256: nativeSha256,
    });
  } catch (error) {
    // Of the same law and the same receipts it comes to the same: only a person can tell what happened before.
    return { held: `epoch ${epoch} cannot be computed: ${(error as Error).message}` };
  }
  const equivocations = (await store.equivocations(epoch)).map(({ counting, other }) => ({
    counting: signedReceiptToJson(counting),
    other: signedReceiptToJson(other),
  }));
  // What was computed before from less is found by its name, and makes place.
  const { bundleHash } = row;
  if (bundleHash !== undefined && bundleHash !== computed.bundleHash)
    await bundles.putAside(epoch, bundleHash);
  const beside = new Map([
    ["refusals.ndjson", ndjson(refusals)],
    ["equivocations.ndjson", ndjson(equivocations)],
  ]);
  await bundles.stage(epoch, computed, beside);
  return { bundleHash: computed.bundleHash };
}

/** Makes a bundle anew that another machine made, or that was lost; why not, when other bytes come of it. */
export async function bringBundle(oracle: Oracle, row: EpochRow): Promise<string | undefined> {
  const { bundles } = oracle;
  const bundleHash = bundleHashIn(row);
  if ((await bundles.named(row.epoch, bundleHash)) !== undefined) return undefined;
  const made = await stageBundle(oracle, row);
  if ("held" in made) return made.held;
  if (made.bundleHash !== bundleHash) {
    return `bundle ${bundleHash} is not in ${bundles.location}, and what is stored gives ${made.bundleHash}: copy the folder of the machine that made it`;
  }
  await bundles.publish(row.epoch, bundleHash);
  oracle.log("bundle made here too", { epoch: row.epoch, bundleHash });
  return undefined;
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
  try {
    await bundles.publish(row.epoch, bundleHash);
  } catch (error) {
    if (!isBundleUnavailable(error)) throw error;
    // It was staged on another machine.
    const reason = await bringBundle(oracle, row);
    if (reason !== undefined) return { held: reason };
  }
  const { manifest } = await bundles.bundle(row.epoch);
  const found = bundleHashOf(manifest);
  if (found !== bundleHash) {
    return { held: `the published bundle has hash ${found}, computed was ${bundleHash}` };
  }
  await store.advance(row.epoch, "computed", "published");
  return MOVED;
}

export type AttestOptions = {
  /** Undefined: a person has looked. */
  readonly guards: Guards | undefined;
  /** Whether the epoch may be computed anew with what others have: a peer that always has more must not go on for ever. */
  readonly mayRecompute: () => boolean;
  /** How long a peer that does not answer is waited for, in seconds after the seal time or the attempt's beginning; half the proposal timeout when undefined. */
  readonly peerPatience?: number | undefined;
};

/**
 * published → attested: enough members have verified the bundle and signed the report of the current attempt. Each member
 * signs one report an attempt, so guards and completeness are looked at before anybody signs.
 */
export async function attestStep(
  oracle: Oracle,
  row: EpochRow,
  { guards, mayRecompute, peerPatience }: AttestOptions,
): Promise<StepOutcome | { readonly abandon: true }> {
  const { chain, follower, store } = oracle;
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
  if (proposal.digest !== ZERO_HASH) {
    return {
      held: `the report pending on chain, ${proposal.digest}, is not ours, ${digest}: verify it with watch`,
    };
  }
  if (guards !== undefined && row.releasedAttempt !== attempt) {
    const reason = await reasonToHold(oracle, report, guards);
    if (reason !== undefined) return { held: reason };
  }
  const threshold = Number(await chain.suite.quorum.threshold());
  const { agreed, silent } = await fetchWhatPeersMiss(oracle, report, threshold);
  const examined = await examine(oracle, report);
  if ("declined" in examined) {
    if (examined.signedOther) return { abandon: true };
    if (!examined.incomplete || !mayRecompute()) return { held: examined.declined };
    oracle.log("computed anew, with what others have", { epoch: row.epoch });
    await store.advance(row.epoch, "published", "sealed");
    return MOVED;
  }
  // The one signature of this attempt is kept until it can serve: till then others may bring what is not in the bundle yet.
  if (agreed < threshold) {
    return {
      waiting: `${agreed} of ${threshold} signatures of active members for attempt ${attempt} can be had`,
    };
  }
  const waited = silent.length > 0 && (await reasonToWait(oracle, silent, peerPatience));
  if (waited) return { waiting: waited };
  const own = await signReport(oracle, report);
  if ("declined" in own && !own.forgone) return { abandon: true };
  const signatures = new Map<Address, Uint8Array>();
  if (!("declined" in own) && (await chain.suite.quorum.isActive(own.member)))
    signatures.set(own.member, own.signature);
  await askPeers(oracle, report, signatures, threshold);
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

/** How long others are waited for once enough have agreed. */
const REVIEW_GRACE_MS = 10_000;

/**
 * A peer that is away may have acknowledged what nobody else has, and one signature is all that an attempt has. So enough
 * signatures are not reason enough while it may come back in time.
 */
async function reasonToWait(
  { chain }: Oracle,
  silent: readonly string[],
  peerPatience: number | undefined,
): Promise<string | undefined> {
  const { ledger } = chain.suite;
  const [{ abandonableAt }, timeout, head] = await Promise.all([
    ledger.proposal(),
    ledger.proposalTimeoutSeconds(),
    chain.head(),
  ]);
  const begun = Number(abandonableAt - timeout);
  const until = begun + (peerPatience ?? Math.floor(Number(timeout) / 2));
  if (head.timestamp >= until) return undefined;
  return `no answer from ${silent.join(", ")}, which may have receipts that nobody else has: waited for until ${until} (--peer-patience)`;
}

/**
 * Asks all peers whether they would sign, and takes what arrived at those that would not. How many active members would,
 * with us, and who did not answer.
 */
async function fetchWhatPeersMiss(
  oracle: Oracle,
  report: Report,
  threshold: number,
): Promise<{ readonly agreed: number; readonly silent: readonly string[] }> {
  const { chain, peers, member: self, log } = oracle;
  const declined: string[] = [];
  const silent = new Set(peers.urls);
  const agreed = new Set<Address>();
  const enough = signal();
  const end = new AbortController();
  /** Whose signature counts for nothing, such as one of a key that was handed on, would sign in vain. */
  const agree = async (member: Address) => {
    if (await chain.suite.quorum.isActive(member)) agreed.add(member);
    else log("not an active member", { member, epoch: report.epoch });
    if (agreed.size >= threshold) enough.give();
  };
  await agree(self.address);
  const review = async (url: string) => {
    try {
      const answer = await peers.review(url, report, end.signal);
      silent.delete(url);
      if ("agrees" in answer) await agree(answer.member);
      else {
        log("peer would not sign", { peer: url, epoch: report.epoch, reason: answer.declined });
        declined.push(url);
      }
    } catch (error) {
      log("peer does not answer", { peer: url, epoch: report.epoch, reason: String(error) });
    }
  };
  const all = Promise.all(peers.urls.map(review));
  await Promise.race([all, enough.given.then(() => sleep(REVIEW_GRACE_MS, undefined, UNHELD))]);
  end.abort(NOT_WAITED_FOR);
  const unread = await replicateFromAll(oracle, declined);
  return { agreed: agreed.size, silent: [...silent, ...unread] };
}

/** All at once, until enough have signed: one that hangs is not waited for where it is not needed. */
async function askPeers(
  oracle: Oracle,
  report: Report,
  signatures: Map<Address, Uint8Array>,
  threshold: number,
): Promise<void> {
  const enough = signal();
  const end = new AbortController();
  const ask = async (url: string) => {
    const answer = await askPeer(oracle, url, report, end.signal);
    // What comes later is one more than the contract needs, and costs gas.
    if (answer !== undefined && signatures.size < threshold)
      signatures.set(answer.member, answer.signature);
    if (signatures.size >= threshold) enough.give();
  };
  if (signatures.size >= threshold) return;
  await Promise.race([Promise.all(oracle.peers.urls.map(ask)), enough.given]);
  end.abort(NOT_WAITED_FOR);
}

/** Left open, a request would keep the process from ending for as long as a peer may verify. */
const NOT_WAITED_FOR = new Error("enough others have answered, and it is not waited for");

/** A timer that alone keeps no process from ending. */
const UNHELD = { ref: false };

function signal() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { given: promise, give: resolve };
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
    if (LOST_RACE.test(reason)) return { waiting: fasterThanUs(reason) };
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
  const { chain, store } = oracle;
  const { ledger } = chain.suite;
  const { report } = signedReportIn(row);
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
  let reverted: string | undefined;
  const lost = await raceFor(async () => {
    const { hash, outcome } = await sender.send(`finalize/${row.epoch}/${report.attempt}`, call);
    if (outcome === "reverted") reverted = hash;
  });
  if (lost !== undefined) return { waiting: lost };
  return reverted === undefined ? MOVED : { waiting: `the finalization ${reverted} was reverted` };
}

/**
 * any → final: the chain has fixed the epoch, with our bundle or another. What is not the newest is not worth standing
 * still for: it can be adopted later.
 */
export async function finalStep(oracle: Oracle, row: EpochRow): Promise<StepOutcome> {
  const { store, follower, log } = oracle;
  const { lastFinal, finals } = follower.law();
  const bundleHash = finals.get(row.epoch)?.bundleHash;
  const isPublished = ["published", "attested", "proposed"].includes(row.heldFrom ?? row.state);
  // Compared by the bundle: one root can have several.
  if (!isPublished || row.bundleHash !== bundleHash) {
    const outcome = await adoptFinal(oracle, row.epoch);
    if ("amiss" in outcome) {
      if (row.epoch === lastFinal.epoch) return { held: outcome.amiss };
      log("an epoch is not served here", { epoch: row.epoch, reason: outcome.amiss });
    }
  }
  await store.advance(row.epoch, row.state, "final", { ...(bundleHash && { bundleHash }) });
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

async function askPeer(oracle: Oracle, url: string, report: Report, end: AbortSignal) {
  try {
    const answer = await oracle.peers.attest(url, report, end);
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
