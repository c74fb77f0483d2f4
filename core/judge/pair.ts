import { countedOf, earnedOf, valueAtTariff } from "../epoch/value.ts";
import { objections } from "./objections.ts";
import { amountIn, CONTRIBUTION, compareIn, LINE, numberIn, type Row } from "./rows.ts";

/** A line and the contribution it names. */
export type Paired = { readonly line: Row; readonly contribution: Row };

/** What a line and the contribution it names must have in common. One that names none is wrong by itself. */
export const pair = objections<Paired>({
  "it is of another device than the contribution it names": ({ line, contribution }) =>
    compareIn(line, LINE.device, contribution, CONTRIBUTION.device) !== 0,
  "it is of another customer than the contribution it names": ({ line, contribution }) =>
    compareIn(line, LINE.customer, contribution, CONTRIBUTION.customer) !== 0,
  "its value is not what the contribution is worth at the tariff": (
    { line, contribution },
    { law, case_ },
  ) => {
    const amounts = {
      egressBytes: amountIn(contribution, CONTRIBUTION.egressBytes),
      storageByteSeconds: amountIn(contribution, CONTRIBUTION.storageByteSeconds),
      computeMilliseconds: amountIn(contribution, CONTRIBUTION.computeMilliseconds),
    };
    return amountIn(line, LINE.value) !== valueAtTariff(amounts, law.tariffAt(case_.epoch));
  },
  "the contribution did not earn what counted less the fee": (
    { line, contribution },
    { law, case_ },
  ) => {
    const counted = countedOf(amountIn(line, LINE.value), amountIn(line, LINE.ceiling));
    const earned = earnedOf(counted, law.tariffAt(case_.epoch).feeBps);
    return amountIn(contribution, CONTRIBUTION.earned) !== earned;
  },
});

export const NAMES_NONE = "it names no contribution";

export function namesNone(line: Row, contributions: number): boolean {
  return numberIn(line, LINE.contribution) >= contributions;
}
