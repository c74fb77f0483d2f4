/** Values by the epoch from which they hold, ascending. Short: most things change once or never. */
export type Timeline<T> = { readonly fromEpoch: number; readonly value: T }[];

/** A later change for the same epoch replaces the earlier one. */
export function setFrom<T>(history: Timeline<T>, fromEpoch: number, value: T): void {
  const after = history.findLastIndex((entry) => entry.fromEpoch <= fromEpoch);
  const replaces = history[after]?.fromEpoch === fromEpoch;
  history.splice(replaces ? after : after + 1, replaces ? 1 : 0, { fromEpoch, value });
}

/** What holds in `epoch`: the newest change that is not of a later epoch. */
export function valueAt<T>(history: Timeline<T>, epoch: number): T | undefined {
  return history.findLast((entry) => entry.fromEpoch <= epoch)?.value;
}
