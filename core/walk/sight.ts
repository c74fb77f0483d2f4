import { fromHex, type Hex, toHex, ZERO_HASH } from "../encoding/bytes.ts";
import {
  buildTree,
  depthOf,
  HASH_BYTES,
  hashRecords,
  levelsFrom,
  proofOf,
  siblings,
  type Tree,
} from "../encoding/tree.ts";
import { PAGE_LEVELS, PAGE_RECORDS, ROW_BYTES, recordAt, type Table } from "../epoch/records.ts";
import type { DemandNode } from "../judge/answer.ts";
import { type Case, type TableTerms, termsOf } from "../judge/case.ts";
import type { JudgedTable } from "../judge/evidence.ts";
import type { Row } from "../judge/rows.ts";
import type { OpenTable, OpenTables } from "../judge/tables.ts";

/**
 * What was shown of a report on chain. That a row or a page leads to its root was checked there; what it says is not
 * true for that.
 */
export type Shown = {
  readonly rows: readonly {
    readonly node: DemandNode;
    readonly row: Hex;
    readonly proof: readonly Hex[];
  }[];
  readonly pages: readonly { readonly node: DemandNode; readonly hashes: readonly Hex[] }[];
};

/** What is known of one table: all of it, or what was shown. */
export type Sight = {
  readonly rows: number;
  /** The positions of rows that were shown, ascending. */
  readonly shown: readonly number[];
  readonly rowAt: (position: number) => Row | undefined;
  /** The siblings from the leaf's level upwards, as far as rows and pages tell them. */
  readonly proofAt: (position: number) => readonly Hex[] | undefined;
  /** At a level that is a multiple of 8. */
  readonly nodeAt: (level: number, position: number) => Uint8Array | undefined;
  /** A position where the zero hash stands in place of a row. */
  readonly emptyAt: number | undefined;
};

export type Sights = { readonly [table in JudgedTable]: Sight };

export function sightsOf(
  case_: Case,
  tables: OpenTables,
  previousRewards: Uint8Array,
  shown: Shown,
): Sights {
  const sightOf = (table: Table): Sight => {
    const open = tables[table];
    return open === undefined ? hiddenSight(table, termsOf(case_, table), shown) : openSight(open);
  };
  return {
    contributions: sightOf("contributions"),
    invoices: sightOf("invoices"),
    rewards: sightOf("rewards"),
    lastRewards: openSight(tableOver(previousRewards, ROW_BYTES.rewards)),
  };
}

/** A file as the table that it is by itself. */
export function tableOver(file: Uint8Array, rowBytes: number): OpenTable {
  const rows = file.length / rowBytes;
  let built: Tree | undefined;
  return {
    rows,
    leaves: rows,
    rowAt: (position) => recordAt(file, rowBytes, position),
    emptyAt: undefined,
    tree() {
      built ??= buildTree(hashRecords(file, rowBytes));
      return built;
    },
  };
}

/** A table that is public, or known for another reason. */
export function openSight({ rows, rowAt, emptyAt, tree }: OpenTable): Sight {
  let built: Tree | undefined;
  const nodes = () => {
    built ??= tree();
    return built;
  };
  return {
    rows,
    shown: Array.from({ length: rows }, (_, position) => position),
    rowAt: (position) => (position >= 0 && position < rows ? rowAt(position) : undefined),
    proofAt: (position) => proofOf(nodes(), position).map(toHex),
    nodeAt: (level, position) => hashAt(nodes().levels[Math.min(level, depthOf(rows))], position),
    emptyAt,
  };
}

/** A table of which only what was demanded is known. */
function hiddenSight(table: Table, { root, rows }: TableTerms, shown: Shown): Sight {
  const openings = new Map(
    shown.rows
      .filter(({ node }) => node.table === table)
      .map(({ node, row, proof }) => [node.position, { row: fromHex(row), proof }]),
  );
  const pages = new Map(
    shown.pages
      .filter(({ node }) => node.table === table)
      .map(({ node, hashes }) => [
        nameOf(node.level, node.position),
        fromHex(`0x${hashes.map((hash) => hash.slice(2)).join("")}`),
      ]),
  );
  const pageOver = (level: number, position: number) =>
    pages.get(nameOf(level + PAGE_LEVELS, Math.floor(position / PAGE_RECORDS)));
  const depth = depthOf(rows);
  return {
    rows,
    shown: [...openings.keys()].sort((a, b) => a - b),
    rowAt: (position) => openings.get(position)?.row,
    proofAt(position) {
      const known = openings.get(position)?.proof;
      if (known !== undefined) return known;
      const proof: Hex[] = [];
      for (let level = 0; level < depth; level += PAGE_LEVELS) {
        const above = Math.floor(position / 2 ** level);
        const page = pageOver(level, above);
        if (page === undefined) return undefined;
        const levels = levelsFrom(page, level, Math.min(PAGE_LEVELS, depth - level));
        proof.push(...siblings(levels, level, above % PAGE_RECORDS).map(toHex));
      }
      return proof;
    },
    nodeAt: (level, position) =>
      level >= depth ? fromHex(root) : hashAt(pageOver(level, position), position % PAGE_RECORDS),
    emptyAt: emptyIn(table, rows, shown),
  };
}

function emptyIn(table: Table, rows: number, { pages }: Shown): number | undefined {
  for (const { node, hashes } of pages) {
    if (node.table !== table || node.level !== PAGE_LEVELS) continue;
    const empty = node.position * PAGE_RECORDS + hashes.indexOf(ZERO_HASH);
    if (hashes.includes(ZERO_HASH) && empty < rows) return empty;
  }
  return undefined;
}

function nameOf(level: number, position: number): string {
  return `${level}/${position}`;
}

function hashAt(nodes: Uint8Array | undefined, position: number): Uint8Array | undefined {
  const hash = nodes?.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES);
  return hash?.length === HASH_BYTES ? hash : undefined;
}

/** As many pages as are taken at once: a level more of them would cost a round. */
const FIRST_PAGES = 4;

/** The level of the nodes with which a comparison begins. */
export function firstLevel(rows: number): number {
  let level = 0;
  while (pagesAbove(rows, level) > FIRST_PAGES) level += PAGE_LEVELS;
  return level;
}

/** How many pages show the nodes of a level. */
function pagesAbove(rows: number, level: number): number {
  return Math.ceil(rows / 2 ** (level + PAGE_LEVELS));
}

/** The page that shows a node, and those above it that are not known: with them its rows can be proven. */
export function pagesTo(
  table: Table,
  { rows, nodeAt }: Sight,
  level: number,
  position: number,
): readonly DemandNode[] {
  const pages: DemandNode[] = [];
  let at = position;
  for (let below = level; below < depthOf(rows); below += PAGE_LEVELS) {
    if (nodeAt(below, at) !== undefined) break;
    at = Math.floor(at / PAGE_RECORDS);
    pages.push({ table, level: below + PAGE_LEVELS, position: at });
  }
  return pages;
}
