import { equalBytes } from "@link-rewards/core/encoding/bytes";
import { isSignedBy } from "@link-rewards/core/encoding/p256";
import { recover } from "@link-rewards/core/encoding/signature";
import { valueAtTariff } from "@link-rewards/core/epoch/value";
import {
  type Amounts,
  type Receipt,
  receiptDigest,
  type SignedReceipt,
} from "@link-rewards/core/signed/receipt";
import type { DeviceKey } from "@link-rewards/host/keys";
import { amountsOf, largest, NOTHING, shortOf } from "../amounts.ts";
import type { Chain, Standing } from "../chain.ts";
import type { EpochView } from "../oracle-client.ts";
import type { Oracles } from "../oracles.ts";
import { isNodeRefused, type NodeRefused } from "../refusal.ts";
import { type Book, type Entry, SEQUENCE_JUMP } from "./book.ts";
import type { Meter } from "./meter.ts";

/** What a customer sends for signature: its own is on it already. */
export type Draft = {
  readonly receipt: Receipt;
  readonly customerSignature: Uint8Array;
  /** The last receipt both signed, as the customer holds it: it helps a device that lost its book. */
  readonly head: SignedReceipt | undefined;
};

export type DraftRefused = NodeRefused & { readonly next?: number; readonly metered?: Amounts };

/** What a customer may leave unsigned because it was still on its way to it, or failed its checks. */
export type Tolerance = { readonly percent: bigint; readonly least: Amounts };

/** What a customer may buy with a key in an epoch; refused when it may buy nothing. */
export type StandingOf = Chain["standingOf"];

export type CountersignParts = {
  readonly key: DeviceKey;
  readonly domain: Uint8Array;
  readonly book: Book;
  readonly meter: Meter;
  readonly oracles: Pick<Oracles, "heads">;
  readonly epochs: EpochView;
  readonly standingOf: StandingOf;
  readonly tolerance: Tolerance;
};

/**
 * The device signs last, and only after the sequence is on its disk as used: a crash in between wastes a number, and
 * no number is ever signed twice.
 */
export function countersigner(
  parts: CountersignParts,
): (draft: Draft) => Promise<SignedReceipt | DraftRefused> {
  let last: Promise<unknown> = Promise.resolve();
  return (draft) => {
    // One at a time, or two drafts could pass the check for the same sequence.
    const turn = last.then(() => countersign(parts, draft));
    last = turn.catch(() => undefined);
    return turn;
  };
}

async function countersign(
  parts: CountersignParts,
  draft: Draft,
): Promise<SignedReceipt | DraftRefused> {
  const { key, book, domain } = parts;
  const { receipt, customerSignature } = draft;
  const digest = receiptDigest(domain, receipt);
  const standing = await standingOfSigner(parts, draft, digest);
  if (isNodeRefused(standing)) return standing;

  const entry = book.entry(receipt.epoch, receipt.customer) ?? (await beginEntry(parts, draft));
  if (
    entry.signed !== undefined &&
    equalBytes(receiptDigest(domain, entry.signed.receipt), digest)
  ) {
    return entry.signed;
  }
  const refused = refuseDraft(parts, entry, receipt) ?? overCap(receipt, standing);
  if (refused !== undefined) return refused;

  entry.next = receipt.sequence + 1;
  await book.save();
  const deviceSignature = await key.sign(digest);
  entry.signed = { receipt, customerSignature, deviceSignature };
  entry.fate = { status: "pending" };
  await book.save();
  return entry.signed;
}

async function standingOfSigner(
  { key, book, epochs, standingOf }: CountersignParts,
  { receipt, customerSignature }: Draft,
  digest: Uint8Array,
): Promise<Standing | NodeRefused> {
  const { device, customer, epoch } = receipt;
  if (device !== key.address) {
    return {
      refusal: "malformed",
      message: `the draft is for device ${device}, this is ${key.address}`,
    };
  }
  if (epoch < book.oldest || !(await epochs.isOpen(epoch))) {
    return { refusal: "epoch-closed", message: `epoch ${epoch} is not open` };
  }
  const signer = recover(digest, customerSignature);
  if (signer === undefined) {
    return {
      refusal: "customer-signature-invalid",
      message: "the customer's is not a low-s signature",
    };
  }
  return standingOf(customer, signer, epoch);
}

function refuseDraft(
  { meter, tolerance }: CountersignParts,
  entry: Entry,
  receipt: Receipt,
): DraftRefused | undefined {
  const { next } = entry;
  if (receipt.sequence !== next) {
    const message = `the next sequence is ${next}, the draft has ${receipt.sequence}`;
    return { refusal: "sequence-unexpected", message, next };
  }
  const metered = meter.totals(receipt.epoch, receipt.customer);
  const floor = largest(entry.signed?.receipt ?? NOTHING, toleratedFloor(metered, tolerance));
  const short = shortOf(receipt, floor);
  if (short === undefined) return undefined;
  const message = `${short} is ${receipt[short]}, at least ${floor[short]} was served`;
  return { refusal: "totals-short", message, next, metered };
}

/** More than the cap of its key is never collected for all that a customer was served, so not for one device's part. */
export function overCap(
  amounts: Amounts,
  { cap, tariff }: Standing,
  margin = 0n,
): NodeRefused | undefined {
  const value = valueAtTariff(amounts, tariff);
  if (value + margin <= cap) return undefined;
  return { refusal: "over-cap", message: `worth ${value} wei; the key may promise ${cap}` };
}

export function toleratedFloor(metered: Amounts, { percent, least }: Tolerance): Amounts {
  return amountsOf((resource) => {
    const share = (metered[resource] * percent) / 100n;
    const floor = metered[resource] - (share > least[resource] ? share : least[resource]);
    return floor > 0n ? floor : 0n;
  });
}

/** A new customer or epoch starts at 1, unless an older book may have been lost. */
async function beginEntry(parts: CountersignParts, draft: Draft): Promise<Entry> {
  const { book, epochs, meter } = parts;
  const { epoch, customer } = draft.receipt;
  const entry: Entry = { epoch, customer, next: 1, signed: undefined, fate: { status: "pending" } };
  if (epoch <= book.knownSince(await epochs.current())) {
    const heads = await ownHeads(parts, draft);
    entry.next = Math.max(0, ...heads.map((head) => head.receipt.sequence)) + SEQUENCE_JUMP;
    for (const head of heads) meter.raise(epoch, customer, head.receipt);
  }
  book.add(entry);
  return entry;
}

/** Only what this device signed, out of what the oracles and the customer show: the rest could be made up. */
async function ownHeads(
  { key, oracles, domain }: CountersignParts,
  { receipt: { epoch, customer }, head }: Draft,
): Promise<readonly SignedReceipt[]> {
  const stored = await oracles.heads(epoch, key.address, customer);
  return [...stored, head].filter(
    (shown): shown is SignedReceipt =>
      shown !== undefined &&
      shown.receipt.epoch === epoch &&
      shown.receipt.customer === customer &&
      isSignedBy(
        key.address,
        receiptDigest(domain, shown.receipt),
        shown.deviceSignature,
        key.publicKey,
      ),
  );
}
