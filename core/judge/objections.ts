import type { Signers } from "../signed/signers.ts";
import type { Case } from "./case.ts";
import type { JudgeLaw } from "./judge-law.ts";
import type { Row } from "./rows.ts";

/** What the judge looks at beside the rows. */
export type JudgeContext = {
  readonly law: JudgeLaw;
  /** Who signed the receipt of a contribution; `position` is its row. */
  readonly signersOfRow: (row: Row, position: number) => Signers;
};

export type Hearing = JudgeContext & { readonly case_: Case };

/** Whether rows are wrong in one way. */
type Applies<Rows> = (rows: Rows, hearing: Hearing) => boolean;

export type Objection<Rows> = { readonly says: string; readonly applies: Applies<Rows> };

/** What a proof convicts for, in the order in which it looks; the names are what is said of the row. */
export function objections<Rows>(
  byName: Readonly<Record<string, Applies<Rows>>>,
): readonly Objection<Rows>[] {
  return Object.entries(byName).map(([says, applies]) => ({ says, applies }));
}

/** What the first says that applies. */
export function objectionTo<Rows>(
  proof: readonly Objection<Rows>[],
  rows: Rows,
  hearing: Hearing,
): string | undefined {
  for (const { says, applies } of proof) if (applies(rows, hearing)) return says;
  return undefined;
}
