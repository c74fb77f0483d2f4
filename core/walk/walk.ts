import { toHex } from "../encoding/bytes.ts";
import { rootOver } from "../encoding/tree.ts";
import type { Contributions } from "../epoch/contributions.ts";
import { CONTRIBUTION_BYTES, recordAt } from "../epoch/records.ts";
import type { Case } from "../judge/case.ts";
import type { Evidence } from "../judge/evidence.ts";
import { judge } from "../judge/judge.ts";
import { judgeLawOf } from "../judge/judge-law.ts";
import type { JudgeContext } from "../judge/objections.ts";
import { CONTRIBUTION, numberIn, type Row } from "../judge/rows.ts";
import type { OpenTables } from "../judge/tables.ts";
import type { Law } from "../law/law.ts";
import { SIGNED_RECEIPT_BYTES } from "../signed/receipt.ts";
import { align } from "./align.ts";
import { explainContributions } from "./contributions.ts";
import { walkDerived } from "./derived.ts";
import { claimsOf, guess } from "./guess.ts";
import { type Court, emptyLeaves, hearAll, questionsAbout } from "./hear.ts";
import { type CompareRows, contributionsBy, rankIn } from "./order.ts";
import { ascending, hasReceipt, mergeReceipts } from "./receipts.ts";
import { type Walk, walkOf } from "./result.ts";
import { openSight, type Shown, type Sight, sightsOf, tableOver } from "./sight.ts";

/** What a watcher knows of a report whose tables are not public. */
export type WalkInput = {
  readonly case_: Case;
  readonly law: Law;
  readonly signersOfRow: JudgeContext["signersOfRow"];
  /** Those the watcher knows: its own, or an honest member's. Some may be missing, and the report may lack some. */
  readonly contributions: Contributions;
  /** rewards.bin of the last final epoch, under its final root. */
  readonly previousRewards: Uint8Array;
  /** Those of the report's tables that are public. */
  readonly tables: OpenTables;
  /** All that was shown on chain of this report so far. */
  readonly shown: Shown;
  /** How many of the demands were the watcher's own. Others may demand a lot, so that it would give up. */
  readonly made?: number;
};

/** More demands than this a watcher does not make of one report: each costs a bond. */
export const MAX_DEMANDS = 1_024;

/**
 * The next step towards the proof that a report with hidden tables is not lawful, or that it is. It has no memory: whatever
 * was learnt is on chain, so a watcher that begins anew goes on where it was.
 *
 * It guesses the tables as the reporter seems to have made them, at first those of the receipts that are known, and asks for
 * what differs. What is shown then is against the law, or makes the guess better: a lawful receipt that was not known, or
 * one that the reporter does not have. When the guess leads to the roots all tables are known.
 */
export function walk(input: WalkInput): Walk {
  const result = step(input);
  if (result.kind === "convicted") return { ...result, evidence: checked(result.evidence, input) };
  if (result.kind === "demand" && (input.made ?? 0) >= MAX_DEMANDS)
    return { kind: "open", why: `more than ${MAX_DEMANDS} demands do not explain it` };
  return result;
}

function step(input: WalkInput): Walk {
  const { case_, law, previousRewards, tables, shown, signersOfRow } = input;
  const sights = sightsOf(case_, tables, previousRewards, shown);
  const hearing = { law: judgeLawOf(law), signersOfRow, case_ };
  const court: Court = { sights, hearing, boundaryOf: undefined };
  const compare = contributionsBy(hearing.law);
  const own = input.contributions.records;

  const empty = hearAll(emptyLeaves(sights), court);
  if (empty !== undefined) return walkOf(empty) as Walk;

  const unknown = sights.contributions.shown.filter(
    (position) => !hasReceipt(own, sights.contributions.rowAt(position) as Row, compare),
  );
  const forged = hearAll(
    unknown.map((position) => ({ proof: "contribution", table: "contributions", position })),
    court,
  );
  if (forged !== undefined) return walkOf(forged) as Walk;
  const learnt = ascending(
    unknown.map((position) => sights.contributions.rowAt(position) as Row),
    compare,
  );

  const missing = new Set<number>();
  for (;;) {
    const { records, ownOf } = mergeReceipts(own, missing, learnt, compare);
    const claims = claimsOf(sights.contributions, sights.invoices, records, compare);
    const guessed = guess({ law, epoch: case_.epoch, previousRewards, records, claims });
    const consistent: Walk = {
      kind: "consistent",
      missing: receiptsMissing(own, missing, learnt, compare),
    };
    const isKnown =
      records.length === case_.contributions * CONTRIBUTION_BYTES &&
      toHex(rootOver(records, CONTRIBUTION_BYTES)) === case_.contributionRoot;
    if (isKnown) {
      const contributions = openSight(tableOver(records, CONTRIBUTION_BYTES));
      return walkDerived(guessed, knowing(court, contributions)) ?? consistent;
    }
    const earned = case_.total - case_.lastTotal;
    const alignment = align(sights.contributions, records, earned, compare);
    const { rowAt, seams, gaps, strife } = alignment;
    const known = knowing(court, { ...sights.contributions, rowAt });
    const heard = hearAll(questionsAbout(known.sights, seams, false), known);
    if (heard !== undefined) return walkOf(heard) as Walk;
    // Where rows contradict each other, none is missing for standing elsewhere.
    const absent = (strife.length > 0 ? [] : alignment.absent)
      .map(ownOf)
      .filter((position) => position !== undefined);
    for (const position of absent) missing.add(position);
    if (absent.length > 0) continue;
    // What stands in the padding is no row.
    if (gaps.length + strife.length === 0) return walkDerived(guessed, known) ?? consistent;
    return explainContributions(guessed, alignment, known);
  }
}

function knowing(court: Court, contributions: Sight): Court {
  return { ...court, sights: { ...court.sights, contributions } };
}

/** The signed receipts that the report lacks, or has with a lower sequence. */
function receiptsMissing(
  own: Uint8Array,
  missing: ReadonlySet<number>,
  learnt: readonly Row[],
  compare: CompareRows,
): readonly Uint8Array[] {
  const ownAt = (position: number) => recordAt(own, CONTRIBUTION_BYTES, position);
  const outdone = learnt
    .map((row) => ({ row, rank: rankIn(own, CONTRIBUTION_BYTES, row, compare) }))
    .filter(({ rank }) => rank * CONTRIBUTION_BYTES < own.length)
    .filter(
      ({ row, rank }) =>
        compare(ownAt(rank), row) === 0 && sequenceIn(ownAt(rank)) > sequenceIn(row),
    )
    .map(({ rank }) => rank);
  return [...missing, ...outdone].map((position) =>
    ownAt(position).subarray(0, SIGNED_RECEIPT_BYTES),
  );
}

function sequenceIn(row: Row): number {
  return numberIn(row, CONTRIBUTION.sequence);
}

/** Who shows what the contract did not check gets no evidence. */
function checked(evidence: Evidence, { case_, law, signersOfRow }: WalkInput): Evidence {
  if (judge(case_, evidence, { law: judgeLawOf(law), signersOfRow }) !== "unlawful")
    throw new Error("what was shown does not lead to the roots of the report");
  return evidence;
}
