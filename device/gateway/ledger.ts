import { join } from "node:path";
import { type Address, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import { parseSignature } from "@link-rewards/core/encoding/signature";
import {
  type Amounts,
  parseSignedReceipt,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { parseVoucher, type SignedVoucher, voucherToJson } from "@link-rewards/core/signed/voucher";
import { z } from "zod";
import { amountsToJson, parseAmounts } from "../amounts.ts";
import { openStateFile } from "../state.ts";

/** What one device delivered to the customer in one epoch, as far as the customer checked it. */
export type Tally = {
  readonly epoch: number;
  readonly device: Address;
  /** Where it was last met. */
  url: string;
  verified: Amounts;
  /** What the last draft said: signed by the customer, so the device can use it whatever it answered. */
  promised: Amounts;
  next: number;
  /** The last receipt both signed. */
  head: SignedReceipt | undefined;
};

/** What the customer owes for one epoch, and the voucher that says so. */
export type Debt = {
  readonly epoch: number;
  owed: bigint;
  voucher: SignedVoucher | undefined;
  delivered: boolean;
};

export type LedgerPages = {
  /** Receipts of this epoch and before may have been signed by a ledger that is lost. */
  since: number | undefined;
  /** Owed for the epochs that are closed, and so not among the debts, in wei. */
  carried: bigint | undefined;
  tallies: Tally[];
  debts: Debt[];
};

const PAGES = z.object({
  customer: z.string(),
  since: z.int().optional(),
  carried: z.string().optional(),
  tallies: z.array(
    z.object({
      epoch: z.int(),
      device: z.string(),
      url: z.string(),
      verified: z.unknown(),
      promised: z.unknown(),
      next: z.int(),
      head: z.unknown().optional(),
    }),
  ),
  debts: z.array(
    z.object({
      epoch: z.int(),
      owed: z.string(),
      voucher: z.unknown().optional(),
      signature: z.unknown().optional(),
      delivered: z.boolean(),
    }),
  ),
});

/** One file, one gateway: two that pay for one customer need one ledger. */
export function openLedger(folder: string, customer: Address) {
  return openStateFile<LedgerPages>(join(folder, "ledger.json"), {
    initial: () => ({ since: undefined, carried: undefined, tallies: [], debts: [] }),
    parse: (json) => parsePages(json, customer),
    toJson: ({ since, carried, tallies, debts }) => ({
      customer,
      since,
      carried: carried?.toString(),
      tallies: tallies.map((tally) => ({
        ...tally,
        verified: amountsToJson(tally.verified),
        promised: amountsToJson(tally.promised),
        head: tally.head && signedReceiptToJson(tally.head),
      })),
      debts: debts.map(({ voucher, ...debt }) => ({
        ...debt,
        owed: debt.owed.toString(),
        ...(voucher && {
          voucher: voucherToJson(voucher.voucher),
          signature: toHex(voucher.signature),
        }),
      })),
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
    carried: pages.carried === undefined ? undefined : BigInt(pages.carried),
    tallies: pages.tallies.map((tally) => ({
      ...tally,
      device: lowercaseHex(tally.device),
      verified: parseAmounts(tally.verified),
      promised: parseAmounts(tally.promised),
      head: tally.head === undefined ? undefined : checked(parseSignedReceipt(tally.head)),
    })),
    debts: pages.debts.map(({ epoch, owed, voucher, signature, delivered }) => ({
      epoch,
      owed: BigInt(owed),
      delivered,
      voucher:
        voucher === undefined
          ? undefined
          : {
              voucher: checked(parseVoucher(voucher)),
              signature: checked(parseSignature(signature, "signature")),
            },
    })),
  };
}

function checked<T>(parsed: T | Refused): T {
  if (isRefused(parsed)) throw new Error(parsed.message);
  return parsed;
}
