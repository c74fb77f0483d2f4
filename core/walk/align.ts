import { equalBytes, writeUint } from "../encoding/bytes.ts";
import { hashRecords, levelsFrom } from "../encoding/tree.ts";
import { CONTRIBUTION_BYTES, PAGE_LEVELS, PAGE_RECORDS, recordAt } from "../epoch/records.ts";
import { MAX_AMOUNT } from "../epoch/value.ts";
import { amountIn, CONTRIBUTION, type Row } from "../judge/rows.ts";
import { type CompareRows, rankIn, spread } from "./order.ts";
import { firstLevel, type Sight } from "./sight.ts";

/**
 * Lays the guessed contributions beside the hidden ones, as a diff does. A hidden row is a guessed one moved by some
 * positions, and its subtotal by some wei: what rows and pages of hashes were shown says by how much, from where to where.
 */

/** Before row `at` of the hidden table stands what is before row `own` of the guess, and has earned `shift` wei more. */
type Place = { readonly at: number; readonly own: number; readonly shift: bigint };

/** Rows from one place on that are as guessed. */
type Run = Place & { readonly end: number };

/** Why a run ends: a hash is not known, at this level and position, or a row is another. */
type Stop = { readonly level: number; readonly position: number } | "row";

/** Hidden rows that are not explained. */
export type Gap = {
  readonly from: number;
  readonly to: number;
  /** How many guessed rows stand in their place. */
  readonly guessed: number;
  /** By how much more or less they earned than the guessed ones, in wei. */
  readonly unexplained: bigint;
  readonly first: Stop;
  readonly last: Stop;
};

/** What is between two places. */
type Stretch = {
  readonly runs: readonly Run[];
  readonly gaps: readonly Gap[];
  /** Guessed rows that have no place in the hidden table. */
  readonly absent: readonly number[];
  /** Rows that were shown and cannot both be lawful, whatever stands between them. */
  readonly strife: readonly (readonly [number, number])[];
};

export type Alignment = Omit<Stretch, "runs"> & {
  /** A row that was shown, or is known because it is as guessed. */
  readonly rowAt: (position: number) => Row | undefined;
  /** The boundaries where runs begin and end. */
  readonly seams: readonly number[];
};

export function align(
  sight: Sight,
  guessed: Uint8Array,
  /** The sum of what the hidden rows earned, in wei. */
  earned: bigint,
  compare: CompareRows,
): Alignment {
  const count = guessed.length / CONTRIBUTION_BYTES;
  const starts = [{ at: 0, own: 0, shift: 0n }, ...placesOf(sight, guessed, compare)];
  const end = { at: sight.rows, own: count, shift: earned - subtotalBefore(guessed, count) };
  const stretches = starts.map((start, i) =>
    stretchBetween(sight, guessed, start, starts[i + 1] ?? end, i > 0),
  );
  const runs = stretches.flatMap((each) => each.runs).filter((run) => run.at < run.end);
  return {
    rowAt: (position) => sight.rowAt(position) ?? rowOf(runs, guessed, position),
    seams: [...new Set(runs.flatMap((run) => [run.at, run.end]))],
    gaps: stretches.flatMap((each) => each.gaps),
    absent: stretches.flatMap((each) => each.absent),
    strife: stretches.flatMap((each) => each.strife),
  };
}

function stretchBetween(
  sight: Sight,
  guessed: Uint8Array,
  start: Place,
  end: Place,
  isShown: boolean,
): Stretch {
  const nothing = { runs: [], gaps: [], absent: [], strife: [] };
  if (!canFollow(start, end, isShown, guessed)) {
    // Neighbours speak for themselves.
    if (end.at - start.at < 2) return nothing;
    return { ...nothing, strife: [[isShown ? start.at : -1, end.at]] };
  }
  const forwards = runForwards(sight, guessed, start, end);
  const skipped = forwards.stop === "row" ? skip(sight, guessed, forwards.place, end) : undefined;
  if (skipped !== undefined) {
    const rest = stretchBetween(sight, guessed, skipped, end, true);
    return {
      ...rest,
      runs: [{ ...start, end: skipped.at }, ...rest.runs],
      absent: [...numbers(forwards.place.own, skipped.own), ...rest.absent],
    };
  }
  const backwards = runBackwards(sight, guessed, end, forwards.place);
  const [from, to] = [forwards.place, backwards.place];
  const between = numbers(from.own, to.own);
  const gap: Gap = {
    from: from.at,
    to: to.at,
    guessed: between.length,
    unexplained: to.shift - from.shift,
    first: forwards.stop,
    last: backwards.stop,
  };
  const isFull = from.at === to.at;
  return {
    ...nothing,
    runs: [
      { ...start, end: from.at },
      { ...to, end: end.at },
    ],
    gaps: isFull ? [] : [gap],
    absent: isFull ? between : [],
  };
}

/** The places of the rows that were shown, but for those in the middle of others that say the same. */
function placesOf(sight: Sight, guessed: Uint8Array, compare: CompareRows): readonly Place[] {
  const places = sight.shown.map((at): Place => {
    const row = sight.rowAt(at) as Row;
    const own = rankIn(guessed, CONTRIBUTION_BYTES, row, compare);
    const before = amountIn(row, CONTRIBUTION.subtotal) - amountIn(row, CONTRIBUTION.earned);
    return { at, own, shift: before - subtotalBefore(guessed, own) };
  });
  const isLike = (a: Place, b: Place | undefined) =>
    b !== undefined && a.at - a.own === b.at - b.own && a.shift === b.shift;
  return places.filter(
    (place, i) => !isLike(place, places[i - 1]) || !isLike(place, places[i + 1]),
  );
}

/** Whether later rows have later places, and have not earned less than nothing. A shown row stands at its start. */
function canFollow(start: Place, end: Place, isShown: boolean, guessed: Uint8Array): boolean {
  if (!isShown) return end.shift + subtotalBefore(guessed, end.own) >= 0n;
  const after = start.own + 1;
  return (
    end.own >= after &&
    end.shift + subtotalBefore(guessed, end.own) >= start.shift + subtotalBefore(guessed, after)
  );
}

function subtotalBefore(guessed: Uint8Array, own: number): bigint {
  if (own === 0) return 0n;
  return amountIn(recordAt(guessed, CONTRIBUTION_BYTES, own - 1), CONTRIBUTION.subtotal);
}

type Extent = { readonly place: Place; readonly stop: Stop };

/** As far as rows from `start` on are as guessed, but not beyond `end`. */
function runForwards(sight: Sight, guessed: Uint8Array, start: Place, end: Place): Extent {
  let { at, own } = start;
  const { shift } = start;
  const step = (): number | Stop => {
    for (let level = firstLevel(sight.rows); level >= 0; level -= PAGE_LEVELS) {
      const nodes = 2 ** level;
      const count = Math.min(nodes, sight.rows - at);
      if (at % nodes !== 0 || at + count > end.at || own + count > end.own) continue;
      const found = compareNode(sight, guessed, { at, own, shift }, count, level);
      if (found === "unknown") return { level, position: at / nodes };
      if (found === "same") return count;
    }
    return "row";
  };
  for (;;) {
    const taken = at < end.at ? step() : "row";
    if (typeof taken !== "number") return { place: { at, own, shift }, stop: taken };
    at += taken;
    own += taken;
  }
}

/** As far as rows before `end` are as guessed, but not beyond `start`. */
function runBackwards(sight: Sight, guessed: Uint8Array, end: Place, start: Place): Extent {
  let { at, own } = end;
  const { shift } = end;
  const step = (): number | Stop => {
    for (let level = firstLevel(sight.rows); level >= 0; level -= PAGE_LEVELS) {
      const nodes = 2 ** level;
      if (at % nodes !== 0 && at !== sight.rows) continue;
      const count = at % nodes || nodes;
      if (at - count < start.at || own - count < start.own) continue;
      const before = { at: at - count, own: own - count, shift };
      const found = compareNode(sight, guessed, before, count, level);
      if (found === "unknown") return { level, position: before.at / nodes };
      if (found === "same") return count;
    }
    return "row";
  };
  for (;;) {
    const taken = at > start.at ? step() : "row";
    if (typeof taken !== "number") return { place: { at, own, shift }, stop: taken };
    at -= taken;
    own -= taken;
  }
}

/** Rows in sequence that may be missing without more being shown than the hash of the next. */
const MOST_SKIPPED = 16;

/** The place of the same hidden row when some guessed ones before it are missing, if its hash says so. */
function skip(sight: Sight, guessed: Uint8Array, from: Place, end: Place): Place | undefined {
  if (from.at >= end.at) return undefined;
  let { own, shift } = from;
  while (own + 1 < end.own && own < from.own + MOST_SKIPPED) {
    shift -= amountIn(recordAt(guessed, CONTRIBUTION_BYTES, own), CONTRIBUTION.earned);
    own += 1;
    const place = { at: from.at, own, shift };
    if (compareNode(sight, guessed, place, 1, 0) === "same") return place;
  }
  return undefined;
}

function numbers(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

/** Whether `count` rows from a place on, all under one node of this level, are as guessed. */
function compareNode(
  sight: Sight,
  guessed: Uint8Array,
  { at, own, shift }: Place,
  count: number,
  level: number,
): "same" | "other" | "unknown" {
  const shown = level === 0 ? sight.rowAt(at) : undefined;
  const rows = moved(guessed, own, count, shift);
  if (shown !== undefined) return rows && equalBytes(rows, shown) ? "same" : "other";
  const node = sight.nodeAt(level, Math.floor(at / 2 ** level));
  if (node === undefined) return "unknown";
  if (rows === undefined) return "other";
  const hash = levelsFrom(hashRecords(rows, CONTRIBUTION_BYTES), 0, level + 1).at(-1);
  return equalBytes(hash as Uint8Array, node) ? "same" : "other";
}

/** Guessed rows with other subtotals; undefined when a row cannot hold them. */
function moved(
  guessed: Uint8Array,
  own: number,
  count: number,
  shift: bigint,
): Uint8Array | undefined {
  const rows = guessed.subarray(own * CONTRIBUTION_BYTES, (own + count) * CONTRIBUTION_BYTES);
  if (shift === 0n) return rows;
  const copy = rows.slice();
  const { from, bytes } = CONTRIBUTION.subtotal;
  for (let i = 0; i < count; i++) {
    const row = recordAt(copy, CONTRIBUTION_BYTES, i);
    const subtotal = amountIn(row, CONTRIBUTION.subtotal) + shift;
    if (subtotal < 0n || subtotal > MAX_AMOUNT) return undefined;
    writeUint(row, from, bytes, subtotal);
  }
  return copy;
}

function rowOf(runs: readonly Run[], guessed: Uint8Array, position: number): Row | undefined {
  const run = runs.find(({ at, end }) => at <= position && position < end);
  return run && moved(guessed, run.own + position - run.at, 1, run.shift);
}

/** Rows that are shown sooner than pages about them. */
const FEW_ROWS = 4;
/** Two faults are found from the two ends of a gap. */
const FOUND_FROM_ENDS = 2;
/** There may be more faults in a longer gap: it is split by so many rows. */
const LONG_GAP_PAGES = 8;
const LONG_GAP_ROWS = 32;
const SPLITS = 4;

/** What to demand of a gap: the nodes and rows that its runs stopped for, and rows that split it. */
export function questionsOf({ from, to, guessed, first, last }: Gap): {
  readonly nodes: readonly Exclude<Stop, "row">[];
  readonly rows: readonly number[];
} {
  if (to - from <= FEW_ROWS) return { nodes: [], rows: spread(from, to, FEW_ROWS) };
  const more = to - from - guessed;
  const nodes = [first, last].filter((stop) => stop !== "row");
  const isFirstLook = nodes.some(({ level }) => level > 0);
  const pages = Math.ceil(to / PAGE_RECORDS) - Math.floor(from / PAGE_RECORDS);
  const isLong = nodes.length > 0 ? pages > LONG_GAP_PAGES : to - from > LONG_GAP_ROWS;
  const least = isLong && !isFirstLook ? SPLITS : 0;
  const splits = Math.max(more > FOUND_FROM_ENDS ? more : 0, least);
  const ends = [...(first === "row" ? [from] : []), ...(last === "row" ? [to - 1] : [])];
  const isSplitByPages = nodes.length > 0 || pages > 2;
  const inside = isSplitByPages ? pageStarts(from, to, splits) : spread(from, to, splits);
  return { nodes, rows: [...new Set([...ends, ...inside])] };
}

/** Some of the first rows of pages in the middle of a gap: with them whole pages can be compared. */
function pageStarts(from: number, to: number, most: number): readonly number[] {
  const first = Math.floor(from / PAGE_RECORDS) + 1;
  const end = Math.ceil(to / PAGE_RECORDS);
  return spread(first, end, most).map((page) => page * PAGE_RECORDS);
}
