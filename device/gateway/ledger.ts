import { join } from "node:path";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import {
  type Amounts,
  parseSignedReceipt,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { parseSignedVoucher, signedVoucherToJson } from "@link-rewards/core/signed/submission";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import { z } from "zod";
import { amountsToJson, parseAmounts } from "../amounts.ts";
import { openStateFile } from "../state.ts";

/** What one device delivered to the customer in one epoch, as far as the customer checked it. */
export type Tally = {
  readonly epoch: number;
  readonly device: Address;
  readonly publicKey: Hex;
  verified: Amounts;
  /** What the last draft said: signed by the customer, so the device can use it whatever it answered. */
  promised: Amounts;
  next: number;
  /** The last receipt both signed. */
  head: SignedReceipt | undefined;
};

/** What the customer promised for an epoch: the highest voucher signed for it. */
export type Promised = SignedVoucher & { delivered: boolean };

export type LedgerPages = {
  /** Receipts of this epoch and before may have been signed by a ledger that is lost. */
  since: number | undefined;
  tallies: Tally[];
  /** By epoch: each begins anew. */
  promised: Promised[];
  /** Devices that answered a job wrong: not used up to the epoch `until`. */
  shunned: Shunned[];
};

export type Shunned = { readonly device: Address; readonly until: number };

/** The last epoch in which a device is not used; 0 for one that is. */
export function shunnedUntil({ shunned }: LedgerPages, device: Address): number {
  return shunned.find((each) => each.device === device)?.until ?? 0;
}

const PAGES = z.object({
  customer: z.string(),
  since: z.int().optional(),
  tallies: z.array(
    z.object({
      epoch: z.int(),
      device: z.string(),
      publicKey: z.string(),
      verified: z.unknown(),
      promised: z.unknown(),
      next: z.int(),
      head: z.unknown().optional(),
    }),
  ),
  promised: z.array(z.looseObject({ delivered: z.boolean() })),
  shunned: z.array(z.object({ device: z.string(), until: z.int() })),
});

/** One file, one gateway: two that pay for one customer need one ledger. */
export function openLedger(folder: string, customer: Address) {
  return openStateFile<LedgerPages>(join(folder, "ledger.json"), {
    initial: () => ({ since: undefined, tallies: [], promised: [], shunned: [] }),
    parse: (json) => parsePages(json, customer),
    toJson: ({ since, tallies, promised, shunned }) => ({
      customer,
      since,
      tallies: tallies.map((tally) => ({
        ...tally,
        verified: amountsToJson(tally.verified),
        promised: amountsToJson(tally.promised),
        head: tally.head && signedReceiptToJson(tally.head),
      })),
      promised: promised.map((each) => ({
        ...signedVoucherToJson(each),
        delivered: each.delivered,
      })),
      shunned,
    }),
  });
}

function parsePages(json: unknown, customer: Address): LedgerPages {
  const pages = PAGES.parse(json);
  if (pages.customer !== customer) {
    throw new Error(`it is the ledger of customer ${pages.customer}, not of ${customer}`);
  }
  return {
    since: pages.since,
    tallies: pages.tallies.map((tally) => ({
      ...tally,
      device: lowercaseHex(tally.device),
      publicKey: lowercaseHex(tally.publicKey),
      verified: parseAmounts(tally.verified),
      promised: parseAmounts(tally.promised),
      head: tally.head === undefined ? undefined : checked(parseSignedReceipt(tally.head)),
    })),
    promised: pages.promised.map((each) => ({
      ...checked(parseSignedVoucher(each)),
      delivered: each.delivered,
    })),
    shunned: pages.shunned.map(({ device, until }) => ({ device: lowercaseHex(device), until })),
  };
}

function checked<T>(parsed: T | Refused): T {
  if (isRefused(parsed)) throw new Error(parsed.message);
  return parsed;
}
