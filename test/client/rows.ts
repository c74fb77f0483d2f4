import { rowsOfAccount } from "@link-rewards/client/rows";
import { type Address, concatBytes, toHex } from "@link-rewards/core/encoding/bytes";
import { packFields } from "@link-rewards/core/encoding/fields";
import { buildTree, hashRecords, rootOf } from "@link-rewards/core/encoding/tree";
import {
  encodeFence,
  encodeInvoiceFence,
  encodeInvoices,
  encodeTree,
  type InvoiceLine,
  PAGE_RECORDS,
  ROW_BYTES,
  type Table,
} from "@link-rewards/core/epoch/records";
import { packReceipt, SIGNED_RECEIPT_BYTES } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";

const addressOf = (head: string, i: number) =>
  `0x${head.repeat(20)}${i.toString(16).padStart(20, "0")}` as Address;
/** Account i has `DEVICES[i]` devices; every device served the large customer, and the first of each the small one too. */
const DEVICES = [3, 300, 4_200, 2];
const [SMALL, LARGE] = [addressOf("1", 0), addressOf("2", 0)];

type Row = { account: number; device: Address; customer: Address };

/** The tables of an epoch of some thousand contributions, as they lie in a bundle. */
function tables() {
  let next = 0;
  const rows: Row[] = DEVICES.flatMap((count, account) =>
    Array.from({ length: count }, (_, d) => ({
      account,
      device: addressOf("d", next++),
      d,
    })).flatMap(({ d, ...row }) =>
      (d === 0 ? [SMALL, LARGE] : [LARGE]).map((customer) => ({ ...row, customer })),
    ),
  );
  const contributions = concatBytes(...rows.map(encodeRow));
  const lines: InvoiceLine[] = rows
    .map(({ customer, device }, contribution) => ({
      ...{ customer, device, contribution },
      ...{ value: 1n, ceiling: 1n, subtotal: 0n, above: 0 },
    }))
    .sort((a, b) => (a.customer + a.device < b.customer + b.device ? -1 : 1));
  const invoices = encodeInvoices(lines);
  const treeOf = (table: Table, file: Uint8Array) => buildTree(hashRecords(file, ROW_BYTES[table]));
  const trees = [treeOf("contributions", contributions), treeOf("invoices", invoices)] as const;
  const files: Record<string, Uint8Array> = {
    "contributions.bin": contributions,
    "contributions.fence": encodeFence(rows.length, (row) => rows[row]?.account ?? 0),
    "contributions.tree": encodeTree(trees[0]),
    "invoices.bin": invoices,
    "invoices.fence": encodeInvoiceFence(invoices),
    "invoices.tree": encodeTree(trees[1]),
  };
  const roots = {
    contributions: rows.length,
    contributionRoot: toHex(rootOf(trees[0])),
    invoiceRoot: toHex(rootOf(trees[1])),
  };
  return { rows, files, roots };
}

function encodeRow({ account, device, customer }: Row): Uint8Array {
  const amounts = { egressBytes: 1n, storageByteSeconds: 0n, computeMilliseconds: 0n };
  const record = new Uint8Array(ROW_BYTES.contributions);
  record.set(packReceipt({ device, customer, epoch: 1, sequence: 1, ...amounts }));
  const account_ = [{ name: "account", type: "address" }] as const;
  record.set(packFields(account_, { account: addressOf("a", account) }), SIGNED_RECEIPT_BYTES);
  return record;
}

describe("an account's rows, by ranges", () => {
  const { rows, files, roots } = tables();
  const asked: string[] = [];
  let bytes = 0;

  const readOf =
    (served: Record<string, Uint8Array>) => async (file: string, from: number, length: number) => {
      asked.push(file);
      bytes += length;
      return (served[file] ?? new Uint8Array()).slice(from, from + length);
    };
  const rowsOf = (account: number, served = files) =>
    rowsOfAccount(readOf(served), roots, account, addressOf("a", account));

  beforeEach(() => {
    asked.length = 0;
    bytes = 0;
  });

  for (const account of DEVICES.keys()) {
    it(`are all rows of account ${account}, each with its position and its line`, async () => {
      const found = (await rowsOf(account)) ?? expect.fail("not under the roots");
      const own = rows.flatMap((row, index) => (row.account === account ? { ...row, index } : []));
      expect(
        found.rows.map(({ receipt: { device, customer }, index }) => [device, customer, index]),
      ).to.deep.equal(own.map(({ device, customer, index }) => [device, customer, index]));
      for (const { device, customer, index } of own) {
        expect(found.bills.get(customer)?.lines.get(device)?.contribution).to.equal(index);
      }
    });
  }

  it("bring a small customer's whole bill, and of a large one's the needed pages alone", async () => {
    const found = (await rowsOf(0)) ?? expect.fail("not under the roots");
    expect(found.bills.get(SMALL)?.isWhole).to.equal(true);
    expect(found.bills.get(SMALL)?.lines.size).to.equal(DEVICES.length);
    expect(found.bills.get(LARGE)?.isWhole).to.equal(false);
    expect(found.bills.get(LARGE)?.lines.size).to.be.below(2 * PAGE_RECORDS);
    expect(bytes).to.be.below(130_000);
    expect(asked).to.have.length.below(20);
  });

  it("are none for an account without any, and none in an epoch without contributions", async () => {
    expect((await rowsOf(4))?.rows).to.deep.equal([]);
    asked.length = 0;
    const idle = { ...roots, contributions: 0 };
    const found = await rowsOfAccount(readOf({}), idle, 0, addressOf("a", 0));
    expect(found?.rows).to.deep.equal([]);
    expect(asked).to.deep.equal([]);
  });

  for (const [file, at] of [
    ["contributions.bin", 235],
    ["contributions.tree", 40],
    ["invoices.bin", 50],
    ["invoices.tree", 40],
  ] as const) {
    it(`are not taken from a ${file} that is not the chain's`, async () => {
      const changed = (files[file] as Uint8Array).slice();
      changed[at] = (changed[at] as number) ^ 1;
      expect(await rowsOf(0, { ...files, [file]: changed })).to.equal(undefined);
    });
  }
});
