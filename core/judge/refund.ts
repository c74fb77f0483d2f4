import { type Address, fromHex, type Hex, toHex } from "../encoding/bytes.ts";
import { hashRecords, verifyProof } from "../encoding/tree.ts";
import {
  decodeInvoiceFence,
  decodeInvoices,
  INVOICE_BYTES,
  INVOICE_FENCE_BYTES,
  type InvoiceLine,
  invoiceAt,
  PAGE_RECORDS,
} from "../epoch/records.ts";
import type { Report } from "../signed/report.ts";
import { pageOf, proveFromFiles, type RangeReader } from "./proof.ts";

/** An invoice line and its siblings, as the escrow takes it. */
export type InvoiceOpening = {
  readonly line: InvoiceLine;
  readonly position: number;
  readonly proof: readonly Hex[];
};

export type Refund = {
  /** What CustomerEscrow.refund wants to see of an epoch that is final. */
  readonly openings: readonly InvoiceOpening[];
  /** What counted of all that the customer was served, in wei. */
  readonly counted: bigint;
  /** What comes back of what it paid, in wei. */
  readonly amount: bigint;
};

/**
 * What a customer gets back, shown by its last line and the one after it, or by the two it would stand between: at an end
 * of the table one line, without any lines none. Out of somebody's files; undefined when they do not lead to the root.
 */
export async function findRefund(
  read: RangeReader,
  { invoiceRoot, contributions: lines }: Pick<Report, "invoiceRoot" | "contributions">,
  customer: Address,
  paid: bigint,
): Promise<Refund | undefined> {
  const end = await endOf(read, lines, customer);
  const openings: InvoiceOpening[] = [];
  for (const position of [end - 1, end]) {
    if (position < 0 || position >= lines) continue;
    const { row, proof } = await proveFromFiles(read, "invoices", lines, position);
    const hash = hashRecords(row, INVOICE_BYTES);
    if (!verifyProof(fromHex(invoiceRoot), lines, position, hash, proof)) return undefined;
    openings.push({ line: invoiceAt(row, 0), position, proof: proof.map(toHex) });
  }
  if (!isShown(openings, end, customer)) return undefined;
  const last = openings.find(({ line }) => line.customer === customer)?.line;
  const counted = last?.subtotal ?? 0n;
  return { openings, counted, amount: paid > counted ? paid - counted : 0n };
}

/** Where the lines of customers after this one begin, if the fence and the page are right. */
async function endOf(read: RangeReader, lines: number, customer: Address): Promise<number> {
  const pages = Math.ceil(lines / PAGE_RECORDS);
  const fence = await read("invoices.fence", 0, pages * INVOICE_FENCE_BYTES);
  const page = decodeInvoiceFence(fence).findLastIndex((first) => first <= customer);
  if (page < 0) return 0;
  const start = page * PAGE_RECORDS;
  const range = pageOf(start, lines, INVOICE_BYTES);
  const own = decodeInvoices(await read("invoices.bin", range.from, range.length));
  return start + own.findLastIndex((line) => line.customer <= customer) + 1;
}

/** As the escrow checks it: these are neighbours, and no line of the customer is after the first of them. */
function isShown(openings: readonly InvoiceOpening[], end: number, customer: Address): boolean {
  return openings.every(({ line, position }) =>
    position < end ? line.customer <= customer : line.customer > customer,
  );
}
