import { fromHex, toHex } from "@link-rewards/core/encoding/bytes";
import { packFields, unpackFields } from "@link-rewards/core/encoding/fields";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import type { Engine, Row } from "./engine.ts";
import type { Store } from "./store.ts";

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
const GET_VOUCHERS = "SELECT * FROM vouchers ORDER BY epoch, customer";
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

    vouchers: async () => (await query(GET_VOUCHERS)).map(toSignedVoucher),

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
