import { join } from "node:path";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refusal } from "@link-rewards/core/encoding/refusal";
import {
  parseSignedReceipt,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { z } from "zod";
import { openStateFile } from "../state.ts";

/** How far past every known sequence a device goes on that lost its book: more than it can have signed unseen. */
export const SEQUENCE_JUMP = 65_536;

/** What the device remembers of one customer in one epoch. */
export type Entry = {
  readonly epoch: number;
  readonly customer: Address;
  /** The lowest sequence not yet used. Raised on disk before the signature exists. */
  next: number;
  signed: SignedReceipt | undefined;
  fate: Fate;
};

/** What became of the signed receipt at the oracle. */
export type Fate =
  | { readonly status: "pending" }
  /** By this member: its word is with the words that are kept. */
  | { readonly status: "acknowledged"; readonly member: Address }
  | { readonly status: "refused"; readonly refusal: Refusal; readonly message: string };

export type Book = {
  entry(epoch: number, customer: Address): Entry | undefined;
  entries(): readonly Entry[];
  add(entry: Entry): void;
  /** The book knows of everything signed in later epochs; in this one and before, an older book may be lost. */
  knownSince(currentEpoch: number): number;
  /** Below this epoch nothing is signed any more, because the book has forgotten it. */
  readonly oldest: number;
  forgetBefore(epoch: number): void;
  save(): Promise<void>;
};

type Pages = {
  since: number | undefined;
  oldest: number;
  readonly entries: Map<string, Entry>;
};

const ENTRY = z.object({
  epoch: z.int(),
  customer: z.string(),
  next: z.int(),
  signed: z.unknown().optional(),
  fate: z.discriminatedUnion("status", [
    z.object({ status: z.literal("pending") }),
    z.object({ status: z.literal("acknowledged"), member: z.string() }),
    z.object({ status: z.literal("refused"), refusal: z.string(), message: z.string() }),
  ]),
});
const PAGES = z.object({
  device: z.string(),
  since: z.int().optional(),
  oldest: z.int(),
  entries: z.array(ENTRY),
});

/** One process at a time: two on one folder would be a cloned key. */
export async function openBook(folder: string, device: Address): Promise<Book> {
  const path = join(folder, "receipts.json");
  const file = await openStateFile<Pages>(path, {
    initial: () => ({ since: undefined, oldest: 0, entries: new Map() }),
    parse: (json) => parsePages(json, device),
    toJson: (pages) => ({
      device,
      ...pages,
      entries: [...pages.entries.values()].map((entry) => ({
        ...entry,
        signed: entry.signed && signedReceiptToJson(entry.signed),
      })),
    }),
  });
  const pages = file.value;
  return {
    entry: (epoch, customer) => pages.entries.get(keyOf(epoch, customer)),
    entries: () => [...pages.entries.values()],
    add: (entry) => void pages.entries.set(keyOf(entry.epoch, entry.customer), entry),
    knownSince: (currentEpoch) => (pages.since ??= currentEpoch),
    get oldest() {
      return pages.oldest;
    },
    forgetBefore: (epoch) => {
      pages.oldest = Math.max(pages.oldest, epoch);
      for (const [key, entry] of pages.entries) {
        if (entry.epoch < pages.oldest) pages.entries.delete(key);
      }
    },
    save: file.save,
  };
}

function keyOf(epoch: number, customer: Address): string {
  return `${epoch}/${customer}`;
}

function parsePages(json: unknown, device: Address): Pages {
  const { since, oldest, entries, device: owner } = PAGES.parse(json);
  if (owner !== device) throw new Error(`it is the book of device ${owner}, not of ${device}`);
  return {
    since,
    oldest,
    entries: new Map(
      entries.map(({ epoch, customer, next, signed, fate }) => {
        const parsed = signed === undefined ? undefined : parseSignedReceipt(signed);
        if (isRefused(parsed)) throw new Error(parsed.message);
        const entry = {
          epoch,
          customer: customer as Address,
          next,
          signed: parsed,
          fate: fate as Fate,
        };
        return [keyOf(entry.epoch, entry.customer), entry];
      }),
    ),
  };
}
