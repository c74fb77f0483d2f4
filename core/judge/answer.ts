import { equalBytes, fromHex, type Hex, toHex } from "../encoding/bytes.ts";
import {
  climb,
  depthOf,
  HASH_BYTES,
  hashRecords,
  levelsFrom,
  siblings,
  verifyProof,
} from "../encoding/tree.ts";
import { PAGE_LEVELS, PAGE_RECORDS, storedLevels, type Table } from "../epoch/records.ts";
import type { TableTerms } from "./case.ts";
import { pageOf, proveFromFiles, type RangeReader } from "./proof.ts";

/**
 * A node of a report's tree that can be demanded: a row at level 0; at a level that is a multiple of 8 the page of the at
 * most 256 nodes eight levels below it. The twin of IDemands.Node.
 */
export type DemandNode = {
  readonly table: Table;
  readonly level: number;
  /** Among the nodes of its level. */
  readonly position: number;
};

/** What an answer shows: a row, or the hashes of a page without padding. */
export type Answer =
  | { readonly row: Hex; readonly proof: readonly Hex[] }
  | { readonly hashes: readonly Hex[]; readonly proof: readonly Hex[] };

/**
 * The answer to a demand out of a bundle's files, a few ranges of them. Undefined when they do not lead to the root: the
 * contract would refuse it.
 */
export function answerFromFiles(
  read: RangeReader,
  terms: TableTerms,
  node: DemandNode,
): Promise<Answer | undefined> {
  return node.level === 0 ? answerRow(read, terms, node) : answerPage(read, terms, node);
}

async function answerRow(
  read: RangeReader,
  { root, rows, rowBytes }: TableTerms,
  { table, position }: DemandNode,
): Promise<Answer | undefined> {
  const { row, proof } = await proveFromFiles(read, table, rows, position);
  const leads = verifyProof(fromHex(root), rows, position, hashRecords(row, rowBytes), proof);
  return leads ? { row: toHex(row), proof: proof.map(toHex) } : undefined;
}

async function answerPage(
  read: RangeReader,
  { root, rows, rowBytes }: TableTerms,
  { table, level, position }: DemandNode,
): Promise<Answer | undefined> {
  const height = level - PAGE_LEVELS;
  const depth = depthOf(rows);
  const blockOf = async (stored: number, at: number) => {
    const { from, nodes } = placeOf(rows, stored);
    const block = pageOf(at, nodes, HASH_BYTES);
    return read(`${table}.tree`, from + block.from, block.length);
  };
  const readHashes = async () => {
    if (height > 0) return blockOf(height, position * PAGE_RECORDS);
    const range = pageOf(position * PAGE_RECORDS, rows, rowBytes);
    return hashRecords(await read(`${table}.bin`, range.from, range.length), rowBytes);
  };
  const hashes = await readHashes();
  const proof: Uint8Array[] = [];
  for (let stored = level; stored < depth; stored += PAGE_LEVELS) {
    const above = Math.floor(position / 2 ** (stored - level));
    const nodes = await blockOf(stored, above);
    const levels = levelsFrom(nodes, stored, Math.min(PAGE_LEVELS, depth - stored));
    proof.push(...siblings(levels, stored, above % PAGE_RECORDS));
  }
  const top = topOf(hashes, height, Math.min(PAGE_LEVELS, depth - height));
  if (!equalBytes(climb(top, position, proof), fromHex(root))) return undefined;
  return { hashes: hashesIn(hashes), proof: proof.map(toHex) };
}

/** Where the nodes of a stored level begin in a `.tree`, and how many they are. */
function placeOf(rows: number, height: number): { readonly from: number; readonly nodes: number } {
  let from = 0;
  for (const level of storedLevels(rows)) {
    if (level.height === height) return { from, nodes: level.nodes };
    from += level.nodes * HASH_BYTES;
  }
  throw new RangeError(`a tree over ${rows} rows has no page at level ${height + PAGE_LEVELS}`);
}

function topOf(nodes: Uint8Array, height: number, levels: number): Uint8Array {
  return levelsFrom(nodes, height, levels + 1).at(-1) as Uint8Array;
}

function hashesIn(nodes: Uint8Array): readonly Hex[] {
  return Array.from({ length: nodes.length / HASH_BYTES }, (_, i) =>
    toHex(nodes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)),
  );
}
