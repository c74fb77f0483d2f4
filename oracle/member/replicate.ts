import { isRefused } from "@link-rewards/core/encoding/refusal";
import { endOf, epochAt, openEpochs } from "@link-rewards/core/law/clock";
import {
  checkAllSigned,
  checkLawful,
  type VerifiedReceipt,
  verifyVoucher,
} from "@link-rewards/core/law/verify";
import { escrowDomain } from "@link-rewards/core/signed/deployment";
import { SIGNED_RECEIPT_BYTES, unpackSignedReceipt } from "@link-rewards/core/signed/receipt";
import { SIGNED_VOUCHER_BYTES, unpackSignedVoucher } from "@link-rewards/core/signed/voucher";
import { ARRIVAL_TABLES, type ArrivalTable } from "../edge/peers.ts";
import { recoverInPool } from "../edge/recover-pool.ts";
import { type Oracle, receiptContext } from "./oracle.ts";

/** For one peer in one round: what is left comes with the next one, from where this ended. */
const ROUND_MS = 60_000;

/** What one round took from one peer. */
export type Replicated = { readonly receipts: number; readonly vouchers: number };

/**
 * Takes what arrived at a peer since the last time, page by page. Each item is verified as if its device or gateway had
 * sent it, but also when its epoch takes no more from those: a peer took it while it was open. Where it ended is
 * remembered page by page, so that a round can be cut off anywhere. Throws when the peer does not answer as it should.
 */
export async function replicateFrom(
  oracle: Oracle,
  url: string,
  roundMs = ROUND_MS,
): Promise<Replicated> {
  const deadline = performance.now() + roundMs;
  const taken = { receipts: 0, vouchers: 0 };
  for (const table of ARRIVAL_TABLES) taken[table] = await readOn(oracle, url, table, deadline);
  if (taken.receipts + taken.vouchers > 0)
    oracle.log("peer's arrivals taken", { peer: url, ...taken });
  return taken;
}

/** From all peers at once. One that is down or sends rubbish costs nothing but what it alone has; resolves to those. */
export async function replicateFromAll(
  oracle: Oracle,
  urls: readonly string[],
): Promise<readonly string[]> {
  const unread: string[] = [];
  await Promise.all(
    urls.map(async (url) => {
      try {
        await replicateFrom(oracle, url);
      } catch (error) {
        oracle.log("peer's arrivals cannot be read", { peer: url, reason: String(error) });
        unread.push(url);
      }
    }),
  );
  return unread;
}

async function readOn(
  oracle: Oracle,
  url: string,
  table: ArrivalTable,
  deadline: number,
): Promise<number> {
  const { store, peers } = oracle;
  let taken = 0;
  let cursor = await store.peerCursor(url, table);
  while (performance.now() < deadline) {
    const page = await peers.arrivals(url, table, cursor);
    if (page === undefined) {
      if (cursor === undefined) throw new Error(`it has no beginning of its ${table}`);
      // Restored from a copy, or emptied: what it has is read anew.
      oracle.log("peer's store is another one: it is read from its beginning", {
        peer: url,
        table,
      });
      cursor = undefined;
      await store.setPeerCursor(url, table, cursor);
      continue;
    }
    const { packed } = page;
    if (packed.length === 0) return taken;
    if (page.cursor === cursor) throw new Error(`it sends the same page of ${table} again`);
    const take = table === "receipts" ? takeReceipts : takeVouchers;
    const outcome = await take(oracle, packed);
    taken += outcome.taken;
    // Read again from here, once the law of its epoch is known.
    if (outcome.isEarly) return taken;
    cursor = page.cursor;
    await store.setPeerCursor(url, table, cursor);
  }
  return taken;
}

type Taken = { readonly taken: number; readonly isEarly: boolean };

/**
 * By the chain's time. What is of a final epoch changes nothing any more. What is of an epoch whose law is not final yet comes too early: by a
 * law that may still change, it could replace what counts.
 */
async function takeReceipts(oracle: Oracle, packed: Uint8Array): Promise<Taken> {
  const { store, follower, chain } = oracle;
  const { deployment } = chain;
  if (packed.length % SIGNED_RECEIPT_BYTES !== 0) throw new Error("a receipt was cut off");
  const context = receiptContext(oracle);
  const known = follower.knownUntil();
  const running = epochAt(deployment, (await chain.head()).timestamp);
  let isEarly = false;
  const items = [];
  for (let at = 0; at < packed.length; at += SIGNED_RECEIPT_BYTES) {
    const bytes = packed.slice(at, at + SIGNED_RECEIPT_BYTES);
    const signed = unpackSignedReceipt(bytes);
    const { epoch } = signed.receipt;
    if (epoch <= context.law.lastFinal.epoch || epoch > running + 1) continue;
    if (known < endOf(deployment, epoch - 1)) {
      isEarly = true;
      continue;
    }
    const lawful = checkLawful(signed, context.law);
    if (!isRefused(lawful)) items.push({ lawful, packed: bytes });
  }
  const checked = await checkAllSigned(items, context, recoverInPool);
  const verified = checked.filter((outcome): outcome is VerifiedReceipt => !isRefused(outcome));
  const outcomes = await store.putReceipts(verified);
  return { taken: outcomes.filter(({ status }) => status === "accepted").length, isEarly };
}

/** A peer may see a block more than we do, and by it the next epoch: what is of that comes too early. */
async function takeVouchers(oracle: Oracle, packed: Uint8Array): Promise<Taken> {
  const { store, chain } = oracle;
  const { deployment } = chain;
  if (packed.length % SIGNED_VOUCHER_BYTES !== 0) throw new Error("a voucher was cut off");
  const { timestamp } = await chain.head();
  const open = openEpochs(deployment, timestamp, 0);
  const running = epochAt(deployment, timestamp);
  const context = { ...receiptContext(oracle), domain: escrowDomain(deployment), open };
  let taken = 0;
  let isEarly = false;
  for (let at = 0; at < packed.length; at += SIGNED_VOUCHER_BYTES) {
    const signed = unpackSignedVoucher(packed.slice(at, at + SIGNED_VOUCHER_BYTES));
    if (signed.voucher.epoch === running + 1) isEarly = true;
    const verified = verifyVoucher(signed, context);
    if (isRefused(verified)) continue;
    if ((await store.putVoucher(verified)) === "accepted") taken++;
  }
  return { taken, isEarly };
}
