/** Time between good challenges, by a clock that only runs forward. A new epoch, or a restart, begins anew. */
export type Stopwatch = {
  /** Milliseconds since the last lap of this name in this epoch; 0 at the first. */
  lap(name: string, epoch: number): number;
  forget(name: string): void;
};

export function createStopwatch(): Stopwatch {
  const laps = new Map<string, { readonly epoch: number; readonly at: number }>();
  return {
    lap: (name, epoch) => {
      const before = laps.get(name);
      const at = performance.now();
      laps.set(name, { epoch, at });
      return before?.epoch === epoch ? at - before.at : 0;
    },
    forget: (name) => void laps.delete(name),
  };
}
