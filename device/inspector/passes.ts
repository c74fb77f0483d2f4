import type { Address } from "@link-rewards/core/encoding/bytes";

/**
 * `visited`: it was connected and was asked for service. `missed`: it was not connected; it can have its turn later in the
 * pass. `spent`: it was connected, and has had all that there is for it in the epoch.
 */
export const FATES = ["visited", "missed", "spent"] as const;

export type Turn = {
  readonly pass: number;
  readonly device: Address;
  readonly fate: (typeof FATES)[number];
  /** Unix seconds, by the inspector's clock. */
  readonly at: number;
};

/**
 * Whose turn it is in an epoch. In a pass each device of the order has one turn, at its place or, when it was not connected
 * then, as soon as it is: so nobody who is there is passed over twice. All of it follows from the turns that were taken.
 */
export type Passes = {
  /** The number of the pass that is going on, or was the last; 0 before the first. */
  pass(): number;
  /** When it began, in unix seconds; undefined before the first. */
  began(): number | undefined;
  /** Whether each place has had or missed its turn. */
  isThrough(): boolean;
  /** Throws when the pass before is not through. */
  begin(at: number): void;
  /** The next device to be visited, and those before it that miss their turn now. */
  due(isConnected: (device: Address) => boolean): {
    readonly missed: readonly Address[];
    readonly next: Address | undefined;
  };
  /** Throws when it is not that device's turn. */
  take(turn: Turn): void;
  /** Those that missed their turn in this pass and have not come since. */
  missing(): readonly Address[];
};

export function openPasses(order: readonly Address[]): Passes {
  let pass = 0;
  let began: number | undefined;
  /** Of the next that was not called in this pass. */
  let place = order.length;
  /** In the order of their places. */
  const missing = new Set<Address>();
  const isThrough = () => place === order.length;

  function begin(now: number): void {
    if (!isThrough()) throw new Error(`pass ${pass} is at place ${place} of ${order.length}`);
    pass += 1;
    began = now;
    place = 0;
    missing.clear();
  }

  return {
    pass: () => pass,
    began: () => began,
    isThrough,
    begin,
    due(isConnected) {
      const late = [...missing].find(isConnected);
      if (late !== undefined) return { missed: [], next: late };
      let found = place;
      while (found < order.length && !isConnected(order[found] as Address)) found += 1;
      return { missed: order.slice(place, found), next: order[found] };
    },
    take(turn) {
      if (turn.pass === pass + 1 && isThrough()) begin(turn.at);
      if (turn.pass !== pass)
        throw new Error(
          `pass ${turn.pass} where pass ${pass} is at place ${place} of ${order.length}`,
        );
      const { device, fate } = turn;
      if (device === order[place]) {
        place += 1;
        if (fate === "missed") missing.add(device);
      } else if (fate === "missed" || !missing.delete(device)) {
        const expected = order[place];
        throw new Error(
          `${device} in pass ${pass}, where ${expected === undefined ? "all have had their turn" : `it is the turn of ${expected}`}`,
        );
      }
    },
    missing: () => [...missing],
  };
}
