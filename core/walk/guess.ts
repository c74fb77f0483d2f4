import { at } from "../encoding/at.ts";
import { type Address, fromHex, writeUint } from "../encoding/bytes.ts";
import { type Contributions, gather } from "../epoch/contributions.ts";
import { invoice } from "../epoch/invoice.ts";
import { CONTRIBUTION_BYTES, INVOICE_BYTES, recordAt } from "../epoch/records.ts";
import { accumulate, sumByAccount } from "../epoch/reward.ts";
import { countedOf, earnedOf, MAX_AMOUNT, valueAtTariff } from "../epoch/value.ts";
import {
  addressIn,
  amountIn,
  CONTRIBUTION,
  compareIn,
  LINE,
  numberIn,
  type Row,
} from "../judge/rows.ts";
import { accountsIn, type Law, paid, tariffAt } from "../law/law.ts";
import { type CompareRows, rankIn } from "./order.ts";
import { hasReceipt } from "./receipts.ts";
import type { Sight } from "./sight.ts";

/** What was shown of how the reporter came to his tables. */
export type Claims = {
  /** What contributions earned, by their positions among the receipts. */
  readonly earned: ReadonlyMap<number, bigint>;
  /** The ceilings of customers' lines. */
  readonly ceilings: ReadonlyMap<Address, bigint>;
};

/** What was shown of these receipts and of their customers' lines. */
export function claimsOf(
  contributions: Sight,
  invoices: Sight,
  records: Uint8Array,
  compare: CompareRows,
): Claims {
  const earned = new Map<number, bigint>();
  for (const position of contributions.shown) {
    const row = contributions.rowAt(position) as Row;
    if (!hasReceipt(records, row, compare)) continue;
    const rank = rankIn(records, CONTRIBUTION_BYTES, row, compare);
    if (!earned.has(rank)) earned.set(rank, amountIn(row, CONTRIBUTION.earned));
  }
  const ceilings = new Map<Address, bigint>();
  for (const position of invoices.shown) {
    const line = invoices.rowAt(position) as Row;
    const customer = addressIn(line, LINE.customer);
    if (!ceilings.has(customer)) ceilings.set(customer, amountIn(line, LINE.ceiling));
  }
  return { earned, ceilings };
}

/**
 * The tables as the reporter seems to have made them: the lawful ones for these receipts, but for what was shown to be
 * otherwise.
 */
export type Guess = {
  /** contributions.bin. */
  readonly contributions: Uint8Array;
  /** invoices.bin. */
  readonly invoices: Uint8Array;
  /** rewards.bin. Throws when a leaf cannot hold what was earned. */
  readonly rewards: () => Uint8Array;
  /** Customers of whom something is not lawful. */
  readonly doubted: ReadonlySet<Address>;
  /** Contributions that earned what neither the law nor a line that was shown explains. */
  readonly unexplained: readonly number[];
};

export type GuessInput = {
  readonly law: Law;
  readonly epoch: number;
  readonly previousRewards: Uint8Array;
  /** Records in the order of contributions.bin, of verified receipts; written to. */
  readonly records: Uint8Array;
  readonly claims: Claims;
};

export function guess({ law, epoch, previousRewards, records, claims }: GuessInput): Guess {
  const tariff = tariffAt(law, epoch);
  const gathered = gatherRecords(law, epoch, records);
  const values = gathered.deviceOf.map((_, i) => valueAtTariff(gathered.amountsOf(i), tariff));
  const lawful = invoice(gathered, values, (customer) => paid(law, customer, epoch));
  const earned = lawful.counted.map((counted) => earnedOf(counted, tariff.feeBps));
  const differing = () => [...claims.earned].filter(([i, amount]) => earned[i] !== amount);
  const customerOf = ([i]: readonly [number, bigint]) =>
    at(gathered.customers, at(gathered.customerOf, i));

  const doubted = new Set(differing().map(customerOf));
  for (const [customer, ceiling] of claims.ceilings) {
    const lines = linesOf(lawful.records, customer);
    if (lines.every((line) => amountIn(line, LINE.ceiling) === ceiling)) continue;
    // A line that is wrong alone says nothing of what the contributions earned.
    if (doubted.has(customer)) {
      for (const line of lines) {
        const counted = countedOf(amountIn(line, LINE.value), ceiling);
        earned[numberIn(line, LINE.contribution)] = earnedOf(counted, tariff.feeBps);
      }
    }
    writeCeiling(lines, ceiling);
    doubted.add(customer);
  }
  const unexplained = differing().map(([i]) => i);
  for (const [i, amount] of claims.earned) earned[i] = amount;
  writeEarned(records, earned);
  const accounts = accountsIn(law, epoch);
  return {
    contributions: records,
    invoices: lawful.records,
    rewards: () =>
      accumulate(accounts, previousRewards, sumByAccount(gathered, earned, accounts.length)),
    doubted,
    unexplained,
  };
}

function gatherRecords(law: Law, epoch: number, records: Uint8Array): Contributions {
  const gathering = gather(law, epoch);
  for (let from = 0; from < records.length; from += CONTRIBUTION_BYTES) {
    const row = records.subarray(from, from + CONTRIBUTION_BYTES);
    const device = addressIn(row, CONTRIBUTION.device);
    const customer = addressIn(row, CONTRIBUTION.customer);
    gathering.add({ device, customer, epoch }, addressIn(row, CONTRIBUTION.account));
  }
  return gathering.inPlace(records);
}

/** The lines of a customer among all. */
export function linesOf(invoices: Uint8Array, customer: Address): readonly Row[] {
  const { from, end } = rangeOf(invoices, customer);
  return Array.from({ length: end - from }, (_, i) => recordAt(invoices, INVOICE_BYTES, from + i));
}

/** Where they stand. */
export function rangeOf(
  invoices: Uint8Array,
  customer: Address,
): { readonly from: number; readonly end: number } {
  const first = new Uint8Array(INVOICE_BYTES);
  first.set(fromHex(customer));
  const compare = (a: Row, b: Row) => compareIn(a, LINE.customer, b, LINE.customer);
  const from = rankIn(invoices, INVOICE_BYTES, first, compare);
  const end = rankIn(invoices, INVOICE_BYTES, first, (a, b) => (compare(a, b) <= 0 ? -1 : 1));
  return { from, end };
}

/** With the sums that follow from it. */
function writeCeiling(lines: readonly Row[], ceiling: bigint): void {
  let subtotal = 0n;
  let above = 0;
  for (const line of lines) {
    const value = amountIn(line, LINE.value);
    subtotal = fitting(subtotal + countedOf(value, ceiling));
    if (value > ceiling) above += 1;
    write(line, LINE.ceiling, ceiling);
    write(line, LINE.subtotal, subtotal);
    write(line, LINE.above, above);
  }
}

function writeEarned(records: Uint8Array, earned: readonly bigint[]): void {
  let subtotal = 0n;
  for (const [i, amount] of earned.entries()) {
    const row = recordAt(records, CONTRIBUTION_BYTES, i);
    subtotal = fitting(subtotal + amount);
    write(row, CONTRIBUTION.earned, amount);
    write(row, CONTRIBUTION.subtotal, subtotal);
  }
}

/** What was shown may add up to more than a row can hold. No row says so then, and the guess is wrong there. */
function fitting(amount: bigint): bigint {
  return amount < MAX_AMOUNT ? amount : MAX_AMOUNT;
}

function write(
  row: Row,
  { from, bytes }: { readonly from: number; readonly bytes: number },
  value: bigint | number,
): void {
  writeUint(row, from, bytes, value);
}
