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
import type { Oracles } from "../oracles.ts";
import { type Book, type Entry, type Fate, SEQUENCE_JUMP } from "./book.ts";
import type { Words } from "./words.ts";

export type SubmitParts = {
  readonly book: Book;
  readonly words: Words;
  readonly oracles: Oracles;
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
  /** Takes the newest receipt of this customer to an oracle, until it is acknowledged or cannot be. */
  submit(epoch: number, customer: Address): void;
  /** Resolves when nothing is on its way. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

/**
 * An oracle reads the chain with a delay, so these may be true no more in a moment; until the epoch closes, which
 * ends it. Every other refusal stands: that oracle would refuse the same bytes again. What it says is its own word all
 * the same, by its clock and its chain, and another may take what it refused.
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
    if (entry?.signed === undefined) return;
    running.get(entry)?.stop.abort();
    const stop = new AbortController();
    const done = run(entry, entry.signed, stop.signal).finally(() => {
      if (running.get(entry)?.stop === stop) running.delete(entry);
    });
    running.set(entry, { stop, done });
  }

  return {
    submit(epoch, customer) {
      const entry = book.entry(epoch, customer);
      if (entry !== undefined && isUndecided(entry)) start(entry);
    },
    // What was refused too: there may be other oracles by now.
    resume: () => {
      for (const entry of book.entries()) if (entry.fate.status !== "acknowledged") start(entry);
    },
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

type DeliverParts = SubmitParts & { readonly keep: (word: KeptWord) => Promise<void> };
type Refusing = Extract<ReceiptAnswer, { readonly status: "refused" }>;

/** Throws, and so tries again, while a later answer, or another oracle's, may be another one. */
function deliver(
  parts: DeliverParts,
  entry: Entry,
  signed: SignedReceipt,
  signal: AbortSignal,
): Promise<ReceiptAnswer> {
  const { backoff, log } = parts;
  const about = { epoch: entry.epoch, customer: entry.customer, sequence: signed.receipt.sequence };
  const standing = new Map<OracleClient, Refusing>();
  return withBackoff(() => handRound(parts, { entry, signed, standing, signal }), backoff, {
    signal,
    onFailure: (error) => log("warn", "receipt-retry", { ...about, error: error.message }),
  });
}

type Delivery = {
  readonly entry: Entry;
  readonly signed: SignedReceipt;
  /** The oracles that refused it for good. */
  readonly standing: Map<OracleClient, Refusing>;
  readonly signal: AbortSignal;
};

/** To one oracle after the other, until one takes it. */
async function handRound(
  parts: DeliverParts,
  { entry, signed, standing, signal }: Delivery,
): Promise<ReceiptAnswer> {
  const { oracles, book } = parts;
  const reasons: string[] = [];
  let passing: Refusing | undefined;
  for (const oracle of oracles.inTurn()) {
    if (standing.has(oracle)) continue;
    signal.throwIfAborted();
    const answer = await handTo(parts, oracle, signed).catch((error: Error) => error);
    if (answer instanceof Error) {
      reasons.push(answer.message);
      continue;
    }
    if (answer.status !== "refused") {
      for (const belied of standing.keys()) oracles.distrust(belied);
      return answer;
    }
    if (isShown(parts, signed, answer)) return answer;
    if (PASSING.includes(answer.refusal)) passing = answer;
    else standing.set(oracle, answer);
    reasons.push(`${oracle.url}: ${answer.refusal}: ${answer.message}`);
  }
  const [refused] = standing.values();
  const isOutvoted = standing.size > oracles.all.length / 2;
  const isForgotten = book.entry(entry.epoch, entry.customer) !== entry;
  if (refused !== undefined && (isOutvoted || isForgotten)) return refused;
  const told = passing ?? refused;
  // Known to the node from now on: it does not go on serving what may earn nothing.
  if (told !== undefined) decide(entry, signed, refusedFate(told));
  const left = oracles.all.filter((oracle) => !standing.has(oracle));
  throw Object.assign(new Error(reasons.join("; ") || "every oracle asked to be left alone"), {
    retryAfterSeconds: oracles.waitSeconds(left),
  });
}

/** An acknowledgement is one by its signature: without it, the oracle has said nothing. */
async function handTo(
  parts: DeliverParts,
  oracle: OracleClient,
  signed: SignedReceipt,
): Promise<ReceiptAnswer> {
  const answer = await parts.oracles.hear(oracle, async () => {
    const said = await oracle.postReceipt(signed);
    if (said.status !== "refused") refuseForgery(parts, wordIn(said.acknowledgement, signed));
    return said;
  });
  if (answer.status !== "refused") await parts.keep(wordIn(answer.acknowledgement, signed));
  return answer;
}

/** A refusal that needs no other's word: with it comes what the device itself signed later. */
function isShown(
  { domain, key }: SubmitParts,
  { receipt }: SignedReceipt,
  said: Refusing,
): boolean {
  const { refusal, head } = said;
  if (refusal !== "stale" || head === undefined) return false;
  const { epoch, customer, sequence } = head.receipt;
  return (
    epoch === receipt.epoch &&
    customer === receipt.customer &&
    sequence >= receipt.sequence &&
    isOwn({ domain, key }, head)
  );
}

function isOwn({ domain, key }: Pick<SubmitParts, "domain" | "key">, head: SignedReceipt): boolean {
  const digest = receiptDigest(domain, head.receipt);
  return isSignedBy(key.address, digest, head.deviceSignature, key.publicKey);
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
  decide(entry, signed, refusedFate(answer));
  log("warn", "receipt-refused", { ...about, refusal, message, remedy: REFUSALS[refusal].remedy });
  if (refusal === "stale" && head !== undefined) jumpBeyond(parts, entry, head);
}

/** Of what a stranger says no more than a log line is kept. */
const MOST_MESSAGE_CHARACTERS = 500;

function refusedFate({ refusal, message }: Refusing): Fate {
  return { status: "refused", refusal, message: message.slice(0, MOST_MESSAGE_CHARACTERS) };
}

/** A newer receipt has a fate of its own. */
function decide(entry: Entry, signed: SignedReceipt, fate: Fate): void {
  if (entry.signed === signed) entry.fate = fate;
}

/** Someone signed on with this key: an older book was put back, or the key was copied. */
function jumpBeyond(parts: SubmitParts, entry: Entry, head: SignedReceipt): void {
  if (isOwn(parts, head)) entry.next = Math.max(entry.next, head.receipt.sequence + SEQUENCE_JUMP);
}
