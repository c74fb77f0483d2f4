import { type Address, concatBytes, fromHex } from "@link-rewards/core/encoding/bytes";
import { hashRecords, verifyProof } from "@link-rewards/core/encoding/tree";
import {
  decodeContributions,
  decodeFence,
  decodeInvoiceFence,
  decodeInvoices,
  FENCE_BYTES,
  INVOICE_BYTES,
  INVOICE_FENCE_BYTES,
  type InvoiceLine,
  PAGE_RECORDS,
  ROW_BYTES,
} from "@link-rewards/core/epoch/records";
import { pageOf, proveFromFiles, type RangeReader } from "@link-rewards/core/judge/proof";
import type { Report } from "@link-rewards/core/signed/report";
import { rememberRanges } from "./bundle.ts";
import { type Bill, billOf, type ContributionRow } from "./why.ts";

/** What the chain says about the two tables. */
export type TableRoots = Pick<Report, "contributions" | "contributionRoot" | "invoiceRoot">;

export type AccountRows = {
  readonly rows: readonly ContributionRow[];
  /** Of every customer of these rows. */
  readonly bills: ReadonlyMap<Address, Bill>;
};

/** Pages of one customer's lines that are read for the whole bill; of more, only those that are needed. */
const MAX_BILL_PAGES = 16;
/** What one entry of a table's fence takes. */
const ENTRY_BYTES = { contributions: FENCE_BYTES, invoices: INVOICE_FENCE_BYTES } as const;

type Fenced = keyof typeof ENTRY_BYTES;
/** The first and the last of some pages that follow each other. */
type Span = readonly [first: number, last: number];

/** The contributions of the account with this index, and the bills of their customers; undefined when they are not under the roots. */
export async function rowsOfAccount(
  read: RangeReader,
  roots: TableRoots,
  accountIndex: number,
  account: Address,
): Promise<AccountRows | undefined> {
  if (roots.contributions === 0) return { rows: [], bills: new Map() };
  const memory = rememberRanges(read);
  const fence = decodeFence(await readFence(memory, "contributions", roots));
  const span = spanOf(fence, accountIndex);
  const pages = await provenPages(memory, "contributions", roots, span);
  if (pages === undefined) return undefined;
  const rows = decodeContributions(pages)
    .map((record, i) => ({ ...record, index: span[0] * PAGE_RECORDS + i }))
    .filter((row) => row.account === account);
  const devicesOf = new Map<Address, Address[]>();
  for (const { receipt } of rows)
    devicesOf.set(receipt.customer, [...(devicesOf.get(receipt.customer) ?? []), receipt.device]);
  const bills = new Map<Address, Bill>();
  for (const [customer, devices] of devicesOf) {
    const bill = await billFor(memory, roots, customer, devices);
    if (bill === undefined) return undefined;
    bills.set(customer, bill);
  }
  return { rows, bills };
}

async function billFor(
  read: RangeReader,
  roots: TableRoots,
  customer: Address,
  devices: readonly Address[],
): Promise<Bill | undefined> {
  const fence = decodeInvoiceFence(await readFence(read, "invoices", roots));
  const span = spanOf(fence, customer);
  const isWhole = span[1] - span[0] < MAX_BILL_PAGES;
  const spans = isWhole ? [span] : await pagesWith(read, span, customer, devices);
  const lines: InvoiceLine[] = [];
  for (const wanted of spans) {
    const pages = await provenPages(read, "invoices", roots, wanted);
    if (pages === undefined) return undefined;
    lines.push(...decodeInvoices(pages).filter((line) => line.customer === customer));
  }
  return billOf(lines, isWhole);
}

/** The pages in which these devices' lines stand: lines ascend by customer and device, so each is found by halving. */
async function pagesWith(
  read: RangeReader,
  [first, last]: Span,
  customer: Address,
  devices: readonly Address[],
): Promise<readonly Span[]> {
  const pages = new Set<number>();
  for (const device of devices) {
    let [low, high] = [first, last];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const record = await read(
        "invoices.bin",
        middle * PAGE_RECORDS * INVOICE_BYTES,
        INVOICE_BYTES,
      );
      const [line] = decodeInvoices(record) as [InvoiceLine];
      const isAfter =
        line.customer > customer || (line.customer === customer && line.device > device);
      if (isAfter) high = middle - 1;
      else low = middle;
    }
    pages.add(low);
  }
  return [...pages].map((page) => [page, page]);
}

function readFence(read: RangeReader, table: Fenced, { contributions }: TableRoots) {
  const pages = Math.ceil(contributions / PAGE_RECORDS);
  return read(`${table}.fence`, 0, pages * ENTRY_BYTES[table]);
}

/** The pages in which `key` can stand, by the first keys of all pages: one that begins with it may follow one that ends with it. */
function spanOf<K extends number | Address>(fence: readonly K[], key: K): Span {
  const begins = fence.findIndex((first) => first >= key);
  const before = begins === -1 ? fence.length : begins;
  const ends = fence.findLastIndex((first) => first <= key);
  return [Math.max(0, before - 1), Math.max(0, ends)];
}

/** Their bytes; undefined when one of them is not under the table's root. The siblings of a page's first row are made of all its others. */
async function provenPages(
  read: RangeReader,
  table: Fenced,
  roots: TableRoots,
  [first, last]: Span,
): Promise<Uint8Array | undefined> {
  const size = ROW_BYTES[table];
  const count = roots.contributions;
  const root = fromHex(table === "invoices" ? roots.invoiceRoot : roots.contributionRoot);
  const pages: Uint8Array[] = [];
  for (let page = first; page <= last; page++) {
    const index = page * PAGE_RECORDS;
    const { proof } = await proveFromFiles(read, table, count, index);
    const range = pageOf(index, count, size);
    const records = await read(`${table}.bin`, range.from, range.length);
    const leafHash = hashRecords(records.subarray(0, size), size);
    if (!verifyProof(root, count, index, leafHash, proof)) return undefined;
    pages.push(records);
  }
  return concatBytes(...pages);
}
