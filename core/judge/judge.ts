import { fromHex, keccak256 } from "../encoding/bytes.ts";
import { NO_PUBLIC_KEY } from "../encoding/p256.ts";
import { verifyProof } from "../encoding/tree.ts";
import { type Case, termsOf } from "./case.ts";
import { beforeTheKey, contributedIn, contribution } from "./contribution.ts";
import { contributionOrder, indexIn } from "./contribution-order.ts";
import { EMPTY_LEAF } from "./empty-leaf.ts";
import type { Evidence, JudgedTable, Opening } from "./evidence.ts";
import { invoiceOrder } from "./invoice-order.ts";
import { type Hearing, type JudgeContext, type Objection, objectionTo } from "./objections.ts";
import { namesNone, pair } from "./pair.ts";
import { rewardBoundary } from "./reward-boundary.ts";
import { rewardOrder } from "./reward-order.ts";
import { LINE, type Neighbours, numberIn, type Row } from "./rows.ts";

/** `invalid`: it is no evidence about this report. The contract then fails, and decides nothing. */
export type Judgement = "lawful" | "unlawful" | "invalid";

/**
 * The twin of Judge.unlawful (contracts/Judge.sol): whether this shows that the report is not lawful. Whatever the rows
 * say, there is a judgement.
 */
export function judge(case_: Case, evidence: Evidence, context: JudgeContext): Judgement {
  const hearing = { ...context, case_ };
  switch (evidence.proof) {
    case "contribution":
      return judgeContribution(evidence, hearing);
    case "pair":
      return judgePair(evidence, hearing);
    case "contribution-order": {
      const neighbours = boundaryOf("contributions", evidence, hearing);
      return neighbours ? verdict(contributionOrder, neighbours, hearing) : "invalid";
    }
    case "invoice-order": {
      const neighbours = boundaryOf("invoices", evidence, hearing);
      return neighbours ? verdict(invoiceOrder, neighbours, hearing) : "invalid";
    }
    case "reward-order": {
      const boundary = evidence.position;
      const neighbours = boundaryOf("rewards", evidence, hearing);
      return neighbours ? verdict(rewardOrder, { ...neighbours, boundary }, hearing) : "invalid";
    }
    case "reward-boundary":
      return judgeRewardBoundary(evidence, hearing);
    case "empty-leaf":
      return judgeEmptyLeaf(evidence, case_);
  }
}

function verdict<Rows>(proof: readonly Objection<Rows>[], rows: Rows, hearing: Hearing): Judgement {
  return objectionTo(proof, rows, hearing) === undefined ? "lawful" : "unlawful";
}

function judgeContribution({ openings, publicKey }: Evidence, hearing: Hearing): Judgement {
  const [opening, ...more] = openings;
  const row = rowUnder("contributions", opening?.position, opening, hearing.case_);
  if (opening === undefined || row === undefined || more.length > 0) return "invalid";
  const contributed = contributedIn(row, opening.position, hearing);
  if (objectionTo(beforeTheKey, contributed, hearing) !== undefined) return "unlawful";
  const key = hearing.law.publicKeyOf(contributed.device);
  if (key !== NO_PUBLIC_KEY && key !== publicKey) return "invalid";
  return verdict(contribution, contributed, hearing);
}

function judgePair({ openings }: Evidence, hearing: Hearing): Judgement {
  const { case_ } = hearing;
  const [first, second, ...more] = openings;
  const line = rowUnder("invoices", first?.position, first, case_);
  if (line === undefined || more.length > 0) return "invalid";
  if (namesNone(line, case_.contributions)) return second === undefined ? "unlawful" : "invalid";
  const named = rowUnder("contributions", numberIn(line, LINE.contribution), second, case_);
  if (named === undefined) return "invalid";
  return verdict(pair, { line, contribution: named }, hearing);
}

function judgeRewardBoundary({ openings, position }: Evidence, hearing: Hearing): Judgement {
  const { case_, law } = hearing;
  const index = openings[0]?.position ?? 0;
  const leaf = rowUnder("rewards", index, openings[0], case_);
  if (leaf === undefined) return "invalid";
  const isOld = index < case_.lastLeaves;
  const lastLeaf = isOld ? rowUnder("lastRewards", index, openings[1], case_) : undefined;
  if (isOld && lastLeaf === undefined) return "invalid";
  const rest = openings.slice(isOld ? 2 : 1);
  if (case_.contributions === 0) {
    if (rest.length > 0) return "invalid";
    return verdict(rewardBoundary, { leaf, lastLeaf, before: undefined }, hearing);
  }
  const around = neighboursUnder("contributions", position, rest, case_);
  if (around === undefined) return "invalid";
  const { before, after } = around;
  if (before !== undefined && indexIn(before, law) >= index) return "invalid";
  if (after !== undefined && indexIn(after, law) < index) return "invalid";
  return verdict(rewardBoundary, { leaf, lastLeaf, before }, hearing);
}

function judgeEmptyLeaf({ openings }: Evidence, case_: Case): Judgement {
  const [opening, ...more] = openings;
  if (opening === undefined || more.length > 0) return "invalid";
  // Of a final root nothing is convicted any more.
  if (opening.table === "lastRewards" || opening.row !== "0x") return "invalid";
  return standsUnder(opening, EMPTY_LEAF, case_) ? "unlawful" : "invalid";
}

function boundaryOf(
  table: JudgedTable,
  { openings, position }: Evidence,
  { case_ }: Hearing,
): Neighbours | undefined {
  return neighboursUnder(table, position, openings, case_);
}

/** The rows on both sides of a boundary, if they are what the openings show and nothing else is. */
function neighboursUnder(
  table: JudgedTable,
  boundary: number,
  openings: readonly Opening[],
  case_: Case,
): Neighbours | undefined {
  const { rows } = termsOf(case_, table);
  if (rows === 0 || boundary < 0 || boundary > rows) return undefined;
  const positions = [boundary - 1, boundary].filter((at) => at >= 0 && at < rows);
  if (openings.length !== positions.length) return undefined;
  const shown = positions.map((at, i) => rowUnder(table, at, openings[i], case_));
  if (shown.some((row) => row === undefined)) return undefined;
  return {
    before: boundary === 0 ? undefined : shown[0],
    after: boundary === rows ? undefined : shown.at(-1),
  };
}

/** The row that an opening shows at this position of its table. */
function rowUnder(
  table: JudgedTable,
  position: number | undefined,
  opening: Opening | undefined,
  case_: Case,
): Row | undefined {
  if (opening?.table !== table || opening.position !== position) return undefined;
  const row = fromHex(opening.row);
  if (row.length !== termsOf(case_, table).rowBytes) return undefined;
  return standsUnder(opening, keccak256(row), case_) ? row : undefined;
}

function standsUnder(
  { table, position, proof }: Opening,
  leafHash: Uint8Array,
  case_: Case,
): boolean {
  const { root, rows } = termsOf(case_, table);
  return verifyProof(fromHex(root), rows, position, leafHash, proof.map(fromHex));
}
