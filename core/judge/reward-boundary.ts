import { objections } from "./objections.ts";
import { amountIn, CONTRIBUTION, LEAF, type Row } from "./rows.ts";

/** A leaf, the one it was, and the last contribution of an account before it. */
export type Bounded = {
  readonly leaf: Row;
  /** Undefined for an account that is new. */
  readonly lastLeaf: Row | undefined;
  readonly before: Row | undefined;
};

/** How far a leaf must have moved. */
export const rewardBoundary = objections<Bounded>({
  "its prefix did not move by what the accounts before it earned": (
    { leaf, lastLeaf, before },
    { case_ },
  ) => {
    const began = lastLeaf === undefined ? case_.lastTotal : amountIn(lastLeaf, LEAF.prefix);
    const moved = before === undefined ? 0n : amountIn(before, CONTRIBUTION.subtotal);
    return amountIn(leaf, LEAF.prefix) !== began + moved;
  },
});
