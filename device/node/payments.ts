import { rememberRanges } from "@link-rewards/client/bundle";
import { settlementOf } from "@link-rewards/client/settlement";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { recover } from "@link-rewards/core/encoding/signature";
import { countedOf, MAX_AMOUNT } from "@link-rewards/core/epoch/value";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import { type SignedVoucher, voucherDigest } from "@link-rewards/core/signed/voucher";
import type { Chain, FinalEpoch } from "../chain.ts";
import type { Log } from "../log.ts";
import type { Oracles } from "../oracles.ts";
import { webRanges } from "./bundle-ranges.ts";
import type { Exposed, Exposure } from "./exposure.ts";
import { finalLineOf } from "./final-line.ts";
import { lookAgain } from "./look-again.ts";

/** How a customer paid the last final epoch. Amounts are in wei. */
export type Payment = {
  readonly epoch: number;
  /** Whether what it paid covered all that it was served, by everybody. */
  readonly isWhole: boolean;
  readonly paid: bigint;
  /** Of this device's line; undefined when it has none. */
  readonly counted?: bigint;
  /** The chain's and what is proven to it, or what most oracles say. */
  readonly by: "chain" | "oracles";
};

export type PaymentsChain = Pick<
  Chain,
  "lastFinalEpoch" | "finalEpoch" | "collectableEpoch" | "tariffAt" | "paid" | "capAt"
>;

export type PaymentParts = {
  readonly device: Address;
  readonly exposure: Exposure;
  readonly oracles: Pick<Oracles, "standings" | "vouchers">;
  /** Without it, what most oracles say is believed. */
  readonly chain: PaymentsChain | undefined;
  /** The EIP-712 domain of vouchers. */
  readonly escrowDomain: Uint8Array | undefined;
  /** Where the bundles are published. The next is read when one has no good copy. */
  readonly bundlesUrls: readonly string[];
  readonly epoch: () => Promise<number>;
  /** Whose gateways are there: others are looked at as long as they owe something. */
  readonly customers: () => readonly Address[];
  readonly everyMilliseconds?: number | undefined;
  readonly log: Log;
};

export type Payments = {
  /** Of the last final epoch; undefined while that is not known, or when the customer was served nothing in it. */
  last(customer: Address): Payment | undefined;
  /** The last final epoch; 0 while that is not known. */
  lastFinal(): number;
  /** What was paid for an epoch for which nothing is collected any more, and that is not final. */
  sealed(epoch: number, customer: Address): bigint | undefined;
  /** The highest that the customer promised for an epoch, to whomever. */
  promised(epoch: number, customer: Address): bigint;
  /** Looks again and again from now on. */
  begin(): void;
  /** Looks now. */
  look(): Promise<void>;
  close(): Promise<void>;
};

/** Epochs last hours; a customer that has paid should not wait for long. */
const LOOK_MS = 60_000;
/** What one look may take; the next goes on where it ended. */
const MOST_LOOK_MS = 60_000;
/** All vouchers of all customers come at once, and are good for hours: with every tenth look. */
const LOOKS_FOR_VOUCHERS = 10;
/** In which what an oracle calls a customer's last settlement is one of the last final epoch. */
const RECENT_EPOCHS = 3;

/**
 * Looks in the background how the epochs that became final were paid: by the chain, and by published files as far as they
 * are proven to what the chain says. Where no node of the chain is asked, by what most oracles say.
 */
export function watchPayments(parts: PaymentParts): Payments {
  const { exposure, chain, log } = parts;
  const payments = new Map<Address, Payment>();
  const sealed = new Map<string, bigint>();
  const promised = new Map<string, bigint>();
  const lines = rememberLines(parts);
  const told = new Map<string, string>();
  let lastFinal = 0;
  let looks = 0;

  /** Once, until it is another one. */
  function warn(event: string, about: string, error: unknown): void {
    const reason = reasonOf(error);
    if (told.get(`${event} ${about}`) === reason) return;
    told.set(`${event} ${about}`, reason);
    log("warn", event, { about, reason });
  }

  function customers(): readonly Address[] {
    const exposed = exposure.list().map(({ customer }) => customer);
    return [...new Set([...parts.customers(), ...exposed])];
  }

  async function lookAtChain(asked: PaymentsChain): Promise<void> {
    const until = performance.now() + MOST_LOOK_MS;
    const isOver = () => looking.isClosed() || performance.now() > until;
    for (const epoch of exposure.unpriced()) exposure.price(epoch, await asked.tariffAt(epoch));
    const [final, collectable] = await Promise.all([
      asked.lastFinalEpoch(),
      asked.collectableEpoch(),
    ]);
    if (final !== lastFinal) payments.clear();
    lastFinal = final;
    await lookAtSealed(asked, final, collectable);
    const due = exposure.list().filter((each) => isDue(each, final));
    const whole = customers();
    for (const epoch of new Set([...due.map((each) => each.epoch), final])) {
      if (epoch === 0 || isOver()) continue;
      const owing = due.filter((each) => each.epoch === epoch).map(({ customer }) => customer);
      const about = new Set([...owing, ...(epoch === final ? whole : [])]);
      try {
        await lookAtEpoch(asked, epoch, about, isOver);
      } catch (error) {
        warn("payments-not-read", `epoch ${epoch}`, error);
      }
    }
  }

  /** A chain that was reorganised may have an epoch open that was final. */
  function isDue({ epoch, customer, state }: Exposed, final: number): boolean {
    if (state === "final" && epoch > final) exposure.reopen(epoch, customer);
    return state !== "uncounted" && epoch <= final;
  }

  async function lookAtSealed(
    asked: PaymentsChain,
    final: number,
    collectable: number,
  ): Promise<void> {
    const waiting = exposure
      .list()
      .filter(({ epoch, state }) => state === "open" && epoch > final && epoch < collectable);
    const names = new Set(waiting.map(({ epoch, customer }) => nameOf(epoch, customer)));
    for (const name of sealed.keys()) if (!names.has(name)) sealed.delete(name);
    for (const { epoch, customer } of waiting) {
      const name = nameOf(epoch, customer);
      // After its seal it does not change any more.
      if (!sealed.has(name)) sealed.set(name, await asked.paid(customer, epoch));
    }
  }

  async function lookAtEpoch(
    asked: PaymentsChain,
    number: number,
    about: ReadonlySet<Address>,
    isOver: () => boolean,
  ): Promise<void> {
    if (about.size === 0) return;
    const epoch = await asked.finalEpoch(number);
    if (epoch === undefined) throw new Error("the escrow has not settled it");
    for (const customer of about) {
      if (isOver()) return;
      const { line, isWhole, paid } = await lines.of(asked, epoch, customer);
      const counted = line === undefined ? 0n : countedOf(line.value, line.ceiling);
      exposure.settle(number, customer, counted, number < lastFinal);
      if (number !== lastFinal || isWhole === undefined) continue;
      payments.set(customer, {
        ...{ epoch: number, isWhole, paid, by: "chain" as const },
        ...(line && { counted }),
      });
    }
  }

  /** Of several oracles what most of those say that answer, as about epochs. */
  async function lookAtOracles(): Promise<void> {
    const epoch = await parts.epoch();
    exposure.forgetBefore(epoch - RECENT_EPOCHS);
    lastFinal = Math.max(0, epoch - 1);
    const about = customers();
    for (const known of payments.keys()) if (!about.includes(known)) payments.delete(known);
    for (const customer of about) {
      if (looking.isClosed()) return;
      const said = await parts.oracles.standings(customer);
      const newest = said
        .map((standing) => standing?.settled[0])
        .filter((each) => each !== undefined)
        .filter((each) => each.epoch >= epoch - RECENT_EPOCHS);
      const isShort = ({ ceiling }: { readonly ceiling: string }) => BigInt(ceiling) < MAX_AMOUNT;
      const mostSayShort = 2 * newest.filter(isShort).length > said.length;
      const shown = newest.find((each) => isShort(each) === mostSayShort);
      if (shown === undefined) payments.delete(customer);
      else
        payments.set(customer, {
          epoch: shown.epoch,
          isWhole: !mostSayShort,
          paid: BigInt(shown.paid),
          by: "oracles",
        });
    }
  }

  /** An oracle can hide vouchers and can make up none: what it shows counts against the customer alone. */
  async function lookAtVouchers(asked: PaymentsChain, domain: Uint8Array): Promise<void> {
    const about = new Set(customers());
    if (about.size === 0) return;
    const collectable = await asked.collectableEpoch();
    const shown = (await parts.oracles.vouchers()).flatMap((vouchers) => [
      // One of each: who shows more has us check signatures without end.
      ...new Map(
        vouchers
          .filter(({ voucher }) => about.has(voucher.customer) && voucher.epoch >= collectable)
          .map((each) => [nameOf(each.voucher.epoch, each.voucher.customer), each]),
      ).values(),
    ]);
    const before = new Map(promised);
    promised.clear();
    for (const [name, amount] of before)
      if (Number(name.split("/")[0]) >= collectable) promised.set(name, amount);
    for (const each of shown) {
      const { epoch, customer } = each.voucher;
      const name = nameOf(epoch, customer);
      const amount = await worthOf(asked, domain, each);
      if (amount > (promised.get(name) ?? 0n)) promised.set(name, amount);
    }
  }

  async function lookOnce(): Promise<void> {
    if (chain === undefined) return lookAtOracles();
    const { escrowDomain: domain } = parts;
    if (domain !== undefined && looks++ % LOOKS_FOR_VOUCHERS === 0)
      await lookAtVouchers(chain, domain).catch((error) =>
        warn("vouchers-not-read", "vouchers", error),
      );
    await lookAtChain(chain);
  }

  const looking = lookAgain({
    lookOnce,
    pause: () => (parts.everyMilliseconds ?? LOOK_MS) * (1 + Math.random() / 4),
    failed: (error) => warn("payments-not-read", "all", error),
  });
  return {
    last: (customer) => payments.get(customer),
    lastFinal: () => lastFinal,
    sealed: (epoch, customer) => sealed.get(nameOf(epoch, customer)),
    promised: (epoch, customer) => promised.get(nameOf(epoch, customer)) ?? 0n,
    begin: looking.begin,
    look: looking.look,
    close: looking.close,
  };
}

function nameOf(epoch: number, customer: Address): string {
  return `${epoch}/${customer}`;
}

/** What of a voucher can be collected: no more than its key's cap, and nothing where the key is not the customer's. */
async function worthOf(
  chain: PaymentsChain,
  domain: Uint8Array,
  { voucher, signature }: SignedVoucher,
): Promise<bigint> {
  const key = recover(voucherDigest(domain, voucher), signature);
  if (key === undefined) return 0n;
  const cap = await chain.capAt(voucher.customer, key, voucher.epoch);
  return voucher.amount < cap ? voucher.amount : cap;
}

/** What is found in the files of a final epoch. */
type Found = {
  /** This device's. */
  readonly line: { readonly value: bigint; readonly ceiling: bigint } | undefined;
  /** Undefined when the customer was served nothing. */
  readonly isWhole: boolean | undefined;
  readonly paid: bigint;
};

/** What was found once stands, as long as the root is the same one. */
function rememberLines({ device, bundlesUrls }: PaymentParts) {
  const known = new Map<string, Found>();
  let read: { readonly root: Hex; readonly readers: RangeReader[] } | undefined;

  /** All of them anew for another epoch; one that failed is asked last. */
  function readersOf({ epoch, invoiceRoot }: FinalEpoch): RangeReader[] {
    if (read?.root !== invoiceRoot)
      read = {
        root: invoiceRoot,
        readers: bundlesUrls.map((url) => rememberRanges(webRanges(url, epoch))),
      };
    return read.readers;
  }

  async function find(chain: PaymentsChain, epoch: FinalEpoch, customer: Address): Promise<Found> {
    const paid = await chain.paid(customer, epoch.epoch);
    if (epoch.contributions === 0) return { line: undefined, isWhole: undefined, paid };
    const readers = readersOf(epoch);
    const causes: unknown[] = [];
    for (const reader of [...readers]) {
      try {
        const line = await finalLineOf(reader, epoch, { customer, device });
        if (line === undefined) throw new Error("the files do not lead to the root");
        // The ceiling is the same in all lines of a customer.
        if (line !== "none") return { line, isWhole: line.ceiling === MAX_AMOUNT, paid };
        const settled = await settlementOf(reader, epoch, customer, paid);
        if (settled === undefined) throw new Error("the files do not lead to the root");
        const isWhole = settled === "none" ? undefined : settled.ceiling === MAX_AMOUNT;
        return { line: undefined, isWhole, paid };
      } catch (error) {
        causes.push(error);
        readers.push(...readers.splice(readers.indexOf(reader), 1));
      }
    }
    // What a reader remembers is not asked again: the next look begins anew.
    read = undefined;
    throw new AggregateError(causes, `no good copy at ${bundlesUrls.join(" and ")}`);
  }

  return {
    async of(chain: PaymentsChain, epoch: FinalEpoch, customer: Address): Promise<Found> {
      const name = `${epoch.epoch}/${epoch.invoiceRoot}/${customer}`;
      const found = known.get(name) ?? (await find(chain, epoch, customer));
      if (known.size >= MOST_FOUND) known.clear();
      known.set(name, found);
      return found;
    },
  };
}

/** Forgotten together, and looked for anew. */
const MOST_FOUND = 10_000;

function reasonOf(error: unknown): string {
  const { message } = error as Error;
  const [first] = error instanceof AggregateError ? error.errors : [];
  return first === undefined ? message : `${message}: ${(first as Error).message}`;
}
