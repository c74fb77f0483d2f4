import { type Hex, toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { buildTree, HASH_BYTES, hashRecords, rootOf } from "@link-rewards/core/encoding/tree";
import { ROW_BYTES } from "@link-rewards/core/epoch/records";
import type { Case } from "@link-rewards/core/judge/case";
import type { Evidence, JudgedTable } from "@link-rewards/core/judge/evidence";
import { evidenceFor, type Question } from "@link-rewards/core/judge/find-unlawful";
import { type Judgement, judge } from "@link-rewards/core/judge/judge";
import { judgeLawOf } from "@link-rewards/core/judge/judge-law";
import type { JudgeContext } from "@link-rewards/core/judge/objections";
import { type OpenTable, type OpenTables, openTables } from "@link-rewards/core/judge/tables";
import { accountsAt } from "@link-rewards/core/law/law";
import { flaggedSigners, type PlayedEpoch } from "./epochs.ts";
import { type Tables, tablesOf } from "./statements.ts";

/** What somebody reports of an epoch: its tables, and how many rows and what total the report says. */
export type Claim = {
  readonly tables: Tables;
  readonly contributions: number;
  readonly total: bigint;
};

export function honestClaim(played: PlayedEpoch): Claim {
  const { contributions, total } = played.computed.manifest;
  return { tables: tablesOf(played), contributions, total };
}

/** A claim before the judge: what the chain knows of it, and what was published. */
export type Trial = {
  readonly case_: Case;
  readonly tables: OpenTables;
  readonly context: JudgeContext;
};

/** Under a root as the forger likes it: missing rows and rows of zeros are zero hashes. */
export function trialOf(played: PlayedEpoch, { tables, contributions, total }: Claim): Trial {
  const { law, epoch, previousRewards } = played;
  const leaves = accountsAt(law, epoch);
  const last = played.computed.manifest.lastFinal;
  const case_: Case = {
    epoch,
    leaves,
    contributions,
    total,
    root: rootOfRows(tables.rewards, ROW_BYTES.rewards, leaves),
    contributionRoot: rootOfRows(tables.contributions, ROW_BYTES.contributions, contributions),
    invoiceRoot: rootOfRows(tables.invoices, ROW_BYTES.invoices, contributions),
    lastRoot: last.root,
    lastLeaves: last.leaves,
    lastTotal: last.total,
  };
  return {
    case_,
    tables: remembered(openTables(case_, { ...tables, lastRewards: previousRewards })),
    context: { law: judgeLawOf(law), signersOfRow: flaggedSigners },
  };
}

function rootOfRows(rows: Uint8Array, rowBytes: number, count: number): Hex {
  const there = hashRecords(rows, rowBytes);
  const hashes = new Uint8Array(Math.max(there.length, count * HASH_BYTES));
  hashes.set(there);
  for (let i = 0; i * rowBytes < rows.length; i++) {
    const row = rows.subarray(i * rowBytes, (i + 1) * rowBytes);
    if (row.every((byte) => byte === 0)) hashes.fill(0, i * HASH_BYTES, (i + 1) * HASH_BYTES);
  }
  return toHex(rootOf(buildTree(hashes)));
}

/** Each tree is built once: here every row is opened. */
function remembered(tables: OpenTables): OpenTables {
  const entries = Object.entries(tables).map(([name, table]: [string, OpenTable | undefined]) => {
    if (table === undefined) return [name, undefined];
    let tree: ReturnType<OpenTable["tree"]> | undefined;
    return [name, { ...table, tree: () => (tree ??= table.tree()) }];
  });
  return Object.fromEntries(entries) as OpenTables;
}

/** Every question that there is about a report's tables, the zero hash at every position included. */
export function questionsOf({ leaves, contributions }: Case): readonly Question[] {
  const upTo = (count: number, ...questions: readonly Omit<Question, "position">[]) =>
    Array.from({ length: count }, (_, position) =>
      questions.map((question) => ({ ...question, position })),
    ).flat();
  const hasRows = contributions > 0;
  return [
    ...upTo(contributions, { proof: "contribution", table: "contributions" }),
    ...upTo(contributions, { proof: "pair", table: "invoices" }),
    ...upTo(
      hasRows ? contributions + 1 : 0,
      { proof: "contribution-order", table: "contributions" },
      { proof: "invoice-order", table: "invoices" },
    ),
    ...upTo(leaves > 0 ? leaves + 1 : 0, { proof: "reward-order", table: "rewards" }),
    ...upTo(leaves, { proof: "reward-boundary", table: "rewards" }),
    ...upTo(
      contributions,
      { proof: "empty-leaf", table: "contributions" },
      { proof: "empty-leaf", table: "invoices" },
    ),
    ...upTo(leaves, { proof: "empty-leaf", table: "rewards" }),
  ];
}

export function askJudge({ case_, tables, context }: Trial, question: Question): Judgement {
  return judge(case_, evidenceFor(question, case_, tables, context.law), context);
}

export function tryEvidence({ case_, context }: Trial, evidence: Evidence): Judgement {
  return judge(case_, evidence, context);
}

/** Tables that somebody published and that are not under the report's roots. */
export function closedTables({ tables }: Trial): readonly JudgedTable[] {
  return (["contributions", "invoices", "rewards"] as const).filter(
    (table) => tables[table] === undefined,
  );
}

/** What EpochLedger.propose refuses never comes before the judge. That customers paid for it, the judge sees himself. */
export function isProposable(case_: Case): boolean {
  const { total, lastTotal, contributions, contributionRoot, invoiceRoot, root, leaves } = case_;
  const isEmpty = contributions === 0;
  return (
    total >= lastTotal &&
    !(isEmpty && total > lastTotal) &&
    (root === ZERO_HASH) === (leaves === 0) &&
    (contributionRoot === ZERO_HASH) === isEmpty &&
    (invoiceRoot === ZERO_HASH) === isEmpty
  );
}
