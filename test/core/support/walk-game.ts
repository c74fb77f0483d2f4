import { type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { depthOf, HASH_BYTES, proofOf } from "@link-rewards/core/encoding/tree";
import type { Contributions } from "@link-rewards/core/epoch/contributions";
import { recordAt, type Table } from "@link-rewards/core/epoch/records";
import type { DemandNode } from "@link-rewards/core/judge/answer";
import type { Case } from "@link-rewards/core/judge/case";
import type { Evidence } from "@link-rewards/core/judge/evidence";
import type { JudgeContext } from "@link-rewards/core/judge/objections";
import type { OpenTable, OpenTables } from "@link-rewards/core/judge/tables";
import type { Law } from "@link-rewards/core/law/law";
import { MAX_DEMANDS_A_ROUND } from "@link-rewards/core/walk/result";
import { walk } from "@link-rewards/core/walk/walk";

/** A report whose tables are hidden, and who walks through them: demands are answered as a chain would take it. */
export type Game = {
  readonly case_: Case;
  readonly law: Law;
  readonly signersOfRow: JudgeContext["signersOfRow"];
  /** What the walker knows. */
  readonly contributions: Contributions;
  readonly previousRewards: Uint8Array;
  /** What the members have. */
  readonly hidden: OpenTables;
  /** What of it is public. */
  readonly open?: readonly Table[];
};

export type Outcome = {
  /** Times that a walker waited for answers. */
  readonly rounds: number;
  readonly demands: number;
} & (
  | { readonly end: "convicted"; readonly evidence: Evidence }
  | { readonly end: "consistent"; readonly missing: readonly Uint8Array[] }
  /** Nobody can answer: the report is revoked. */
  | { readonly end: "silence"; readonly node: DemandNode }
  | { readonly end: "open"; readonly why: string }
);

type ShownRow = { readonly node: DemandNode; readonly row: Hex; readonly proof: readonly Hex[] };
type ShownPage = { readonly node: DemandNode; readonly hashes: readonly Hex[] };

/** `before`: what others demanded. */
export function play(game: Game, before: readonly DemandNode[] = []): Outcome {
  const { hidden, open = [], ...known } = game;
  const tables = Object.fromEntries(open.map((table) => [table, hidden[table]])) as OpenTables;
  const rows: ShownRow[] = [];
  const pages: ShownPage[] = [];
  const answer = (node: DemandNode): boolean => {
    const table = hidden[node.table] as OpenTable;
    requireKnown(node, table.rows);
    const row = node.level === 0 ? rowOf(table, node) : undefined;
    const page = node.level === 0 ? undefined : pageOf(table, node);
    if (row !== undefined) rows.push({ node, ...row });
    if (page !== undefined) pages.push({ node, ...page });
    return row !== undefined || page !== undefined;
  };
  const made = new Set(before.map(nameOf));
  before.forEach(answer);
  for (let rounds = 0; ; rounds++) {
    const demands = rows.length + pages.length - before.length;
    const step = walk({ ...known, tables, shown: { rows, pages }, made: demands });
    const so = { rounds, demands };
    if (step.kind === "convicted") return { ...so, end: step.kind, evidence: step.evidence };
    if (step.kind === "consistent") return { ...so, end: step.kind, missing: step.missing };
    if (step.kind === "open") return { ...so, end: step.kind, why: step.why };
    if (step.nodes.length > MAX_DEMANDS_A_ROUND) throw new Error("too many demands in a round");
    for (const node of step.nodes) {
      if (made.has(nameOf(node))) throw new Error(`${nameOf(node)} was demanded before`);
      made.add(nameOf(node));
      if (!answer(node)) return { ...so, end: "silence", node };
    }
  }
}

function nameOf({ table, level, position }: DemandNode): string {
  return `${table}/${level}/${position}`;
}

/** As Demands refuses what is no node of the tree. */
function requireKnown({ level, position, table }: DemandNode, rows: number): void {
  const isPage = level === 0 || rows > 2 ** (level - 8);
  if (level % 8 !== 0 || !isPage || position * 2 ** level >= rows)
    throw new Error(`there is no ${table}/${level}/${position} among ${rows} rows`);
}

function rowOf(table: OpenTable, { position }: DemandNode) {
  const tree = table.tree();
  const hash = recordAt(tree.levels[0] as Uint8Array, HASH_BYTES, position);
  // No row has the zero hash.
  if (hash.every((byte) => byte === 0)) return undefined;
  return { row: toHex(table.rowAt(position)), proof: proofOf(tree, position).map(toHex) };
}

/** The contract fills in the padding: nobody can show a page where there is something else. */
function pageOf({ rows, leaves, tree }: OpenTable, { level, position }: DemandNode) {
  const height = level - 8;
  if (leaves > rows && (position + 1) * 2 ** level >= rows) return undefined;
  const nodes = tree().levels[Math.min(height, depthOf(rows))] as Uint8Array;
  const count = Math.min(256, Math.ceil(rows / 2 ** height) - position * 256);
  return {
    hashes: Array.from({ length: count }, (_, i) =>
      toHex(recordAt(nodes, HASH_BYTES, position * 256 + i)),
    ),
  };
}
