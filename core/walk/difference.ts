import { equalBytes } from "../encoding/bytes.ts";
import { HASH_BYTES, type Tree } from "../encoding/tree.ts";
import { PAGE_LEVELS, PAGE_RECORDS, recordAt, type Table } from "../epoch/records.ts";
import type { DemandNode } from "../judge/answer.ts";
import { firstLevel, pagesTo, type Sight } from "./sight.ts";

/** How far a hidden table is the guessed one. */
export type Agreement = {
  /** The rows before it are as guessed. */
  readonly upTo: number;
  /** What shows where exactly they end: pages, then the row there and the one after it. */
  readonly nodes: readonly DemandNode[];
};

/** Where a hidden table and the guess, which has as many rows, first differ; by their hashes. */
export function agreement(table: Table, sight: Sight, guessed: Tree): Agreement {
  const top = firstLevel(sight.rows);
  let from = 0;
  for (let level = top; level >= 0; level -= PAGE_LEVELS) {
    const first = from / 2 ** level;
    const nodes = nodesAt(guessed, level, first, level === top ? undefined : PAGE_RECORDS);
    const unknown = nodes.filter(({ position }) => sight.nodeAt(level, position) === undefined);
    if (unknown.length > 0) {
      const pages = unknown.flatMap(({ position }) => pagesTo(table, sight, level, position));
      return { upTo: from, nodes: distinct(pages) };
    }
    const other = nodes.find(
      ({ position, hash }) => !equalBytes(sight.nodeAt(level, position) as Uint8Array, hash),
    );
    // What stands in the padding is no row.
    if (other === undefined) return { upTo: sight.rows, nodes: [] };
    from = other.position * 2 ** level;
  }
  const rows = [from, from + 1].filter((position) => position < sight.rows);
  const hidden = rows.filter((position) => sight.rowAt(position) === undefined);
  return { upTo: from, nodes: hidden.map((position) => ({ table, level: 0, position })) };
}

function nodesAt(
  { levels }: Tree,
  level: number,
  first: number,
  most: number | undefined,
): readonly { readonly position: number; readonly hash: Uint8Array }[] {
  const nodes = levels[level] as Uint8Array;
  const there = nodes.length / HASH_BYTES - first;
  return Array.from({ length: Math.min(there, most ?? there) }, (_, i) => ({
    position: first + i,
    hash: recordAt(nodes, HASH_BYTES, first + i),
  }));
}

function distinct(nodes: readonly DemandNode[]): readonly DemandNode[] {
  return [...new Map(nodes.map((node) => [`${node.level}/${node.position}`, node])).values()];
}
