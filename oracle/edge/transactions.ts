import { setTimeout as sleep } from "node:timers/promises";
import { type BaseWallet, isError, type JsonRpcProvider, keccak256, Transaction } from "ethers";
import type { Hex } from "../core/bytes.ts";
import type { Store, StoredTransaction } from "../core/store.ts";

/** A transaction that is not mined in this time is sent again with a higher fee. */
const REPLACE_AFTER_MS = 60_000;
/** After this many replacements a person must look. */
const MAX_REPLACEMENTS = 8;
const POLL_MS = 500;
/** Nodes ask for at least ten percent more to replace a transaction. */
const BUMP_PERCENT = 113n;
const GAS_MARGIN_PERCENT = 120n;

export type Call = { readonly to: string; readonly data: string };

export type Sender = {
  readonly address: string;
  /**
   * Sends a call and waits until it is mined. A transaction is stored before it is sent, so a process that is killed and
   * started again finds it under the same purpose instead of sending a second one; a replacement reuses its nonce.
   */
  send(purpose: string, call: Call): Promise<{ hash: Hex; outcome: "mined" | "reverted" }>;
};

export function createSender(options: {
  readonly provider: JsonRpcProvider;
  readonly wallet: BaseWallet;
  readonly store: Pick<Store, "saveTransaction" | "pendingTransactions" | "settleTransaction">;
  readonly onEvent?: (event: string, details: Record<string, unknown>) => void;
  readonly replaceAfterMs?: number;
}): Sender {
  const { provider, wallet, store, onEvent = () => undefined } = options;
  const replaceAfterMs = options.replaceAfterMs ?? REPLACE_AFTER_MS;

  /** Learns the fate of everything that was sent before. */
  async function settle(): Promise<readonly StoredTransaction[]> {
    for (const { hash, nonce } of await store.pendingTransactions()) {
      const receipt = await provider.getTransactionReceipt(hash);
      if (receipt !== null) {
        await store.settleTransaction(hash, receipt.status === 1 ? "mined" : "reverted");
      } else if (nonce < (await provider.getTransactionCount(wallet.address, "latest"))) {
        // Another transaction of this key took the nonce; if it is one of ours, its own receipt settles both.
        const siblings = (await store.pendingTransactions()).filter(
          (other) => other.nonce === nonce,
        );
        const receipts = await Promise.all(
          siblings.map((other) => provider.getTransactionReceipt(other.hash)),
        );
        if (receipts.every((other) => other === null))
          await store.settleTransaction(hash, "dropped");
      }
    }
    return store.pendingTransactions();
  }

  async function sign(nonce: number, call: Call, previous?: Transaction): Promise<Transaction> {
    const fees = await provider.getFeeData();
    const gas = await provider.estimateGas({ ...call, from: wallet.address });
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
      gasLimit: (gas * GAS_MARGIN_PERCENT) / 100n,
      maxFeePerGas: bumped(fees.maxFeePerGas, previous?.maxFeePerGas),
      maxPriorityFeePerGas: bumped(fees.maxPriorityFeePerGas, previous?.maxPriorityFeePerGas),
    });
    return Transaction.from(raw);
  }

  async function save(purpose: string, transaction: Transaction): Promise<StoredTransaction> {
    const raw = transaction.serialized as Hex;
    const stored = { purpose, nonce: transaction.nonce, raw, hash: keccak256(raw) as Hex };
    await store.saveTransaction(stored);
    return stored;
  }

  async function broadcast({ raw, hash, purpose }: StoredTransaction): Promise<void> {
    try {
      await provider.broadcastTransaction(raw);
      onEvent("transaction sent", { purpose, hash });
    } catch (error) {
      // The node has it, or has mined it: what became of it is for its receipt to say.
      if (isError(error, "NONCE_EXPIRED") || /already known|already imported/i.test(String(error)))
        return;
      throw error;
    }
  }

  async function minedAmong(attempts: readonly StoredTransaction[]) {
    for (const { hash } of attempts) {
      const receipt = await provider.getTransactionReceipt(hash);
      if (receipt === null) continue;
      const outcome = receipt.status === 1 ? ("mined" as const) : ("reverted" as const);
      await store.settleTransaction(hash, outcome);
      return { hash, outcome };
    }
    return undefined;
  }

  return {
    address: wallet.address,
    async send(purpose, call) {
      const pending = await settle();
      const attempts = pending.filter((transaction) => transaction.purpose === purpose);
      if (attempts.length === 0) {
        const latest = await provider.getTransactionCount(wallet.address, "latest");
        const nonce = Math.max(latest, ...pending.map((transaction) => transaction.nonce + 1));
        attempts.push(await save(purpose, await sign(nonce, call)));
      }
      for (let replacements = 0; ; replacements++) {
        const newest = attempts.at(-1) as StoredTransaction;
        await broadcast(newest);
        const deadline = Date.now() + replaceAfterMs;
        do {
          const mined = await minedAmong(attempts);
          if (mined !== undefined) return mined;
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
    },
  };
}
