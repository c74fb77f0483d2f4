/** One comparison: the same work by us and by what a user would pick instead. Each contestant runs in a process of its own. */
export type Case = {
  readonly what: string;
  /** "ms" is time for one round, less is better; a rate is items a second, more is better; "gas" and "bytes" are what a round returns. */
  readonly unit: "ms" | "receipts/s" | "gas" | "bytes";
  readonly sizes: { readonly quick: readonly number[]; readonly full: readonly number[] };
  readonly rounds: { readonly quick: number; readonly full: number };
  readonly ours: Contestant;
  /** By the name of the package. None: there is nothing to compare with, and the figure stands alone. */
  readonly peers: Readonly<Record<string, Peer>>;
};

/** Prepares its input, untimed, and gives what a round does. A round that returns a number has measured for itself. */
export type Contestant = (size: number) => Promise<Round>;
export type Round = () => Promise<number | undefined> | number | undefined | Promise<void> | void;

export type Peer = {
  readonly run: Contestant;
  /** The largest size that is asked of it: beyond, it takes minutes or all memory. */
  readonly upTo?: number;
};

/**
 * What has to be measured beside each other in one world, because setting it up takes longer than the measuring: each with
 * the same figure in other circumstances, in milliseconds.
 */
export type MeasureTogether = (options: {
  readonly quick: boolean;
  readonly rounds?: number | undefined;
  /** Of those alone whose name contains it. */
  readonly only?: string | undefined;
}) => Promise<
  readonly {
    readonly what: string;
    readonly size: number;
    readonly figure: number;
    readonly peer: string;
    readonly theirs: number;
    readonly peakMb: number;
    readonly peerPeakMb: number | null;
  }[]
>;

export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
