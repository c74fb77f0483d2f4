import type { Address } from "@link-rewards/core/encoding/bytes";
import {
  type ContributionRecord,
  decodeContributions,
  decodeInvoices,
  decodeRewards,
  type InvoiceLine,
  type RewardLeaf,
} from "@link-rewards/core/epoch/records";
import type { Tariff } from "@link-rewards/core/law/events";
import { accountsIn } from "@link-rewards/core/law/law";
import { MOST, type PlayedEpoch, worthOf } from "./epochs.ts";

/**
 * What every row of a lawful bundle says about its neighbours, statement by statement: a second writing of the rules, which
 * computes no table and so shares no mistake with who does. An objection is the name of the statement that does not hold.
 */

export type Tables = {
  readonly contributions: Uint8Array;
  readonly invoices: Uint8Array;
  readonly rewards: Uint8Array;
};

/** What is known without the tables. */
export type Facts = {
  readonly tariff: Tariff;
  readonly paid: (customer: Address) => bigint;
  readonly accounts: readonly Address[];
  readonly previousRewards: Uint8Array;
  readonly lastTotal: bigint;
  readonly total: bigint;
};

export type Objection =
  | "rows"
  | "pair"
  | "contribution order"
  | "invoice order"
  | "reward order"
  | "reward boundary";

type Rows = {
  readonly contributions: readonly ContributionRecord[];
  readonly invoices: readonly InvoiceLine[];
  readonly rewards: readonly RewardLeaf[];
};

export function tablesOf({ computed }: PlayedEpoch): Tables {
  const file = (name: "contributions.bin" | "invoices.bin" | "rewards.bin") =>
    computed.files.get(name) as Uint8Array;
  return {
    contributions: file("contributions.bin"),
    invoices: file("invoices.bin"),
    rewards: file("rewards.bin"),
  };
}

export function factsOf({ law, epoch, computed, previousRewards }: PlayedEpoch): Facts {
  return {
    tariff: computed.manifest.tariff,
    paid: (customer) => law.customers.get(customer)?.paid.get(epoch) ?? 0n,
    accounts: accountsIn(law, epoch),
    previousRewards,
    lastTotal: computed.manifest.lastFinal.total,
    total: computed.manifest.total,
  };
}

export function objectionsTo(tables: Tables, facts: Facts): readonly Objection[] {
  const rows = {
    contributions: decodeContributions(tables.contributions),
    invoices: decodeInvoices(tables.invoices),
    rewards: decodeRewards(tables.rewards),
  };
  const holds: Record<Objection, boolean> = {
    rows:
      rows.invoices.length === rows.contributions.length &&
      rows.rewards.length === facts.accounts.length,
    pair: rows.invoices.every((line) => isPaired(line, rows, facts)),
    "contribution order": areContributionsInOrder(rows, facts),
    "invoice order": areInvoicesInOrder(rows, facts),
    "reward order": areRewardsInOrder(rows, facts),
    "reward boundary": areBoundariesKept(rows, facts),
  };
  return (Object.keys(holds) as Objection[]).filter((name) => !holds[name]);
}

function countedOf({ value, ceiling }: InvoiceLine): bigint {
  return value > ceiling ? ceiling : value;
}

function isPaired(line: InvoiceLine, { contributions }: Rows, { tariff }: Facts): boolean {
  const row = contributions[line.contribution];
  if (row === undefined) return false;
  const { receipt, earned } = row;
  const net = (countedOf(line) * BigInt(10_000 - tariff.feeBps)) / 10_000n;
  return (
    receipt.device === line.device &&
    receipt.customer === line.customer &&
    line.value === worthOf(receipt, tariff) &&
    earned === net
  );
}

function areContributionsInOrder({ contributions }: Rows, facts: Facts): boolean {
  const { accounts, total, lastTotal } = facts;
  const place = ({ account, receipt }: ContributionRecord) => {
    const index = String(accounts.indexOf(account)).padStart(9, "0");
    return `${index}${receipt.device}${receipt.customer}`;
  };
  return (
    (contributions.at(-1)?.subtotal ?? 0n) === total - lastTotal &&
    contributions.every((row, i) => {
      const before = contributions[i - 1];
      const ascends = before === undefined || place(before) < place(row);
      return ascends && row.subtotal === (before?.subtotal ?? 0n) + row.earned;
    })
  );
}

function areInvoicesInOrder({ invoices }: Rows, { paid }: Facts): boolean {
  const place = ({ customer, device }: InvoiceLine) => `${customer}${device}`;
  return invoices.every((line, p) => {
    const before = invoices[p - 1];
    if (before !== undefined && place(before) >= place(line)) return false;
    const own = before?.customer === line.customer ? before : undefined;
    return (
      line.ceiling === (own?.ceiling ?? line.ceiling) &&
      line.subtotal === (own?.subtotal ?? 0n) + countedOf(line) &&
      line.above === (own?.above ?? 0) + (line.value > line.ceiling ? 1 : 0) &&
      (invoices[p + 1]?.customer === line.customer || closes(line, paid(line.customer)))
    );
  });
}

/** No higher ceiling would be covered. */
function closes({ subtotal, ceiling, above }: InvoiceLine, paid: bigint): boolean {
  return subtotal <= paid && (ceiling === MOST || paid < subtotal + BigInt(above));
}

function areRewardsInOrder({ rewards }: Rows, { accounts, total }: Facts): boolean {
  const last = rewards.at(-1);
  const end = last === undefined ? 0n : last.prefix + last.cumulative;
  return (
    end === total &&
    rewards.every(({ account, prefix }, x) => {
      const before = rewards[x - 1];
      const begin = before === undefined ? 0n : before.prefix + before.cumulative;
      return accounts.indexOf(account) === x && prefix === begin;
    })
  );
}

function areBoundariesKept({ rewards, contributions }: Rows, facts: Facts): boolean {
  const old = decodeRewards(facts.previousRewards);
  return rewards.every(({ prefix }, x) => {
    const before = contributions.findLast(({ account }) => facts.accounts.indexOf(account) < x);
    return prefix === (old[x]?.prefix ?? facts.lastTotal) + (before?.subtotal ?? 0n);
  });
}
