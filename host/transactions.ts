import { setTimeout as sleep } from "node:timers/promises";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { type BaseWallet, isError, type JsonRpcProvider, keccak256, Transaction } from "ethers";

/** A transaction that is not mined in this time is sent again with a higher fee. */
const REPLACE_AFTER_MS = 60_000;
/** After this many replacements a person must look. */
const MAX_REPLACEMENTS = 8;
const POLL_MS = 500;
/** Nodes ask for at least ten percent more to replace a transaction. */
const BUMP_PERCENT = 113n;
const GAS_MARGIN_PERCENT = 120n;

export type StoredTransaction = {
  /** Whose nonce it is. */
  readonly sender: Address;
  /** What it is for, e.g. `propose/7/0`: one sender never sends one purpose under two nonces. */
  readonly purpose: string;
  readonly nonce: number;
  readonly raw: Hex;
  readonly hash: Hex;
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

/** `value`: coin that goes with it, in wei. */
export type Call = { readonly to: string; readonly data: string; readonly value?: bigint };

export type Sender = {
  readonly address: string;
  /**
   * Sends a call and waits until it is mined. A transaction is stored before it is sent, so a process that is killed and
   * started again finds it under the same purpose instead of sending a second one; a replacement reuses its nonce.
   */
  send(purpose: string, call: Call): Promise<Settled>;
};

export type Settled = { readonly hash: Hex; readonly outcome: "mined" | "reverted" };
type Fate = Settled | "dropped";

export function createSender(options: {
  readonly provider: JsonRpcProvider;
  readonly wallet: BaseWallet;
  readonly journal: TransactionJournal;
  readonly onEvent?: (event: string, details: Record<string, unknown>) => void;
  readonly replaceAfterMs?: number;
}): Sender {
  const { provider, wallet, journal, onEvent = () => undefined } = options;
  const replaceAfterMs = options.replaceAfterMs ?? REPLACE_AFTER_MS;

  const sender = lowercaseHex(wallet.address);

  /** Learns the fate of everything that was sent before. */
  async function settle(): Promise<readonly StoredTransaction[]> {
    const pending = await journal.pendingTransactions(sender);
    for (const nonce of new Set(pending.map((transaction) => transaction.nonce))) {
      await fateOf(pending.filter((transaction) => transaction.nonce === nonce));
    }
    return journal.pendingTransactions(sender);
  }

  /** The transactions of one nonce: at most one of them is ever mined. */
  async function fateOf(rivals: readonly StoredTransaction[]): Promise<Fate | undefined> {
    const [first] = rivals;
    if (first === undefined) return undefined;
    // Asked before the receipts: whoever took the nonce by now has a receipt by then.
    const mined = await provider.getTransactionCount(wallet.address, "latest");
    for (const { hash } of rivals) {
      const receipt = await provider.getTransactionReceipt(hash);
      if (receipt === null) continue;
      const outcome = receipt.status === 1 ? "mined" : "reverted";
      await journal.settleTransaction(hash, outcome);
      return { hash, outcome };
    }
    if (first.nonce >= mined) return undefined;
    await journal.settleTransaction(first.hash, "dropped");
    return "dropped";
  }

  async function gasFor(call: Call): Promise<bigint> {
    const gas = await provider.estimateGas({ ...call, from: wallet.address });
    return (gas * GAS_MARGIN_PERCENT) / 100n;
  }

  async function sign(nonce: number, call: Call, previous?: Transaction): Promise<Transaction> {
    const fees = await provider.getFeeData();
    // Not estimated anew for a replacement: should the first have been mined by now, the call would revert.
    const gasLimit = previous?.gasLimit ?? (await gasFor(call));
    const bumped = (fee: bigint | null | undefined, old: bigint | null | undefined) => {
      const least = old ? (old * BUMP_PERCENT) / 100n + 1n : 0n;
      return (fee ?? 0n) > least ? (fee ?? 0n) : least;
    };
    const { chainId } = await provider.getNetwork();
    const raw = await wallet.signTransaction({
      ...call,
      nonce,
      chainId,
      type: 2,
      gasLimit,
      maxFeePerGas: bumped(fees.maxFeePerGas, previous?.maxFeePerGas),
      maxPriorityFeePerGas: bumped(fees.maxPriorityFeePerGas, previous?.maxPriorityFeePerGas),
    });
    return Transaction.from(raw);
  }

  async function save(purpose: string, transaction: Transaction): Promise<StoredTransaction> {
    const raw = transaction.serialized as Hex;
    const hash = keccak256(raw) as Hex;
    const stored = { sender, purpose, nonce: transaction.nonce, raw, hash };
    await journal.saveTransaction(stored);
    return stored;
  }

  async function broadcast({ raw, hash, purpose }: StoredTransaction): Promise<void> {
    try {
      await provider.broadcastTransaction(raw);
      onEvent("transaction sent", { purpose, hash });
    } catch (error) {
      // The node has it, or has mined it, or another program with this key was faster with the nonce: what became of it
      // is for its receipt to say.
      if (isError(error, "NONCE_EXPIRED") || isError(error, "REPLACEMENT_UNDERPRICED")) return;
      if (/already known|already imported/i.test(String(error))) return;
      throw error;
    }
  }

  /** What is stored for the purpose, or a new transaction for it. */
  async function attemptsFor(purpose: string, call: Call): Promise<StoredTransaction[]> {
    const pending = await settle();
    // What a killed process stored for something that is not wanted any more may never have been sent: its nonce would
    // be a gap that nothing after it gets past.
    for (const other of pending) if (other.purpose !== purpose) await broadcast(other);
    const attempts = pending.filter((transaction) => transaction.purpose === purpose);
    if (attempts.length > 0) return attempts;
    const latest = await provider.getTransactionCount(wallet.address, "latest");
    const nonce = Math.max(latest, ...pending.map((transaction) => transaction.nonce + 1));
    return [await save(purpose, await sign(nonce, call))];
  }

  async function send(purpose: string, call: Call): Promise<Settled> {
    const attempts = await attemptsFor(purpose, call);
    for (let replacements = 0; ; replacements++) {
      const newest = attempts.at(-1) as StoredTransaction;
      await broadcast(newest);
      const deadline = Date.now() + replaceAfterMs;
      do {
        const fate = await fateOf(attempts);
        // Something else that this key sent took the nonce, so this was not mined and never will be.
        if (fate === "dropped") return send(purpose, call);
        if (fate !== undefined) return fate;
        await sleep(POLL_MS);
      } while (Date.now() < deadline);
      if (replacements === MAX_REPLACEMENTS) {
        throw new Error(
          `${purpose}: not mined after ${replacements} replacements (${newest.hash})`,
        );
      }
      const replacement = await sign(newest.nonce, call, Transaction.from(newest.raw));
      attempts.push(await save(purpose, replacement));
      onEvent("transaction replaced", { purpose, nonce: newest.nonce });
    }
  }

  return { address: wallet.address, send };
}
