import { concatBytes, type Hex, toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { packFields, type StructOf } from "@link-rewards/core/encoding/fields";
import {
  buildTree,
  HASH_BYTES,
  hashRecords,
  proofOf,
  rootOf,
} from "@link-rewards/core/encoding/tree";
import {
  type ContributionRecord,
  EARNED_FIELDS,
  encodeInvoices,
  encodeRewards,
  type InvoiceLine,
  type RewardLeaf,
  ROW_BYTES,
} from "@link-rewards/core/epoch/records";
import { countedOf, sumOf } from "@link-rewards/core/epoch/value";
import type { Case } from "@link-rewards/core/judge/case";
import type { JudgedTable } from "@link-rewards/core/judge/evidence";
import type { TableFiles } from "@link-rewards/core/judge/tables";
import { packSignedReceipt } from "@link-rewards/core/signed/receipt";

/** The three tables of an epoch, row by row, and what they build on: to be bent, and judged. */
export type Tables = {
  readonly epoch: number;
  readonly contributions: readonly ContributionRecord[];
  readonly invoices: readonly InvoiceLine[];
  readonly rewards: readonly RewardLeaf[];
  readonly lastRewards: readonly RewardLeaf[];
  readonly total: bigint;
  readonly lastTotal: bigint;
  /** Where the zero hash stands in place of a row, which is zeros. */
  readonly holes?: readonly Place[];
};

export type TableName = "contributions" | "invoices" | "rewards";
export type RowOf = {
  readonly contributions: ContributionRecord;
  readonly invoices: InvoiceLine;
  readonly rewards: RewardLeaf;
};
type Place = readonly [table: JudgedTable, position: number];

export const MOST = 2n ** 96n - 1n;
export const NOBODY: Hex = `0x${"00".repeat(20)}`;
/** After every other address. */
export const LAST_ADDRESS: Hex = `0x${"ff".repeat(20)}`;

export function rowOf<T extends TableName>(tables: Tables, table: T, position: number): RowOf[T] {
  const row = tables[table].at(position);
  if (row === undefined) throw new RangeError(`no row ${position} in ${table}`);
  return row as RowOf[T];
}

/** One row changed, nothing else. A negative position counts from the end. */
export function bend<T extends TableName>(
  tables: Tables,
  table: T,
  position: number,
  change: Partial<RowOf[T]>,
): Tables {
  const rows: readonly object[] = tables[table];
  const at = position < 0 ? rows.length + position : position;
  return { ...tables, [table]: rows.with(at, { ...rows[at], ...change }) };
}

export function bendReceipt(
  tables: Tables,
  position: number,
  change: Partial<ContributionRecord["receipt"]>,
): Tables {
  const { receipt } = rowOf(tables, "contributions", position);
  return bend(tables, "contributions", position, { receipt: { ...receipt, ...change } });
}

/** The rows of a table in another order, some of them twice, or without some. */
export function arrange(tables: Tables, table: TableName, positions: readonly number[]): Tables {
  const rows = tables[table];
  return { ...tables, [table]: positions.map((position) => rows[position]) };
}

/** The zero hash in place of a row. */
export function empty(tables: Tables, table: TableName, position: number): Tables {
  const { holes = [] } = tables;
  return {
    ...bend(tables, table, position, ZERO_ROWS[table]),
    holes: [...holes, [table, position]],
  };
}

const ZERO_ROWS: { readonly [table in TableName]: RowOf[table] } = {
  contributions: {
    receipt: {
      device: NOBODY,
      customer: NOBODY,
      epoch: 0,
      sequence: 0,
      egressBytes: 0n,
      storageByteSeconds: 0n,
      computeMilliseconds: 0n,
    },
    customerSignature: new Uint8Array(64),
    deviceSignature: new Uint8Array(64),
    account: NOBODY,
    earned: 0n,
    subtotal: 0n,
  },
  invoices: {
    customer: NOBODY,
    device: NOBODY,
    contribution: 0,
    value: 0n,
    ceiling: 0n,
    subtotal: 0n,
    above: 0,
  },
  rewards: { account: NOBODY, cumulative: 0n, prefix: 0n },
};

/** All running sums and the total as they follow from what each row says beside them. */
export function summed(tables: Tables): Tables {
  const contributions = summedContributions(tables.contributions);
  const rewards = summedRewards(tables.rewards);
  const invoices = summedInvoices(tables.invoices);
  return { ...tables, contributions, invoices, rewards, total: sumOf(cumulatives(rewards)) };
}

export function cumulatives(leaves: readonly RewardLeaf[]): readonly bigint[] {
  return leaves.map(({ cumulative }) => cumulative);
}

function summedContributions(rows: readonly ContributionRecord[]): readonly ContributionRecord[] {
  let subtotal = 0n;
  return rows.map((row) => {
    subtotal += row.earned;
    return { ...row, subtotal };
  });
}

function summedInvoices(lines: readonly InvoiceLine[]): readonly InvoiceLine[] {
  let last: InvoiceLine | undefined;
  return lines.map((line) => {
    const before = last?.customer === line.customer ? last : { subtotal: 0n, above: 0 };
    const subtotal = before.subtotal + countedOf(line.value, line.ceiling);
    last = { ...line, subtotal, above: before.above + (line.value > line.ceiling ? 1 : 0) };
    return last;
  });
}

function summedRewards(leaves: readonly RewardLeaf[]): readonly RewardLeaf[] {
  let prefix = 0n;
  return leaves.map((leaf) => {
    const moved = { ...leaf, prefix };
    prefix += leaf.cumulative;
    return moved;
  });
}

/** What {IRewardDistributor.claim} asks for. */
export function claimFrom(tables: Tables, index: number) {
  const { rewards } = filesOf(tables);
  const tree = buildTree(hashRecords(rewards, ROW_BYTES.rewards));
  const proof = proofOf(tree, index).map(toHex);
  return { epoch: tables.epoch, index, ...rowOf(tables, "rewards", index), proof };
}

export function filesOf({ contributions, invoices, rewards, lastRewards }: Tables) {
  return {
    contributions: concatBytes(...contributions.map(packContribution)),
    invoices: encodeInvoices(invoices),
    rewards: encodeRewards(rewards),
    lastRewards: encodeRewards(lastRewards),
  } satisfies TableFiles;
}

export function packContribution(row: ContributionRecord): Uint8Array {
  const earned: StructOf<typeof EARNED_FIELDS> = row;
  return concatBytes(packSignedReceipt(row), packFields(EARNED_FIELDS, earned));
}

export function caseOf(tables: Tables): Case {
  const files = filesOf(tables);
  const root = (table: JudgedTable) => {
    const holes = (tables.holes ?? []).filter(([name]) => name === table);
    return rootOfRows(
      files[table],
      ROW_BYTES[table === "lastRewards" ? "rewards" : table],
      holes.map(([, position]) => position),
    );
  };
  return {
    epoch: tables.epoch,
    leaves: tables.rewards.length,
    contributions: tables.contributions.length,
    total: tables.total,
    root: root("rewards"),
    contributionRoot: root("contributions"),
    invoiceRoot: root("invoices"),
    lastRoot: root("lastRewards"),
    lastLeaves: tables.lastRewards.length,
    lastTotal: tables.lastTotal,
  };
}

function rootOfRows(file: Uint8Array, rowBytes: number, holes: readonly number[]): Hex {
  if (file.length === 0) return ZERO_HASH;
  const hashes = hashRecords(file, rowBytes);
  for (const hole of holes) hashes.fill(0, hole * HASH_BYTES, (hole + 1) * HASH_BYTES);
  return toHex(rootOf(buildTree(hashes)));
}
