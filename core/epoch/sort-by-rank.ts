import { at } from "../encoding/at.ts";

/**
 * A counting sort of `order` by the rank of each thing in it: linear, and stable, so that the order before stays within
 * things of one rank.
 */
export function sortByRank(
  order: Uint32Array,
  ranks: Uint32Array,
  positionOf: readonly number[],
): Uint32Array {
  const rankOf = (i: number) => at(ranks, at(positionOf, i));
  const starts = new Uint32Array(ranks.length + 1);
  for (const i of order) starts[rankOf(i) + 1] = at(starts, rankOf(i) + 1) + 1;
  for (let rank = 1; rank <= ranks.length; rank++)
    starts[rank] = at(starts, rank) + at(starts, rank - 1);
  const sorted = new Uint32Array(order.length);
  for (const i of order) {
    const rank = rankOf(i);
    const place = at(starts, rank);
    sorted[place] = i;
    starts[rank] = place + 1;
  }
  return sorted;
}

/** The place of each of `count` things among them all. */
export function ranksOf(count: number, compare: (a: number, b: number) => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i).sort(compare);
  const places = new Uint32Array(count);
  order.forEach((thing, place) => {
    places[thing] = place;
  });
  return places;
}

/** Lowercase hex sorts as its bytes do. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Compares by the text at these positions. */
export function byText(texts: readonly string[]): (a: number, b: number) => number {
  return (a, b) => compareText(at(texts, a), at(texts, b));
}
