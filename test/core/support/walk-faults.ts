import { type Address, concatBytes, toHex } from "@link-rewards/core/encoding/bytes";
import { packFields } from "@link-rewards/core/encoding/fields";
import { rootOver } from "@link-rewards/core/encoding/tree";
import {
  type ContributionRecord,
  decodeContributions,
  decodeInvoices,
  decodeRewards,
  EARNED_FIELDS,
  encodeInvoices,
  encodeRewards,
  type InvoiceLine,
  type RewardLeaf,
  ROW_BYTES,
} from "@link-rewards/core/epoch/records";
import type { Case } from "@link-rewards/core/judge/case";
import { indexOf } from "@link-rewards/core/law/law";
import { packSignedReceipt } from "@link-rewards/core/signed/receipt";
import { tableOver } from "@link-rewards/core/walk/sight";
import type { Random } from "./forgeries.ts";
import type { Game } from "./walk-game.ts";
import {
  computed,
  flaggedSigners,
  gathered,
  named,
  type OwnedReceipt,
  signedBy,
  type WalkWorld,
} from "./walk-world.ts";

/** Tables that a corrupt quorum signs and hides. */
export type Draft = {
  contributions: ContributionRecord[];
  invoices: InvoiceLine[];
  rewards: RewardLeaf[];
  total: bigint;
};

export function lawfulDraft(world: WalkWorld, receipts: readonly OwnedReceipt[]): Draft {
  const { files, manifest } = computed(world, receipts);
  const file = (name: "contributions.bin" | "invoices.bin" | "rewards.bin") =>
    files.get(name) as Uint8Array;
  return {
    contributions: [...decodeContributions(file("contributions.bin"))],
    invoices: [...decodeInvoices(file("invoices.bin"))],
    rewards: [...decodeRewards(file("rewards.bin"))],
    total: manifest.total,
  };
}

type Fault = (draft: Draft, random: Random, world: WalkWorld) => void;

export const FAULTS = {
  "earned too much": (draft, random, world) => {
    bend(draft.contributions, random, ({ earned }) => ({ earned: earned + 1_000n }));
    sum(draft, world);
  },
  "earned too much, and its line says so": (draft, random, world) => {
    const capped = [...draft.invoices.keys()].filter((i) => isCapped(draft.invoices[i]));
    const i = capped[random(capped.length)] ?? 0;
    const { value, contribution } = draft.invoices[i] as InvoiceLine;
    change(draft.invoices, i, { ceiling: value });
    change(draft.contributions, contribution, { earned: (value * 9_000n) / 10_000n });
    sum(draft, world);
  },
  "earned too much, and it has no line": (draft, random, world) => {
    const [there, gone] = two(draft.invoices, random);
    const { contribution } = draft.invoices[gone] as InvoiceLine;
    const { earned } = draft.contributions[contribution] as ContributionRecord;
    change(draft.contributions, contribution, { earned: earned + 1_000n });
    draft.invoices[gone] = draft.invoices[there] as InvoiceLine;
    draft.invoices.sort(compareLines);
    sum(draft, world);
  },
  "lines of another ceiling": (draft, random, world) => {
    const capped = draft.invoices.filter(isCapped);
    const { customer, ceiling } =
      capped[random(capped.length)] ?? (draft.invoices[0] as InvoiceLine);
    for (const [i, line] of draft.invoices.entries())
      if (line.customer === customer) change(draft.invoices, i, { ceiling: ceiling / 2n });
    sum(draft, world);
  },
  "two that cancel out": (draft, random, world) => {
    const [more, less] = two(draft.contributions, random);
    const of = (i: number) => (draft.contributions[i] as ContributionRecord).earned;
    const by = of(less) < 1_000n ? of(less) : 1_000n;
    change(draft.contributions, more, { earned: of(more) + by });
    change(draft.contributions, less, { earned: of(less) - by });
    sum(draft, world);
  },
  "a forged receipt": (draft, random, world) => {
    const [device, customer] = unservedPair(draft, world, random);
    const { account } = draft.contributions.find(
      ({ receipt }) => receipt.device === device,
    ) as ContributionRecord;
    const { receipt } = draft.contributions[0] as ContributionRecord;
    const signed = signedBy({ ...receipt, device, customer, egressBytes: 5_000n });
    const earned = 4_500n;
    const forged = {
      ...signed,
      customerSignature: signed.deviceSignature,
      account,
      earned,
      subtotal: 0n,
    };
    insert(draft, forged, 5_000n);
    sort(draft, world);
    sum(draft, world);
  },
  "a row there twice": (draft, random, world) => {
    const row = draft.contributions[random(draft.contributions.length)] as ContributionRecord;
    insert(draft, row, row.earned);
    sort(draft, world);
    sum(draft, world);
  },
  "a ceiling too high": (draft, random, world) => {
    const short = draft.invoices.filter(({ above }) => above > 0);
    const { customer } = short[random(short.length)] ?? (draft.invoices[0] as InvoiceLine);
    const ceiling = ((short[0]?.ceiling ?? 1_000n) * 3n) / 2n;
    for (const [i, line] of draft.invoices.entries()) {
      if (line.customer !== customer) continue;
      draft.invoices[i] = { ...line, ceiling };
      const counted = line.value < ceiling ? line.value : ceiling;
      change(draft.contributions, line.contribution, { earned: (counted * 9_000n) / 10_000n });
    }
    sum(draft, world);
  },
  "a line worth more": (draft, random, world) => {
    bend(draft.invoices, random, ({ value }) => ({ value: value + 1n }));
    sum(draft, world);
  },
  "pointers swapped": (draft, random) => {
    const [a, b] = two(draft.invoices, random);
    const [first, second] = [draft.invoices[a], draft.invoices[b]] as [InvoiceLine, InvoiceLine];
    change(draft.invoices, a, { contribution: second.contribution });
    change(draft.invoices, b, { contribution: first.contribution });
  },
  "another first ceiling": (draft, random, world) => {
    const firsts = draft.invoices.flatMap(({ customer }, i) =>
      customer === draft.invoices[i - 1]?.customer ? [] : [i],
    );
    const i = firsts[random(firsts.length)] as number;
    change(draft.invoices, i, { ceiling: (draft.invoices[i] as InvoiceLine).value });
    sum(draft, world);
  },
  "a line in place of another": (draft, random, world) => {
    const [a, b] = two(draft.invoices, random);
    draft.invoices[a] = draft.invoices[b] as InvoiceLine;
    draft.invoices.sort(compareLines);
    sum(draft, world);
  },
  "rows swapped": (draft, random, world) => {
    const [a, b] = two(draft.contributions, random);
    const rows = draft.contributions;
    [rows[a], rows[b]] = [rows[b] as ContributionRecord, rows[a] as ContributionRecord];
    point(draft);
    sum(draft, world);
  },
  "the total moved": (draft) => {
    draft.total += 1n;
  },
  "a subtotal that jumps": (draft, random) => {
    const from = random(draft.contributions.length);
    for (let i = from; i < draft.contributions.length; i++) {
      const { subtotal } = draft.contributions[i] as ContributionRecord;
      change(draft.contributions, i, { subtotal: subtotal + 5n });
    }
    draft.total += 5n;
    bend(draft.rewards, random, ({ cumulative }) => ({ cumulative: cumulative + 5n }));
    prefixes(draft);
  },
  "a leaf raised": (draft, random) => {
    bend(draft.rewards, random, ({ cumulative }) => ({ cumulative: cumulative + 7n }));
    prefixes(draft);
  },
  "a leaf raised, another robbed": (draft, random) => {
    const [raised, robbed] = two(draft.rewards, random);
    const of = (i: number) => (draft.rewards[i] as RewardLeaf).cumulative;
    // One that has nothing cannot be robbed.
    const by = of(robbed) < 7n ? of(robbed) : 7n;
    change(draft.rewards, raised, { cumulative: of(raised) + (by || 1n) });
    change(draft.rewards, robbed, { cumulative: of(robbed) - by });
    prefixes(draft);
  },
  "an invented account": (draft, _random, world) => {
    const { receipt } = draft.contributions[0] as ContributionRecord;
    for (let i = 0; i < 20; i++) {
      const signed = signedBy({ ...receipt, device: named(`invented device ${i}`) });
      insert(draft, { ...signed, account: named("invented"), earned: 100n, subtotal: 0n }, 100n);
    }
    sort(draft, world);
    sum(draft, world);
  },
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof FAULTS;

function change<T>(list: T[], i: number, fields: Partial<T>): void {
  list[i] = { ...(list[i] as T), ...fields };
}

function bend<T>(list: T[], random: Random, to: (row: T) => Partial<T>): void {
  const i = random(list.length);
  change(list, i, to(list[i] as T));
}

function two(list: readonly unknown[], random: Random): [number, number] {
  const a = random(list.length);
  return [a, (a + 1 + random(list.length - 1)) % list.length];
}

function isCapped(line: InvoiceLine | undefined): boolean {
  return line !== undefined && line.value > line.ceiling;
}

function unservedPair(
  { contributions }: Draft,
  { law }: WalkWorld,
  random: Random,
): [Address, Address] {
  const served = new Set(contributions.map(({ receipt }) => receipt.device + receipt.customer));
  const customers = [...law.customers.keys()];
  for (;;) {
    const { receipt } = contributions[random(contributions.length)] as ContributionRecord;
    const customer = customers[random(customers.length)] as Address;
    if (!served.has(receipt.device + customer)) return [receipt.device, customer];
  }
}

/** A contribution, and a line for it that its customer's other lines know of. */
function insert(draft: Draft, row: ContributionRecord, value: bigint): void {
  const { device, customer } = row.receipt;
  const other = draft.invoices.find((line) => line.customer === customer);
  const line = { customer, device, contribution: 0, value, subtotal: 0n, above: 0 };
  draft.contributions.push(row);
  draft.invoices.push({ ...line, ceiling: other?.ceiling ?? 2n ** 96n - 1n });
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareLines(a: InvoiceLine, b: InvoiceLine): number {
  return compareText(a.customer, b.customer) || compareText(a.device, b.device);
}

function point(draft: Draft): void {
  const rows = new Map(
    draft.contributions.map(({ receipt }, i) => [receipt.customer + receipt.device, i]),
  );
  draft.invoices = draft.invoices.map((line) => ({
    ...line,
    contribution: rows.get(line.customer + line.device) ?? line.contribution,
  }));
}

/** All that follows from rows and lines: what a thief computes anew so that nothing but his fault is wrong. */
function sum(draft: Draft, world: WalkWorld): void {
  const { law, previousRewards } = world;
  let subtotal = 0n;
  const earnedBy = new Map<Address, bigint>();
  for (const [i, { earned, account }] of draft.contributions.entries()) {
    subtotal += earned;
    change(draft.contributions, i, { subtotal });
    earnedBy.set(account, (earnedBy.get(account) ?? 0n) + earned);
  }
  let before: InvoiceLine | undefined;
  for (const [i, line] of draft.invoices.entries()) {
    const own = before?.customer === line.customer ? before : undefined;
    const counted = line.value < line.ceiling ? line.value : line.ceiling;
    const above = (own?.above ?? 0) + (line.value > line.ceiling ? 1 : 0);
    before = { ...line, subtotal: (own?.subtotal ?? 0n) + counted, above };
    draft.invoices[i] = before;
  }
  const last = decodeRewards(previousRewards);
  draft.rewards = draft.rewards.map((leaf, i) => ({
    ...leaf,
    cumulative: (last[i]?.cumulative ?? 0n) + (earnedBy.get(leaf.account) ?? 0n),
  }));
  prefixes(draft);
  // Of an account without a leaf nobody knows where it went.
  draft.total = law.lastFinal.total + subtotal;
}

function sort(draft: Draft, { law }: WalkWorld): void {
  const index = ({ account }: ContributionRecord) => indexOf(law, account) ?? 2 ** 32;
  draft.contributions.sort(
    (a, b) =>
      index(a) - index(b) ||
      compareText(a.receipt.device, b.receipt.device) ||
      compareText(a.receipt.customer, b.receipt.customer),
  );
  draft.invoices.sort(compareLines);
  point(draft);
}

function prefixes(draft: Draft): void {
  let prefix = 0n;
  draft.rewards = draft.rewards.map((leaf) => {
    const moved = { ...leaf, prefix };
    prefix += leaf.cumulative;
    return moved;
  });
  draft.total = prefix;
}

/** The draft as a report of hidden tables, before somebody who knows some receipts. */
export function gameOf(world: WalkWorld, draft: Draft, known: readonly OwnedReceipt[]): Game {
  const { law, epoch, previousRewards } = world;
  const files = {
    contributions: concatBytes(...draft.contributions.map(encodeContribution)),
    invoices: encodeInvoices(draft.invoices),
    rewards: encodeRewards(draft.rewards),
  };
  const rootOf = (table: keyof typeof files) => toHex(rootOver(files[table], ROW_BYTES[table]));
  const { root, leaves, total } = law.lastFinal;
  const case_: Case = {
    epoch,
    leaves: draft.rewards.length,
    contributions: draft.contributions.length,
    total: draft.total,
    root: rootOf("rewards"),
    contributionRoot: rootOf("contributions"),
    invoiceRoot: rootOf("invoices"),
    lastRoot: root,
    lastLeaves: leaves,
    lastTotal: total,
  };
  const hidden = {
    contributions: tableOver(files.contributions, ROW_BYTES.contributions),
    invoices: tableOver(files.invoices, ROW_BYTES.invoices),
    rewards: tableOver(files.rewards, ROW_BYTES.rewards),
    lastRewards: tableOver(previousRewards, ROW_BYTES.rewards),
  };
  return {
    case_,
    law,
    signersOfRow: flaggedSigners,
    contributions: gathered(world, known),
    previousRewards,
    hidden,
  };
}

function encodeContribution(record: ContributionRecord): Uint8Array {
  const { account, earned, subtotal } = record;
  return concatBytes(
    packSignedReceipt(record),
    packFields(EARNED_FIELDS, { account, earned, subtotal }),
  );
}
