import type { Address } from "@link-rewards/core/encoding/bytes";
import { sumOf, valueAtTariff } from "@link-rewards/core/epoch/value";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import type { Chain, Reported } from "../chain.ts";
import type { LedgerPages } from "./ledger.ts";

export type BudgetParts = {
  readonly customer: Address;
  readonly key: { readonly address: Address };
  readonly chain: Omit<Chain, "standingOf" | "close" | keyof Reported>;
  readonly ledger: { readonly value: LedgerPages };
  /** Paid by the programme, not from a balance. */
  readonly inspector: boolean;
  /** How much of its debt for an epoch the customer promises, in ten-thousandths. */
  readonly payBasisPoints: (epoch: number) => number;
};

/** What a gateway may promise for one epoch, and what it would promise. Values are in wei. */
export type Budget = {
  /** Which limit is the lowest, and how much it is. */
  readonly limit: string;
  /** The same as a number. */
  readonly amount: bigint;
  valueFor(amounts: Amounts): bigint;
  /** Of all that was delivered in the epoch. */
  total(of: Column): bigint;
  /** What is promised for service worth `value`: never more than can be collected, however full the balance is. */
  promiseFor(value: bigint): bigint;
  covers(value: bigint): boolean;
};

/** What the customer checked, or what it has signed drafts for. */
type Column = "verified" | "promised";
type Limit = { readonly amount: bigint; readonly name: string };

const WHOLE = 10_000n;

export async function openBudget(parts: BudgetParts, epoch: number): Promise<Budget> {
  const { chain, customer, key, inspector } = parts;
  const [{ valueFor, total, owedFor }, cap, cover] = await Promise.all([
    pricesOf(parts, epoch),
    chain.capAt(customer, key.address, epoch),
    inspector ? shareOf(parts, epoch) : balanceFor(parts, epoch),
  ]);
  const { amount, name } = lower(cover, { amount: cap, name: "the cap of its key" });
  // A balance may still be filled up; the cap and the share stay what they are in an epoch.
  const most = inspector ? amount : cap;
  return {
    limit: `${name} is ${amount} wei for epoch ${epoch}`,
    amount,
    valueFor,
    total,
    promiseFor: (value) => (owedFor(value) < most ? owedFor(value) : most),
    covers: (value) => owedFor(value) <= amount,
  };
}

async function pricesOf({ chain, ledger, payBasisPoints }: BudgetParts, epoch: number) {
  const tariff = await chain.tariffAt(epoch);
  const valueFor = (amounts: Amounts) => valueAtTariff(amounts, tariff);
  const tallies = () => ledger.value.tallies.filter((tally) => tally.epoch === epoch);
  return {
    valueFor,
    total: (of: Column) => sumOf(tallies().map((tally) => valueFor(tally[of]))),
    owedFor: (value: bigint) => (value * BigInt(payBasisPoints(epoch))) / WHOLE,
  };
}

async function shareOf({ chain, customer }: BudgetParts, epoch: number): Promise<Limit> {
  const amount = (await chain.shareAt(customer, epoch)) ?? 0n;
  return { amount, name: "its share of the programme" };
}

/** What is owed for another epoch that can still be collected, and is not paid yet, is spent. */
async function balanceFor(parts: BudgetParts, epoch: number): Promise<Limit> {
  const { chain, customer, ledger } = parts;
  const { tallies, promised } = ledger.value;
  const known = [...tallies, ...promised.map(({ voucher }) => voucher)];
  const collectable = await chain.collectableEpoch();
  let amount = await chain.paid(customer, epoch);
  for (const other of new Set(known.map((each) => each.epoch))) {
    if (other === epoch || other < collectable) continue;
    const owed = await owedIn(parts, other, epoch);
    const paid = await chain.paid(customer, other);
    if (owed > paid) amount -= owed - paid;
  }
  // Asked last: what is collected in between is then counted on neither side, and not on both.
  amount += await chain.spendable(customer);
  return { amount: amount > 0n ? amount : 0n, name: "what the balance covers" };
}

/** The earlier epoch goes first with all that was delivered in it, the later one with what it is bound to. */
async function owedIn(parts: BudgetParts, other: number, epoch: number): Promise<bigint> {
  const { total, owedFor } = await pricesOf(parts, other);
  const owed = owedFor(total(other < epoch ? "verified" : "promised"));
  const promised = parts.ledger.value.promised.find(({ voucher }) => voucher.epoch === other);
  return promised !== undefined && promised.voucher.amount > owed ? promised.voucher.amount : owed;
}

function lower(a: Limit, b: Limit): Limit {
  return a.amount < b.amount ? a : b;
}
