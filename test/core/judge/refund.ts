import { type Address, fromHex } from "@link-rewards/core/encoding/bytes";
import { hashRecords, verifyProof } from "@link-rewards/core/encoding/tree";
import { encodeInvoices, INVOICE_BYTES } from "@link-rewards/core/epoch/records";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import { findRefund, type InvoiceOpening } from "@link-rewards/core/judge/refund";
import { expect } from "chai";
import fc from "fast-check";
import { customers, epochSketch, type PlayedEpoch, playEpochs } from "../support/epochs.ts";

const stranger: Address = `0x${"00".repeat(19)}01`;
const last: Address = `0x${"ff".repeat(20)}`;

function readerOf({ computed }: PlayedEpoch, change: { [file: string]: Uint8Array } = {}) {
  const asked: number[] = [];
  const read: RangeReader = async (file, from, length) => {
    asked.push(length);
    const bytes = change[file] ?? (computed.files.get(file as "invoices.bin") as Uint8Array);
    if (from + length > bytes.length) throw new RangeError(`no ${length} bytes at ${from}`);
    return bytes.slice(from, from + length);
  };
  return { read, asked };
}

function refundOf(played: PlayedEpoch, customer: Address, change?: { [file: string]: Uint8Array }) {
  const paid = played.law.customers.get(customer)?.paid.get(played.epoch) ?? 0n;
  return findRefund(readerOf(played, change).read, played.computed.manifest, customer, paid);
}

/** The twin of CustomerEscrow's check: what counted, or that it would revert. */
function countedBy(
  { computed }: PlayedEpoch,
  customer: Address,
  openings: readonly InvoiceOpening[],
): bigint | "reverts" {
  const { invoiceRoot, contributions: lines } = computed.manifest;
  if (lines === 0) return openings.length === 0 ? 0n : "reverts";
  const [first, next] = openings;
  if (first === undefined || openings.length > 2) return "reverts";
  for (const { line, position, proof } of openings) {
    const hash = hashRecords(encodeInvoices([line]), INVOICE_BYTES);
    const siblings = proof.map(fromHex);
    if (!verifyProof(fromHex(invoiceRoot), lines, position, hash, siblings)) return "reverts";
  }
  const found = first.line.customer;
  const shown = next
    ? next.position === first.position + 1 && found <= customer && next.line.customer > customer
    : found > customer
      ? first.position === 0
      : first.position === lines - 1;
  if (!shown) return "reverts";
  return found === customer ? first.line.subtotal : 0n;
}

describe("findRefund", () => {
  it("opens what the escrow asks for, and knows what comes back, for every customer and none", async () => {
    await fc.assert(
      fc.asyncProperty(epochSketch, async (sketch) => {
        const [played] = playEpochs([sketch]) as [PlayedEpoch];
        for (const customer of [...customers, stranger, last]) {
          const refund = await refundOf(played, customer);
          if (refund === undefined) throw new Error("the files lead to the root");
          const { openings, counted, amount } = refund;
          expect(countedBy(played, customer, openings)).to.equal(counted);
          const paid = played.law.customers.get(customer)?.paid.get(1) ?? 0n;
          expect(amount).to.equal(paid - counted);
        }
      }),
    );
  });

  /** 256 lines for the first customer by address, 300 for the second, one for the third. */
  const paged = () => {
    const order = customers
      .keys()
      .toArray()
      .sort((a, b) => (at(a) < at(b) ? -1 : 1));
    const lines = [256, 300, 1];
    const served = lines.flatMap((count, i) =>
      Array.from({ length: count }, (_, device) => ({
        device,
        customer: order[i] as number,
        egressBytes: BigInt(device),
        storageByteSeconds: 0n,
        computeMilliseconds: 0n,
      })),
    );
    const tariff = { egressPrice: 10n ** 12n, storagePrice: 0n, computePrice: 0n, feeBps: 0 };
    const [played] = playEpochs([
      { tariff, served, payments: customers.map(() => ({ over: 7n })) },
    ]);
    return { played: played as PlayedEpoch, sorted: order.map(at) };
  };
  const at = (customer: number) => customers[customer] as Address;
  const { played, sorted } = paged();
  const positionsOf = async (customer: Address) =>
    (await refundOf(played, customer))?.openings.map(({ position }) => position);

  it("opens the last line of a customer and the one after it, also where a page begins", async () => {
    expect(await positionsOf(sorted[0] as Address)).to.deep.equal([255, 256]);
    expect(await positionsOf(sorted[1] as Address)).to.deep.equal([555, 556]);
    expect(await positionsOf(sorted[2] as Address)).to.deep.equal([556]);
    expect((await refundOf(played, sorted[1] as Address))?.amount).to.equal(7n);
  });

  it("opens the end of the table for who stands before it or after it", async () => {
    expect(await positionsOf(stranger)).to.deep.equal([0]);
    expect(await positionsOf(last)).to.deep.equal([556]);
    expect(await positionsOf(sorted[3] as Address)).to.deep.equal([556]);
    expect((await refundOf(played, sorted[3] as Address))?.amount).to.equal(7n);
  });

  it("reads a fence, and no more than a few pages", async () => {
    const { read, asked } = readerOf(played);
    await findRefund(read, played.computed.manifest, sorted[0] as Address, 7n);
    expect(asked).to.have.length(6);
    expect(Math.max(...asked)).to.be.at.most(256 * INVOICE_BYTES);
  });

  it("gives nothing out of files that do not lead to the root, or send it to other lines", async () => {
    const changed = (file: "invoices.bin" | "invoices.fence" | "invoices.tree", byte: number) => {
      const bytes = (played.computed.files.get(file as "invoices.bin") as Uint8Array).slice();
      bytes[byte] = (bytes[byte] as number) ^ 0xff;
      return { [file]: bytes };
    };
    const customer = sorted[1] as Address;
    for (const [file, byte] of [
      ["invoices.bin", 555 * INVOICE_BYTES + 50],
      ["invoices.tree", 0],
      ["invoices.fence", 40],
    ] as const)
      expect(await refundOf(played, customer, changed(file, byte)), file).to.equal(undefined);
  });
});
