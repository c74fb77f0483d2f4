import { randomBytes } from "node:crypto";
import { concatBytes } from "@link-rewards/core/encoding/bytes";
import { packSignedVoucher } from "@link-rewards/core/signed/voucher";
import { type Engine, PAGE_ROWS, type Row } from "./engine.ts";
import type { ArrivalTable, Store } from "./store.ts";
import { toSignedVoucher } from "./vouchers.ts";

/**
 * One stretch of a store's life: from the start of a process that answers cursors to the next. A restored copy does not
 * know the lives after it was made, and begins another where those had arrivals of their own: so cursors of what is gone
 * are told apart, however far the store has come since.
 */
type Life = { readonly id: string; readonly from: number };

const CURSOR = /^([0-9a-f]{32})-(0|[1-9][0-9]{0,15})$/;

/** The arrival that a cursor is at; undefined when it is of another store. `lives` in their order. */
function arrivalAt(cursor: string | undefined, lives: readonly Life[]): number | undefined {
  if (cursor === undefined) return 0;
  const [, id, number] = CURSOR.exec(cursor) ?? [];
  const position = lives.findIndex((life) => life.id === id);
  const arrival = Number(number);
  if (position < 0 || lives.slice(position + 1).some(({ from }) => from <= arrival))
    return undefined;
  return arrival;
}

function cursorAt(arrival: number, lives: readonly Life[]): string {
  const life = lives.findLast(({ from }) => from <= arrival) ?? lives[0];
  if (life === undefined) throw new Error("the store answers no cursors before beginLife");
  return `${life.id}-${arrival}`;
}

const PAGE_OF = {
  receipts: `SELECT arrival, signed FROM receipts WHERE arrival > ? ORDER BY arrival LIMIT ${PAGE_ROWS}`,
  vouchers: `SELECT * FROM vouchers WHERE arrival > ? ORDER BY arrival LIMIT ${PAGE_ROWS}`,
} as const;
const PACK: Readonly<Record<ArrivalTable, (row: Row) => Uint8Array>> = {
  receipts: ({ signed }) => signed as Uint8Array,
  vouchers: (row) => packSignedVoucher(toSignedVoucher(row)),
};
const LAST_OF = {
  receipts: "SELECT MAX(arrival) AS last FROM receipts",
  vouchers: "SELECT MAX(last) AS last FROM voucher_arrivals",
} as const;
const GET_LIVES = "SELECT id, receipts, vouchers FROM lives ORDER BY number";
const BEGIN_LIFE = `
  INSERT INTO lives (id, number, receipts, vouchers) VALUES (?,
    (SELECT COALESCE(MAX(number), 0) + 1 FROM lives),
    (SELECT COALESCE(MAX(arrival), 0) + 1 FROM receipts),
    (SELECT COALESCE(MAX(last), 0) + 1 FROM voucher_arrivals))`;
const GET_PEER_CURSOR = "SELECT position FROM peer_cursors WHERE peer = ? AND arrivals = ?";
const SET_PEER_CURSOR = `
  INSERT INTO peer_cursors (peer, arrivals, position) VALUES (?, ?, ?)
  ON CONFLICT (peer, arrivals) DO UPDATE SET position = excluded.position`;
const DROP_PEER_CURSOR = "DELETE FROM peer_cursors WHERE peer = ? AND arrivals = ?";

export function arrivalTable({
  query,
  write,
}: Engine): Pick<Store, "arrivals" | "beginLife" | "peerCursor" | "setPeerCursor"> {
  const lastGiven = async (table: ArrivalTable) =>
    ((await query(LAST_OF[table]))[0]?.last as number | null) ?? 0;
  return {
    arrivals: async (table, cursor) => {
      const lives = (await query(GET_LIVES)).map(
        (row): Life => ({ id: row.id as string, from: row[table] as number }),
      );
      const after = arrivalAt(cursor, lives);
      if (after === undefined) return undefined;
      const rows = await query(PAGE_OF[table], [after]);
      const last = rows.at(-1)?.arrival as number | undefined;
      // Nothing after it: because all was read, or because it names what was never given out.
      if (last === undefined && after > (await lastGiven(table))) return undefined;
      const packed = concatBytes(...rows.map(PACK[table]));
      return { packed, cursor: cursorAt(last ?? after, lives) };
    },
    beginLife: () =>
      write(async (q) => void (await q(BEGIN_LIFE, [randomBytes(16).toString("hex")]))),
    peerCursor: async (peer, table) =>
      (await query(GET_PEER_CURSOR, [peer, table]))[0]?.position as string | undefined,
    setPeerCursor: (peer, table, cursor) =>
      write(async (q) => {
        if (cursor === undefined) await q(DROP_PEER_CURSOR, [peer, table]);
        else await q(SET_PEER_CURSOR, [peer, table, cursor]);
      }),
  };
}
