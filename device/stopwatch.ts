/** Time between good challenges, by a clock that only runs forward. A new epoch, or a restart, begins anew. */
export type Stopwatch = {
  /** Milliseconds since the last lap of this name in this epoch; 0 at the first. */
  lap(name: string, epoch: number): number;
  /** The same without a lap; undefined before the first. */
  passed(name: string, epoch: number): number | undefined;
  forget(name: string): void;
};

export function createStopwatch(): Stopwatch {
  const laps = new Map<string, { readonly epoch: number; readonly at: number }>();
  const passed = (name: string, epoch: number) => {
    const before = laps.get(name);
    return before?.epoch === epoch ? performance.now() - before.at : undefined;
  };
  return {
    passed,
    lap: (name, epoch) => {
      const milliseconds = passed(name, epoch) ?? 0;
      laps.set(name, { epoch, at: performance.now() });
      return milliseconds;
    },
    forget: (name) => void laps.delete(name),
  };
}
