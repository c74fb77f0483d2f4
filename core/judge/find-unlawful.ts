import { type Hex, toHex } from "../encoding/bytes.ts";
import { NO_PUBLIC_KEY } from "../encoding/p256.ts";
import { proofOf } from "../encoding/tree.ts";
import type { Table } from "../epoch/records.ts";
import type { Case } from "./case.ts";
import { contributedIn, contribution } from "./contribution.ts";
import { contributionOrder, indexIn, isOfOneAccount } from "./contribution-order.ts";
import { IS_EMPTY } from "./empty-leaf.ts";
import type { Evidence, JudgedTable, Opening, ProofName } from "./evidence.ts";
import { invoiceOrder } from "./invoice-order.ts";
import type { JudgeLaw } from "./judge-law.ts";
import { type Hearing, type JudgeContext, objectionTo } from "./objections.ts";
import { NAMES_NONE, namesNone, pair } from "./pair.ts";
import { rewardBoundary } from "./reward-boundary.ts";
import { rewardOrder } from "./reward-order.ts";
import { addressIn, CONTRIBUTION, LINE, type Neighbours, numberIn } from "./rows.ts";
import type { OpenTable, OpenTables } from "./tables.ts";

/** One of the judge's questions about tables: a row, or a boundary before a row for the proofs of an order. */
export type Question = {
  readonly proof: ProofName;
  readonly table: Table;
  readonly position: number;
};

export type Unlawful = {
  readonly proof: ProofName;
  readonly table: Table;
  readonly row: number;
  /** What is said against the row. */
  readonly says: string;
  readonly evidence: Evidence;
};

type Found = Question & { readonly says: string };

/**
 * All proofs over all rows of the tables that are open, in the order in which an epoch is computed: the first that
 * convicts. A proof that needs a row of a table that is not open is left out.
 */
export function findUnlawful(
  case_: Case,
  tables: OpenTables,
  context: JudgeContext,
): Unlawful | undefined {
  const found = firstFound(tables, { ...context, case_ });
  if (found === undefined) return undefined;
  const { proof, table, position, says } = found;
  const last = (tables[table]?.rows ?? 0) - 1;
  return {
    proof,
    table,
    row: Math.min(position, last),
    says,
    evidence: evidenceFor(found, case_, tables, context.law),
  };
}

function firstFound(tables: OpenTables, hearing: Hearing): Found | undefined {
  return (
    findEmptyLeaf(tables) ??
    findInContributions(tables, hearing) ??
    findInInvoices(tables, hearing) ??
    findInRewards(tables, hearing)
  );
}

const TABLES = ["contributions", "invoices", "rewards"] as const satisfies readonly Table[];

function findEmptyLeaf(tables: OpenTables): Found | undefined {
  for (const table of TABLES) {
    const position = tables[table]?.emptyAt;
    if (position !== undefined) return { proof: "empty-leaf", table, position, says: IS_EMPTY };
  }
  return undefined;
}

function findInContributions({ contributions }: OpenTables, hearing: Hearing): Found | undefined {
  if (contributions === undefined || contributions.rows === 0) return undefined;
  const table = "contributions";
  for (let position = 0; position <= contributions.rows; position++) {
    const neighbours = neighboursAt(contributions, position);
    const row = neighbours.after;
    if (row !== undefined) {
      const says = objectionTo(contribution, contributedIn(row, position, hearing), hearing);
      if (says !== undefined) return { proof: "contribution", table, position, says };
    }
    const says = objectionTo(contributionOrder, neighbours, hearing);
    if (says !== undefined) return { proof: "contribution-order", table, position, says };
  }
  return undefined;
}

function findInInvoices(
  { invoices, contributions }: OpenTables,
  hearing: Hearing,
): Found | undefined {
  if (invoices === undefined || invoices.rows === 0) return undefined;
  const table = "invoices";
  for (let position = 0; position <= invoices.rows; position++) {
    const neighbours = neighboursAt(invoices, position);
    const line = neighbours.after;
    if (line !== undefined) {
      const says = objectionToPair(line, contributions, hearing);
      if (says !== undefined) return { proof: "pair", table, position, says };
    }
    const says = objectionTo(invoiceOrder, neighbours, hearing);
    if (says !== undefined) return { proof: "invoice-order", table, position, says };
  }
  return undefined;
}

function objectionToPair(
  line: Uint8Array,
  contributions: OpenTable | undefined,
  hearing: Hearing,
): string | undefined {
  if (namesNone(line, hearing.case_.contributions)) return NAMES_NONE;
  if (contributions === undefined) return undefined;
  const named = contributions.rowAt(numberIn(line, LINE.contribution));
  return objectionTo(pair, { line, contribution: named }, hearing);
}

function findInRewards(tables: OpenTables, hearing: Hearing): Found | undefined {
  const { rewards, lastRewards, contributions } = tables;
  if (rewards === undefined || rewards.rows === 0) return undefined;
  const table = "rewards";
  const boundaries = contributions && boundariesIn(contributions, hearing.law);
  for (let position = 0; position <= rewards.rows; position++) {
    const neighbours = neighboursAt(rewards, position);
    const says = objectionTo(rewardOrder, { ...neighbours, boundary: position }, hearing);
    if (says !== undefined) return { proof: "reward-order", table, position, says };
    const leaf = neighbours.after;
    const isOld = position < hearing.case_.lastLeaves;
    if (leaf === undefined || boundaries === undefined || (isOld && !lastRewards)) continue;
    const lastLeaf = isOld ? lastRewards?.rowAt(position) : undefined;
    const { before } = neighboursAt(contributions as OpenTable, boundaries(position));
    const objection = objectionTo(rewardBoundary, { leaf, lastLeaf, before }, hearing);
    if (objection !== undefined)
      return { proof: "reward-boundary", table, position, says: objection };
  }
  return undefined;
}

function neighboursAt({ rows, rowAt }: OpenTable, boundary: number): Neighbours {
  return {
    before: boundary > 0 ? rowAt(boundary - 1) : undefined,
    after: boundary < rows ? rowAt(boundary) : undefined,
  };
}

/** Where the contributions of accounts before `index` end, for indexes that are asked for in ascending order. */
function boundariesIn({ rows, rowAt }: OpenTable, law: JudgeLaw): (index: number) => number {
  let boundary = 0;
  let next = rows > 0 ? indexIn(rowAt(0), law) : 0;
  const advance = () => {
    const [before, after] = [rowAt(boundary), rowAt(boundary + 1)];
    boundary += 1;
    if (boundary < rows && !isOfOneAccount(before, after)) next = indexIn(after, law);
  };
  return (index) => {
    while (boundary < rows && next < index) advance();
    return boundary;
  };
}

/** What the contract wants to see for a question. Throws when a table it needs is not open. */
export function evidenceFor(
  { proof, table, position }: Question,
  case_: Case,
  tables: OpenTables,
  law: JudgeLaw,
): Evidence {
  const shown = (openings: readonly Opening[], more: Partial<Evidence> = {}): Evidence => ({
    proof,
    position: 0,
    openings,
    publicKey: NO_PUBLIC_KEY,
    ...more,
  });
  switch (proof) {
    case "contribution": {
      const device = addressIn(open(tables, table).rowAt(position), CONTRIBUTION.device);
      const publicKey = law.publicKeyOf(device);
      return shown(openingsOf(tables, "contributions", [position]), { publicKey });
    }
    case "pair": {
      const line = open(tables, "invoices").rowAt(position);
      const named = namesNone(line, case_.contributions) ? [] : [numberIn(line, LINE.contribution)];
      return shown([
        ...openingsOf(tables, "invoices", [position]),
        ...openingsOf(tables, "contributions", named),
      ]);
    }
    case "contribution-order":
    case "invoice-order":
    case "reward-order":
      return shown(openingsAround(tables, table, position), { position });
    case "reward-boundary": {
      const contributions = open(tables, "contributions");
      const boundary = boundariesIn(contributions, law)(position);
      return shown(
        [
          ...openingsOf(tables, "rewards", [position]),
          ...openingsOf(tables, "lastRewards", position < case_.lastLeaves ? [position] : []),
          ...openingsAround(tables, "contributions", boundary),
        ],
        { position: boundary },
      );
    }
    case "empty-leaf":
      return shown(openingsOf(tables, table, [position]).map((each) => ({ ...each, row: "0x" })));
  }
}

function open(tables: OpenTables, table: JudgedTable): OpenTable {
  const opened = tables[table];
  if (opened === undefined) throw new Error(`the ${table} do not lead to their root`);
  return opened;
}

/** The rows on both sides of a boundary. */
function openingsAround(
  tables: OpenTables,
  table: JudgedTable,
  boundary: number,
): readonly Opening[] {
  const { rows } = open(tables, table);
  const positions = [boundary - 1, boundary].filter((at) => at >= 0 && at < rows);
  return openingsOf(tables, table, positions);
}

function openingsOf(
  tables: OpenTables,
  table: JudgedTable,
  positions: readonly number[],
): readonly Opening[] {
  if (positions.length === 0) return [];
  const { rowAt, tree } = open(tables, table);
  const built = tree();
  return positions.map((position) => ({
    table,
    position,
    row: toHex(rowAt(position)),
    proof: proofOf(built, position).map(toHex) as readonly Hex[],
  }));
}
