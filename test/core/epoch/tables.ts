import { toHex } from "@link-rewards/core/encoding/bytes";
import {
  CONTRIBUTION_BYTES,
  CONTRIBUTION_INPUT_BYTES,
  decodeInvoices,
  INVOICE_BYTES,
  REWARD_BYTES,
} from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import fc from "fast-check";
import { compute, customers, epochSketch, playEpochs } from "../support/epochs.ts";
import { factsOf, objectionsTo, type Tables, tablesOf } from "../support/statements.ts";

const history = fc.array(epochSketch, { minLength: 1, maxLength: 3 });

/** The bytes of each table that follow from the receipts. */
const COMPUTED = {
  contributions: { bytes: CONTRIBUTION_BYTES, from: CONTRIBUTION_INPUT_BYTES },
  invoices: { bytes: INVOICE_BYTES, from: 0 },
  rewards: { bytes: REWARD_BYTES, from: 0 },
} as const;

describe("the three tables", () => {
  it("meet no objection, whatever was served and paid", () => {
    fc.assert(
      fc.property(history, (sketches) => {
        for (const played of playEpochs(sketches))
          expect(objectionsTo(tablesOf(played), factsOf(played))).to.deep.equal([]);
      }),
      { numRuns: 100 },
    );
  });

  it("meet an objection when any byte that is computed is another", () => {
    const change = fc.record({
      table: fc.constantFrom<keyof Tables>("contributions", "invoices", "rewards"),
      row: fc.nat(),
      byte: fc.nat(),
      bits: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(history, change, (sketches, { table, row, byte, bits }) => {
        const played = playEpochs(sketches).at(-1);
        if (played === undefined) return;
        const honest = tablesOf(played);
        const { bytes, from } = COMPUTED[table];
        const rows = honest[table].length / bytes;
        if (rows === 0) return;
        const at = (row % rows) * bytes + from + (byte % (bytes - from));
        const changed = honest[table].slice();
        changed[at] = (changed[at] as number) ^ bits;
        expect(objectionsTo({ ...honest, [table]: changed }, factsOf(played))).to.not.deep.equal(
          [],
        );
      }),
      { numRuns: 200 },
    );
  });

  it("are the same bytes in whatever order the contributions came", () => {
    const orders = history.chain((sketches) => {
      const played = playEpochs(sketches);
      const last = played.at(-1) as (typeof played)[number];
      const all = [...last.contributions];
      const shuffled = fc.shuffledSubarray(all, { minLength: all.length });
      return fc.record({ played: fc.constant(last), shuffled });
    });
    fc.assert(
      fc.property(orders, ({ played, shuffled }) => {
        // The law is ahead of some of these epochs: what an epoch comes to does not change any more.
        const again = compute({ ...played, contributions: shuffled });
        expect(again.bundleHash).to.equal(played.computed.bundleHash);
        for (const [name, bytes] of again.files)
          expect(toHex(bytes)).to.equal(toHex(played.computed.files.get(name) as Uint8Array));
      }),
      { numRuns: 50 },
    );
  });

  it("pay out, give back and charge together what was paid, at most two wei a row less", () => {
    fc.assert(
      fc.property(history, (sketches) => {
        for (const played of playEpochs(sketches)) {
          const { paid } = factsOf(played);
          const lines = decodeInvoices(tablesOf(played).invoices);
          const refunds = customers.map((customer) => {
            const last = lines.findLast((line) => line.customer === customer);
            return paid(customer) - (last?.subtotal ?? 0n);
          });
          expect(refunds.every((refund) => refund >= 0n)).to.equal(true);
          const { delta, fee, fund, counted } = played.computed.manifest;
          const back = refunds.reduce((sum, refund) => sum + refund, 0n);
          expect(back).to.equal(fund - counted);
          const lost = fund - back - delta - fee;
          expect(lost >= 0n && lost <= 2n * BigInt(lines.length)).to.equal(true);
        }
      }),
    );
  });
});
