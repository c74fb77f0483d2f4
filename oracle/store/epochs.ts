import type { Engine, Row } from "./engine.ts";
import type { EpochFields, EpochRow, Store } from "./store.ts";

const COLUMN_OF = {
  bundleHash: "bundle_hash",
  attempt: "attempt",
  signedReport: "signed_report",
  heldReason: "held_reason",
  heldFrom: "held_from",
  heldBy: "held_by",
  releasedAttempt: "released_attempt",
} as const satisfies Record<Exclude<keyof EpochFields, "sealBlock">, string>;
const FIELDS = Object.keys(COLUMN_OF) as (keyof typeof COLUMN_OF)[];
/** All columns but the key. */
const COLUMNS = ["state", "seal_block_number", "seal_block_hash", ...Object.values(COLUMN_OF)];

const GET_EPOCH = "SELECT * FROM epochs WHERE epoch = ?";
const GET_EPOCHS = "SELECT * FROM epochs ORDER BY epoch";
const ADD_EPOCH = `
  INSERT INTO epochs (${COLUMNS}, epoch) VALUES (${COLUMNS.map(() => "?")}, ?)
  ON CONFLICT (epoch) DO NOTHING RETURNING epoch`;
const MOVE_EPOCH = `
  UPDATE epochs SET ${COLUMNS.map((name) => `${name} = COALESCE(?, ${name})`)}
  WHERE epoch = ? AND state = ? RETURNING epoch`;

export function epochTable({
  query,
  write,
}: Engine): Pick<Store, "getEpoch" | "epochs" | "advance"> {
  return {
    getEpoch: async (epoch) => {
      const [row] = await query(GET_EPOCH, [epoch]);
      return row && toEpoch(row);
    },
    epochs: async () => (await query(GET_EPOCHS)).map(toEpoch),
    advance: (epoch, from, to, fields = {}) =>
      write(async (q) => {
        const values = toColumns(to, fields);
        const changed =
          from === undefined
            ? await q(ADD_EPOCH, [...values, epoch])
            : await q(MOVE_EPOCH, [...values, epoch, from]);
        return changed.length === 1;
      }),
  };
}

/** In the order of COLUMNS; null for what is not given. */
function toColumns(state: string, { sealBlock, ...fields }: Partial<EpochFields>) {
  return [
    state,
    sealBlock?.number ?? null,
    sealBlock?.hash ?? null,
    ...FIELDS.map((name) => toStorable(fields[name])),
  ];
}

/** A zero character, as a reason may quote one from outside, would end the text or refuse the write: engines differ. */
function toStorable(value: string | number | undefined): string | number | null {
  return typeof value === "string" ? value.replaceAll("\0", "\ufffd") : (value ?? null);
}

function toEpoch(row: Row): EpochRow {
  const entries = FIELDS.map((name) => [name, row[COLUMN_OF[name]]] as const);
  const sealBlock = { number: row.seal_block_number, hash: row.seal_block_hash };
  return {
    epoch: row.epoch,
    state: row.state,
    ...(sealBlock.hash !== null && { sealBlock }),
    ...Object.fromEntries(entries.filter(([, value]) => value !== null)),
  } as EpochRow;
}
