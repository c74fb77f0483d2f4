import type { Hex } from "../encoding/bytes.ts";
import { ROW_BYTES } from "../epoch/records.ts";
import { RULES_HASH } from "../epoch/rules.ts";
import { accountsAt, type Law, rulesAt } from "../law/law.ts";
import type { Report } from "../signed/report.ts";
import type { JudgedTable } from "./evidence.ts";

/** A report as the judge sees it, and what it builds on. The twin of IJudge.Case. */
export type Case = {
  readonly epoch: number;
  /** Rows of the reward table: accounts of the epoch. */
  readonly leaves: number;
  /** Rows of the other two tables. */
  readonly contributions: number;
  /** What all accounts have earned with it, in wei. */
  readonly total: bigint;
  readonly root: Hex;
  readonly contributionRoot: Hex;
  readonly invoiceRoot: Hex;
  /** Of the final epoch before it. */
  readonly lastRoot: Hex;
  readonly lastLeaves: number;
  readonly lastTotal: bigint;
};

/**
 * Throws when the epoch is under other rules, which have another judge, and when the epoch before it is not final: such a
 * report was never proposed.
 */
export function caseOf(report: Report, law: Law): Case {
  const { epoch, contributions, total, root, contributionRoot, invoiceRoot } = report;
  const rules = rulesAt(law, epoch);
  if (rules !== RULES_HASH)
    throw new Error(`epoch ${epoch} is under rules ${rules}; this software has ${RULES_HASH}`);
  const last = law.finals.get(epoch - 1);
  if (last === undefined) throw new RangeError(`epoch ${epoch - 1} is not final`);
  return {
    epoch,
    leaves: accountsAt(law, epoch),
    contributions,
    total,
    root,
    contributionRoot,
    invoiceRoot,
    lastRoot: last.root,
    lastLeaves: last.leaves,
    lastTotal: last.total,
  };
}

/** Where a table's rows lead, how many they are, and the bytes of each. */
export type TableTerms = { readonly root: Hex; readonly rows: number; readonly rowBytes: number };

export function termsOf(case_: Case, table: JudgedTable): TableTerms {
  switch (table) {
    case "contributions":
      return {
        root: case_.contributionRoot,
        rows: case_.contributions,
        rowBytes: ROW_BYTES.contributions,
      };
    case "invoices":
      return { root: case_.invoiceRoot, rows: case_.contributions, rowBytes: ROW_BYTES.invoices };
    case "rewards":
      return { root: case_.root, rows: case_.leaves, rowBytes: ROW_BYTES.rewards };
    case "lastRewards":
      return { root: case_.lastRoot, rows: case_.lastLeaves, rowBytes: ROW_BYTES.rewards };
  }
}
