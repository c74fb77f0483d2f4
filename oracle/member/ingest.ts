import { type Address, concatBytes, fromHex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refusal, type Refused, refuse } from "@link-rewards/core/encoding/refusal";
import { HASH_BYTES } from "@link-rewards/core/encoding/tree";
import {
  endOf,
  epochAt,
  type OpenEpoch,
  openEpochs,
  sealTimeOf,
} from "@link-rewards/core/law/clock";
import { type Law, paid } from "@link-rewards/core/law/law";
import {
  checkAllSigned,
  checkLawful,
  checkLawfulVoucher,
  checkSignedVoucher,
  type LawfulArrival,
  refuseUnlessOpen,
  type VerifiedReceipt,
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
import { receiptDigest, SIGNED_RECEIPT_BYTES } from "@link-rewards/core/signed/receipt";
import {
  type Curves,
  type KeyRecovery,
  PURE_CURVES,
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
import { createAllowance } from "./allowance.ts";
import { createTurns } from "./turns.ts";

/** About a second of work for two cores, and half a minute without native signature checks: who waits longer sends again. */
const MAX_QUEUED_RECEIPTS = 10_000;
/** Of the queue: for senders of whom nothing waits, so that one with much does not turn away one with little. */
const KEPT_FOR_NEW = 0.1;
/** One failure may be one request's: a lock, a restart. As many in a row, and traffic is better sent elsewhere. */
const FAILURES_IN_A_ROW = 3;
/** After it the next is let try: without traffic nothing would ever succeed again. */
const TROUBLE_LASTS_MS = 30_000;
/** About 2 ms of signature checks: the turn of one sender. */
const RECEIPTS_PER_SLICE = 16;
/** What is at work or on its way to two threads, 4 ms for each: who sends a single receipt waits for this much of others'. */
const SLICES_AT_A_TIME = 8;
/**
 * Newly stored ones in ten seconds: a device that serves a thousand customers has a newer receipt of each in that time.
 * More costs a hundredth of a core and no more is looked at. Only what the device signed counts, so nobody else can spend it.
 */
const RECEIPTS_PER_DEVICE = 1_000;
const VOUCHERS_PER_CUSTOMER = 100;
/** About 30 ms of signature checks, then probes and other requests have their turn. */
const RECEIPTS_PER_TURN = 16;

export type IngestOptions = {
  readonly store: Pick<Store, "putReceipts" | "putVoucher" | "vouchers" | "head" | "getEpoch">;
  readonly deployment: Deployment;
  readonly law: () => Law;
  /** Everything that took effect before this time is in that law, in unix seconds. */
  readonly knownUntil: () => number;
  /** The newest block's time, unix seconds: by it alone an epoch has begun, or is over for good. */
  readonly chainSeconds: () => number;
  /** The own clock, unix seconds: where it is ahead, an epoch is closed here before the chain says so, for the time being. */
  readonly clockSeconds: () => number;
  /** Why neither of the two is to be believed now; undefined while they agree. */
  readonly doubt: () => string | undefined;
  /** How long before its seal time an epoch closes here: the time members have to copy from each other. */
  readonly marginSeconds: number;
  readonly member: Address;
  /** With the member's key. */
  readonly sign: (digest: Uint8Array) => Uint8Array;
  readonly curves?: Curves;
  /** On other threads: without it signers are recovered here, a few at a time. */
  readonly recovery?: SignerRecovery;
  /** The same for one signature; without it, here. */
  readonly keyRecovery?: KeyRecovery;
  readonly maxQueuedReceipts?: number;
  readonly meter: IngestMeter;
  readonly log: IngestLog;
};

/** What a batch is looked at by. */
type Circumstances = {
  readonly inForce: Law;
  readonly open: readonly OpenEpoch[];
  readonly sealed: ReadonlySet<number>;
  readonly spent: ReadonlySet<Address>;
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
  /** A refusal is for the whole request, of which nothing was stored. `sender` is the address it came from. */
  accept(body: unknown, sender: string): Promise<Results | Refused>;
  acceptVoucher(body: unknown, sender: string): Promise<VoucherResult | Refused>;
  open(): Terms | Refused;
  head(epoch: number, device: Address, customer: Address): Promise<HeadAnswer | undefined>;
  /** Those that can still be collected, as far as is known here. */
  vouchers(): AsyncIterable<SignedVoucher>;
  /** Receipts and vouchers taken in and not answered yet. */
  depth(): number;
  /** What every request would fail of by now, as the last ones did; empty again with the first that does not, or after a while. */
  troubles(): readonly { readonly reason: string; readonly message: string }[];
  /** Takes nothing more in, and resolves when all that was taken in is answered. */
  drain(): Promise<void>;
};

export function createIngest(options: IngestOptions): Ingest {
  const { store, deployment, law, knownUntil, marginSeconds, member, sign } = options;
  const { chainSeconds, clockSeconds, doubt } = options;
  const { meter, log } = options;
  const { maxQueuedReceipts = MAX_QUEUED_RECEIPTS } = options;
  const { chainId, contracts } = deployment;
  const served = { chainId, registry: contracts.deviceRegistry };
  const receiptDomain = registryDomain(deployment);
  const voucherDomain = escrowDomain(deployment);
  const recovery = options.recovery ?? recoverInTurns(options.curves);
  const { recover } = options.curves ?? PURE_CURVES;
  const { keyRecovery = async (digest, signature) => recover(digest, signature) } = options;
  const queue = createQueue(maxQueuedReceipts);
  const turns = createTurns(
    options.recovery === undefined ? RECEIPTS_PER_SLICE : SLICES_AT_A_TIME * RECEIPTS_PER_SLICE,
  );
  const devices = createAllowance(RECEIPTS_PER_DEVICE);
  const customers = createAllowance(VOUCHERS_PER_CUSTOMER);
  /** In a row, of each step that every request takes. */
  const failures = { "commits-fail": 0, "signature-checks-fail": 0, "signing-fails": 0 };
  let failedAt = Number.NEGATIVE_INFINITY;

  /** Counts how often `work` fails in a row. */
  async function watched<T>(step: keyof typeof failures, work: () => T | Promise<T>): Promise<T> {
    try {
      const done = await work();
      failures[step] = 0;
      return done;
    } catch (error) {
      failures[step]++;
      failedAt = performance.now();
      throw error;
    }
  }

  /** A receipt stored later than this is not acknowledged, whichever of the two is right. */
  const now = () => Math.max(chainSeconds(), clockSeconds());

  /** Begun by the chain's time, and closed by neither. */
  function openNow(): readonly OpenEpoch[] {
    const at = now();
    return openEpochs(deployment, chainSeconds(), marginSeconds).filter(
      ({ closesAt }) => at < closesAt,
    );
  }

  /**
   * Of an epoch that is not open here. For good only by the chain's own time: nobody must drop anything because a clock of
   * ours is fast, or a block still on its way.
   */
  function refuseClosed(refusal: Refused, epoch: number): Refused {
    const at = chainSeconds();
    if (epoch === epochAt(deployment, at) + 1)
      return refuse("busy", `epoch ${epoch} has not begun on chain, where it is ${at}`);
    if (openEpochs(deployment, at, marginSeconds).some((open) => open.epoch === epoch)) {
      return refuse(
        "busy",
        `epoch ${epoch} is closed by the clock here, ${now()}, and open by the chain's, ${at}`,
      );
    }
    return refusal;
  }

  function refuseInDoubt(): Refused | undefined {
    const why = doubt();
    return why === undefined ? undefined : refuse("busy", why);
  }

  async function accept(body: unknown, sender: string) {
    const doubted = refuseInDoubt();
    if (doubted !== undefined) return refuseAll(doubted, body);
    const batch =
      body instanceof Uint8Array ? parsePackedBatch(body, served) : parseBatch(body, served);
    if (isRefused(batch)) return refuseAll(batch, body);
    const answered = meter.startAnswer();
    try {
      const answer = await queue.admit(sender, batch.length, () => acceptBatch(batch, sender));
      if (isRefused(answer)) return refuseAll(answer, body);
      for (const result of answer.results) count(result);
      return answer;
    } finally {
      answered();
    }
  }

  async function acceptBatch(batch: Batch, sender: string): Promise<Results | Refused> {
    const outcomes = await verify(batch, sender);
    const verified = outcomes.filter(isVerified);
    const stored = verified.length === 0 ? [] : await commit(() => store.putReceipts(verified));
    if (isRefused(stored)) return stored;
    // Asked after the commit: whoever seals reads the receipts after that, and so finds these.
    const sealed = await sealedAmong(verified);
    const doubted = refuseInDoubt();
    if (doubted !== undefined) return doubted;
    const storedAt = now();
    const next = stored.values();
    const results = outcomes.map((outcome) =>
      isVerified(outcome)
        ? resultOf(outcome, next.next().value as PutOutcome, { storedAt, sealed })
        : outcome,
    );
    const taken = results.filter(isTaken);
    const signed =
      taken.length === 0
        ? {}
        : { acknowledgement: await watched("signing-fails", () => acknowledge(taken, storedAt)) };
    // Once, and not with each that is refused for it.
    const open = results.some(isClosed) ? { open: await unsealed() } : {};
    return { results, ...signed, ...open };
  }

  async function unsealed(): Promise<OpenEpoch[]> {
    const open = openNow();
    const sealed = await sealedAmong(open.map((receipt) => ({ receipt })));
    return open.filter(({ epoch }) => !sealed.has(epoch));
  }

  /** The epochs whose receipts were read already for a report, by a process with a clock ahead of this one. */
  async function sealedAmong(
    receipts: readonly { readonly receipt: { readonly epoch: number } }[],
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
    sender: string,
  ): Promise<readonly (VerifiedReceipt | RefusedResult)[]> {
    const sealed = await sealedAmong(batch.flatMap((item) => (isRefused(item) ? [] : item.signed)));
    const spent = await spentAmong(batch);
    const inForce = law();
    const open = openNow().filter(({ epoch }) => !sealed.has(epoch));
    const checked = batch.map((item) => check(item, { inForce, open, sealed, spent }));
    const context = { law: inForce, domain: receiptDomain };
    const slices: Promise<readonly (VerifiedReceipt | Refused | RefusedResult)[]>[] = [];
    for (let from = 0; from < checked.length; from += RECEIPTS_PER_SLICE) {
      const slice = checked.slice(from, from + RECEIPTS_PER_SLICE);
      const dear = slice.filter((item) => !isRefused(item)).length;
      slices.push(
        turns.take(sender, dear, () =>
          watched("signature-checks-fail", () => checkAllSigned(slice, context, recovery)),
        ),
      );
    }
    const outcomes = (await Promise.all(slices)).flat();
    return outcomes.map((outcome) => (isRefused(outcome) ? refused(outcome) : outcome));
  }

  async function spentAmong(batch: Batch): Promise<ReadonlySet<Address>> {
    const named = new Set(
      batch.flatMap((item) => (isRefused(item) ? [] : item.signed.receipt.device)),
    );
    const spent = new Set<Address>();
    for (const device of named) if (await devices.isSpent(device)) spent.add(device);
    return spent;
  }

  function check(
    item: Arrived | Refused,
    { inForce, open, sealed, spent }: Circumstances,
  ): LawfulArrival | RefusedResult {
    if (isRefused(item)) return refused(item);
    const { receipt } = item.signed;
    const closed = refuseUnlessOpen(receipt.epoch, open);
    if (closed !== undefined) {
      return refused(sealed.has(receipt.epoch) ? closed : refuseClosed(closed, receipt.epoch));
    }
    // A newer receipt replaces an older one. By a law that may still change, it could be one that will not count, and the
    // older one, acknowledged and lawful, would be gone.
    if (knownUntil() < endOf(deployment, receipt.epoch - 1)) {
      return refused(
        refuse("busy", `what holds in epoch ${receipt.epoch} is not final on chain yet`),
      );
    }
    if (spent.has(receipt.device)) {
      const message = `device ${receipt.device} had ${RECEIPTS_PER_DEVICE} receipts stored in ten seconds; the newest of each customer is enough`;
      return refused(refuse("busy", message));
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
    // Not one that was known: anybody can send again what is public.
    if (outcome.status === "accepted") devices.spend(receipt.receipt.device);
    if (outcome.status === "stale") {
      const head = headToJson(outcome.head, outcome.head.digest);
      const { sequence } = outcome.head.receipt;
      return { ...refused(refuse("stale", `sequence ${sequence} counts before this`)), head };
    }
    const { epoch } = receipt.receipt;
    // A process that slept through the seal time stored too late: its word would promise what the bundle cannot have.
    if (storedAt >= sealTimeOf(deployment, epoch) || sealed.has(epoch)) {
      const closed = refuse("epoch-closed", `epoch ${epoch} was sealed meanwhile`);
      return refused(sealed.has(epoch) ? closed : refuseClosed(closed, epoch));
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

  async function acceptVoucher(body: unknown, sender: string): Promise<VoucherResult | Refused> {
    const doubted = refuseInDoubt();
    if (doubted !== undefined) return doubted;
    const signed = parseSignedVoucher(body);
    if (isRefused(signed)) return signed;
    const { customer, epoch } = signed.voucher;
    if (await customers.isSpent(customer)) {
      const message = `customer ${customer} had ${VOUCHERS_PER_CUSTOMER} vouchers stored in ten seconds; the highest is enough`;
      return refuse("busy", message);
    }
    const inForce = law();
    const lawful = checkLawfulVoucher(signed, {
      law: inForce,
      domain: voucherDomain,
      open: openNow(),
    });
    if (isRefused(lawful))
      return lawful.refusal === "epoch-closed" ? refuseClosed(lawful, epoch) : lawful;
    const stored = await queue.admit(sender, 1, async () => {
      const signer = await turns.take(sender, 1, () =>
        watched("signature-checks-fail", () => keyRecovery(lawful.digest, lawful.signature)),
      );
      const verified = checkSignedVoucher(lawful, signer, inForce);
      if (isRefused(verified)) return verified;
      const outcome = await commit(() => store.putVoucher(verified));
      return isRefused(outcome) ? outcome : { outcome, digest: verified.digest };
    });
    if (isRefused(stored)) return stored;
    const doubtedSince = refuseInDoubt();
    if (doubtedSince !== undefined) return doubtedSince;
    const { outcome: status, digest } = stored;
    if (status === "accepted") customers.spend(customer);
    if (status !== "stale") return { status, digest: toHex(digest) };
    return refuse("stale", `a higher voucher of customer ${customer} for epoch ${epoch} is stored`);
  }

  async function commit<T>(write: () => Promise<T>): Promise<T | Refused> {
    try {
      return await watched("commits-fail", write);
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
      const doubted = refuseInDoubt();
      if (doubted !== undefined) return doubted;
      return { ...served, contracts, member, now: chainSeconds(), epochs: openNow() };
    },
    async head(epoch, device, customer) {
      const head = await store.head(epoch, device, customer);
      return head && headToJson(head, receiptDigest(receiptDomain, head.receipt));
    },
    async *vouchers() {
      const [inForce, at] = [law(), chainSeconds()];
      for await (const signed of store.vouchers()) {
        const { customer, epoch, amount } = signed.voucher;
        if (at < sealTimeOf(deployment, epoch) && amount > paid(inForce, customer, epoch))
          yield signed;
      }
    },
    depth: queue.depth,
    troubles: () =>
      Object.entries(failures)
        .filter(
          ([, inARow]) =>
            inARow >= FAILURES_IN_A_ROW && performance.now() - failedAt < TROUBLE_LASTS_MS,
        )
        .map(([reason, inARow]) => ({
          reason,
          message: `the last ${inARow} failed; the log says why`,
        })),
    drain: queue.drain,
  };
}

/** Bounded, counted in receipts, as a whole and for each sender: what does not fit is refused at once instead of answered too late. */
function createQueue(maxReceipts: number) {
  const running = new Set<Promise<unknown>>();
  const ofSender = new Map<string, number>();
  let queued = 0;
  let draining = false;
  return {
    depth: () => queued,
    async drain() {
      draining = true;
      await Promise.allSettled(running);
    },
    /** Idle, it takes any batch, however small its bound: what can never be taken would be sent for ever. */
    async admit<T>(sender: string, receipts: number, work: () => Promise<T>): Promise<T | Refused> {
      if (draining) return refuse("busy", "the oracle is shutting down; nothing was stored");
      const own = ofSender.get(sender) ?? 0;
      const most = own === 0 ? maxReceipts : Math.ceil(maxReceipts * (1 - KEPT_FOR_NEW));
      if (queued > 0 && queued + receipts > most) {
        return refuse("busy", `${queued} receipts are waiting; nothing of this request was stored`);
      }
      ofSender.set(sender, own + receipts);
      queued += receipts;
      const answer = work();
      running.add(answer);
      try {
        return await answer;
      } finally {
        running.delete(answer);
        queued -= receipts;
        const left = (ofSender.get(sender) ?? 0) - receipts;
        if (left > 0) ofSender.set(sender, left);
        else ofSender.delete(sender);
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

function isClosed(result: ReceiptResult): boolean {
  return result.status === "refused" && result.refusal === "epoch-closed";
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
      await new Promise((resolve) => setImmediate(resolve));
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
