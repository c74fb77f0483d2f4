import { type Hex, toHex } from "../encoding/bytes.ts";
import { NO_PUBLIC_KEY } from "../encoding/p256.ts";
import type { DemandNode } from "../judge/answer.ts";
import { contributedIn, contribution } from "../judge/contribution.ts";
import { contributionOrder } from "../judge/contribution-order.ts";
import type { Evidence, JudgedTable } from "../judge/evidence.ts";
import type { Question } from "../judge/find-unlawful.ts";
import { invoiceOrder } from "../judge/invoice-order.ts";
import { type Hearing, objectionTo } from "../judge/objections.ts";
import { namesNone, pair } from "../judge/pair.ts";
import { rewardBoundary } from "../judge/reward-boundary.ts";
import { rewardOrder } from "../judge/reward-order.ts";
import {
  addressIn,
  CONTRIBUTION,
  LINE,
  type Neighbours,
  numberIn,
  type Row,
} from "../judge/rows.ts";
import type { Sights } from "./sight.ts";

/** What the judge says to a question when only some rows are known. */
export type Heard =
  | { readonly kind: "lawful" }
  | { readonly kind: "unlawful"; readonly evidence: Evidence }
  /** What must be shown first: rows it is about, or only the ways from them to their roots. */
  | { readonly kind: "unknown" | "unproven"; readonly nodes: readonly DemandNode[] };

export type Court = {
  readonly sights: Sights;
  readonly hearing: Hearing;
  /** How many contributions are of accounts before an index; undefined as long as that is not known. */
  readonly boundaryOf: ((index: number) => number) | undefined;
};

type Place = { readonly table: JudgedTable; readonly position: number };

export function hear(question: Question, court: Court): Heard {
  const { sights, hearing } = court;
  const places = placesOf(question, court);
  const found = places.map((place) => ({
    place,
    row: question.proof === "empty-leaf" ? NO_ROW : sights[place.table].rowAt(place.position),
  }));
  const unknown = found.filter(({ row }) => row === undefined);
  if (unknown.length > 0) return { kind: "unknown", nodes: unknown.map(nodeOf) };
  const rows = found.map(({ row }) => row as Row);
  if (!isUnlawful(question, rows, court)) return { kind: "lawful" };
  const openings = found.map(({ place }, i) => ({
    place,
    row: toHex(rows[i] as Row),
    proof: sights[place.table].proofAt(place.position),
  }));
  const unproven = openings.filter(({ proof }) => proof === undefined);
  if (unproven.length > 0) return { kind: "unproven", nodes: unproven.map(nodeOf) };
  return {
    kind: "unlawful",
    evidence: {
      proof: question.proof,
      position: boundaryIn(question, court),
      openings: openings.map(({ place, row, proof }) => ({
        ...place,
        row,
        proof: proof as readonly Hex[],
      })),
      publicKey:
        question.proof === "contribution"
          ? hearing.law.publicKeyOf(addressIn(rows[0] as Row, CONTRIBUTION.device))
          : NO_PUBLIC_KEY,
    },
  };
}

const NO_ROW: Row = new Uint8Array();

/** Last rewards are always known. */
function nodeOf({ place }: { readonly place: Place }): DemandNode {
  return { ...place, level: 0 } as DemandNode;
}

/** The rows that a question is about, in the order of their openings. */
function placesOf(question: Question, court: Court): readonly Place[] {
  const { table, position } = question;
  const { sights, hearing } = court;
  const place = { table, position };
  switch (question.proof) {
    case "contribution":
    case "empty-leaf":
      return [place];
    case "pair": {
      const line = sights.invoices.rowAt(position);
      if (line === undefined || namesNone(line, hearing.case_.contributions)) return [place];
      return [place, { table: "contributions", position: numberIn(line, LINE.contribution) }];
    }
    case "contribution-order":
    case "invoice-order":
    case "reward-order":
      return around(table, position, sights);
    case "reward-boundary": {
      const isOld = position < sights.lastRewards.rows;
      const last: Place = { table: "lastRewards", position };
      const contributions = around("contributions", boundaryIn(question, court), sights);
      return [place, ...(isOld ? [last] : []), ...contributions];
    }
  }
}

/** The rows on both sides of a boundary. */
function around(table: JudgedTable, boundary: number, sights: Sights): readonly Place[] {
  return [boundary - 1, boundary]
    .filter((position) => position >= 0 && position < sights[table].rows)
    .map((position) => ({ table, position }));
}

function boundaryIn({ proof, position }: Question, { boundaryOf }: Court): number {
  if (proof === "reward-boundary") {
    if (boundaryOf === undefined) throw new Error("not all contributions are known");
    return boundaryOf(position);
  }
  return proof.endsWith("-order") ? position : 0;
}

function isUnlawful(question: Question, rows: readonly Row[], court: Court): boolean {
  const { proof, table, position } = question;
  const { sights, hearing } = court;
  const [first, second] = rows as [Row, Row?];
  const neighbours = (): Neighbours => ({
    before: position > 0 ? first : undefined,
    after: position < sights[table].rows ? rows.at(-1) : undefined,
  });
  switch (proof) {
    case "contribution":
      return (
        objectionTo(contribution, contributedIn(first, position, hearing), hearing) !== undefined
      );
    case "pair":
      if (second === undefined) return true;
      return objectionTo(pair, { line: first, contribution: second }, hearing) !== undefined;
    case "contribution-order":
      return objectionTo(contributionOrder, neighbours(), hearing) !== undefined;
    case "invoice-order":
      return objectionTo(invoiceOrder, neighbours(), hearing) !== undefined;
    case "reward-order":
      return (
        objectionTo(rewardOrder, { ...neighbours(), boundary: position }, hearing) !== undefined
      );
    case "reward-boundary": {
      const isOld = position < sights.lastRewards.rows;
      const lastLeaf = isOld ? second : undefined;
      const before = boundaryIn(question, court) > 0 ? rows[isOld ? 2 : 1] : undefined;
      return objectionTo(rewardBoundary, { leaf: first, lastLeaf, before }, hearing) !== undefined;
    }
    case "empty-leaf":
      return sights[table].emptyAt === position;
  }
}

/** The first of the questions that convicts, or would if a way to a root were known. What is not known says nothing. */
export function hearAll(questions: Iterable<Question>, court: Court): Heard | undefined {
  for (const question of questions) {
    const heard = hear(question, court);
    if (heard.kind === "unlawful" || heard.kind === "unproven") return heard;
  }
  return undefined;
}

/** Where the zero hash was shown there is no row to be asked about. */
export function* emptyLeaves(sights: Sights): Generator<Question> {
  for (const table of ["contributions", "invoices", "rewards"] as const) {
    const position = sights[table].emptyAt;
    if (position !== undefined) yield { proof: "empty-leaf", table, position };
  }
}

/** All that can be asked about rows that were shown; `seams` are boundaries of contributions that are known besides. */
export function* questionsAbout(
  sights: Sights,
  seams: readonly number[],
  isBounded: boolean,
): Generator<Question> {
  yield* boundaries("contribution-order", "contributions", sights);
  for (const position of seams)
    yield { proof: "contribution-order", table: "contributions", position };
  for (const position of sights.invoices.shown)
    yield { proof: "pair", table: "invoices", position };
  yield* boundaries("invoice-order", "invoices", sights);
  yield* boundaries("reward-order", "rewards", sights);
  if (!isBounded) return;
  for (const position of sights.rewards.shown)
    yield { proof: "reward-boundary", table: "rewards", position };
}

function* boundaries(
  proof: Question["proof"],
  table: Question["table"],
  sights: Sights,
): Generator<Question> {
  let last = -1;
  for (const position of sights[table].shown) {
    if (position !== last) yield { proof, table, position };
    last = position + 1;
    yield { proof, table, position: last };
  }
}
