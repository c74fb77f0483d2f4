import { type Address, concatBytes, fromHex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refusal, type Refused, refuse } from "@link-rewards/core/encoding/refusal";
import { HASH_BYTES } from "@link-rewards/core/encoding/tree";
import { endOf, type OpenEpoch, openEpochs, sealTimeOf } from "@link-rewards/core/law/clock";
import { type Law, paid } from "@link-rewards/core/law/law";
import {
  checkAllSigned,
  checkLawful,
  type LawfulArrival,
  refuseUnlessOpen,
  type VerifiedReceipt,
  verifyVoucher,
} from "@link-rewards/core/law/verify";
import { acknowledgedRoot, acknowledgementDigest } from "@link-rewards/core/signed/acknowledgement";
import {
  type HeadAnswer,
  headToJson,
  type ReceiptResult,
  type RefusedResult,
  type Results,
  type SignedAcknowledgement,
  type TakenResult,
  type Terms,
  type VoucherResult,
} from "@link-rewards/core/signed/answers";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import { escrowDomain, registryDomain } from "@link-rewards/core/signed/deployment";
import {
  receiptDigest,
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
} from "@link-rewards/core/signed/receipt";
import {
  type Curves,
  recoverSigners,
  type SignerRecovery,
} from "@link-rewards/core/signed/signers";
import {
  type Arrived,
  type Batch,
  PACKED_HEADER_BYTES,
  parseBatch,
  parsePackedBatch,
  parseSignedVoucher,
} from "@link-rewards/core/signed/submission";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import type { PutOutcome, Store } from "../store/store.ts";

/** About a second of work for two cores, and half a minute without native signature checks: who waits longer sends again. */
const MAX_QUEUED_RECEIPTS = 10_000;
/** About 30 ms of signature checks, then probes and other requests have their turn. */
const RECEIPTS_PER_TURN = 16;

export type IngestOptions = {
  readonly store: Pick<Store, "putReceipts" | "putVoucher" | "vouchers" | "head" | "getEpoch">;
  readonly deployment: Deployment;
  readonly law: () => Law;
  /** Everything that took effect before this time is in that law, in unix seconds. */
  readonly knownUntil: () => number;
  /** Unix seconds: the later of the own clock and the head block's time, so that a slow clock keeps no epoch open. */
  readonly now: () => number;
  /** How long before its seal time an epoch closes here: the time members have to copy from each other. */
  readonly marginSeconds: number;
  readonly member: Address;
  /** With the member's key. */
  readonly sign: (digest: Uint8Array) => Uint8Array;
  readonly curves?: Curves;
  /** On other threads: without it signers are recovered here, a few at a time. */
  readonly recovery?: SignerRecovery;
  readonly maxQueuedReceipts?: number;
  readonly meter: IngestMeter;
  readonly log: IngestLog;
};

export type IngestMeter = {
  accepted(): void;
  known(): void;
  refused(refusal: Refusal, receipts: number): void;
  equivocation(): void;
  commitFailed(): void;
  /** Call what it returns when the answer is ready. */
  startAnswer(): () => void;
};

export type IngestLog = {
  warn(details: Record<string, unknown>, message: string): void;
  error(details: Record<string, unknown>, message: string): void;
};

/** The way in: parse, verify, store, acknowledge. Nothing is acknowledged before it is durable. */
export type Ingest = {
  /** A refusal is for the whole request, of which nothing was stored. */
  accept(body: unknown): Promise<Results | Refused>;
  acceptVoucher(body: unknown): Promise<VoucherResult | Refused>;
  open(): Terms;
  head(epoch: number, device: Address, customer: Address): Promise<HeadAnswer | undefined>;
  /** Those that can still be collected, as far as is known here. */
  vouchers(): Promise<readonly SignedVoucher[]>;
  /** Receipts and vouchers taken in and not answered yet. */
  depth(): number;
  /** Takes nothing more in, and resolves when all that was taken in is answered. */
  drain(): Promise<void>;
};

export function createIngest(options: IngestOptions): Ingest {
  const { store, deployment, law, knownUntil, now, marginSeconds, member, sign } = options;
  const { meter, log } = options;
  const { maxQueuedReceipts = MAX_QUEUED_RECEIPTS } = options;
  const { chainId, contracts } = deployment;
  const served = { chainId, registry: contracts.deviceRegistry };
  const receiptDomain = registryDomain(deployment);
  const voucherDomain = escrowDomain(deployment);
  const curves = options.curves === undefined ? {} : { curves: options.curves };
  const recovery = options.recovery ?? recoverInTurns(options.curves);
  const queue = createQueue(maxQueuedReceipts);

  async function accept(body: unknown) {
    const batch =
      body instanceof Uint8Array ? parsePackedBatch(body, served) : parseBatch(body, served);
    if (isRefused(batch)) return refuseAll(batch, body);
    const answered = meter.startAnswer();
    try {
      const answer = await queue.admit(batch.length, () => acceptBatch(batch));
      if (isRefused(answer)) return refuseAll(answer, body);
      for (const result of answer.results) count(result);
      return answer;
    } finally {
      answered();
    }
  }

  async function acceptBatch(batch: Batch): Promise<Results | Refused> {
    const outcomes = await verify(batch, now());
    const verified = outcomes.filter(isVerified);
    const stored = verified.length === 0 ? [] : await commit(() => store.putReceipts(verified));
    if (isRefused(stored)) return stored;
    // Asked after the commit: whoever seals reads the receipts after that, and so finds these.
    const sealed = await sealedAmong(verified);
    const storedAt = now();
    const next = stored.values();
    const results = outcomes.map((outcome) =>
      isVerified(outcome)
        ? resultOf(outcome, next.next().value as PutOutcome, { storedAt, sealed })
        : outcome,
    );
    const taken = results.filter(isTaken);
    if (taken.length === 0) return { results };
    return { results, acknowledgement: acknowledge(taken, storedAt) };
  }

  /** The epochs whose receipts were read already for a report, by a process with a clock ahead of this one. */
  async function sealedAmong(
    receipts: readonly Pick<SignedReceipt, "receipt">[],
  ): Promise<ReadonlySet<number>> {
    const sealed = new Set<number>();
    for (const epoch of new Set(receipts.map(({ receipt }) => receipt.epoch))) {
      if ((await store.getEpoch(epoch))?.sealBlock !== undefined) sealed.add(epoch);
    }
    return sealed;
  }

  /** Only what nothing else speaks against has its signers recovered: that is where the time goes. */
  async function verify(
    batch: Batch,
    arrivedAt: number,
  ): Promise<readonly (VerifiedReceipt | RefusedResult)[]> {
    const sealed = await sealedAmong(batch.flatMap((item) => (isRefused(item) ? [] : item.signed)));
    const inForce = law();
    const open = openEpochs(deployment, arrivedAt, marginSeconds).filter(
      ({ epoch }) => !sealed.has(epoch),
    );
    const checked = batch.map((item) => check(item, inForce, open));
    const context = { law: inForce, domain: receiptDomain };
    const outcomes = await checkAllSigned(checked, context, recovery);
    return outcomes.map((outcome) => (isRefused(outcome) ? refused(outcome) : outcome));
  }

  function check(
    item: Arrived | Refused,
    inForce: Law,
    open: readonly OpenEpoch[],
  ): LawfulArrival | RefusedResult {
    if (isRefused(item)) return refused(item);
    const { receipt } = item.signed;
    const closed = refuseUnlessOpen(receipt.epoch, open);
    if (closed !== undefined) return { ...refused(closed), open };
    // A newer receipt replaces an older one. By a law that may still change, it could be one that will not count, and the
    // older one, acknowledged and lawful, would be gone.
    if (knownUntil() < endOf(deployment, receipt.epoch - 1)) {
      return refused(
        refuse("busy", `what holds in epoch ${receipt.epoch} is not final on chain yet`),
      );
    }
    const lawful = checkLawful(item.signed, inForce);
    return isRefused(lawful) ? refused(lawful) : { lawful, packed: item.packed };
  }

  function resultOf(
    receipt: VerifiedReceipt,
    outcome: PutOutcome,
    { storedAt, sealed }: { readonly storedAt: number; readonly sealed: ReadonlySet<number> },
  ): ReceiptResult {
    if (outcome.equivocation) raiseEquivocation(receipt);
    if (outcome.status === "stale") {
      const head = headToJson(outcome.head, outcome.head.digest);
      const { sequence } = outcome.head.receipt;
      return { ...refused(refuse("stale", `sequence ${sequence} counts before this`)), head };
    }
    const { epoch } = receipt.receipt;
    // A process that slept through the seal time stored too late: its word would promise what the bundle cannot have.
    if (storedAt >= sealTimeOf(deployment, epoch) || sealed.has(epoch)) {
      const open = openEpochs(deployment, storedAt, marginSeconds);
      return { ...refused(refuse("epoch-closed", `epoch ${epoch} was sealed meanwhile`)), open };
    }
    return {
      status: outcome.status,
      digest: toHex(outcome.digest),
      warnings: outcome.totalFell ? ["total-fell"] : [],
    };
  }

  function acknowledge(taken: readonly TakenResult[], storedAt: number): SignedAcknowledgement {
    const root = toHex(
      acknowledgedRoot(concatBytes(...taken.map(({ digest }) => fromHex(digest)))),
    );
    const word = { root, receipts: taken.length, storedAt: BigInt(storedAt) };
    const signature = toHex(sign(acknowledgementDigest(receiptDomain, word)));
    return { ...word, storedAt: String(storedAt), signature, member };
  }

  function raiseEquivocation({ receipt, digest }: VerifiedReceipt) {
    meter.equivocation();
    const { device, customer, epoch, sequence } = receipt;
    log.warn(
      { alarm: "equivocation", device, customer, epoch, sequence, digest: toHex(digest) },
      "a device signed one sequence twice: its key may be cloned; the manufacturer can revoke it",
    );
  }

  async function acceptVoucher(body: unknown): Promise<VoucherResult | Refused> {
    const signed = parseSignedVoucher(body);
    if (isRefused(signed)) return signed;
    const verified = verifyVoucher(signed, {
      law: law(),
      domain: voucherDomain,
      open: openEpochs(deployment, now(), marginSeconds),
      ...curves,
    });
    if (isRefused(verified)) return verified;
    const status = await queue.admit(1, () => commit(() => store.putVoucher(verified)));
    if (isRefused(status)) return status;
    if (status !== "stale") return { status, digest: toHex(verified.digest) };
    const { customer, epoch } = signed.voucher;
    return refuse("stale", `a higher voucher of customer ${customer} for epoch ${epoch} is stored`);
  }

  async function commit<T>(write: () => Promise<T>): Promise<T | Refused> {
    try {
      return await write();
    } catch (err) {
      meter.commitFailed();
      log.error({ err }, "the store could not commit: every sender of this commit is refused");
      return refuse("busy", "the store could not commit; nothing of this request was stored");
    }
  }

  function refuseAll(refusal: Refused, body: unknown): Refused {
    meter.refused(refusal.refusal, Math.max(1, sizeOf(body)));
    return refusal;
  }

  function count(result: ReceiptResult) {
    if (result.status === "refused") meter.refused(result.refusal, 1);
    else meter[result.status]();
  }

  return {
    accept,
    acceptVoucher,
    open() {
      const at = now();
      const epochs = openEpochs(deployment, at, marginSeconds);
      return { ...served, contracts, member, now: at, epochs };
    },
    async head(epoch, device, customer) {
      const head = await store.head(epoch, device, customer);
      return head && headToJson(head, receiptDigest(receiptDomain, head.receipt));
    },
    async vouchers() {
      const [inForce, at] = [law(), now()];
      const stored = await store.vouchers();
      return stored.filter(
        ({ voucher: { customer, epoch, amount } }) =>
          at < sealTimeOf(deployment, epoch) && amount > paid(inForce, customer, epoch),
      );
    },
    depth: queue.depth,
    drain: queue.drain,
  };
}

/** Bounded, counted in receipts: what does not fit is refused at once instead of answered too late. */
function createQueue(maxReceipts: number) {
  const running = new Set<Promise<unknown>>();
  let queued = 0;
  let draining = false;
  return {
    depth: () => queued,
    async drain() {
      draining = true;
      await Promise.allSettled(running);
    },
    /** Idle, it takes any batch, however small its bound: what can never be taken would be sent for ever. */
    async admit<T>(receipts: number, work: () => Promise<T>): Promise<T | Refused> {
      if (draining) return refuse("busy", "the oracle is shutting down; nothing was stored");
      if (queued > 0 && queued + receipts > maxReceipts) {
        return refuse("busy", `${queued} receipts are waiting; nothing of this request was stored`);
      }
      queued += receipts;
      const answer = work();
      running.add(answer);
      try {
        return await answer;
      } finally {
        running.delete(answer);
        queued -= receipts;
      }
    },
  };
}

function isVerified(outcome: VerifiedReceipt | RefusedResult): outcome is VerifiedReceipt {
  return !isRefused(outcome);
}

function isTaken(result: ReceiptResult): result is TakenResult {
  return result.status !== "refused";
}

/** What is said with a refusal, such as a head, stays with it. */
function refused(refusal: Refused): RefusedResult {
  return { status: "refused", ...refusal };
}

/** How many receipts a body that is refused as a whole seems to hold. */
function sizeOf(body: unknown): number {
  if (body instanceof Uint8Array) {
    return Math.floor((body.length - PACKED_HEADER_BYTES) / SIGNED_RECEIPT_BYTES);
  }
  const { receipts } = Object(body) as { receipts?: unknown };
  return Array.isArray(receipts) ? receipts.length : 1;
}

/** On this thread, without keeping the process to itself: a long batch must not look like a hung server. */
function recoverInTurns(curves: Curves | undefined): SignerRecovery {
  return async ({ records, recordBytes, domain, publicKeys, digests, deviceDecides }) => {
    const step = RECEIPTS_PER_TURN;
    const found: Uint8Array[] = [];
    for (let first = 0; first * recordBytes < records.length; first += step) {
      if (found.length > 0) await new Promise((resolve) => setImmediate(resolve));
      const piece = {
        records: records.subarray(first * recordBytes, (first + step) * recordBytes),
        recordBytes,
        domain,
        publicKeys,
        deviceDecides,
        digests: digests?.subarray(first * HASH_BYTES, (first + step) * HASH_BYTES),
      };
      found.push(recoverSigners(piece, curves));
    }
    return concatBytes(...found);
  };
}
