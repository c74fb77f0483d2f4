import { buildTree, climb, depthOf, proofOf, rootOf } from "@link-rewards/core/encoding/tree";
import { concat, getBytes, hexlify, id, solidityPackedKeccak256, ZeroHash } from "ethers";

export type InvoiceLine = {
  readonly customer: string;
  readonly device: string;
  readonly contribution: number;
  readonly value: bigint;
  readonly ceiling: bigint;
  readonly subtotal: bigint;
  readonly above: number;
};

export type InvoiceOpening = {
  readonly line: InvoiceLine;
  readonly position: number;
  readonly proof: string[];
};

export type InvoiceTable = {
  readonly root: string;
  readonly lines: readonly InvoiceLine[];
  readonly openingAt: (position: number) => InvoiceOpening;
  /** What {ICustomerEscrow.refund} asks for. */
  readonly openingsOf: (customer: string) => InvoiceOpening[];
};

/** The honest table over lines in any order, each with its customer's ceiling. */
export function invoiceTreeOf(
  unsorted: readonly Pick<InvoiceLine, "customer" | "device" | "value" | "ceiling">[],
): InvoiceTable {
  const keyOf = (line: { customer: string; device: string }) =>
    `${line.customer}${line.device}`.toLowerCase();
  const sorted = unsorted.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const lines: InvoiceLine[] = [];
  for (const [contribution, line] of sorted.entries()) {
    const last = lines.at(-1);
    const before = last?.customer === line.customer ? last : { subtotal: 0n, above: 0 };
    lines.push({
      ...line,
      contribution,
      subtotal: before.subtotal + (line.value < line.ceiling ? line.value : line.ceiling),
      above: before.above + (line.value > line.ceiling ? 1 : 0),
    });
  }
  return tableOf(lines);
}

/** A table over any lines, lawful or not. */
export function tableOf(lines: readonly InvoiceLine[]): InvoiceTable {
  const tree = buildTree(getBytes(concat(lines.map(lineHash))));
  const openingAt = (position: number): InvoiceOpening => ({
    line: lines[position] as InvoiceLine,
    position,
    proof: proofOf(tree, position).map((hash) => hexlify(hash)),
  });
  return {
    root: lines.length === 0 ? ZeroHash : hexlify(rootOf(tree)),
    lines,
    openingAt,
    openingsOf(customer) {
      const after = lines.findIndex((line) => line.customer.toLowerCase() > customer.toLowerCase());
      const positions = after < 0 ? [lines.length - 1] : after === 0 ? [0] : [after - 1, after];
      return lines.length === 0 ? [] : positions.map(openingAt);
    },
  };
}

/** The last line of `customer` and the line after it, in a table of 2^depth lines of which only these are known. */
export function tallInvoices(customer: string, subtotal: bigint, depth: number) {
  const line = { device: customer, contribution: 0, value: subtotal, ceiling: subtotal, above: 0 };
  const low = tableOf([
    { ...line, customer, subtotal },
    { ...line, customer: `0x${"ff".repeat(20)}`, subtotal },
  ]);
  const siblings = Array.from({ length: depth - depthOf(2) }, (_, i) => id(`sibling ${i}`));
  const root = climb(
    getBytes(low.root),
    0,
    siblings.map((sibling) => getBytes(sibling)),
  );
  const openings = [0, 1].map((position) => {
    const opening = low.openingAt(position);
    return { ...opening, proof: [...opening.proof, ...siblings] };
  });
  return { root: hexlify(root), lines: 2 ** depth, openings };
}

export function lineHash(line: InvoiceLine): string {
  return solidityPackedKeccak256(
    ["address", "address", "uint32", "uint96", "uint96", "uint96", "uint32"],
    [
      line.customer,
      line.device,
      line.contribution,
      line.value,
      line.ceiling,
      line.subtotal,
      line.above,
    ],
  );
}
