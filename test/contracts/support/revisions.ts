/** For the last argument of a law event where another is the point: that it is counted, LawEvents.ts tests. */
export const numbered = (revision: bigint): boolean => revision > 0n;
