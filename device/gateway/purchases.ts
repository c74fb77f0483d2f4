import type { Address } from "@link-rewards/core/encoding/bytes";
import { recover } from "@link-rewards/core/encoding/signature";
import { type Amounts, receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import { NOTHING, plus } from "../amounts.ts";
import type { ProvenDevice } from "../link/handshake.ts";
import { authorizationOf, sessionDigest } from "../session.ts";
import type { Budget } from "./budget.ts";
import type { Tally } from "./ledger.ts";
import type { SettleParts } from "./settle.ts";

/** Where what a device delivers in an epoch is counted, and what shows it who is served. */
export type Account = { readonly tally: Tally; readonly authorization: string };

/** The one way in which a gateway buys, whatever it is and however much goes on at once. */
export type Purchases = {
  /** Throws when it cannot be found out what an older ledger has signed. */
  account(device: ProvenDevice, epoch: number): Promise<Account>;
  /**
   * Does what may come to `most`, if that is covered beside all that is under way; undefined, and nothing is done, if it
   * is not. What was checked of it has to be counted before it ends.
   */
  buy<T>(budget: Budget, most: Amounts, work: () => Promise<T>): Promise<T | undefined>;
  /** Resolves when the ledger is on the disk. */
  count(tally: Tally, amounts: Partial<Amounts>): Promise<void>;
};

export function openPurchases(parts: SettleParts): Purchases {
  const { ledger, customer, key, domains } = parts;
  /** What may still come of all that is under way, in wei. */
  let held = 0n;
  let sessions: { readonly epoch: number; readonly of: Map<Address, Promise<string>> } | undefined;

  function authorization(device: Address, epoch: number): Promise<string> {
    if (sessions?.epoch !== epoch) sessions = { epoch, of: new Map() };
    const known = sessions.of.get(device);
    if (known !== undefined) return known;
    const digest = sessionDigest(domains.registry, { device, customer, epoch });
    const signing = Promise.resolve(key.sign(digest)).then((signature) =>
      authorizationOf({ customer, epoch, signature }),
    );
    sessions.of.set(device, signing);
    return signing;
  }

  return {
    async account(device, epoch) {
      const tally = await tallyOf(parts, device, epoch);
      return { tally, authorization: await authorization(device.device, epoch) };
    },
    async buy(budget, most, work) {
      // One more, as each part is rounded down.
      const needed = budget.valueFor(most) + 1n;
      if (!budget.covers(budget.total("verified") + held + needed)) return undefined;
      held += needed;
      try {
        return await work();
      } finally {
        held -= needed;
      }
    },
    count(tally, amounts) {
      tally.verified = plus(tally.verified, amounts);
      return ledger.save();
    },
  };
}

async function tallyOf(
  parts: SettleParts,
  { device, publicKey }: ProvenDevice,
  epoch: number,
): Promise<Tally> {
  const { value: pages } = parts.ledger;
  const find = () =>
    pages.tallies.find((tally) => tally.device === device && tally.epoch === epoch);
  const head = find() === undefined ? await lostHead(parts, device, epoch) : undefined;
  const totals = head?.receipt ?? NOTHING;
  // Asking took a moment, in which the same device may have been met again.
  const known = find();
  if (known !== undefined) return known;
  const tally: Tally = {
    epoch,
    device,
    publicKey,
    verified: plus(NOTHING, totals),
    promised: plus(NOTHING, totals),
    next: (head?.receipt.sequence ?? 0) + 1,
    head,
  };
  pages.tallies.push(tally);
  return tally;
}

/** In the epoch in which this ledger began, an older one may have signed and been lost. */
async function lostHead(
  { ledger, oracles, customer, key, domains }: SettleParts,
  device: Address,
  epoch: number,
): Promise<SignedReceipt | undefined> {
  ledger.value.since ??= epoch;
  if (epoch > ledger.value.since) return undefined;
  const heads = await oracles.heads(epoch, device, customer);
  return heads
    .filter(({ receipt, customerSignature }) => {
      const digest = receiptDigest(domains.registry, receipt);
      return recover(digest, customerSignature) === key.address;
    })
    .sort((a, b) => b.receipt.sequence - a.receipt.sequence)[0];
}
