import { open, readFile } from "node:fs/promises";
import type { StoredTransaction, TransactionJournal } from "./transactions.ts";

/** What a line says: that a transaction is about to be sent, or what became of it. */
type Entry =
  | { readonly sent: StoredTransaction }
  | { readonly settled: Pick<StoredTransaction, "sender" | "nonce"> };

/**
 * A journal for programs that have no database: a file of JSON lines, to which is only ever added, so that several
 * programs with one key can share it. Read anew each time; it holds what one key sends, some hundred lines a year.
 */
export async function openJournal(file: string): Promise<TransactionJournal> {
  // Told now, and not when something is at stake.
  await append(file, (await read(file)).endsWith("\n") ? "" : "\n");
  const pending = async () => pendingIn(await read(file));
  return {
    async saveTransaction(transaction) {
      const { sender, purpose, nonce } = transaction;
      const other = (await pending()).find(
        (each) => each.sender === sender && each.purpose === purpose,
      );
      if (other !== undefined && other.nonce !== nonce)
        throw new Error(`${purpose} is pending under nonce ${other.nonce}, not ${nonce}`);
      await write(file, { sent: transaction });
    },
    pendingTransactions: async (sender) =>
      (await pending()).filter((each) => each.sender === sender),
    async settleTransaction(hash) {
      const settled = (await pending()).find((each) => each.hash === hash);
      if (settled === undefined) return;
      const { sender, nonce } = settled;
      await write(file, { settled: { sender, nonce } });
    },
  };
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function pendingIn(text: string): readonly StoredTransaction[] {
  let pending: StoredTransaction[] = [];
  for (const line of text.split("\n")) {
    const entry = entryIn(line);
    if (entry === undefined) continue;
    // At most one transaction of a nonce is ever mined.
    if ("sent" in entry) pending.push(entry.sent);
    else pending = pending.filter((sent) => !isRival(sent, entry.settled));
  }
  return pending.sort((a, b) => a.nonce - b.nonce);
}

function isRival(
  { sender, nonce }: StoredTransaction,
  settled: Pick<StoredTransaction, "sender" | "nonce">,
): boolean {
  return sender === settled.sender && nonce === settled.nonce;
}

/** Undefined for a line that a crash cut off: it was not on disk, so nothing was sent after it. */
function entryIn(line: string): Entry | undefined {
  try {
    return line === "" ? undefined : (JSON.parse(line, readAmount) as Entry);
  } catch {
    return undefined;
  }
}

function readAmount(key: string, value: unknown): unknown {
  return key === "brings" ? BigInt(value as string) : value;
}

function write(file: string, entry: Entry): Promise<void> {
  return append(file, `${JSON.stringify(entry, withAmounts)}\n`);
}

/** JSON has no numbers as large as amounts of wei. */
function withAmounts(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

/** Durable when it resolves. */
async function append(file: string, text: string): Promise<void> {
  const handle = await open(file, "a", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
