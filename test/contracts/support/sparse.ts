import {
  concatBytes,
  fromHex,
  type Hex,
  keccak256,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { id } from "ethers";

/** A tree of 2^depth rows of which only a few are known. A proof costs in it what it costs in a whole one. */
export type Sparse = {
  readonly root: Hex;
  readonly rows: number;
  readonly rowAt: (position: number) => Hex;
  readonly proofOf: (position: number) => readonly Hex[];
  /** The hash at a position of a level, 0 for the leaves. */
  readonly nodeAt: (level: number, position: number) => Hex;
};

/** What is known at a position: a row, or no more than its hash; or the hash at a higher level. */
type Known = readonly [position: number, row: Uint8Array | Hex, level?: number];

export function sparseTree(depth: number, known: readonly Known[]): Sparse {
  const rows = known.filter(([, , level = 0]) => level === 0);
  const rowsByPosition = new Map(rows.map(([position, row]) => [position, row]));
  const hashesAt = (at: number) =>
    known.flatMap(([position, row, level = 0]): [number, Hex][] =>
      level === at ? [[position, leafOf(row)]] : [],
    );
  const levels = [new Map(hashesAt(0))];
  const nodeAt = (level: number, position: number): Hex =>
    levels[level]?.get(position) ?? (id(`node ${level} ${position}`) as Hex);
  for (let level = 0; level < depth; level++) {
    const parents = new Set([...(levels[level] as Map<number, Hex>).keys()].map((at) => at >>> 1));
    const above = [...parents].map((at): [number, Hex] => [
      at,
      pairOf(nodeAt(level, 2 * at), nodeAt(level, 2 * at + 1)),
    ]);
    levels.push(new Map([...above, ...hashesAt(level + 1)]));
  }
  return {
    root: nodeAt(depth, 0),
    rows: 2 ** depth,
    rowAt: (position) => {
      const row = rowsByPosition.get(position);
      return row instanceof Uint8Array ? toHex(row) : "0x";
    },
    proofOf: (position) =>
      Array.from({ length: depth }, (_, level) => nodeAt(level, (position >>> level) ^ 1)),
    nodeAt,
  };
}

function leafOf(row: Uint8Array | Hex): Hex {
  return row instanceof Uint8Array ? toHex(keccak256(row)) : row;
}

function pairOf(left: Hex, right: Hex): Hex {
  return toHex(keccak256(concatBytes(fromHex(left), fromHex(right))));
}
