import type { Hex } from "@link-rewards/core/encoding/bytes";
import {
  type Evidence,
  JUDGED_TABLES,
  type Opening,
  PROOFS,
  type ProofName,
} from "@link-rewards/core/judge/evidence";
import type { Question } from "@link-rewards/core/judge/find-unlawful";
import fc from "fast-check";
import { from } from "../worlds/contracts.ts";
import { forge, type Random } from "./support/forgeries.ts";
import { anEpoch, history, type Lived, live, RUNS } from "./support/history.ts";
import type { Tables } from "./support/tables.ts";
import { evidenceOf, judged } from "./support/trial.ts";

/*
 * The judge and its twin in core/judge say the same of any evidence, about any tables. `JUDGE_RUNS=300 npm test --
 * contracts/twins` asks more often.
 */

/** Questions that each of so many tables is asked. */
const QUESTIONS = 8;
const TABLE_OF = {
  contribution: "contributions",
  pair: "invoices",
  "contribution-order": "contributions",
  "invoice-order": "invoices",
  "reward-order": "rewards",
  "reward-boundary": "rewards",
  "empty-leaf": "rewards",
} as const satisfies Readonly<Record<ProofName, Question["table"]>>;

function oneOf<T>(list: readonly T[], random: Random): T {
  return list[random(list.length)] as T;
}

/** Well-formed evidence about one of the rows; none when the proof's table has no rows. */
function askedOf({ court }: Lived, tables: Tables, random: Random): Evidence | undefined {
  const proof = oneOf(PROOFS, random);
  const table = TABLE_OF[proof];
  const rows = tables[table].length;
  if (rows === 0) return undefined;
  const isBoundary = proof.endsWith("-order");
  const position = random(isBoundary ? rows + 1 : rows);
  return evidenceOf(court, tables, { proof, table, position });
}

/** The same with something in it changed. */
function bent(evidence: Evidence, others: readonly Opening[], random: Random): Evidence {
  const { openings } = evidence;
  const at = random(Math.max(1, openings.length));
  const opening = openings[at];
  const within = (change: Partial<Opening>): Evidence =>
    opening === undefined
      ? evidence
      : { ...evidence, openings: openings.with(at, { ...opening, ...change }) };
  const changes: readonly (() => Evidence)[] = [
    () => ({ ...evidence, position: oneOf([0, 1, 2, 7, 2 ** 32 - 1], random) }),
    () => ({ ...evidence, proof: oneOf(PROOFS, random) }),
    () => ({ ...evidence, publicKey: oneOf(["0x", `0x${"01".repeat(64)}`] as Hex[], random) }),
    () => ({ ...evidence, openings: openings.toSpliced(at, 1) }),
    () => ({ ...evidence, openings: openings.toReversed() }),
    () => ({ ...evidence, openings: [...openings, oneOf(others, random)] }),
    () => ({ ...evidence, openings: openings.with(at, oneOf(others, random)) }),
    () => within({ table: oneOf(JUDGED_TABLES, random) }),
    () => within({ position: oneOf([0, 1, 2, 7, 2 ** 32 - 1], random) }),
    () => within({ row: oneOf(others, random).row }),
    () => within({ row: "0x" }),
    () => within({ proof: oneOf(others, random).proof }),
    () => within({ proof: opening?.proof.slice(1) ?? [] }),
  ];
  return openings.length === 0 ? evidence : oneOf(changes, random)();
}

describe("The judge and its twin", () => {
  it(`agree about ${RUNS} tables, honest and not, by evidence that is well-formed or bent`, async function () {
    this.timeout(0);
    const world = await from(history);
    await fc.assert(
      fc.asyncProperty(anEpoch, fc.infiniteStream(fc.nat()), async (sketch, numbers) => {
        const random: Random = (below) => Number(numbers.next().value) % below;
        const lived = live(world, sketch);
        const tables = random(3) === 0 ? lived.tables : forge(lived, random).tables;
        const asked = Array.from({ length: QUESTIONS }, () => askedOf(lived, tables, random));
        const evidences = asked.filter((evidence) => evidence !== undefined);
        const others = evidences.flatMap(({ openings }) => openings);
        if (others.length === 0) return;
        for (const evidence of evidences) {
          // Each call fails the test when the two do not agree.
          await judged(lived.court, tables, evidence);
          await judged(lived.court, tables, bent(evidence, others, random));
        }
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  });
});
