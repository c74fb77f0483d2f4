import type { Hex } from "../encoding/bytes.ts";
import type { Table } from "../epoch/records.ts";

/**
 * What convicts a report, as the Judge contract takes it (contracts/interfaces/IJudge.sol). Names here are numbers there:
 * the places in these lists.
 */

/** A table under a root of the report, or the rewards of the final epoch before it. */
export type JudgedTable = Table | "lastRewards";
export const JUDGED_TABLES = [
  "contributions",
  "invoices",
  "rewards",
  "lastRewards",
] as const satisfies readonly JudgedTable[];

export const PROOFS = [
  "contribution",
  "pair",
  "contribution-order",
  "invoice-order",
  "reward-order",
  "reward-boundary",
  "empty-leaf",
] as const;
/** What can be wrong; each has its file in this room. */
export type ProofName = (typeof PROOFS)[number];

/** A row and the way from it to its table's root. */
export type Opening = {
  readonly table: JudgedTable;
  readonly position: number;
  /** Empty where the zero hash stands in a row's place. */
  readonly row: Hex;
  /** The siblings from the leaf's level upwards. */
  readonly proof: readonly Hex[];
};

export type Evidence = {
  readonly proof: ProofName;
  /** The boundary, for the proofs that have one; else 0. */
  readonly position: number;
  readonly openings: readonly Opening[];
  /** Of a contribution's device, when its key is P-256; else empty. */
  readonly publicKey: Hex;
};

/** The contract decodes one tuple of this type. */
export const EVIDENCE_ABI =
  "tuple(uint8 proof, uint32 position, tuple(uint8 table, uint32 position, bytes row, bytes32[] proof)[] openings, bytes publicKey)";

/** The values of that tuple, by its names. */
export function evidenceTuple({ proof, position, openings, publicKey }: Evidence) {
  return {
    proof: PROOFS.indexOf(proof),
    position,
    openings: openings.map((opening) => ({
      ...opening,
      table: JUDGED_TABLES.indexOf(opening.table),
    })),
    publicKey,
  };
}
