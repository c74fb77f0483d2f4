import { type Address, equalBytes } from "@link-rewards/core/encoding/bytes";
import { recover } from "@link-rewards/core/encoding/signature";
import { valueAtTariff } from "@link-rewards/core/epoch/value";
import type { Tariff } from "@link-rewards/core/law/events";
import { type Receipt, receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import { voucherDigest } from "@link-rewards/core/signed/voucher";
import type { DigestSigner } from "@link-rewards/host/keys";
import { NOTHING, shortOf } from "../amounts.ts";
import { type Backoff, type EpochView, type OracleClient, withBackoff } from "../oracle-client.ts";
import type { StateFile } from "../state.ts";
import type { Debt, LedgerPages, Tally } from "./ledger.ts";
import type { Peer } from "./peer.ts";

export type SettleParts = {
  readonly customer: Address;
  readonly key: DigestSigner;
  readonly domains: { readonly registry: Uint8Array; readonly escrow: Uint8Array };
  readonly ledger: StateFile<LedgerPages>;
  readonly oracle: OracleClient;
  readonly epochs: EpochView;
  readonly peerAt: (url: string) => Peer;
  readonly tariffAt: (epoch: number) => Promise<Tariff>;
  /** What the customer has paid in all, in wei. */
  readonly collected: () => Promise<bigint>;
  /** How much of its debt for an epoch the customer promises, in ten-thousandths. */
  readonly payBasisPoints: (epoch: number) => number;
  readonly backoff: Backoff;
};

/** More than one correction of the sequence means that the device changes its mind. */
const MOST_DRAFTS = 3;
const WHOLE = 10_000n;

/** Signs for what was verified and gets the device's signature; says what went wrong. */
export async function settleTally(parts: SettleParts, tally: Tally): Promise<string | undefined> {
  const { ledger, key, domains, peerAt } = parts;
  const { verified, epoch, device } = tally;
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
    const answer = await peerAt(tally.url).countersign({
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
  if (recover(digest, signed.deviceSignature) !== tally.device) {
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

/** Brings the debts up to the drafts, and the vouchers up to the debts. */
export async function promiseDebts(parts: SettleParts): Promise<void> {
  const { ledger, tariffAt, payBasisPoints } = parts;
  const { tallies } = ledger.value;
  await openDebts(parts);
  for (const epoch of new Set(tallies.map((tally) => tally.epoch))) {
    const tariff = await tariffAt(epoch);
    const value = tallies
      .filter((tally) => tally.epoch === epoch)
      .reduce((sum, { promised }) => sum + valueAtTariff(promised, tariff), 0n);
    const debt = debtOf(ledger.value, epoch);
    const owed = (value * BigInt(payBasisPoints(epoch))) / WHOLE;
    if (owed > debt.owed) debt.owed = owed;
  }
  await signVouchers(parts);
}

/** A new ledger goes on from what was promised or paid before it; if in doubt it pays, never twice for one voucher. */
async function openDebts({
  ledger,
  oracle,
  collected,
  customer,
  key,
  domains,
  epochs,
}: SettleParts) {
  if (ledger.value.carried !== undefined) return;
  let carried = await collected();
  for (const { voucher, signature } of await oracle.vouchers()) {
    if (voucher.customer !== customer || (await epochs.isOpen(voucher.epoch))) continue;
    if (recover(voucherDigest(domains.escrow, voucher), signature) !== key.address) continue;
    if (voucher.cumulative > carried) carried = voucher.cumulative;
  }
  ledger.value.carried = carried;
}

function debtOf({ debts }: LedgerPages, epoch: number): Debt {
  const known = debts.find((debt) => debt.epoch === epoch);
  if (known !== undefined) return known;
  const debt: Debt = { epoch, owed: 0n, voucher: undefined, delivered: true };
  debts.push(debt);
  debts.sort((a, b) => a.epoch - b.epoch);
  return debt;
}

/** A voucher names all that is owed up to its epoch, so a later one covers an earlier one that got lost. */
async function signVouchers({ ledger, customer, key, domains }: SettleParts): Promise<void> {
  let cumulative = ledger.value.carried ?? 0n;
  for (const debt of ledger.value.debts) {
    cumulative += debt.owed;
    if (debt.owed === 0n || debt.voucher?.voucher.cumulative === cumulative) continue;
    const voucher = { customer, epoch: debt.epoch, cumulative };
    const signature = await key.sign(voucherDigest(domains.escrow, voucher));
    debt.voucher = { voucher, signature };
    debt.delivered = false;
  }
  await ledger.save();
}

/** Says what could not be delivered, and tries it again the next time. */
export async function deliverVouchers(parts: SettleParts): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const debt of parts.ledger.value.debts) {
    const failure = debt.delivered ? undefined : await deliverVoucher(parts, debt);
    if (failure === undefined) debt.delivered = true;
    else failures.push(failure);
  }
  await parts.ledger.save();
  return failures;
}

async function deliverVoucher(
  { oracle, backoff }: SettleParts,
  { voucher }: Debt,
): Promise<string | undefined> {
  if (voucher === undefined) return undefined;
  try {
    const answer = await withBackoff(() => oracle.postVoucher(voucher), backoff);
    // Stale: paid or promised already, which is what a voucher is for.
    if (answer.status !== "refused" || answer.refusal === "stale") return undefined;
    return `voucher: ${answer.refusal}: ${answer.message}`;
  } catch (error) {
    return `voucher: ${(error as Error).message}`;
  }
}

/** A closed epoch can change no more: once its voucher is delivered, its sum is carried and the rest forgotten. */
export async function closeEpochs({ ledger, epochs }: SettleParts): Promise<void> {
  const pages = ledger.value;
  const closed = new Set<number>();
  for (const { epoch } of pages.tallies) {
    if (!(await epochs.isOpen(epoch))) closed.add(epoch);
  }
  for (const { epoch, delivered } of pages.debts) if (!delivered) closed.delete(epoch);
  if (pages.carried === undefined || closed.size === 0) return;
  for (const { epoch, owed } of pages.debts) if (closed.has(epoch)) pages.carried += owed;
  pages.debts = pages.debts.filter(({ epoch }) => !closed.has(epoch));
  pages.tallies = pages.tallies.filter(({ epoch }) => !closed.has(epoch));
  await ledger.save();
}
