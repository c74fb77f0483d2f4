import { objections } from "./objections.ts";
import { addressIn, amountIn, isSum, LEAF, type Neighbours, type Row } from "./rows.ts";

/** Neighbours in rewards.bin; `boundary` is the position of the row after. */
export type RewardNeighbours = Neighbours & { readonly boundary: number };

/** What neighbours in rewards.bin must be to each other. */
export const rewardOrder = objections<RewardNeighbours>({
  "it is in the place of another account": ({ after, boundary }, { law }) =>
    after !== undefined && law.indexOf(addressIn(after, LEAF.account)) !== boundary,
  "its prefix is not where the leaf before it ends": ({ before, after }) =>
    after !== undefined && !beginsAtEnd(after, before),
  "it is the last and does not end at the total": ({ before, after }, { case_ }) =>
    before !== undefined &&
    after === undefined &&
    amountIn(before, LEAF.prefix) + amountIn(before, LEAF.cumulative) !== case_.total,
});

/** The slice of the total that a leaf has begins where the one before it ends, the first at 0. */
function beginsAtEnd(leaf: Row, before: Row | undefined): boolean {
  if (before === undefined) return amountIn(leaf, LEAF.prefix) === 0n;
  const prefix = { row: before, cell: LEAF.prefix };
  return isSum(leaf, LEAF.prefix, prefix, { row: before, cell: LEAF.cumulative });
}
