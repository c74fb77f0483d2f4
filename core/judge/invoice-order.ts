import { MAX_AMOUNT } from "../epoch/value.ts";
import { objections } from "./objections.ts";
import {
  addressIn,
  amountIn,
  compareIn,
  isSum,
  LINE,
  type Neighbours,
  numberIn,
  type Row,
} from "./rows.ts";

/** What neighbours in invoices.bin must be to each other. */
export const invoiceOrder = objections<Neighbours>({
  "it does not come after the line before it": ({ before, after }) =>
    before !== undefined && after !== undefined && !ascends(before, after),
  "its ceiling is not that of the customer's line before it": (neighbours) => {
    const { before, after } = ofOneCustomer(neighbours);
    return (
      before !== undefined &&
      after !== undefined &&
      compareIn(before, LINE.ceiling, after, LINE.ceiling) !== 0
    );
  },
  "its subtotal is not the customer's before it and what counted": (neighbours) => {
    const { before, after } = ofOneCustomer(neighbours);
    return (
      after !== undefined &&
      !isSum(after, LINE.subtotal, before && { row: before, cell: LINE.subtotal }, {
        row: after,
        cell: isAbove(after) ? LINE.ceiling : LINE.value,
      })
    );
  },
  "it does not say how many of the customer's lines are above the ceiling": (neighbours) => {
    const { before, after } = ofOneCustomer(neighbours);
    return (
      after !== undefined &&
      numberIn(after, LINE.above) !==
        (before === undefined ? 0 : numberIn(before, LINE.above)) + (isAbove(after) ? 1 : 0)
    );
  },
  "more counted than the customer paid": (neighbours, { law, case_ }) => {
    const last = lastOfCustomer(neighbours);
    return (
      last !== undefined &&
      amountIn(last, LINE.subtotal) > law.paid(addressIn(last, LINE.customer), case_.epoch)
    );
  },
  "the customer paid for a higher ceiling": (neighbours, { law, case_ }) => {
    const last = lastOfCustomer(neighbours);
    if (last === undefined || amountIn(last, LINE.ceiling) === MAX_AMOUNT) return false;
    const next = amountIn(last, LINE.subtotal) + BigInt(numberIn(last, LINE.above));
    return law.paid(addressIn(last, LINE.customer), case_.epoch) >= next;
  },
});

function ascends(a: Row, b: Row): boolean {
  const byCustomer = compareIn(a, LINE.customer, b, LINE.customer);
  if (byCustomer !== 0) return byCustomer < 0;
  return compareIn(a, LINE.device, b, LINE.device) < 0;
}

function isSameCustomer(a: Row, b: Row): boolean {
  return compareIn(a, LINE.customer, b, LINE.customer) === 0;
}

/** Without the line before when it is another customer's: a customer's sums begin at nothing. */
function ofOneCustomer({ before, after }: Neighbours): Neighbours {
  const isOne = before !== undefined && after !== undefined && isSameCustomer(before, after);
  return { before: isOne ? before : undefined, after };
}

/** The line before, when no other of its customer follows. */
function lastOfCustomer({ before, after }: Neighbours): Row | undefined {
  if (before === undefined || after === undefined) return before;
  return isSameCustomer(before, after) ? undefined : before;
}

function isAbove(line: Row): boolean {
  return compareIn(line, LINE.value, line, LINE.ceiling) > 0;
}
