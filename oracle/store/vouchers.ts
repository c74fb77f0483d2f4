import { fromHex, toHex } from "@link-rewards/core/encoding/bytes";
import { packFields, unpackFields } from "@link-rewards/core/encoding/fields";
import type { Engine } from "./engine.ts";
import type { Store } from "./store.ts";

const AMOUNT = [{ name: "amount", type: "uint96" }] as const;

const GET_AMOUNT = "SELECT amount FROM vouchers WHERE customer = ? AND epoch = ?";
const PUT_VOUCHER = `
  INSERT INTO vouchers (customer, epoch, amount, signature) VALUES (?, ?, ?, ?)
  ON CONFLICT (customer, epoch) DO UPDATE SET
  amount = excluded.amount, signature = excluded.signature`;
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
        await q(PUT_VOUCHER, [...key, packFields(AMOUNT, { amount }), signature]);
        return "accepted";
      }),

    vouchers: async () =>
      (await query(GET_VOUCHERS)).map(({ customer, epoch, amount, signature }) => ({
        voucher: {
          customer: toHex(customer as Uint8Array),
          epoch: epoch as number,
          amount: toAmount(amount),
        },
        signature: signature as Uint8Array,
      })),

    dropVouchersBefore: (epoch) => write(async (q) => void (await q(DROP_VOUCHERS, [epoch]))),
  };
}

function toAmount(packed: unknown): bigint {
  return unpackFields(AMOUNT, packed as Uint8Array).amount;
}
