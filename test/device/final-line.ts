import type { Address } from "@link-rewards/core/encoding/bytes";
import { decodeInvoices, INVOICE_BYTES } from "@link-rewards/core/epoch/records";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import { expect } from "chai";
import fc from "fast-check";
import { finalLineOf } from "../../device/node/final-line.ts";
import {
  customers,
  devices,
  epochSketch,
  type PlayedEpoch,
  playEpochs,
} from "../core/support/epochs.ts";

const FIRST: Address = `0x${"00".repeat(20)}`;
const LAST: Address = `0x${"ff".repeat(20)}`;
type Changes = { readonly [file: string]: Uint8Array };

const bytesOf = ({ computed }: PlayedEpoch, file: string) =>
  computed.files.get(file as "invoices.bin") as Uint8Array;

function search(played: PlayedEpoch, customer: Address, device: Address, changes: Changes = {}) {
  const read: RangeReader = async (file, from, length) => {
    const bytes = changes[file] ?? bytesOf(played, file);
    if (from + length > bytes.length) throw new RangeError(`no ${length} bytes at ${from}`);
    return bytes.slice(from, from + length);
  };
  const { manifest } = played.computed;
  return finalLineOf(read, { ...manifest, epoch: played.epoch }, { customer, device });
}

const linesOf = (played: PlayedEpoch) => decodeInvoices(bytesOf(played, "invoices.bin"));

describe("finalLineOf", () => {
  it("finds each line, and that there is none, in epochs of any shape", async () => {
    await fc.assert(
      fc.asyncProperty(epochSketch, async (sketch) => {
        const [played] = playEpochs([sketch]) as [PlayedEpoch];
        const lines = linesOf(played);
        for (const customer of [FIRST, ...customers, LAST])
          for (const device of [FIRST, ...devices, LAST]) {
            const own = lines.find((line) => line.customer === customer && line.device === device);
            expect(await search(played, customer, device)).to.deep.equal(own ?? "none");
          }
      }),
    );
  });

  /** Over three pages, of which the second customer has lines in each. */
  const paged = () => {
    const order = [...customers.keys()].sort((a, b) => (at(a) < at(b) ? -1 : 1));
    const served = [10, 600, 3].flatMap((count, i) =>
      Array.from({ length: count }, (_, device) => ({
        ...{ device, customer: order[i] as number, egressBytes: BigInt(device) },
        ...{ storageByteSeconds: 0n, computeMilliseconds: 0n },
      })),
    );
    const tariff = { egressPrice: 10n ** 12n, storagePrice: 0n, computePrice: 0n, feeBps: 0 };
    return playEpochs([
      { tariff, served, payments: customers.map(() => ({ over: 0n })) },
    ])[0] as PlayedEpoch;
  };
  const at = (customer: number) => customers[customer] as Address;
  const played = paged();

  it("finds a line of a customer's that has lines on many pages", async () => {
    const lines = linesOf(played);
    expect(lines).to.have.length(613);
    for (const position of [0, 9, 10, 11, 255, 256, 257, 400, 511, 512, 609, 610, 612]) {
      const line = lines[position];
      if (line === undefined) throw new Error(`no line ${position}`);
      expect(await search(played, line.customer, line.device)).to.deep.equal(line);
      // Nobody is between two that follow each other.
      const beside: Address =
        `${line.device.slice(0, -1)}${line.device.endsWith("0") ? "1" : "0"}` as Address;
      const other = lines.find(
        ({ device, customer }) => device === beside && customer === line.customer,
      );
      expect(await search(played, line.customer, beside)).to.deep.equal(other ?? "none");
    }
  });

  it("is shown nothing by files that do not lead to the root, or that lead to other lines", async () => {
    const line = linesOf(played)[300];
    if (line === undefined) throw new Error("no line 300");
    const changed = (file: string, byte: number) => {
      const bytes = bytesOf(played, file).slice();
      bytes[byte] = (bytes[byte] as number) ^ 0xff;
      return { [file]: bytes };
    };
    for (const [file, byte] of [
      // What it is worth, and the hash above the page before.
      ["invoices.bin", 300 * INVOICE_BYTES + 50],
      ["invoices.tree", 0],
    ] as const) {
      const found = await search(played, line.customer, line.device, changed(file, byte));
      expect(found, file).to.equal(undefined);
    }
    const fence = bytesOf(played, "invoices.fence").slice().fill(0xff);
    const found = await search(played, line.customer, line.device, { "invoices.fence": fence });
    expect(found).to.equal(undefined);
  });

  it("hides no line behind a page in which it is not", async () => {
    const line = linesOf(played)[300];
    if (line === undefined) throw new Error("no line 300");
    const bytes = bytesOf(played, "invoices.bin").slice();
    // The page before once more: its rows are not those of this place.
    bytes.copyWithin(256 * INVOICE_BYTES, 0, 256 * INVOICE_BYTES);
    const found = await search(played, line.customer, line.device, { "invoices.bin": bytes });
    expect(found).to.equal(undefined);
  });
});
