import { join } from "node:path";
import type { Address } from "@link-rewards/core/encoding/bytes";
import type { SettleParts } from "../gateway/settle.ts";
import { type BuyerOptions, buyerParts, type Trade, trade } from "../gateway/start.ts";
import type { OrderOf } from "./order.ts";
import { type PassServer, passServer } from "./pass-server.ts";

export type InspectorOptions = Omit<BuyerOptions, "payBasisPoints" | "answers" | "work"> & {
  readonly orderOf: OrderOf;
  /** What is asked of each device in a visit, as far as its part of the budget goes. All jobs are checked. */
  readonly work?: Omit<NonNullable<BuyerOptions["work"]>, "checkPercent">;
  /** Visits that go on at one time: one device that is slow must not hold up all. */
  readonly atOnce: number;
};

export type RunningInspector = Trade & PassServer & { readonly customer: Address };

/** The inspector computes every job itself. */
const EVERY_JOB = 100;

/** Buys for the reward programme of every bound device alike. Throws for who is no inspector. */
export async function startInspector(options: InspectorOptions): Promise<RunningInspector> {
  const { files, jobs = [], folder, customer } = options;
  if (files.length === 0 || jobs.length === 0)
    throw new Error(
      "an inspector buys all three resources: it needs a file that devices keep, and a job",
    );
  const work = { ...options.work, checkPercent: EVERY_JOB };
  const parts = await buyerParts({ ...options, work }, { inspector: true });
  await requireInspector(parts);
  const { settle, tallies } = trade(parts);
  const passes = passServer({
    ...parts,
    orderOf: options.orderOf,
    device: options.door.device,
    folder: join(folder, "turns"),
    atOnce: options.atOnce,
  });
  return {
    ...passes,
    ...{ customer, settle, tallies },
    async close() {
      await passes.close();
      await parts.ledger.save();
    },
  };
}

async function requireInspector({ chain, customer, epochs }: SettleParts): Promise<void> {
  const epoch = Math.max(1, await epochs.current());
  if ((await chain.shareAt(customer, epoch)) === undefined)
    throw new Error(
      `${customer} is no inspector in epoch ${epoch}; who is added now is one from the next epoch on`,
    );
}
