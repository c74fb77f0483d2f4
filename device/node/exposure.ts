import { join } from "node:path";
import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { fieldsToJson, parseFields } from "@link-rewards/core/encoding/json";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { sumOf, valueAtTariff } from "@link-rewards/core/epoch/value";
import { TARIFF_FIELDS, type Tariff } from "@link-rewards/core/law/events";
import type { Amounts, Receipt } from "@link-rewards/core/signed/receipt";
import { z } from "zod";
import { amountsToJson, largest, NOTHING, parseAmounts } from "../amounts.ts";
import type { Log } from "../log.ts";
import { openStateFile } from "../state.ts";
import { type Tolerance, toleratedFloor } from "./countersign.ts";

/** What the owner may lose by customers, in wei: what each was served, in all epochs that are not final and paid. */
export type Exposure = {
  /** The device's own count of what it served in an epoch, in all. */
  serve(epoch: number, customer: Address, totals: Amounts): void;
  /** Both signed it: it is exposed, whatever was counted. */
  sign(receipt: Receipt): void;
  /** Without its prices nothing of an epoch is worth anything yet. */
  price(epoch: number, tariff: Tariff): void;
  /** The epochs without prices. */
  unpriced(): readonly number[];
  /** Of every customer, the first epoch first. */
  list(): readonly Exposed[];
  of(customer: Address): readonly Exposed[];
  /** What was served, for the meter after a restart. */
  served(): readonly Pick<Kept, "epoch" | "customer" | "served">[];
  /** An epoch is final, and `counted` wei of the device's line: once it is `lasting`, what is over stays until forgiven. */
  settle(epoch: number, customer: Address, counted: bigint, isLasting: boolean): void;
  /** What was taken for final is not. */
  reopen(epoch: number, customer: Address): void;
  /** What the epochs up to this one left, which are final, and that they were not paid, counts no more. Resolves when that is on the disk. */
  forgive(customer: Address, through: number): Promise<void>;
  /** The last epoch of which a customer's debts are forgiven; 0 of none. */
  forgivenThrough(customer: Address): number;
  /** Where nobody asks whether epochs become final, they are not kept for ever. */
  forgetBefore(epoch: number): void;
  close(): Promise<void>;
};

/** One customer in one epoch. Amounts are in wei. */
export type Exposed = {
  readonly epoch: number;
  readonly customer: Address;
  /** Of all that was served, while the epoch is not final; then what did not count of it. */
  readonly worth: bigint;
  /** Of what both signed. */
  readonly signed: bigint;
  readonly state: "open" | "final" | "uncounted";
};

type Kept = {
  readonly epoch: number;
  readonly customer: Address;
  served: Amounts;
  signed: Amounts;
  /** In wei; of an epoch that is final for good. */
  uncounted: bigint | undefined;
};

type Pages = {
  /** The last epoch that was settled for good: what is not kept of it, and of those before, is settled. */
  settled: number;
  readonly tariffs: Map<number, Tariff>;
  readonly kept: Map<string, Kept>;
  readonly forgiven: Map<Address, number>;
};

/** As much service as this takes is forgotten when the power goes; more often, a card of flash memory would wear out. */
const SAVE_MS = 2_000;

const PAGES = z.object({
  device: z.string(),
  settled: z.int(),
  tariffs: z.array(z.object({ epoch: z.int(), tariff: z.unknown() })),
  epochs: z.array(
    z.object({
      epoch: z.int(),
      customer: z.string(),
      served: z.unknown(),
      signed: z.unknown(),
      uncounted: z.string().regex(/^\d+$/).optional(),
    }),
  ),
  forgiven: z.array(z.object({ customer: z.string(), through: z.int() })),
});

/** One process at a time, as with the book. */
export async function openExposure(
  folder: string,
  device: Address,
  { tolerance, log }: { readonly tolerance: Tolerance; readonly log: Log },
): Promise<Exposure> {
  const path = join(folder, "exposure.json");
  const file = await openStateFile<Pages>(path, {
    initial: () => ({ settled: 0, tariffs: new Map(), kept: new Map(), forgiven: new Map() }),
    parse: (json) => parsePages(json, device),
    toJson: (pages) => pagesToJson(pages, device),
  });
  const { tariffs, kept, forgiven } = file.value;
  /** What counted in epochs that are final, and may not be any more after a reorganisation of the chain. */
  const counted = new Map<Kept, bigint>();
  let timer: NodeJS.Timeout | undefined;

  function saveSoon(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      file.save().catch((error) => log("warn", "not-saved", { path, reason: String(error) }));
    }, SAVE_MS);
  }

  /** Undefined when it is settled or forgiven: the book remembers for longer what was signed. */
  function keptOf(epoch: number, customer: Address): Kept | undefined {
    const name = nameOf(epoch, customer);
    const known = kept.get(name);
    if (known !== undefined) return known;
    if (epoch <= Math.max(file.value.settled, forgiven.get(customer) ?? 0)) return undefined;
    const begun = { epoch, customer, served: NOTHING, signed: NOTHING, uncounted: undefined };
    kept.set(name, begun);
    return begun;
  }

  const worthOf = (epoch: number, amounts: Amounts) => {
    const tariff = tariffs.get(epoch);
    return tariff === undefined ? 0n : valueAtTariff(amounts, tariff);
  };

  /** What a customer may leave unsigned because it was on its way, or failed its checks, is none of its debts. */
  function leftOf({ epoch, served, signed }: Kept, ofIt: bigint): bigint {
    const due = worthOf(epoch, largest(signed, toleratedFloor(served, tolerance)));
    return due > ofIt ? due - ofIt : 0n;
  }

  function exposedIn(each: Kept): Exposed {
    const { epoch, customer, uncounted } = each;
    const signed = worthOf(epoch, each.signed);
    if (uncounted !== undefined)
      return { epoch, customer, signed, worth: uncounted, state: "uncounted" };
    const ofIt = counted.get(each);
    if (ofIt !== undefined)
      return { epoch, customer, signed, worth: leftOf(each, ofIt), state: "final" };
    const worth = worthOf(epoch, largest(each.served, each.signed));
    return { epoch, customer, signed, worth, state: "open" };
  }

  function drop(each: Kept): void {
    kept.delete(nameOf(each.epoch, each.customer));
    counted.delete(each);
    dropPrices(each.epoch);
  }

  /** Those of an epoch of which nothing is kept. */
  function dropPrices(epoch: number): void {
    if (![...kept.values()].some((each) => each.epoch === epoch)) tariffs.delete(epoch);
  }

  const exposed = (some: readonly Kept[]) =>
    some.toSorted((a, b) => a.epoch - b.epoch).map(exposedIn);
  return {
    serve(epoch, customer, totals) {
      const each = keptOf(epoch, customer);
      if (each === undefined) return;
      each.served = largest(each.served, totals);
      saveSoon();
    },
    sign({ epoch, customer, ...receipt }) {
      const each = keptOf(epoch, customer);
      if (each === undefined) return;
      each.signed = largest(each.signed, receipt);
      saveSoon();
    },
    price(epoch, tariff) {
      tariffs.set(epoch, tariff);
      // Of the epoch before, drafts may still come.
      for (const known of tariffs.keys()) if (known < epoch - 1) dropPrices(known);
    },
    unpriced: () => [
      ...new Set([...kept.values()].map(({ epoch }) => epoch).filter((each) => !tariffs.has(each))),
    ],
    list: () => exposed([...kept.values()]),
    of: (customer) => exposed([...kept.values()].filter((each) => each.customer === customer)),
    served: () => [...kept.values()].filter(({ uncounted }) => uncounted === undefined),
    settle(epoch, customer, ofIt, isLasting) {
      const each = kept.get(nameOf(epoch, customer));
      if (each === undefined || each.uncounted !== undefined) return;
      counted.set(each, ofIt);
      if (!isLasting) return;
      file.value.settled = Math.max(epoch, file.value.settled);
      const left = leftOf(each, ofIt);
      if (left === 0n || epoch <= (forgiven.get(customer) ?? 0)) drop(each);
      else each.uncounted = left;
      saveSoon();
    },
    reopen(epoch, customer) {
      const each = kept.get(nameOf(epoch, customer));
      if (each !== undefined) counted.delete(each);
    },
    async forgive(customer, through) {
      forgiven.set(customer, Math.max(through, forgiven.get(customer) ?? 0));
      for (const each of [...kept.values()])
        if (each.customer === customer && each.epoch <= through) drop(each);
      await file.save();
    },
    forgivenThrough: (customer) => forgiven.get(customer) ?? 0,
    forgetBefore(epoch) {
      for (const each of [...kept.values()]) if (each.epoch < epoch) drop(each);
    },
    async close() {
      clearTimeout(timer);
      await file.save();
    },
  };
}

/** In wei. */
export function exposedSum(exposed: readonly Exposed[]): bigint {
  return sumOf(exposed.map(({ worth }) => worth));
}

function nameOf(epoch: number, customer: Address): string {
  return `${epoch}/${customer}`;
}

function pagesToJson({ settled, tariffs, kept, forgiven }: Pages, device: Address): unknown {
  return {
    device,
    settled,
    tariffs: [...tariffs].map(([epoch, tariff]) => ({
      epoch,
      tariff: fieldsToJson(TARIFF_FIELDS, tariff),
    })),
    epochs: [...kept.values()].map(({ uncounted, served, signed, ...rest }) => ({
      ...rest,
      served: amountsToJson(served),
      signed: amountsToJson(signed),
      ...(uncounted !== undefined && { uncounted: uncounted.toString() }),
    })),
    forgiven: [...forgiven].map(([customer, through]) => ({ customer, through })),
  };
}

function parsePages(json: unknown, device: Address): Pages {
  const pages = PAGES.parse(json);
  if (pages.device !== device) throw new Error(`it is of device ${pages.device}, not of ${device}`);
  const kept = pages.epochs.map(
    ({ epoch, customer, served, signed, uncounted }): Kept => ({
      epoch,
      customer: lowercaseHex(customer),
      served: parseAmounts(served),
      signed: parseAmounts(signed),
      uncounted: uncounted === undefined ? undefined : BigInt(uncounted),
    }),
  );
  return {
    settled: pages.settled,
    tariffs: new Map(pages.tariffs.map(({ epoch, tariff }) => [epoch, parseTariff(tariff)])),
    kept: new Map(kept.map((each) => [nameOf(each.epoch, each.customer), each])),
    forgiven: new Map(
      pages.forgiven.map(({ customer, through }) => [lowercaseHex(customer), through]),
    ),
  };
}

function parseTariff(json: unknown): Tariff {
  const tariff = parseFields(TARIFF_FIELDS, json, "tariff");
  if (isRefused(tariff)) throw new Error(tariff.message);
  return tariff;
}
