import { setImmediate as nextTurn } from "node:timers/promises";
import { fromHex, toHex } from "@link-rewards/core/encoding/bytes";
import { packFields, unpackFields } from "@link-rewards/core/encoding/fields";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import type { Engine, Row, SqlValue } from "./engine.ts";
import type { Store } from "./store.ts";

/** Each becomes text and numbers: a page is about 3 ms of the only thread. */
const VOUCHERS_A_PAGE = 250;

const AMOUNT = [{ name: "amount", type: "uint96" }] as const;

const GET_AMOUNT = "SELECT amount FROM vouchers WHERE customer = ? AND epoch = ?";
const PUT_VOUCHER = `
  INSERT INTO vouchers (customer, epoch, amount, signature, arrival) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (customer, epoch) DO UPDATE SET
  amount = excluded.amount, signature = excluded.signature, arrival = excluded.arrival`;
// One row that every such change writes: none is committed beside another, so arrivals rise from commit to commit.
const NEXT_ARRIVAL = `
  INSERT INTO voucher_arrivals (id, last) VALUES (1, 1)
  ON CONFLICT (id) DO UPDATE SET last = voucher_arrivals.last + 1 RETURNING last`;
// By the primary key: in any other order, each page would sort them all.
const PAGE_OF_VOUCHERS = `
  SELECT * FROM vouchers WHERE (customer, epoch) > (?, ?)
  ORDER BY customer, epoch LIMIT ${VOUCHERS_A_PAGE}`;
const DROP_VOUCHERS = "DELETE FROM vouchers WHERE epoch < ?";

export function voucherTable({
  query,
  write,
}: Engine): Pick<Store, "putVoucher" | "vouchers" | "dropVouchersBefore"> {
  return {
    putVoucher: ({ voucher: { customer, epoch, amount }, signature }) =>
      write(async (q) => {
        const key = [fromHex(customer), epoch];
        const [row] = await q(GET_AMOUNT, key);
        const stored = row && toAmount(row.amount);
        if (stored === amount) return "known";
        if (stored !== undefined && stored > amount) return "stale";
        const [next] = await q(NEXT_ARRIVAL);
        const values = [...key, packFields(AMOUNT, { amount }), signature];
        await q(PUT_VOUCHER, [...values, next?.last as number]);
        return "accepted";
      }),

    vouchers: async function* () {
      let last: SqlValue[] = [new Uint8Array(), 0];
      for (;;) {
        const rows = await query(PAGE_OF_VOUCHERS, last);
        yield* rows.map(toSignedVoucher);
        const end = rows.at(-1);
        if (end === undefined || rows.length < VOUCHERS_A_PAGE) return;
        last = [end.customer as Uint8Array, end.epoch as number];
        // Others have their turn between two pages.
        await nextTurn();
      }
    },

    dropVouchersBefore: (epoch) => write(async (q) => void (await q(DROP_VOUCHERS, [epoch]))),
  };
}

export function toSignedVoucher({ customer, epoch, amount, signature }: Row): SignedVoucher {
  return {
    voucher: {
      customer: toHex(customer as Uint8Array),
      epoch: epoch as number,
      amount: toAmount(amount),
    },
    signature: signature as Uint8Array,
  };
}

function toAmount(packed: unknown): bigint {
  return unpackFields(AMOUNT, packed as Uint8Array).amount;
}
