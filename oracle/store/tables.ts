import { arrivalTable } from "./arrivals.ts";
import type { Engine } from "./engine.ts";
import { epochTable } from "./epochs.ts";
import { equivocationTable } from "./equivocations.ts";
import { eventTable } from "./events.ts";
import { leaseTable } from "./leases.ts";
import { reportTable } from "./reports.ts";
import type { Store } from "./store.ts";
import { transactionTable } from "./transactions.ts";
import { voucherTable } from "./vouchers.ts";

/** What engines have alike: everything but what is theirs of the receipts. */
export function tablesOn(
  engine: Engine,
): Omit<Store, "putReceipts" | "head" | "packedReceipts" | "close"> {
  return {
    ...equivocationTable(engine),
    ...voucherTable(engine),
    ...arrivalTable(engine),
    ...eventTable(engine),
    ...epochTable(engine),
    ...leaseTable(engine),
    ...reportTable(engine),
    ...transactionTable(engine),
  };
}
