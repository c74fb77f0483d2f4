import {
  type Address,
  concatBytes,
  keccak256,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { toCompact } from "@link-rewards/core/encoding/signature";
import { type EpochClock, epochAt } from "@link-rewards/core/law/clock";
import { capAt, isInspectorAt } from "@link-rewards/core/law/law";
import { escrowDomain } from "@link-rewards/core/signed/deployment";
import { type SignedVoucher, type Voucher, voucherDigest } from "@link-rewards/core/signed/voucher";
import type { Chain } from "@link-rewards/host/chain/chain";
import { revertReason } from "@link-rewards/host/chain/errors";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import type { Sender } from "@link-rewards/host/transactions";
import { costOf, worthOf, worthSending } from "@link-rewards/host/worth";
import type { Oracle } from "./oracle.ts";
import {
  type PlannedRefund,
  planRefunds,
  type RefundAction,
  type Shortfall,
  sendRefund,
} from "./refund.ts";
import type { CollectTerms } from "./terms.ts";

/** About five million gas: well inside any block. */
const VOUCHERS_PER_TRANSACTION = 100;

export type CollectAction =
  | RefundAction
  | {
      readonly action: "collect";
      readonly customer: Address;
      readonly epoch: number;
      readonly amount: bigint;
      /** Absent where it is only planned. */
      readonly transaction?: string;
    }
  | {
      readonly action: "leave";
      readonly customer: Address;
      readonly epoch: number;
      readonly reason: string;
    };

/** `amount`: what it brings now, in wei. */
type Due = { readonly signed: SignedVoucher; readonly amount: bigint };

type Sorted = { readonly due: readonly Due[]; readonly left: readonly CollectAction[] };

/** What a run would collect now, and what it would leave. */
export async function planCollect(
  oracle: Oracle,
  terms: CollectTerms,
): Promise<readonly CollectAction[]> {
  const refunds = await planRefunds(oracle, await shortfalls(oracle), terms);
  const actions: CollectAction[] = refunds.map(planned);
  for await (const { due, left } of dueVouchers(oracle, terms, refunds)) {
    actions.push(...left, ...due.map(({ signed, amount }) => collected(signed, amount)));
  }
  return actions;
}

/**
 * Collects what customers owe for the epoch that has ended and is not sealed, many vouchers in one transaction, once what
 * they paid too much before is back in the balances that do not cover it. Asks before each whether it may still go on:
 * waiting for many takes longer than a lease.
 */
export async function collectVouchers(
  oracle: Oracle,
  sender: Sender,
  terms: CollectTerms,
  mayGoOn: () => Promise<boolean>,
): Promise<readonly CollectAction[]> {
  await dropVoidVouchers(oracle);
  const actions: CollectAction[] = [];
  for (const refund of await planRefunds(oracle, await shortfalls(oracle), terms)) {
    if (!(await mayGoOn())) return actions;
    const refunded = await sendRefund(oracle, sender, refund, terms);
    if (refunded !== undefined) actions.push(refunded);
  }
  for await (const { due, left } of dueVouchers(oracle, terms)) {
    actions.push(...left);
    if (!(await mayGoOn())) break;
    if (due.length > 0) actions.push(...(await collect(oracle, sender, due, terms)));
  }
  return actions;
}

/** Sealed in a block that is final: no reorg makes them worth anything again. */
async function dropVoidVouchers({ chain, store }: Oracle): Promise<void> {
  const { timestamp } = await chain.finalized();
  await store.dropVouchersBefore(collectableEpochAt(chain.deployment, timestamp));
}

/** The earliest epoch that is not sealed, at least 1. The twin of CustomerEscrow.collectableEpoch. */
function collectableEpochAt(clock: EpochClock, time: number): number {
  return Math.max(1, epochAt(clock, time - clock.graceSeconds));
}

/** The running epoch's still grow: they are collected once it has ended, in the grace. */
async function collectable({ chain, store, follower }: Oracle): Promise<readonly SignedVoucher[]> {
  if (follower.law().closedAfter !== undefined) return [];
  const { timestamp } = await chain.head();
  const epoch = collectableEpochAt(chain.deployment, timestamp);
  if (epoch >= epochAt(chain.deployment, timestamp)) return [];
  const stored = await Array.fromAsync(store.vouchers());
  return stored.filter(({ voucher }) => voucher.epoch === epoch);
}

/** Whose balances do not cover their vouchers. */
async function shortfalls(oracle: Oracle): Promise<readonly Shortfall[]> {
  const found: Shortfall[] = [];
  for (const batch of batchesOf(await collectable(oracle))) {
    const missing = await Promise.all(batch.map((signed) => missingFor(oracle, signed)));
    for (const [i, { voucher }] of batch.entries()) {
      found.push({ customer: voucher.customer, missing: missing[i] ?? 0n });
    }
  }
  return found.filter(({ missing }) => missing > 0n);
}

/** What of a voucher its customer's balance does not cover, in wei. No balance pays for an inspector. */
async function missingFor(
  { chain: { suite, deployment }, follower }: Oracle,
  { voucher, signature }: SignedVoucher,
): Promise<bigint> {
  const { customer, epoch, amount } = voucher;
  const law = follower.law();
  if (isInspectorAt(law, customer, epoch)) return 0n;
  const digest = voucherDigest(escrowDomain(deployment), voucher);
  const key = loadSecp256k1().recover(digest, signature);
  const cap = key === undefined ? 0n : capAt(law, customer, key, epoch);
  const [paid, balance] = await Promise.all([
    suite.escrow.paid(customer, epoch),
    suite.escrow.balanceOf(customer),
  ]);
  return (amount < cap ? amount : cap) - paid - balance;
}

function* batchesOf(vouchers: readonly SignedVoucher[]): Iterable<readonly SignedVoucher[]> {
  for (let first = 0; first < vouchers.length; first += VOUCHERS_PER_TRANSACTION)
    yield vouchers.slice(first, first + VOUCHERS_PER_TRANSACTION);
}

/** One batch after the other; `refunds` are those that are planned before. */
async function* dueVouchers(
  oracle: Oracle,
  terms: CollectTerms,
  refunds: readonly PlannedRefund[] = [],
): AsyncIterable<Sorted> {
  const { chain } = oracle;
  for (const batch of batchesOf(await collectable(oracle))) {
    const tried = await Promise.all(batch.map((one) => tryAlone(chain, one, terms, refunds)));
    const due = tried.flatMap((outcome) => (outcome && "signed" in outcome ? [outcome] : []));
    const left = tried.flatMap((outcome) => (outcome && "action" in outcome ? [outcome] : []));
    const worth = await dropUnworthy(chain, due, terms);
    yield { due: worth.due, left: [...left, ...worth.left] };
  }
}

/** Each by itself, so that one that would revert does not stand in the way of the others. Undefined when it is paid. */
async function tryAlone(
  { suite: { escrow } }: Chain,
  signed: SignedVoucher,
  { minimum }: CollectTerms,
  refunds: readonly PlannedRefund[],
): Promise<Due | CollectAction | undefined> {
  const { customer, epoch, amount: promised } = signed.voucher;
  let amount: bigint;
  try {
    amount = await escrow.collect.staticCall(...argumentsFor([{ signed }]));
  } catch (error) {
    const reason = revertReason(error);
    if (reason === undefined) throw error;
    return left(signed, reason);
  }
  for (const { refund, brings } of refunds) if (refund.customer === customer) amount += brings;
  if (amount >= minimum && amount > 0n) return { signed, amount };
  const paid = await escrow.paid(customer, epoch);
  if (paid >= promised) return undefined;
  return left(
    signed,
    amount === 0n
      ? `${paid} of ${promised} wei are paid, and there is nothing more to take`
      : `it would bring ${amount} wei, less than the minimum of ${minimum}`,
  );
}

async function dropUnworthy(
  { suite: { escrow }, provider }: Chain,
  all: readonly Due[],
  { linkPrice }: CollectTerms,
): Promise<Sorted> {
  try {
    const { due, left: unworthy } = await worthSending(all, linkPrice, async (some) =>
      costOf(provider, await escrow.collect.estimateGas(...argumentsFor(some))),
    );
    const reason = (amount: bigint, share: bigint) =>
      `it would bring ${amount} wei of LinkToken, which is less than the ${share} wei of its gas`;
    return {
      due,
      left: unworthy.map(({ one, share }) => left(one.signed, reason(one.amount, share))),
    };
  } catch (error) {
    return { due: [], left: leftAfter(error, all) };
  }
}

/** One transaction, of which the same vouchers have no second: it is named by what is in it. */
async function collect(
  { chain, log }: Oracle,
  sender: Sender,
  due: readonly Due[],
  { linkPrice }: CollectTerms,
): Promise<readonly CollectAction[]> {
  const { escrow } = chain.suite;
  const domain = escrowDomain(chain.deployment);
  const digests = due.map(({ signed }) => voucherDigest(domain, signed.voucher));
  const name = `collect/${toHex(keccak256(concatBytes(...digests)))}`;
  try {
    const call = await escrow.collect.populateTransaction(...argumentsFor(due));
    const total = due.reduce((sum, { amount }) => sum + amount, 0n);
    const { hash, outcome } = await sender.send(name, {
      ...call,
      brings: worthOf(linkPrice, total),
    });
    if (outcome === "reverted")
      return due.map(({ signed }) => left(signed, `the transaction ${hash} was reverted`));
    const amounts = await amountsIn(chain, hash);
    log("vouchers collected", { transaction: hash, vouchers: amounts.size });
    return due.map(({ signed }) => {
      const amount = amounts.get(signed.voucher.customer);
      return amount === undefined
        ? left(signed, "it was collected meanwhile")
        : collected(signed, amount, hash);
    });
  } catch (error) {
    return leftAfter(error, due);
  }
}

/** The seal time may pass, or a customer may withdraw, between one look and the next: that is no fault of the run. */
function leftAfter(error: unknown, due: readonly Due[]): readonly CollectAction[] {
  const reason = revertReason(error);
  if (reason === undefined) throw error;
  return due.map(({ signed }) => left(signed, reason));
}

/** What a transaction took of each customer. */
async function amountsIn(
  { provider, suite: { escrow } }: Chain,
  hash: string,
): Promise<ReadonlyMap<Address, bigint>> {
  const receipt = await provider.getTransactionReceipt(hash);
  const amounts = new Map<Address, bigint>();
  for (const log of receipt?.logs ?? []) {
    const event = escrow.interface.parseLog(log);
    if (event?.name === "VoucherCollected")
      amounts.set(lowercaseHex(event.args.customer), event.args.amount);
  }
  return amounts;
}

/** As the escrow takes them. */
function argumentsFor(
  due: readonly Pick<Due, "signed">[],
): [Voucher[], ReturnType<typeof toCompact>[]] {
  return [
    due.map(({ signed }) => signed.voucher),
    due.map(({ signed }) => toCompact(signed.signature)),
  ];
}

function collected(
  { voucher: { customer, epoch } }: SignedVoucher,
  amount: bigint,
  transaction?: string,
): CollectAction {
  const action = { action: "collect", customer, epoch, amount } as const;
  return transaction === undefined ? action : { ...action, transaction };
}

function planned({ refund: { customer, epoch, amount } }: PlannedRefund): RefundAction {
  return { action: "refund", customer, epoch, amount };
}

function left({ voucher: { customer, epoch } }: SignedVoucher, reason: string): CollectAction {
  return { action: "leave", customer, epoch, reason };
}
