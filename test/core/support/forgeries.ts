import { type Address, concatBytes } from "@link-rewards/core/encoding/bytes";
import { packFields } from "@link-rewards/core/encoding/fields";
import {
  type ContributionRecord,
  decodeContributions,
  decodeInvoices,
  decodeRewards,
  EARNED_FIELDS,
  encodeInvoices,
  encodeRewards,
  firstRecords,
  type InvoiceLine,
  type RewardLeaf,
  ROW_BYTES,
} from "@link-rewards/core/epoch/records";
import { boundTo, indexOf } from "@link-rewards/core/law/law";
import { lawfulAccount, type VerifiedReceipt } from "@link-rewards/core/law/verify";
import { packSignedReceipt } from "@link-rewards/core/signed/receipt";
import { allAccounts } from "../../worlds/paper.ts";
import { compute, customers, devices, flaggedSigners, MOST, type PlayedEpoch } from "./epochs.ts";
import type { Claim } from "./judging.ts";
import { factsOf, type Tables, tablesOf } from "./statements.ts";

/** Claims that are not what an epoch comes to, as a corrupt quorum could sign them; a few are lawful after all. */

/** Whole numbers below a bound. */
export type Random = (below: number) => number;

export type Draft = {
  contributions: ContributionRecord[];
  invoices: InvoiceLine[];
  rewards: RewardLeaf[];
  /** What the report says, when it is not what the table has. */
  rows: number | undefined;
  total: bigint;
};

type Change = (draft: Draft, random: Random, played: PlayedEpoch) => void;

export type Forgery = { readonly name: string; readonly claim: Claim };

/** One or two faults, and what follows from them made good, or not, or in part. */
export function forge(played: PlayedEpoch, random: Random): Forgery {
  const draft = draftOf(played);
  const names: string[] = [];
  const faults = random(3) === 0 ? 2 : 1;
  for (let i = 0; i < faults; i++) {
    const [name, fault] = oneOf(Object.entries(FAULTS), random);
    fault(draft, random, played);
    names.push(name);
  }
  // Nothing after it made good, or some, or all from some consequence on.
  const repairs = Object.entries(REPAIRS).slice(random(Object.keys(REPAIRS).length));
  const thoroughness = random(3);
  for (const [name, repair] of repairs) {
    if (thoroughness === 0 || (thoroughness === 1 && random(2) === 0)) continue;
    repair(draft, random, played);
    names.push(name);
  }
  return { name: names.join(", "), claim: claimOf(draft) };
}

export function draftOf(played: PlayedEpoch): Draft {
  const { contributions, invoices, rewards } = tablesOf(played);
  return {
    contributions: [...decodeContributions(contributions)],
    invoices: [...decodeInvoices(invoices)],
    rewards: [...decodeRewards(rewards)],
    rows: undefined,
    total: played.computed.manifest.total,
  };
}

/** Makes good what follows, from the named consequence on. */
export function repairFrom(first: keyof typeof REPAIRS, draft: Draft, played: PlayedEpoch): Draft {
  const repairs = Object.entries(REPAIRS);
  const from = repairs.findIndex(([name]) => name === first);
  for (const [, repair] of repairs.slice(from)) repair(draft, () => 1, played);
  return draft;
}

export function claimOf({ contributions, invoices, rewards, rows, total }: Draft): Claim {
  return {
    tables: {
      contributions: concatBytes(...contributions.map(encodeContribution)),
      invoices: encodeInvoices(invoices.map(fitted)),
      rewards: encodeRewards(rewards.map(fitted)),
    },
    contributions: rows ?? contributions.length,
    total: wrapped(total),
  };
}

/** Numbers that a row can hold. */
function fitted<R extends object>(row: R): R {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    typeof value === "bigint" ? wrapped(value) : typeof value === "number" ? value >>> 0 : value,
  ]);
  return Object.fromEntries(entries) as R;
}

function wrapped(value: bigint): bigint {
  return BigInt.asUintN(96, value);
}

function encodeContribution(record: ContributionRecord): Uint8Array {
  const { account, earned, subtotal } = record;
  return concatBytes(
    packSignedReceipt(record),
    packFields(EARNED_FIELDS, fitted({ account, earned, subtotal })),
  );
}

function oneOf<T>(list: readonly T[], random: Random): T {
  return list[random(list.length)] as T;
}

function change<T>(list: T[], i: number, fields: Partial<T>): void {
  if (i < list.length) list[i] = { ...(list[i] as T), ...fields };
}

function aPosition(list: readonly unknown[], random: Random): number {
  return random(Math.max(1, list.length));
}

/** Near another amount, or small, or as large as can be, or anything. */
function anAmount(near: bigint, random: Random): bigint {
  const any = BigInt(random(2 ** 30)) * BigInt(random(2 ** 30)) * BigInt(random(2 ** 30));
  const amounts = [near + 1n, near - 1n, near + BigInt(random(100)), 0n, MOST, any, near / 2n];
  return wrapped(oneOf(amounts, random));
}

function aNumber(near: number, random: Random): number {
  return oneOf([near + 1, Math.max(0, near - 1), 0, 2 ** 32 - 1, random(20)], random);
}

const strangers = ["01", "ff"].map((byte): Address => `0x${byte.repeat(20)}`);

function anAddress(known: readonly Address[], random: Random): Address {
  return oneOf([...known, ...strangers, `0x${"00".repeat(20)}` as Address], random);
}

/** A difference that is taken from one row and given to another. */
function shift<T>(list: T[], random: Random, field: keyof T & string): void {
  const [a, b] = [aPosition(list, random), aPosition(list, random)];
  if (list.length < 2 || a === b) return;
  const by = BigInt(1 + random(3));
  const valueAt = (i: number) => (list[i] as Record<string, bigint>)[field] as bigint;
  change(list, a, { [field]: valueAt(a) + by } as Partial<T>);
  change(list, b, { [field]: valueAt(b) - by } as Partial<T>);
}

function swap<T>(list: T[], random: Random): void {
  const [a, b] = [aPosition(list, random), aPosition(list, random)];
  if (list.length > 0) [list[a], list[b]] = [list[b] as T, list[a] as T];
}

function bendContribution(draft: Draft, random: Random, { law }: PlayedEpoch): void {
  const i = aPosition(draft.contributions, random);
  const record = draft.contributions[i];
  if (record === undefined) return;
  const { receipt } = record;
  const signature = (bytes: Uint8Array) => bytes.map((byte, at) => (at === 0 ? byte + 1 : byte));
  const bent: Partial<ContributionRecord>[] = [
    { receipt: { ...receipt, device: anAddress(devices, random) } },
    { receipt: { ...receipt, customer: anAddress(customers, random) } },
    { receipt: { ...receipt, epoch: aNumber(receipt.epoch, random) } },
    { receipt: { ...receipt, sequence: aNumber(0, random) } },
    {
      receipt: {
        ...receipt,
        egressBytes: BigInt.asUintN(64, anAmount(receipt.egressBytes, random)),
        computeMilliseconds: BigInt.asUintN(64, anAmount(receipt.computeMilliseconds, random)),
      },
    },
    {
      receipt: { ...receipt, storageByteSeconds: anAmount(receipt.storageByteSeconds, random) },
    },
    { customerSignature: signature(record.customerSignature) },
    { deviceSignature: signature(record.deviceSignature) },
    { account: anAddress(allAccounts(law), random) },
    { earned: anAmount(record.earned, random) },
    { subtotal: anAmount(record.subtotal, random) },
  ];
  change(draft.contributions, i, oneOf(bent, random));
}

function bendLine(draft: Draft, random: Random): void {
  const i = aPosition(draft.invoices, random);
  const line = draft.invoices[i];
  if (line === undefined) return;
  const bent: Partial<InvoiceLine>[] = [
    { customer: anAddress(customers, random) },
    { device: anAddress(devices, random) },
    { contribution: aNumber(line.contribution, random) },
    { value: anAmount(line.value, random) },
    { ceiling: anAmount(line.ceiling, random) },
    { subtotal: anAmount(line.subtotal, random) },
    { above: aNumber(line.above, random) },
  ];
  change(draft.invoices, i, oneOf(bent, random));
}

function bendLeaf(draft: Draft, random: Random, { law }: PlayedEpoch): void {
  const i = aPosition(draft.rewards, random);
  const leaf = draft.rewards[i];
  if (leaf === undefined) return;
  const bent: Partial<RewardLeaf>[] = [
    { account: anAddress(allAccounts(law), random) },
    { cumulative: anAmount(leaf.cumulative, random) },
    { prefix: anAmount(leaf.prefix, random) },
  ];
  change(draft.rewards, i, oneOf(bent, random));
}

/** The contribution of a device that did not serve, or that may not: with a line of its own. */
function forgeRow(draft: Draft, random: Random, played: PlayedEpoch): void {
  const { law, epoch } = played;
  const flags = { customerSignature: 1, deviceSignature: 2 };
  const record: ContributionRecord = {
    receipt: {
      device: anAddress(devices, random),
      customer: anAddress(customers, random),
      epoch,
      sequence: 1 + random(3),
      egressBytes: BigInt(random(10)),
      storageByteSeconds: BigInt(random(10)),
      computeMilliseconds: BigInt(random(10)),
    },
    customerSignature: new Uint8Array(64).fill(flags.customerSignature + (random(3) === 0 ? 1 : 0)),
    deviceSignature: new Uint8Array(64).fill(flags.deviceSignature + (random(3) === 0 ? 1 : 0)),
    account: anAddress(allAccounts(law), random),
    earned: BigInt(random(10)),
    subtotal: 0n,
  };
  const owner = boundTo(law, record.receipt.device, Number.MAX_SAFE_INTEGER);
  const account = random(4) > 0 && owner !== undefined ? owner : record.account;
  draft.contributions.push({ ...record, account });
  draft.invoices.push(lineOf(record, draft.contributions.length - 1));
  sortRows(draft, played);
}

function lineOf({ receipt }: ContributionRecord, contribution: number): InvoiceLine {
  const { customer, device } = receipt;
  return { customer, device, contribution, value: 0n, ceiling: MOST, subtotal: 0n, above: 0 };
}

/** In the order in which rows must stand, as far as their accounts are known. */
function sortRows(draft: Draft, played: PlayedEpoch): void {
  const index = ({ account }: ContributionRecord) =>
    indexOf(played.law, account) ?? Number.MAX_SAFE_INTEGER;
  const place = (record: ContributionRecord) => record.receipt.device + record.receipt.customer;
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  draft.contributions.sort((a, b) => index(a) - index(b) || compare(place(a), place(b)));
  draft.invoices.sort((a, b) => compare(a.customer + a.device, b.customer + b.device));
  point(draft);
}

function point(draft: Draft): void {
  draft.invoices = draft.invoices.map((line) => {
    const contribution = draft.contributions.findIndex(
      ({ receipt }) => receipt.device === line.device && receipt.customer === line.customer,
    );
    return contribution < 0 ? line : { ...line, contribution };
  });
}

const ZERO_LEAF: RewardLeaf = { account: `0x${"00".repeat(20)}`, cumulative: 0n, prefix: 0n };

const FAULTS: Readonly<Record<string, Change>> = {
  "a contribution bent": bendContribution,
  "a line bent": bendLine,
  "a leaf bent": bendLeaf,
  "the total moved": (draft, random) => {
    draft.total = anAmount(draft.total, random);
  },
  "the number of rows moved": (draft, random) => {
    draft.rows = Math.max(0, draft.contributions.length + oneOf([-1, 1, 2], random));
  },
  "earned that cancels out": (draft, random) => shift(draft.contributions, random, "earned"),
  "subtotals that cancel out": (draft, random) => shift(draft.contributions, random, "subtotal"),
  "values that cancel out": (draft, random) => shift(draft.invoices, random, "value"),
  "lines' subtotals that cancel out": (draft, random) => shift(draft.invoices, random, "subtotal"),
  "cumulatives that cancel out": (draft, random) => shift(draft.rewards, random, "cumulative"),
  "prefixes that cancel out": (draft, random) => shift(draft.rewards, random, "prefix"),
  "pointers swapped": (draft, random) => {
    const [a, b] = [aPosition(draft.invoices, random), aPosition(draft.invoices, random)];
    const [first, second] = [draft.invoices[a], draft.invoices[b]];
    if (first === undefined || second === undefined) return;
    change(draft.invoices, a, { contribution: second.contribution });
    change(draft.invoices, b, { contribution: first.contribution });
  },
  "all pointers turned": (draft) => {
    const count = draft.invoices.length;
    draft.invoices = draft.invoices.map((line) => ({
      ...line,
      contribution: (line.contribution + 1) % Math.max(1, count),
    }));
  },
  "a row forged": forgeRow,
  "a row there twice": (draft, random, played) => {
    const i = aPosition(draft.contributions, random);
    const record = draft.contributions[i];
    if (record === undefined) return;
    draft.contributions.splice(i, 0, record);
    draft.invoices.push(lineOf(record, i));
    sortRows(draft, played);
  },
  "a line in place of another": (draft, random) => {
    const [a, b] = [aPosition(draft.invoices, random), aPosition(draft.invoices, random)];
    const line = draft.invoices[b];
    if (line !== undefined) change(draft.invoices, a, line);
  },
  "a contribution in place of another": (draft, random) => {
    const [a, b] = [aPosition(draft.contributions, random), aPosition(draft.contributions, random)];
    const record = draft.contributions[b];
    if (record !== undefined) change(draft.contributions, a, record);
  },
  "a row dropped": (draft, random, played) => {
    const [dropped] = draft.contributions.splice(aPosition(draft.contributions, random), 1);
    const isOf = (line: InvoiceLine) =>
      line.device === dropped?.receipt.device && line.customer === dropped.receipt.customer;
    draft.invoices = draft.invoices.filter((line) => !isOf(line));
    sortRows(draft, played);
  },
  "a line dropped": (draft, random) => {
    draft.invoices.splice(aPosition(draft.invoices, random), 1);
  },
  "a leaf dropped": (draft, random) => {
    draft.rewards.splice(aPosition(draft.rewards, random), 1);
  },
  "contributions reordered": (draft, random) => {
    swap(draft.contributions, random);
    if (random(2) === 0) point(draft);
  },
  "lines reordered": (draft, random) => swap(draft.invoices, random),
  "leaves reordered": (draft, random) => swap(draft.rewards, random),
  "another ceiling": (draft, random) => {
    const line = draft.invoices[aPosition(draft.invoices, random)];
    if (line === undefined) return;
    const ceiling = anAmount(line.ceiling, random);
    draft.invoices = draft.invoices.map((each) =>
      each.customer === line.customer ? { ...each, ceiling } : each,
    );
  },
  "a gap in the rewards": (draft, random) => {
    const from = aPosition(draft.rewards, random);
    const by = BigInt(1 + random(3));
    draft.rewards = draft.rewards.map((leaf, i) =>
      i < from ? leaf : { ...leaf, prefix: leaf.prefix + by },
    );
    if (random(2) === 0) draft.total += by;
  },
  "another account's row": (draft, random, { law }) => {
    const account = oneOf(allAccounts(law), random);
    change(draft.contributions, aPosition(draft.contributions, random), { account });
  },
  "an account robbed for another": (draft, random) => {
    const [a, b] = [aPosition(draft.rewards, random), aPosition(draft.rewards, random)];
    const [from, to] = [draft.rewards[a], draft.rewards[b]];
    if (from === undefined || to === undefined || a === b) return;
    change(draft.rewards, a, { cumulative: 0n });
    change(draft.rewards, b, { cumulative: to.cumulative + from.cumulative });
    prefixes(draft);
  },
  "an empty leaf": (draft, random) => {
    if (draft.rewards.length > 0) draft.rewards[aPosition(draft.rewards, random)] = ZERO_LEAF;
  },
};

function prefixes(draft: Draft): void {
  let prefix = 0n;
  draft.rewards = draft.rewards.map((leaf) => {
    const moved = { ...leaf, prefix };
    prefix += leaf.cumulative;
    return moved;
  });
}

/** What follows from what, in the order in which an epoch is computed. */
const REPAIRS = {
  "rows sorted": (draft, _, played) => sortRows(draft, played),
  "lines priced": (draft, _, played) => {
    const { tariff } = factsOf(played);
    draft.invoices = draft.invoices.map((line) => {
      const receipt = draft.contributions[line.contribution]?.receipt;
      if (receipt === undefined) return line;
      const { egressBytes, storageByteSeconds, computeMilliseconds } = receipt;
      const sum =
        egressBytes * tariff.egressPrice +
        storageByteSeconds * tariff.storagePrice +
        computeMilliseconds * tariff.computePrice;
      const value = sum / 10n ** 12n;
      return { ...line, value: value > MOST ? MOST : value };
    });
  },
  "ceilings found": (draft, _, played) => {
    const { paid } = factsOf(played);
    for (const customer of new Set(draft.invoices.map((line) => line.customer))) {
      const values = draft.invoices
        .filter((line) => line.customer === customer)
        .map(({ value }) => value);
      const ceiling = greatestCeiling(values, paid(customer));
      draft.invoices = draft.invoices.map((line) =>
        line.customer === customer ? { ...line, ceiling } : line,
      );
    }
  },
  "lines summed": (draft) => {
    let before: InvoiceLine | undefined;
    draft.invoices = draft.invoices.map((line) => {
      const own = before?.customer === line.customer ? before : undefined;
      const counted = line.value < line.ceiling ? line.value : line.ceiling;
      const above = (own?.above ?? 0) + (line.value > line.ceiling ? 1 : 0);
      before = { ...line, subtotal: wrapped((own?.subtotal ?? 0n) + counted), above };
      return before;
    });
  },
  "earned found": (draft, _, played) => {
    const { tariff } = factsOf(played);
    for (const { contribution, value, ceiling } of draft.invoices) {
      const counted = value < ceiling ? value : ceiling;
      const earned = (counted * BigInt(10_000 - tariff.feeBps)) / 10_000n;
      change(draft.contributions, contribution, { earned });
    }
  },
  "contributions summed": (draft) => {
    let subtotal = 0n;
    draft.contributions = draft.contributions.map((record) => {
      subtotal += record.earned;
      return { ...record, subtotal };
    });
  },
  "rewards found": (draft, _, played) => {
    const old = decodeRewards(played.previousRewards);
    draft.rewards = draft.rewards.map((leaf, x) => {
      const earned = draft.contributions
        .filter(({ account }) => account === leaf.account)
        .reduce((sum, record) => sum + record.earned, 0n);
      return { ...leaf, cumulative: (old[x]?.cumulative ?? 0n) + earned };
    });
    prefixes(draft);
  },
  "the total found": (draft, random, played) => {
    const last = draft.rewards.at(-1);
    const { lastTotal } = factsOf(played);
    draft.total =
      random(2) === 0 && last !== undefined
        ? last.prefix + last.cumulative
        : lastTotal + (draft.contributions.at(-1)?.subtotal ?? 0n);
  },
} as const satisfies Record<string, Change>;

/** By trying: shares no thought with who computes it. */
function greatestCeiling(values: readonly bigint[], paid: bigint): bigint {
  const covered = (ceiling: bigint) =>
    values.reduce((sum, value) => sum + (value < ceiling ? value : ceiling), 0n) <= paid;
  if (covered(MOST)) return MOST;
  let [low, high] = [0n, MOST];
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (covered(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** Whether the claim is what its own receipts come to: those rows, that total, computed anew. */
export function isLawfulClaim(played: PlayedEpoch, claim: Claim): boolean {
  if (!areReceiptsLawful(played, claim)) return false;
  const { law, epoch, previousRewards } = played;
  const cut = (table: keyof Tables, rows: number) =>
    firstRecords(claim.tables[table], ROW_BYTES[table], rows);
  const contributions = receiptsOf(claim) as unknown as readonly VerifiedReceipt[];
  const keys = new Set(contributions.map(({ receipt }) => receipt.device + receipt.customer));
  if (keys.size !== claim.contributions) return false;
  const computed = compute({ law, epoch, contributions, previousRewards });
  const lawful = tablesOf({ computed } as PlayedEpoch);
  return (
    claim.total === computed.manifest.total &&
    sameBytes(cut("contributions", claim.contributions), lawful.contributions) &&
    sameBytes(cut("invoices", claim.contributions), lawful.invoices) &&
    sameBytes(cut("rewards", computed.manifest.leaves), lawful.rewards)
  );
}

/** Whether each receipt counts by the law and is its account's. */
export function areReceiptsLawful({ law, epoch }: PlayedEpoch, claim: Claim): boolean {
  return receiptsOf(claim).every((record) => {
    const { receipt, account } = record;
    const { customer, device } = flaggedSigners(encodeContribution(record));
    const isSigned = customer !== undefined && device !== undefined;
    return receipt.epoch === epoch && lawfulAccount(receipt, law) === account && isSigned;
  });
}

/** Of the rows that a report counts: what a file has beyond them is under no root. */
function receiptsOf({ tables, contributions }: Claim): readonly ContributionRecord[] {
  return decodeContributions(
    firstRecords(tables.contributions, ROW_BYTES.contributions, contributions),
  );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
