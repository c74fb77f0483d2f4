import { unpackSignedReceipt } from "@link-rewards/core/signed/receipt";
import type { Engine } from "./engine.ts";
import type { Store } from "./store.ts";

const GET_EQUIVOCATIONS = `
  SELECT counting, other FROM equivocations WHERE epoch = ?
  ORDER BY device, customer, sequence, digest`;

/** They are written with the receipts that show them. */
export function equivocationTable({ query }: Engine): Pick<Store, "equivocations"> {
  return {
    equivocations: async (epoch) =>
      (await query(GET_EQUIVOCATIONS, [epoch])).map(({ counting, other }) => ({
        counting: unpackSignedReceipt(counting as Uint8Array),
        other: unpackSignedReceipt(other as Uint8Array),
      })),
  };
}
