import { equalBytes, fromHex, type Hex } from "../encoding/bytes.ts";
import {
  buildTree,
  depthOf,
  HASH_BYTES,
  hashRecords,
  rootOf,
  type Tree,
} from "../encoding/tree.ts";
import { firstRecords, recordAt } from "../epoch/records.ts";
import { type Case, type TableTerms, termsOf } from "./case.ts";
import { EMPTY_LEAF, firstEmptyLeaf } from "./empty-leaf.ts";
import { JUDGED_TABLES, type JudgedTable } from "./evidence.ts";
import type { Row } from "./rows.ts";

/** The tables as somebody published them; any of them may be missing. */
export type TableFiles = { readonly [table in JudgedTable]?: Uint8Array | undefined };

/** A published table that leads to the report's root: whatever is wrong with it is what the report's members signed. */
export type OpenTable = {
  readonly rows: number;
  /** More than the rows where some stand in the padding. */
  readonly leaves: number;
  readonly rowAt: (position: number) => Row;
  /** The first position where the zero hash stands in place of a row. */
  readonly emptyAt: number | undefined;
  /** Built anew each time: one is needed only for evidence, and takes as much as the table. */
  readonly tree: () => Tree;
};

/** Those of the tables that could be opened. */
export type OpenTables = { readonly [table in JudgedTable]?: OpenTable };

/** Roots over these very files, where somebody has worked them out. */
export type KnownRoots = { readonly [table in JudgedTable]?: Hex };

export function openTables(case_: Case, files: TableFiles, known: KnownRoots = {}): OpenTables {
  const opened = JUDGED_TABLES.map((table) => [
    table,
    openTable(files[table] ?? new Uint8Array(), termsOf(case_, table), known[table]),
  ]);
  return Object.fromEntries(opened) as OpenTables;
}

/** Undefined when the file is not the table under that root. */
export function openTable(file: Uint8Array, terms: TableTerms, known?: Hex): OpenTable | undefined {
  const root = fromHex(terms.root);
  const { rows, rowBytes } = terms;
  const rowAt = (position: number) => recordAt(file, rowBytes, position);
  if (known === terms.root && file.length === rows * rowBytes) {
    const tree = () => buildTree(hashRecords(file, rowBytes));
    return { rows, leaves: rows, rowAt, emptyAt: undefined, tree };
  }
  for (const reading of readings(file, terms)) {
    const hashes = reading();
    if (!equalBytes(rootOf(buildTree(hashes)), root)) continue;
    return {
      rows,
      leaves: hashes.length / HASH_BYTES,
      rowAt,
      emptyAt: firstEmptyLeaf(hashes, rows),
      tree: () => buildTree(reading()),
    };
  }
  return undefined;
}

/**
 * The leaf hashes that a file can mean. A row that is missing is an empty leaf, and one of zeros may be; leaves beyond
 * the rows that a report counts stand where padding must.
 */
function readings(file: Uint8Array, { rows, rowBytes }: TableTerms): readonly (() => Uint8Array)[] {
  const there = Math.floor(file.length / rowBytes);
  const counts = there > rows && depthOf(there) === depthOf(rows) ? [rows, there] : [rows];
  return counts.flatMap((count) => {
    const records = firstRecords(file, rowBytes, Math.min(count, there));
    const plain = () => hashAll(records, rowBytes, count);
    const zeros = zeroRecords(records, rowBytes);
    if (zeros.length === 0) return [plain];
    const emptied = () => {
      const hashes = plain();
      for (const i of zeros) hashes.set(EMPTY_LEAF, i * HASH_BYTES);
      return hashes;
    };
    return [plain, emptied];
  });
}

function hashAll(records: Uint8Array, rowBytes: number, count: number): Uint8Array {
  const hashes = hashRecords(records, rowBytes);
  if (hashes.length === count * HASH_BYTES) return hashes;
  const padded = new Uint8Array(count * HASH_BYTES);
  padded.set(hashes);
  return padded;
}

function zeroRecords(records: Uint8Array, rowBytes: number): readonly number[] {
  const zeros: number[] = [];
  for (let i = 0; i * rowBytes < records.length; i++) {
    if (recordAt(records, rowBytes, i).every((byte) => byte === 0)) zeros.push(i);
  }
  return zeros;
}
