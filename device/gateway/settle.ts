import { type Address, equalBytes } from "@link-rewards/core/encoding/bytes";
import { isSignedBy } from "@link-rewards/core/encoding/p256";
import { type Receipt, receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import { voucherDigest } from "@link-rewards/core/signed/voucher";
import type { DigestSigner } from "@link-rewards/host/keys";
import { NOTHING, shortOf } from "../amounts.ts";
import { type Backoff, type EpochView, withBackoff } from "../oracle-client.ts";
import type { Oracles } from "../oracles.ts";
import type { StateFile } from "../state.ts";
import { type BudgetParts, openBudget } from "./budget.ts";
import type { LedgerPages, Promised, Tally } from "./ledger.ts";
import type { Peer } from "./peer.ts";

export type SettleParts = BudgetParts & {
  readonly key: DigestSigner;
  readonly domains: { readonly registry: Uint8Array; readonly escrow: Uint8Array };
  readonly ledger: StateFile<LedgerPages>;
  readonly oracles: Pick<Oracles, "heads" | "postVoucher">;
  readonly epochs: EpochView;
  /** Undefined for a device that is not connected. */
  readonly peerOf: (device: Address) => Peer | undefined;
  readonly backoff: Backoff;
};

/** More than one correction of the sequence means that the device changes its mind. */
const MOST_DRAFTS = 3;

/** Signs for what was verified and gets the device's signature; says what went wrong. */
export async function settleTally(parts: SettleParts, tally: Tally): Promise<string | undefined> {
  const { ledger, key, domains } = parts;
  const { verified, epoch, device } = tally;
  const peer = parts.peerOf(device);
  if (peer === undefined) return "receipt: the device is not connected";
  for (let drafts = 0; drafts < MOST_DRAFTS; drafts++) {
    const receipt: Receipt = {
      device,
      customer: parts.customer,
      epoch,
      sequence: tally.next,
      ...verified,
    };
    const digest = receiptDigest(domains.registry, receipt);
    tally.promised = verified;
    tally.next += 1;
    await ledger.save();
    const customerSignature = await key.sign(digest);
    const answer = await peer.countersign({
      receipt,
      customerSignature,
      head: tally.head,
    });
    if (!("refusal" in answer)) return takeHead(parts, tally, answer, digest);
    if (answer.next === undefined || answer.refusal !== "sequence-unexpected") {
      return `receipt: ${answer.refusal}: ${answer.message}`;
    }
    tally.next = answer.next;
  }
  return "receipt: the device names a new sequence each time";
}

async function takeHead(
  { ledger, domains }: SettleParts,
  tally: Tally,
  signed: SignedReceipt,
  digest: Uint8Array,
): Promise<string | undefined> {
  if (!equalBytes(receiptDigest(domains.registry, signed.receipt), digest)) {
    return "receipt: the device signed another one";
  }
  if (!isSignedBy(tally.device, digest, signed.deviceSignature, tally.publicKey)) {
    return `receipt: the signature is not that of device ${tally.device}`;
  }
  tally.head = signed;
  await ledger.save();
  return undefined;
}

export function isUnsigned({ verified, head }: Tally): boolean {
  return shortOf(head?.receipt ?? NOTHING, verified) !== undefined;
}

/** In a closed epoch there is nothing to sign any more: what came too late belongs to no one. */
export async function unsignedTallies({ ledger, epochs }: SettleParts): Promise<readonly Tally[]> {
  const unsigned: Tally[] = [];
  for (const tally of ledger.value.tallies) {
    if (isUnsigned(tally) && (await epochs.isOpen(tally.epoch))) unsigned.push(tally);
  }
  return unsigned;
}

/** Those of `due` that may be signed for: what a draft says is owed, whatever its device answers. */
export async function coveredTallies(
  parts: SettleParts,
  due: readonly Tally[],
): Promise<{ readonly covered: readonly Tally[]; readonly failures: readonly string[] }> {
  const covered: Tally[] = [];
  const failures: string[] = [];
  for (const epoch of epochsOf(due)) {
    const budget = await openBudget(parts, epoch);
    let value = budget.total("promised");
    for (const tally of due.filter((each) => each.epoch === epoch)) {
      const more = budget.valueFor(tally.verified) - budget.valueFor(tally.promised);
      if (more > 0n && !budget.covers(value + more)) {
        failures.push(`${tally.device} receipt: not signed for: ${budget.limit}`);
        continue;
      }
      value += more;
      covered.push(tally);
    }
  }
  return { covered, failures };
}

/** Brings the vouchers up to the drafts. A higher one replaces a lower one, and nothing brings it down again. */
export async function promiseDrafts(parts: SettleParts): Promise<void> {
  const { ledger, customer, key, domains } = parts;
  for (const epoch of epochsOf(ledger.value.tallies)) {
    const budget = await openBudget(parts, epoch);
    const amount = budget.promiseFor(budget.total("promised"));
    const others = ledger.value.promised.filter(({ voucher }) => voucher.epoch !== epoch);
    const before = ledger.value.promised.find(({ voucher }) => voucher.epoch === epoch);
    if (amount <= (before?.voucher.amount ?? 0n)) continue;
    const voucher = { customer, epoch, amount };
    const signature = await key.sign(voucherDigest(domains.escrow, voucher));
    ledger.value.promised = [...others, { voucher, signature, delivered: false }].sort(
      (a, b) => a.voucher.epoch - b.voucher.epoch,
    );
  }
  await ledger.save();
}

/** Says what could not be delivered, and tries it again the next time, until it is void. */
export async function deliverVouchers(parts: SettleParts): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const each of parts.ledger.value.promised) {
    const failure = each.delivered ? undefined : await deliverVoucher(parts, each);
    if (failure === undefined) each.delivered = true;
    else failures.push(failure);
  }
  return failures;
}

async function deliverVoucher(
  { oracles, backoff }: SettleParts,
  { voucher, signature }: Promised,
): Promise<string | undefined> {
  try {
    const answer = await withBackoff(() => oracles.postVoucher({ voucher, signature }), backoff);
    // Stale: paid or promised already, which is what a voucher is for.
    if (answer.status !== "refused" || answer.refusal === "stale") return undefined;
    return `voucher: ${answer.refusal}: ${answer.message}`;
  } catch (error) {
    return `voucher: ${(error as Error).message}`;
  }
}

/** What an epoch delivered can change no more when it is closed; what was promised for it is void when it is sealed. */
export async function closeEpochs({ ledger, epochs, chain }: SettleParts): Promise<void> {
  const pages = ledger.value;
  const collectable = await chain.collectableEpoch();
  pages.promised = pages.promised.filter(({ voucher }) => voucher.epoch >= collectable);
  const open = new Set<number>();
  for (const epoch of epochsOf(pages.tallies)) if (await epochs.isOpen(epoch)) open.add(epoch);
  pages.tallies = pages.tallies.filter(({ epoch }) => open.has(epoch));
  await ledger.save();
}

function epochsOf(items: readonly { readonly epoch: number }[]): ReadonlySet<number> {
  return new Set(items.map(({ epoch }) => epoch));
}
