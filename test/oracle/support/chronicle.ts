import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { StoredTransaction } from "@link-rewards/host/transactions";
import type { EpochRow, Store } from "../../../oracle/store/store.ts";
import type { MemberWorld } from "../../worlds/network.ts";
import type { MemberOracle } from "./member-oracle.ts";

/** What happened, as the chain, the published files and a member's store tell it. */

/** The SHA-256 of every published file of an epoch, by name. */
export async function publishedFiles(
  { bundles }: MemberOracle,
  epoch: number,
): Promise<Record<string, string>> {
  const folder = join(bundles, String(epoch));
  const names = (await readdir(folder)).sort();
  const hashes = names.map(async (name) => {
    const bytes = await readFile(join(folder, name));
    return [name, createHash("sha256").update(bytes).digest("hex")] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
}

/** Epoch and attempt of every proposal there ever was. */
export async function proposals({ devnet }: MemberWorld): Promise<readonly [number, number][]> {
  const { ledger } = devnet.suite;
  const events = await ledger.queryFilter(ledger.filters.RootProposed());
  return events.map(({ args }) => [Number(args.epoch), Number(args.attempt)]);
}

export async function lastFinalEpoch({ devnet }: MemberWorld): Promise<number> {
  return Number((await devnet.suite.ledger.lastFinal()).epoch);
}

/** Looks into a member's store while no process of it runs, or beside one. */
export async function inStore<T>(
  oracle: MemberOracle,
  look: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await oracle.openStore();
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}

export type Remembered = {
  readonly epochs: readonly EpochRow[];
  readonly vouchers: number;
  readonly pending: readonly StoredTransaction[];
};

export function remembered(oracle: MemberOracle): Promise<Remembered> {
  return inStore(oracle, async (store) => ({
    epochs: await store.epochs(),
    vouchers: (await Array.fromAsync(store.vouchers())).length,
    pending: await store.pendingTransactions(lowercaseHex(oracle.wallet.address)),
  }));
}
