import type { StoredTransaction, TransactionJournal } from "@link-rewards/host/transactions";
import type { Engine } from "./engine.ts";

const PENDING_ELSEWHERE = `
  SELECT nonce FROM transactions
  WHERE sender = ? AND purpose = ? AND nonce <> ? AND outcome IS NULL`;
// One that was given up and is sent after all has an unknown fate again.
const PUT_TRANSACTION = `
  INSERT INTO transactions (sender, purpose, nonce, raw, hash, brings, replacement)
  VALUES (?, ?, ?, ?, ?, ?, (SELECT COUNT(*) FROM transactions WHERE sender = ? AND nonce = ?))
  ON CONFLICT (hash) DO UPDATE SET outcome = NULL WHERE transactions.outcome = 'dropped'`;
const GET_PENDING = `
  SELECT sender, purpose, nonce, raw, hash, brings FROM transactions
  WHERE sender = ? AND outcome IS NULL ORDER BY nonce, replacement`;
const SETTLE_TRANSACTION =
  "UPDATE transactions SET outcome = ? WHERE hash = ? RETURNING sender, nonce";
const DROP_RIVALS = `
  UPDATE transactions SET outcome = 'dropped' WHERE sender = ? AND nonce = ? AND outcome IS NULL`;

export function transactionTable({ query, write }: Engine): TransactionJournal {
  return {
    saveTransaction: async ({ sender, purpose, nonce, raw, hash, brings }) => {
      const elsewhere = await write(async (q) => {
        const [pending] = await q(PENDING_ELSEWHERE, [sender, purpose, nonce]);
        const most = brings === undefined ? null : String(brings);
        if (pending === undefined)
          await q(PUT_TRANSACTION, [sender, purpose, nonce, raw, hash, most, sender, nonce]);
        return pending;
      });
      if (elsewhere !== undefined)
        throw new Error(`${purpose} is pending under nonce ${elsewhere.nonce}, not ${nonce}`);
    },

    pendingTransactions: async (sender) =>
      (await query(GET_PENDING, [sender])).map(({ brings, ...transaction }) => ({
        ...(transaction as StoredTransaction),
        ...(brings !== null && { brings: BigInt(brings as string) }),
      })),

    settleTransaction: async (hash, outcome) => {
      const isStored = await write(async (q) => {
        const [settled] = await q(SETTLE_TRANSACTION, [outcome, hash]);
        if (settled === undefined) return false;
        await q(DROP_RIVALS, [settled.sender as string, settled.nonce as number]);
        return true;
      });
      if (!isStored) throw new Error(`transaction ${hash} was never stored`);
    },
  };
}
