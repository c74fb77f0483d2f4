/** Values by the epoch from which they hold, ascending. Short: most things change once or never. */
export type Timeline<T> = { readonly fromEpoch: number; readonly value: T }[];

/** A later change for the same epoch replaces the earlier one. */
export function setFrom<T>(timeline: Timeline<T>, fromEpoch: number, value: T): void {
  const after = timeline.findLastIndex((entry) => entry.fromEpoch <= fromEpoch);
  const replaces = timeline[after]?.fromEpoch === fromEpoch;
  timeline.splice(replaces ? after : after + 1, replaces ? 1 : 0, { fromEpoch, value });
}

/** What holds in `epoch`: the newest change that is not of a later epoch. */
export function valueAt<T>(timeline: Timeline<T>, epoch: number): T | undefined {
  return timeline.findLast((entry) => entry.fromEpoch <= epoch)?.value;
}
