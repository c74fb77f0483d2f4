import { at } from "../encoding/at.ts";
import { type Address, writeUint } from "../encoding/bytes.ts";
import { BYTES_OF, byteLengthOf } from "../encoding/fields.ts";
import type { Contributions } from "./contributions.ts";
import { CONTRIBUTION_BYTES, INVOICE_BYTES, INVOICE_FIELDS, recordAt } from "./records.ts";
import { byText, ranksOf, sortByRank } from "./sort-by-rank.ts";
import { ceilingOf, countedOf } from "./value.ts";

export type Invoices = {
  /** invoices.bin: by (customer, device), strictly ascending. */
  readonly records: Uint8Array;
  /** What counted of each contribution, in their order, in wei. */
  readonly counted: readonly bigint[];
};

/** One line for each contribution, and what its customer's payment covers of it; `values` are those of the contributions. */
export function invoice(
  contributions: Contributions,
  values: readonly bigint[],
  paidBy: (customer: Address) => bigint,
): Invoices {
  const { count, customers, customerOf } = contributions;
  const order = invoiceOrder(contributions);
  const records = new Uint8Array(count * INVOICE_BYTES);
  const counted = customerOf.map(() => 0n);
  for (let first = 0, end = 0; first < count; first = end) {
    const customer = at(customerOf, at(order, first));
    while (end < count && customerOf[at(order, end)] === customer) end += 1;
    const rows = order.subarray(first, end);
    const paid = paidBy(at(customers, customer));
    const ceiling = ceilingOf(
      Array.from(rows, (row) => at(values, row)),
      paid,
    );
    let subtotal = 0n;
    let above = 0;
    for (const [i, row] of rows.entries()) {
      const value = at(values, row);
      const covered = countedOf(value, ceiling);
      counted[row] = covered;
      subtotal += covered;
      if (value > ceiling) above += 1;
      const line = recordAt(records, INVOICE_BYTES, first + i);
      writeParties(line, contributions.records, row);
      writeNumber(line, CONTRIBUTION, row);
      writeNumber(line, VALUE, value);
      writeNumber(line, CEILING, ceiling);
      writeNumber(line, SUBTOTAL, subtotal);
      writeNumber(line, ABOVE, above);
    }
  }
  return { records, counted };
}

/** The contributions' rows by (customer, device). */
function invoiceOrder({ devices, customers, deviceOf, customerOf }: Contributions): Uint32Array {
  const order = Uint32Array.from(deviceOf.keys());
  const byDevice = sortByRank(order, ranksOf(devices.length, byText(devices)), deviceOf);
  return sortByRank(byDevice, ranksOf(customers.length, byText(customers)), customerOf);
}

const ADDRESS_BYTES = BYTES_OF.address;

/** A receipt begins with its device and its customer, a line with its customer and its device. */
function writeParties(line: Uint8Array, records: Uint8Array, row: number): void {
  const from = row * CONTRIBUTION_BYTES;
  const customerAt = from + ADDRESS_BYTES;
  line.set(records.subarray(customerAt, customerAt + ADDRESS_BYTES));
  line.set(records.subarray(from, customerAt), ADDRESS_BYTES);
}

/** Where a field stands in a line. */
type Cell = { readonly from: number; readonly bytes: number };

function cellOf(name: (typeof INVOICE_FIELDS)[number]["name"]): Cell {
  const field = INVOICE_FIELDS.findIndex((each) => each.name === name);
  const from = byteLengthOf(INVOICE_FIELDS.slice(0, field));
  return { from, bytes: byteLengthOf(INVOICE_FIELDS.slice(field, field + 1)) };
}

const CONTRIBUTION = cellOf("contribution");
const VALUE = cellOf("value");
const CEILING = cellOf("ceiling");
const SUBTOTAL = cellOf("subtotal");
const ABOVE = cellOf("above");

function writeNumber(line: Uint8Array, { from, bytes }: Cell, value: bigint | number): void {
  writeUint(line, from, bytes, value);
}
