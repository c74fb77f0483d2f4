import { CONTRIBUTION_BYTES, INVOICE_BYTES } from "@link-rewards/core/epoch/records";
import { findUnlawful } from "@link-rewards/core/judge/find-unlawful";
import fc from "fast-check";
import { randomNumbers } from "../../oracle/support/random.ts";
import { history, type PlayedEpoch, playHistory } from "./epochs.ts";
import { areReceiptsLawful, forge, isLawfulClaim, type Random } from "./forgeries.ts";
import {
  askJudge,
  type Claim,
  closedTables,
  honestClaim,
  isProposable,
  questionsOf,
  type Trial,
  trialOf,
  tryEvidence,
} from "./judging.ts";
import { factsOf, objectionsTo } from "./statements.ts";

/**
 * The two promises of the judge, tried at random: no honest epoch is convicted, and of all tables that are not what an
 * epoch comes to, none passes. A round is the same again from the same seed.
 */
export type Counts = {
  /** Epochs of which everything was judged, and how many judgements that took. */
  readonly honest: number;
  readonly judgements: number;
  /** Claims that are not lawful, each convicted; by their proofs in `convicted`. */
  readonly unlawful: number;
  readonly convicted: Readonly<Record<string, number>>;
  /** Claims that came out lawful, that the ledger does not let be proposed, and whose tables nobody can open. */
  readonly lawful: number;
  readonly refused: number;
  readonly closed: number;
};

export const NO_COUNTS: Counts = {
  honest: 0,
  judgements: 0,
  unlawful: 0,
  convicted: {},
  lawful: 0,
  refused: 0,
  closed: 0,
};

const HISTORIES = 10;
const FORGERIES_OF_EPOCH = 6;

/** Throws at the first judgement that breaks a promise. */
export function playRound(seed: number): Counts {
  // Seeds that are neighbours would begin alike.
  const random = randomNumbers(Math.imul(seed, 2_654_435_761) >>> 0);
  let counts = NO_COUNTS;
  for (const sketch of fc.sample(history, { seed, numRuns: HISTORIES })) {
    for (const played of playHistory(sketch)) {
      counts = addCounts(counts, judgeHonest(played));
      for (let i = 0; i < FORGERIES_OF_EPOCH; i++)
        counts = addCounts(counts, judgeForged(played, random));
    }
  }
  return counts;
}

export function addCounts(a: Counts, b: Counts): Counts {
  const convicted = { ...a.convicted };
  for (const [proof, times] of Object.entries(b.convicted))
    convicted[proof] = (convicted[proof] ?? 0) + times;
  return {
    honest: a.honest + b.honest,
    judgements: a.judgements + b.judgements,
    unlawful: a.unlawful + b.unlawful,
    convicted,
    lawful: a.lawful + b.lawful,
    refused: a.refused + b.refused,
    closed: a.closed + b.closed,
  };
}

function judgeHonest(played: PlayedEpoch): Counts {
  const judgements = requireAllLawful("an honest epoch", played, honestClaim(played));
  return { ...NO_COUNTS, honest: 1, judgements };
}

function requireAllLawful(what: string, played: PlayedEpoch, claim: Claim): number {
  const trial = trialOf(played, claim);
  const found = findUnlawful(trial.case_, trial.tables, trial.context);
  if (found !== undefined) throw broken(`${what} is convicted`, trial, found);
  const questions = questionsOf(trial.case_);
  for (const question of questions) {
    const expected = question.proof === "empty-leaf" ? "invalid" : "lawful";
    const judgement = askJudge(trial, question);
    if (judgement !== expected) throw broken(`${what} is ${judgement}`, trial, question);
  }
  return questions.length;
}

function judgeForged(played: PlayedEpoch, random: Random): Counts {
  const { name, claim } = forge(played, random);
  const trial = trialOf(played, claim);
  if (!isProposable(trial.case_)) return { ...NO_COUNTS, refused: 1 };
  if (closedTables(trial).length > 0) return { ...NO_COUNTS, closed: 1 };
  const isLawful = isLawfulClaim(played, claim);
  const stated = statedOf(played, claim);
  if (stated !== undefined && stated !== isLawful)
    throw broken(`the statements say otherwise of ${name}`, trial, { isLawful });
  if (isLawful) {
    const judgements = requireAllLawful(name, played, claim);
    return { ...NO_COUNTS, lawful: 1, judgements };
  }
  const found = findUnlawful(trial.case_, trial.tables, trial.context);
  if (found === undefined) throw broken(`nothing convicts ${name}`, trial, claim);
  const judgement = tryEvidence(trial, found.evidence);
  if (judgement !== "unlawful")
    throw broken(`what convicts ${name} is ${judgement} to the judge`, trial, found);
  return { ...NO_COUNTS, unlawful: 1, judgements: 1, convicted: { [found.proof]: 1 } };
}

/** Whether the rules, written a second time, object to it; undefined of tables with more rows than the report counts. */
function statedOf(played: PlayedEpoch, claim: Claim): boolean | undefined {
  const { tables, contributions } = claim;
  const lines = tables.invoices.length / INVOICE_BYTES;
  if (tables.contributions.length / CONTRIBUTION_BYTES !== contributions) return undefined;
  if (lines > contributions) return undefined;
  const facts = { ...factsOf(played), total: claim.total };
  return areReceiptsLawful(played, claim) && objectionsTo(tables, facts).length === 0;
}

function broken(what: string, { case_ }: Trial, detail: unknown): Error {
  const print = (_: string, value: unknown) =>
    typeof value === "bigint"
      ? String(value)
      : value instanceof Uint8Array
        ? Buffer.from(value).toString("hex")
        : value;
  return new Error(`${what}: ${JSON.stringify({ case_, detail }, print, 1)}`);
}
