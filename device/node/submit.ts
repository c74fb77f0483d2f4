import { type Address, fromHex, toHex } from "@link-rewards/core/encoding/bytes";
import { isSignedBy } from "@link-rewards/core/encoding/p256";
import { REFUSALS, type Refusal } from "@link-rewards/core/encoding/refusal";
import type { SignedAcknowledgement } from "@link-rewards/core/signed/answers";
import { type KeptWord, memberOfWord } from "@link-rewards/core/signed/kept-word";
import { receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import type { DeviceKey } from "@link-rewards/host/keys";
import type { Log } from "../log.ts";
import {
  type Backoff,
  type OracleClient,
  type ReceiptAnswer,
  withBackoff,
} from "../oracle-client.ts";
import { type Book, type Entry, type Fate, SEQUENCE_JUMP } from "./book.ts";
import type { Words } from "./words.ts";

export type SubmitParts = {
  readonly book: Book;
  readonly words: Words;
  readonly oracle: OracleClient;
  readonly domain: Uint8Array;
  readonly key: Pick<DeviceKey, "address" | "publicKey">;
  /** Whose acknowledgements count; with none named, the signature must be by the member the answer names. */
  readonly members: readonly Address[];
  readonly backoff: Backoff;
  readonly log: Log;
};

export type Submitter = {
  /** Takes up again what was not at its end when the process ended. */
  resume(): void;
  /** Takes the newest receipt of this customer to the oracle, until it is acknowledged or cannot be. */
  submit(epoch: number, customer: Address): void;
  /** Resolves when nothing is on its way. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

/**
 * The oracle reads the chain with a delay, so these may be true no more in a moment; until the epoch closes, which
 * ends it. Every other refusal stands: the same bytes would be refused again.
 */
const PASSING: readonly Refusal[] = [
  "busy",
  "device-unknown",
  "device-unbound",
  "customer-unknown",
  "key-unknown",
];

export function startSubmitter(parts: SubmitParts): Submitter {
  const { book, log } = parts;
  const running = new Map<
    Entry,
    { readonly stop: AbortController; readonly done: Promise<void> }
  >();
  const keeping = new Set<Promise<void>>();

  /** Whatever becomes of the receipt: a newer one that overtakes it may never be acknowledged. */
  function keep(word: KeptWord): Promise<void> {
    const kept = parts.words.keep(word).finally(() => keeping.delete(kept));
    keeping.add(kept);
    return kept;
  }

  async function run(entry: Entry, signed: SignedReceipt, signal: AbortSignal): Promise<void> {
    try {
      const answer = await deliver({ ...parts, keep }, entry, signed, signal);
      if (signal.aborted) return;
      record(parts, entry, signed, answer);
      await book.save();
    } catch (error) {
      // Only closing, or a newer receipt, stops it: what is left is still pending in the book.
      if (!signal.aborted) log("warn", "receipt-not-delivered", { error: String(error) });
    }
  }

  function start(entry: Entry | undefined): void {
    if (entry?.signed === undefined || !isUndecided(entry)) return;
    running.get(entry)?.stop.abort();
    const stop = new AbortController();
    const done = run(entry, entry.signed, stop.signal).finally(() => {
      if (running.get(entry)?.stop === stop) running.delete(entry);
    });
    running.set(entry, { stop, done });
  }

  return {
    submit: (epoch, customer) => start(book.entry(epoch, customer)),
    resume: () => book.entries().forEach(start),
    async idle() {
      while (running.size > 0) await Promise.all([...running.values()].map(({ done }) => done));
      await Promise.allSettled(keeping);
    },
    async close() {
      const all = [...running.values()];
      for (const { stop } of all) stop.abort();
      await Promise.all(all.map(({ done }) => done));
      await Promise.allSettled(keeping);
    },
  };
}

function isUndecided({ fate }: Entry): boolean {
  return fate.status === "pending" || (fate.status === "refused" && PASSING.includes(fate.refusal));
}

/** Throws, and so tries again, while a later answer may be another one. */
function deliver(
  parts: SubmitParts & { readonly keep: (word: KeptWord) => Promise<void> },
  entry: Entry,
  signed: SignedReceipt,
  signal: AbortSignal,
): Promise<ReceiptAnswer> {
  const { oracle, backoff, log } = parts;
  const about = { epoch: entry.epoch, customer: entry.customer, sequence: signed.receipt.sequence };
  const attempt = async () => {
    const answer = await oracle.postReceipt(signed);
    if (answer.status !== "refused") {
      const word = wordIn(answer.acknowledgement, signed);
      refuseForgery(parts, word);
      await parts.keep(word);
      return answer;
    }
    if (!PASSING.includes(answer.refusal)) return answer;
    // Known to the node from now on: it does not go on serving what may earn nothing.
    decide(entry, signed, { status: "refused", refusal: answer.refusal });
    throw new Error(`${answer.refusal}: ${answer.message}`);
  };
  return withBackoff(attempt, backoff, {
    signal,
    onFailure: (error) => log("warn", "receipt-retry", { ...about, error: error.message }),
  });
}

/** A receipt goes alone, so the root must be its digest; one of many would also keep its index and siblings. */
function wordIn(
  { signature, member, ...word }: SignedAcknowledgement,
  signed: SignedReceipt,
): KeptWord {
  return {
    signed,
    word: { ...word, storedAt: BigInt(word.storedAt) },
    signature: fromHex(signature),
    member,
    index: 0,
    proof: [],
  };
}

function refuseForgery({ domain, members }: SubmitParts, word: KeptWord): void {
  const signer = memberOfWord(domain, word);
  const trusted = members.length === 0 ? [word.member] : members;
  if (signer === undefined || !trusted.includes(signer)) {
    const digest = toHex(receiptDigest(domain, word.signed.receipt));
    throw new Error(`the acknowledgement by ${signer ?? "nobody"} does not hold for ${digest}`);
  }
}

function record(
  parts: SubmitParts,
  entry: Entry,
  signed: SignedReceipt,
  answer: ReceiptAnswer,
): void {
  const { log } = parts;
  const about = { epoch: entry.epoch, customer: entry.customer, sequence: signed.receipt.sequence };
  if (answer.status !== "refused") {
    const { status, acknowledgement } = answer;
    const { member } = acknowledgement;
    decide(entry, signed, { status: "acknowledged", member });
    log("info", "receipt-acknowledged", { ...about, status, member });
    return;
  }
  const { refusal, message, head } = answer;
  decide(entry, signed, { status: "refused", refusal });
  log("warn", "receipt-refused", { ...about, refusal, message, remedy: REFUSALS[refusal].remedy });
  if (refusal === "stale" && head !== undefined) jumpBeyond(parts, entry, head);
}

/** A newer receipt has a fate of its own. */
function decide(entry: Entry, signed: SignedReceipt, fate: Fate): void {
  if (entry.signed === signed) entry.fate = fate;
}

/** Someone signed on with this key: an older book was put back, or the key was copied. */
function jumpBeyond({ domain, key }: SubmitParts, entry: Entry, head: SignedReceipt): void {
  const { receipt, deviceSignature } = head;
  const digest = receiptDigest(domain, receipt);
  if (!isSignedBy(key.address, digest, deviceSignature, key.publicKey)) return;
  entry.next = Math.max(entry.next, receipt.sequence + SEQUENCE_JUMP);
}
