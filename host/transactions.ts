import { setTimeout as sleep } from "node:timers/promises";
import type { SendRefusal } from "@link-rewards/client/node/refusals";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { type BaseWallet, type JsonRpcProvider, keccak256, Transaction } from "ethers";
import { reasonOf, sendRefusalOf } from "./chain/errors.ts";
import {
  currentPrice,
  DEFAULT_FEE_CEILING,
  isBelow,
  type Price,
  replacementPrice,
} from "./fees.ts";
import { takerOf } from "./nonce-taker.ts";
import { isOverIn } from "./patience.ts";

/** A transaction that is not mined in this time is sent again with a higher fee. */
const REPLACE_AFTER_MS = 60_000;
/** So many replacements a run: whoever waits longer holds up everything else. The next run goes on with the same nonce. */
const MAX_REPLACEMENTS = 8;
/** Not at once: a node that refuses a price is not asked in a circle. */
const MAX_REPRICINGS = 3;
const POLL_MS = 500;
const GAS_MARGIN_PERCENT = 120n;
/** How long a node may lack the receipt of what is in its blocks, before the run ends without knowing the outcome. */
const RECEIPT_PATIENCE_MS = 600_000;
/** Looks in which no node has a receipt, once the nonce was used longer ago than nodes keep state: some are behind others. */
const ABSENT_LOOKS = 20;

export type StoredTransaction = {
  /** Whose nonce it is. */
  readonly sender: Address;
  /** What it is for, e.g. `propose/7/0`: one sender never sends one purpose under two nonces. */
  readonly purpose: string;
  readonly nonce: number;
  readonly raw: Hex;
  readonly hash: Hex;
  /** As its call's. Also a run that knows nothing of the call any more offers no more than that. */
  readonly brings?: bigint | undefined;
};

/** Where transactions are kept from before they are sent until their fate is known. Each promise resolves when it is durable. */
export type TransactionJournal = {
  /** Stores a signed transaction before it is sent. A replacement has the same sender, purpose and nonce. */
  saveTransaction(transaction: StoredTransaction): Promise<void>;
  /** Those of `sender` whose fate is not known, by nonce, then as they were saved. */
  pendingTransactions(sender: Address): Promise<readonly StoredTransaction[]>;
  /** Also settles every other pending transaction of the same sender and nonce: it can no longer be mined. */
  settleTransaction(hash: Hex, outcome: "mined" | "reverted" | "dropped"): Promise<void>;
};

/**
 * `value`: coin that goes with it, in wei. `brings`: what it brings, in wei of the chain's coin, above which its gas is never
 * to cost; undefined where that is not known, or it is sent for another reason.
 */
export type Call = {
  readonly to: string;
  readonly data: string;
  readonly value?: bigint;
  readonly brings?: bigint | undefined;
};

export type Sender = {
  readonly address: string;
  /**
   * Sends a call and waits until it is mined. A transaction is stored before it is sent, so a process that is killed and
   * started again finds it under the same purpose instead of sending a second one; a replacement reuses its nonce. Throws
   * StillWaiting when it is not mined in the time of a run, or no block comes at all.
   */
  send(purpose: string, call: Call): Promise<Settled>;
  /**
   * As `send`, of a call that is made once its nonce is chosen. What another run with this key does meanwhile takes that
   * nonce, so that of two runs at once one sends. Undefined, and nothing sent, when there is no call any more.
   */
  sendIfDue(
    purpose: string,
    callNow: () => Promise<Call | undefined>,
  ): Promise<Settled | undefined>;
  /** Brings to its end whatever earlier runs have sent. Throws StillWaiting when that takes longer than a run. */
  finish(): Promise<void>;
};

export type Settled = { readonly hash: Hex; readonly outcome: "mined" | "reverted" };

/** What was sent is neither mined nor lost; the next run goes on with it. */
export type StillWaiting = Error & { readonly stillWaiting: true };

export function isStillWaiting(error: unknown): error is StillWaiting {
  return error instanceof Error && "stillWaiting" in error;
}

const UNCERTAIN = {
  "mined-unseen":
    "its nonce is used, and the RPC node has no receipt that says how; use another node, or wait",
  overtaken:
    "another transaction of this key has its nonce, in a block that is not final yet; the next run goes on",
};

/** As it is no block can have it, or no node takes it. */
type Unfit = Error & { readonly unfit: true };

function unfit(message: string, cause: unknown): Unfit {
  return Object.assign(new Error(message, { cause }), { unfit: true as const });
}

function isUnfit(error: unknown): error is Unfit {
  return error instanceof Error && "unfit" in error;
}

function stillWaiting(message: string): StillWaiting {
  return Object.assign(new Error(message), { stillWaiting: true as const });
}

/**
 * `overtaken`: another transaction of this key was mined under the nonce, in a block that a reorg can still undo; `foreign`:
 * in one that is final. `mined-unseen`: one of ours was, its receipt is missing.
 */
type Fate = Settled | "foreign" | "overtaken" | "mined-unseen" | "waiting";

export type SenderOptions = {
  readonly provider: JsonRpcProvider;
  readonly wallet: BaseWallet;
  readonly journal: TransactionJournal;
  /** The newest block that no reorg undoes: only in it another transaction has a nonce for good. */
  readonly finalized: () => Promise<{ readonly number: number }>;
  readonly onEvent?: (event: string, details: Record<string, unknown>) => void;
  /** The most that is offered for a unit of gas, in wei, however long a transaction waits. */
  readonly feeCeiling?: bigint | undefined;
  readonly replaceAfterMs?: number;
};

export function createSender(options: SenderOptions): Sender {
  const { provider, wallet, journal, finalized, onEvent = () => undefined } = options;
  const { replaceAfterMs = REPLACE_AFTER_MS, feeCeiling = DEFAULT_FEE_CEILING } = options;
  const sender = lowercaseHex(wallet.address);
  /** How often a nonce was found used, with no receipt and no block to tell by whom. */
  const absent = new Map<number, number>();
  /** Learnt from a refusal: blocks may name a base fee where the node takes no transactions of that type. */
  let isLegacy = false;
  const toldCeilings = new Set<string>();

  const pendingOf = () => journal.pendingTransactions(sender);

  /** The transactions of one nonce: at most one of them is ever mined. */
  async function fateOf(rivals: readonly StoredTransaction[]): Promise<Fate> {
    const { nonce } = rivals[0] as StoredTransaction;
    // Asked before the receipts: whoever took the nonce by now has a receipt by then, at a node that does not lag.
    const used = await provider.getTransactionCount(wallet.address, "latest");
    for (const { hash } of rivals) {
      const receipt = await provider.getTransactionReceipt(hash);
      if (receipt === null) continue;
      const outcome = receipt.status === 1 ? "mined" : "reverted";
      await journal.settleTransaction(hash, outcome);
      return { hash, outcome };
    }
    return nonce < used ? fateByBlocks(rivals, nonce) : "waiting";
  }

  /** The nonce is used up and there is no receipt: another transaction has taken it, or the receipts are late. */
  async function fateByBlocks(
    rivals: readonly StoredTransaction[],
    nonce: number,
  ): Promise<"foreign" | "overtaken" | "mined-unseen"> {
    const taken = await takerOf(provider, wallet.address, nonce);
    const taker = typeof taken === "object" ? taken.hash : taken;
    if (taken === undefined || rivals.some(({ hash }) => hash === taker)) return "mined-unseen";
    // Given up, ours would be sent a second time should a reorg bring the first one back.
    if (typeof taken === "object" && taken.block > (await finalized()).number) return "overtaken";
    const looks = (absent.get(nonce) ?? 0) + 1;
    absent.set(nonce, looks);
    if (taker === "long-ago" && looks < ABSENT_LOOKS) return "mined-unseen";
    const { hash, purpose } = rivals[0] as StoredTransaction;
    await journal.settleTransaction(hash, "dropped");
    onEvent("nonce taken by a transaction that was not sent from here", { purpose, nonce, taker });
    return "foreign";
  }

  /** Brings what was sent before to its end as far as it can be told now. */
  async function settle(): Promise<readonly StoredTransaction[]> {
    for (const rivals of byNonce(await pendingOf())) {
      const { purpose } = rivals[0] as StoredTransaction;
      const fate = await fateOf(rivals);
      if (fate === "mined-unseen") await seen(rivals, purpose);
    }
    return pendingOf();
  }

  /** Waits until it is certain who used up the nonce. Nothing is sent meanwhile: it would be sent a second time. */
  async function seen(
    rivals: readonly StoredTransaction[],
    purpose: string,
  ): Promise<Exclude<Fate, "mined-unseen" | "overtaken">> {
    const isOver = isOverIn(RECEIPT_PATIENCE_MS);
    for (;;) {
      const fate = await fateOf(rivals);
      if (fate !== "mined-unseen" && fate !== "overtaken") return fate;
      if (isOver()) throw stillWaiting(`${purpose}: ${UNCERTAIN[fate]}`);
      await sleep(POLL_MS);
    }
  }

  async function gasFor(call: Call): Promise<bigint> {
    const gas = await provider.estimateGas({ ...call, from: wallet.address });
    return (gas * GAS_MARGIN_PERCENT) / 100n;
  }

  const priceNow = (ceiling: bigint) => currentPrice(provider, ceiling, isLegacy);

  /** The most for a unit of gas: the limit has a margin over what is used. */
  function ceilingOf({ brings }: Pick<Call, "brings">, gasLimit: bigint): bigint {
    if (brings === undefined) return feeCeiling;
    const worth = (brings * GAS_MARGIN_PERCENT) / 100n / gasLimit;
    return worth < feeCeiling ? worth : feeCeiling;
  }

  async function sign(
    purpose: string,
    fields: Call & { readonly nonce: number; readonly gasLimit: bigint },
    price: Price,
  ): Promise<StoredTransaction> {
    const { chainId } = await provider.getNetwork();
    const { to, data, value, nonce, gasLimit, brings } = fields;
    const call = { to, data, ...(value !== undefined && { value }) };
    const raw = (await wallet.signTransaction({
      ...{ ...call, nonce, gasLimit, chainId },
      ...price,
    })) as Hex;
    const stored = {
      ...{ sender, purpose, nonce, raw, hash: keccak256(raw) as Hex },
      ...(brings !== undefined && { brings }),
    };
    await journal.saveTransaction(stored);
    return stored;
  }

  /**
   * The same again for more, or for what is asked now. Undefined when it cannot offer more. The gas is not estimated anew:
   * should the first have been mined by now, the call would revert.
   */
  async function replace(
    stored: StoredTransaction,
    call: Call | undefined,
  ): Promise<StoredTransaction | undefined> {
    const { purpose, nonce } = stored;
    const previous = Transaction.from(stored.raw);
    const { to, data, value, gasLimit } = previous;
    const same: Call = { to: to as string, data, value };
    const brings = call?.brings ?? stored.brings;
    const ceiling = ceilingOf({ brings }, gasLimit);
    const price = priceOver(previous, await priceNow(ceiling), ceiling);
    if (price === undefined) {
      tellCeiling(purpose, ceiling);
      return undefined;
    }
    const replacement = await sign(purpose, { ...(call ?? same), brings, nonce, gasLimit }, price);
    onEvent("transaction replaced", { purpose, nonce, hash: replacement.hash });
    return replacement;
  }

  function tellCeiling(purpose: string, ceiling: bigint): void {
    const limit = ceiling < feeCeiling ? "what it brings" : "fee ceiling";
    if (toldCeilings.has(limit)) return;
    toldCeilings.add(limit);
    onEvent(`${limit} reached: it is offered no more than that`, {
      purpose,
      ceiling: String(ceiling),
    });
  }

  /** What the node says about it; undefined when it took it. */
  async function broadcast(transaction: StoredTransaction): Promise<SendRefusal | undefined> {
    const { raw, hash, purpose } = transaction;
    try {
      // A request of its own: what refuses a batch says nothing about the transaction.
      await provider.send("eth_sendRawTransaction", [raw]);
      onEvent("transaction sent", { purpose, hash });
      return undefined;
    } catch (error) {
      const refusal = sendRefusalOf(error);
      // Of the connection: the node may have it or not, which is for the next run to find out.
      if (refusal === undefined) throw error;
      if (refusal === "insufficient-funds") throw await poor(transaction, error);
      if (refusal === "over-nodes-cap")
        throw unfit(`${purpose}: the RPC node refuses its fee: ${reasonOf(error)}`, error);
      if (refusal === "unfit") {
        const reason = reasonOf(error);
        throw unfit(`${purpose}: the RPC node says that no block can have it: ${reason}`, error);
      }
      if (refusal !== "known")
        onEvent("transaction refused", { purpose, hash, refusal, reason: reasonOf(error) });
      return refusal;
    }
  }

  async function poor({ purpose, raw }: StoredTransaction, cause: unknown): Promise<Error> {
    const { gasLimit, maxFeePerGas, gasPrice, value } = Transaction.from(raw);
    const most = gasLimit * (maxFeePerGas ?? gasPrice ?? 0n) + value;
    const balance = await provider.getBalance(wallet.address);
    return new Error(
      `${purpose}: ${wallet.address} holds ${balance} wei, the transaction may take up to ${most}: send it coin`,
      { cause },
    );
  }

  /** Sends the newest of a nonce, and offers what is asked where the node says that it is not enough. */
  async function offer(attempts: StoredTransaction[], call?: Call): Promise<void> {
    for (let repricings = 0; ; repricings++) {
      const newest = attempts.at(-1) as StoredTransaction;
      const refusal = await broadcast(newest);
      if (refusal === "type-unsupported") {
        if (isLegacy) throw new Error(`${newest.purpose}: the RPC node takes no transaction`);
        isLegacy = true;
      } else if (refusal !== "fee-too-low") return;
      if (repricings === MAX_REPRICINGS) return;
      const now = await priceNow(feeCeiling);
      const previous = Transaction.from(newest.raw);
      if (previous.type === now.type && !isBelow(previous, now)) return;
      const replacement = await replace(newest, call);
      if (replacement === undefined) return;
      attempts.push(replacement);
    }
  }

  /** What is stored for the purpose, or a new transaction for it; undefined when it has no call any more. */
  async function attemptsFor(
    purpose: string,
    callNow: () => Promise<Call | undefined>,
  ): Promise<StoredTransaction[] | undefined> {
    const pending = await settle();
    const attempts = pending.filter((transaction) => transaction.purpose === purpose);
    if (attempts.length > 0) return attempts;
    const latest = await provider.getTransactionCount(wallet.address, "latest");
    const nonce = Math.max(latest, ...pending.map((transaction) => transaction.nonce + 1));
    const call = await callNow();
    if (call === undefined) return undefined;
    const gasLimit = await gasFor(call);
    const price = await priceNow(ceilingOf(call, gasLimit));
    return [await sign(purpose, { ...call, nonce, gasLimit }, price)];
  }

  /**
   * What else waits under a lower nonce: it may never have been sent, or offer too little, and nothing after it is mined
   * before it is.
   */
  async function before(nonce: number): Promise<readonly StoredTransaction[][]> {
    const others = (await pendingOf()).filter((other) => other.nonce < nonce);
    return byNonce(others);
  }

  async function sendIfDue(
    purpose: string,
    callNow: () => Promise<Call | undefined>,
    call?: Call,
  ): Promise<Settled | undefined> {
    for (;;) {
      const attempts = await attemptsFor(purpose, callNow);
      if (attempts === undefined) return undefined;
      const ended = await bringToEnd(attempts, call);
      // Something else that this key sent took the nonce, so this was not mined and never will be.
      if (ended !== "foreign") return ended;
    }
  }

  async function send(purpose: string, call: Call): Promise<Settled> {
    return (await sendIfDue(purpose, async () => call, call)) as Settled;
  }

  async function finish(): Promise<void> {
    for (const attempts of byNonce(await settle())) await bringToEnd(attempts);
  }

  /** `call`: what a replacement is to say instead. */
  async function bringToEnd(
    attempts: StoredTransaction[],
    call?: Call,
  ): Promise<Settled | "foreign"> {
    const { nonce, purpose } = attempts[0] as StoredTransaction;
    for (const others of await before(nonce)) await offerBefore(others);
    for (let replacements = 0; ; replacements++) {
      await offerOrGiveUp(attempts, call);
      const head = await provider.getBlockNumber();
      const isOver = isOverIn(replaceAfterMs);
      do {
        const fate = await fateOf(attempts);
        const isUncertain = fate === "mined-unseen" || fate === "overtaken";
        const known = isUncertain ? await seen(attempts, purpose) : fate;
        if (known !== "waiting") return known;
        await sleep(POLL_MS);
      } while (!isOver());
      const { hash } = attempts.at(-1) as StoredTransaction;
      // No fee helps where no block comes, and a node that stands still would not show the one it is in.
      if ((await provider.getBlockNumber()) === head) {
        throw stillWaiting(
          `${purpose}: sent (${hash}), and the RPC node shows no block after ${head}; the next run goes on, with another node where that one is late`,
        );
      }
      if (replacements === MAX_REPLACEMENTS) {
        const reason = reasonOfCeiling();
        throw stillWaiting(`${purpose}: not mined yet (${hash})${reason}; the next run goes on`);
      }
      await fill(nonce);
      for (const others of await before(nonce)) {
        if ((await fateOf(others)) !== "waiting") continue;
        if (!(await raise(others)) && isWorthLess(others)) await giveUp(others);
        else await offerBefore(others);
      }
      await raise(attempts, call);
    }
  }

  function reasonOfCeiling(): string {
    if (toldCeilings.has("fee ceiling")) return "; it offers the most that --max-fee allows";
    return toldCeilings.has("what it brings") ? "; it offers all that it brings" : "";
  }

  /** What a reorg undid may be lost, and what comes after it is not mined before its nonce is used by something. */
  async function fill(nonce: number): Promise<void> {
    const first = await provider.getTransactionCount(wallet.address, "latest");
    const pending = new Set((await pendingOf()).map((transaction) => transaction.nonce));
    for (let gap = first; gap < nonce; gap++) {
      if (!pending.has(gap)) await useForNothing(gap, await priceNow(feeCeiling));
    }
  }

  async function useForNothing(nonce: number, price: Price): Promise<void> {
    const nothing: Call = { to: wallet.address, data: "0x" };
    const gasLimit = await gasFor(nothing);
    await offer([await sign(`fill/${nonce}`, { ...nothing, nonce, gasLimit }, price)]);
  }

  const isFilling = ({ purpose }: StoredTransaction) => purpose.startsWith("fill/");

  /** Whether it may not be offered what is asked now, since it brings less. */
  function isWorthLess(attempts: readonly StoredTransaction[]): boolean {
    const newest = attempts.at(-1) as StoredTransaction;
    return ceilingOf(newest, Transaction.from(newest.raw).gasLimit) < feeCeiling;
  }

  /**
   * What can be in no block, or is worth less than its place in one, must not keep what comes after it waiting: its nonce is
   * used for nothing. Which of the two is mined is seen later, as of all of one nonce.
   */
  async function giveUp(attempts: readonly StoredTransaction[]): Promise<void> {
    const { nonce, purpose } = attempts[0] as StoredTransaction;
    const rivals = (await pendingOf()).filter((each) => each.nonce === nonce);
    const newest = rivals.at(-1);
    if (newest === undefined || isFilling(newest)) return;
    const now = await priceNow(feeCeiling);
    const price = priceOver(Transaction.from(newest.raw), now, feeCeiling);
    if (price === undefined) return;
    onEvent("transaction given up: its nonce is used for nothing", { purpose, nonce });
    await useForNothing(nonce, price);
  }

  async function offerBefore(others: StoredTransaction[]): Promise<void> {
    await offerOrGiveUp(others).catch((error: unknown) => {
      if (!isUnfit(error)) throw error;
    });
  }

  async function offerOrGiveUp(attempts: StoredTransaction[], call?: Call): Promise<void> {
    try {
      await offer(attempts, call);
    } catch (error) {
      // Else each later run would offer the same again, and end with the same.
      if (isUnfit(error)) await giveUp(attempts);
      throw error;
    }
  }

  /** Whether it offers more. */
  async function raise(attempts: StoredTransaction[], call?: Call): Promise<boolean> {
    const newest = attempts.at(-1) as StoredTransaction;
    const replacement = await replace(newest, call);
    if (replacement === undefined) return false;
    attempts.push(replacement);
    return true;
  }

  return { address: wallet.address, send, sendIfDue, finish };
}

/** For what takes the place of another in nodes' pools. Of another type it is none that a node could hold already. */
function priceOver(previous: Transaction, now: Price, ceiling: bigint): Price | undefined {
  return previous.type === now.type ? replacementPrice(now, previous, ceiling) : now;
}

function byNonce(transactions: readonly StoredTransaction[]): StoredTransaction[][] {
  return [...Map.groupBy(transactions, ({ nonce }) => nonce).values()];
}
