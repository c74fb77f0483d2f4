import type { JudgeLaw } from "./judge-law.ts";
import { objections } from "./objections.ts";
import {
  addressIn,
  amountIn,
  CONTRIBUTION,
  compareIn,
  isSum,
  type Neighbours,
  type Row,
} from "./rows.ts";

/** What neighbours in contributions.bin must be to each other. */
export const contributionOrder = objections<Neighbours>({
  "it does not come after the row before it": ({ before, after }, { law }) =>
    before !== undefined && after !== undefined && !ascends(before, after, law),
  "its subtotal is not the one before it and what it earned": ({ before, after }) =>
    after !== undefined &&
    !isSum(after, CONTRIBUTION.subtotal, before && { row: before, cell: CONTRIBUTION.subtotal }, {
      row: after,
      cell: CONTRIBUTION.earned,
    }),
  "its subtotal, the last, is not what the total grew by": ({ before, after }, { case_ }) =>
    before !== undefined &&
    after === undefined &&
    case_.lastTotal + amountIn(before, CONTRIBUTION.subtotal) !== case_.total,
});

function ascends(a: Row, b: Row, law: JudgeLaw): boolean {
  if (!isOfOneAccount(a, b)) {
    const indexOfA = indexIn(a, law);
    const indexOfB = indexIn(b, law);
    if (indexOfA !== indexOfB) return indexOfA < indexOfB;
  }
  const byDevice = compareIn(a, CONTRIBUTION.device, b, CONTRIBUTION.device);
  if (byDevice !== 0) return byDevice < 0;
  return compareIn(a, CONTRIBUTION.customer, b, CONTRIBUTION.customer) < 0;
}

/** The index of a contribution's account. */
export function indexIn(row: Row, law: JudgeLaw): number {
  return law.indexOf(addressIn(row, CONTRIBUTION.account));
}

export function isOfOneAccount(a: Row, b: Row): boolean {
  return compareIn(a, CONTRIBUTION.account, b, CONTRIBUTION.account) === 0;
}
