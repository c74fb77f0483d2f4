import type { Address } from "@link-rewards/core/encoding/bytes";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import { largest, NOTHING, plus } from "../amounts.ts";

/** What was served to each customer in each epoch, by the device's own count; in memory, see `raise`. */
export type Meter = {
  add(epoch: number, customer: Address, amounts: Partial<Amounts>): void;
  /** After a restart the count goes on from what was signed, and from what was on the disk of what was served. */
  raise(epoch: number, customer: Address, totals: Amounts): void;
  totals(epoch: number, customer: Address): Amounts;
  forgetBefore(epoch: number): void;
};

/** `heard` is told each new count. */
export function createMeter(
  heard: (epoch: number, customer: Address, totals: Amounts) => void = () => undefined,
): Meter {
  const byEpoch = new Map<number, Map<Address, Amounts>>();
  const totals = (epoch: number, customer: Address) => byEpoch.get(epoch)?.get(customer) ?? NOTHING;
  const set = (epoch: number, customer: Address, amounts: Amounts) => {
    const customers = byEpoch.get(epoch) ?? new Map<Address, Amounts>();
    byEpoch.set(epoch, customers.set(customer, amounts));
    heard(epoch, customer, amounts);
  };
  return {
    totals,
    add: (epoch, customer, amounts) => set(epoch, customer, plus(totals(epoch, customer), amounts)),
    raise: (epoch, customer, base) => set(epoch, customer, largest(totals(epoch, customer), base)),
    forgetBefore: (epoch) => {
      for (const known of byEpoch.keys()) if (known < epoch) byEpoch.delete(known);
    },
  };
}
