import { fromHex } from "@link-rewards/core/encoding/bytes";
import { hashRecords, verifyProof } from "@link-rewards/core/encoding/tree";
import {
  decodeInvoiceFence,
  decodeInvoices,
  INVOICE_BYTES,
  INVOICE_FENCE_BYTES,
  type InvoiceLine,
  invoiceAt,
  PAGE_RECORDS,
} from "@link-rewards/core/epoch/records";
import { pageOf, proveFromFiles, type RangeReader } from "@link-rewards/core/judge/proof";
import type { FinalEpoch } from "../chain.ts";

type LineKey = Pick<InvoiceLine, "customer" | "device">;

/**
 * A device's line of a customer's bill, out of somebody's files: itself, or the two lines that it would stand between, are
 * shown to be under the root. `none` when there is no such line; undefined when the files do not lead to the root.
 */
export async function finalLineOf(
  read: RangeReader,
  { invoiceRoot, contributions: lines }: FinalEpoch,
  key: LineKey,
): Promise<InvoiceLine | "none" | undefined> {
  if (lines === 0) return "none";
  const end = await endOf(read, lines, key);
  let own: InvoiceLine | undefined;
  for (const position of [end - 1, end]) {
    if (position < 0 || position >= lines) continue;
    const { row, proof } = await proveFromFiles(read, "invoices", lines, position);
    const hash = hashRecords(row, INVOICE_BYTES);
    if (!verifyProof(fromHex(invoiceRoot), lines, position, hash, proof)) return undefined;
    const line = invoiceAt(row, 0);
    if (isAfter(line, key) !== position >= end) return undefined;
    if (line.customer === key.customer && line.device === key.device) own = line;
  }
  return own ?? "none";
}

/** How many lines are not after this one, if the fence and the pages are right. */
async function endOf(read: RangeReader, lines: number, key: LineKey): Promise<number> {
  const pages = Math.ceil(lines / PAGE_RECORDS);
  const fence = decodeInvoiceFence(await read("invoices.fence", 0, pages * INVOICE_FENCE_BYTES));
  // A customer's lines may take many pages, which ascend by device: the last page that does not begin after it.
  let low = fence.findLastIndex((first) => first < key.customer);
  let high = fence.findLastIndex((first) => first <= key.customer);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const first = await read("invoices.bin", middle * PAGE_RECORDS * INVOICE_BYTES, INVOICE_BYTES);
    if (isAfter(invoiceAt(first, 0), key)) high = middle - 1;
    else low = middle;
  }
  if (low < 0) return 0;
  const range = pageOf(low * PAGE_RECORDS, lines, INVOICE_BYTES);
  const page = decodeInvoices(await read("invoices.bin", range.from, range.length));
  return low * PAGE_RECORDS + page.findLastIndex((line) => !isAfter(line, key)) + 1;
}

function isAfter(line: LineKey, key: LineKey): boolean {
  return line.customer === key.customer ? line.device > key.device : line.customer > key.customer;
}
