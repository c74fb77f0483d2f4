import { toHex } from "../encoding/bytes.ts";
import { rootOf } from "../encoding/tree.ts";
import {
  CONTRIBUTION_BYTES,
  INVOICE_BYTES,
  ROW_BYTES,
  recordAt,
  type Table,
} from "../epoch/records.ts";
import type { DemandNode } from "../judge/answer.ts";
import { termsOf } from "../judge/case.ts";
import { indexIn } from "../judge/contribution-order.ts";
import type { Question } from "../judge/find-unlawful.ts";
import type { JudgeLaw } from "../judge/judge-law.ts";
import { objectionTo } from "../judge/objections.ts";
import { pair } from "../judge/pair.ts";
import { LINE, numberIn, type Row } from "../judge/rows.ts";
import { between } from "./contributions.ts";
import { agreement } from "./difference.ts";
import { type Guess, rangeOf } from "./guess.ts";
import { type Court, hear, hearAll, questionsAbout } from "./hear.ts";
import { strifeIn } from "./lines.ts";
import { demand, type Walk, walkOf } from "./result.ts";
import { openSight, type Sight, tableOver } from "./sight.ts";

/**
 * The contributions are as guessed, so that all of them are known, and what must follow from them stands at the positions
 * where it was guessed. Undefined when all of it does.
 */
export function walkDerived(guessed: Guess, known: Court): Walk | undefined {
  const { sights, hearing } = known;
  const { contributions } = sights;
  const disorder = hearAll(boundariesOf(contributions), known);
  if (disorder !== undefined) return walkOf(disorder);

  const rewards = compared("rewards", guessed.rewards(), known);
  const invoices = compared("invoices", guessed.invoices, known);
  const court: Court = {
    hearing,
    boundaryOf: boundaryIn(contributions, hearing.law),
    sights: {
      ...sights,
      contributions: { ...contributions, shown: [] },
      rewards: rewards.sight,
      invoices: invoices.sight,
    },
  };
  const heard = hearAll(questionsAbout(court.sights, [], true), court);
  if (heard !== undefined) return walkOf(heard);
  const doubts = doubtedQuestion(guessed, court);
  const doubt = doubts && hear(doubts, court);
  if (doubt?.kind === "unlawful") return walkOf(doubt);
  const quarrel = strifeIn(court.sights.invoices, guessed.invoices, true);
  const nodes = [
    ...(doubt === undefined || doubt.kind === "lawful" ? [] : doubt.nodes),
    ...rewards.nodes,
    ...invoices.nodes,
    ...(quarrel === undefined ? [] : between(court.sights.invoices, "invoices", quarrel)),
  ];
  const isLawful = rewards.agrees && invoices.agrees && guessed.doubted.size === 0;
  return isLawful ? undefined : demand(nodes);
}

function* boundariesOf({ rows }: Sight): Generator<Question> {
  if (rows === 0) return;
  for (let position = 0; position <= rows; position++)
    yield { proof: "contribution-order", table: "contributions", position };
}

type Compared = {
  /** As far as it is as guessed, its rows are known. */
  readonly sight: Sight;
  readonly agrees: boolean;
  readonly nodes: readonly DemandNode[];
};

function compared(table: Table, file: Uint8Array, { sights, hearing }: Court): Compared {
  const guessed = tableOver(file, ROW_BYTES[table]);
  const sight = sights[table];
  if (toHex(rootOf(guessed.tree())) === termsOf(hearing.case_, table).root)
    return { sight: { ...openSight(guessed), shown: sight.shown }, agrees: true, nodes: [] };
  const { upTo, nodes } = agreement(table, sight, guessed.tree());
  const rowAt = (position: number) =>
    sight.rowAt(position) ?? (position < upTo ? guessed.rowAt(position) : undefined);
  return { sight: { ...sight, rowAt }, agrees: upTo === sight.rows, nodes };
}

/** Where the contributions of accounts before an index end. */
function boundaryIn({ rows, rowAt }: Sight, law: JudgeLaw): (index: number) => number {
  return (index) => {
    let low = 0;
    let high = rows;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (indexIn(rowAt(middle) as Row, law) < index) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** What is wrong with the guess itself, at the first customer of whom it has something that is not lawful. */
function doubtedQuestion(
  { doubted, contributions, invoices }: Guess,
  { hearing }: Court,
): Question | undefined {
  const [customer] = doubted;
  if (customer === undefined) return undefined;
  const { from, end } = rangeOf(invoices, customer);
  for (let position = from; position < end; position++) {
    const line = recordAt(invoices, INVOICE_BYTES, position);
    const named = numberIn(line, LINE.contribution);
    const contribution = recordAt(contributions, CONTRIBUTION_BYTES, named);
    if (objectionTo(pair, { line, contribution }, hearing) !== undefined)
      return { proof: "pair", table: "invoices", position };
  }
  return { proof: "invoice-order", table: "invoices", position: end };
}
