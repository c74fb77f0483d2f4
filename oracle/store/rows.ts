import { isRefused } from "@link-rewards/core/encoding/refusal";
import { type LawEvent, parseEvent } from "@link-rewards/core/law/events";
import type { EpochFields, EpochRow } from "./store.ts";

/** What stores in SQL have in common: how rows are named and read, and how writes share a commit. */

export type Row = Record<string, unknown>;

/** Receipts in one commit: enough to share the disk's flush, few enough to be answered within a moment. */
export const GROUP_RECEIPTS = 2_000;

/** Throws when newer software has migrated the store: what its tables mean is not known here. */
export function refuseNewerSchema(version: number, known: number): void {
  if (version <= known) return;
  throw new Error(
    `it was written by newer software (schema ${version}, this knows ${known}); update this one`,
  );
}

const EPOCH_COLUMNS = {
  bundleHash: "bundle_hash",
  attempt: "attempt",
  signedReport: "signed_report",
  heldReason: "held_reason",
  heldFrom: "held_from",
} as const satisfies Record<Exclude<keyof EpochFields, "sealBlock">, string>;
const EPOCH_FIELDS = Object.keys(EPOCH_COLUMNS) as (keyof typeof EPOCH_COLUMNS)[];

/** All columns of the table of epochs but its key. */
export const STATE_COLUMNS = [
  "state",
  "seal_block_number",
  "seal_block_hash",
  ...Object.values(EPOCH_COLUMNS),
] as const;

/** In the order of STATE_COLUMNS; null for what is not given. */
export function stateValues(
  state: string,
  { sealBlock, ...fields }: Partial<EpochFields>,
): readonly (string | number | null)[] {
  return [
    state,
    sealBlock?.number ?? null,
    sealBlock?.hash ?? null,
    ...EPOCH_FIELDS.map((name) => toStorable(fields[name])),
  ];
}

/** A zero character, as a reason may quote one from outside, would end the text or refuse the write: engines differ. */
function toStorable(value: string | number | undefined): string | number | null {
  return typeof value === "string" ? value.replaceAll("\0", "\ufffd") : (value ?? null);
}

export function toEpoch(row: Row): EpochRow {
  const entries = EPOCH_FIELDS.map((name) => [name, row[EPOCH_COLUMNS[name]]] as const);
  const sealBlock = { number: row.seal_block_number, hash: row.seal_block_hash };
  return {
    epoch: row.epoch,
    state: row.state,
    ...(sealBlock.hash !== null && { sealBlock }),
    ...Object.fromEntries(entries.filter(([, value]) => value !== null)),
  } as EpochRow;
}

export function toEvent({ name, args, block_number, log_index }: Row): LawEvent {
  const position = { blockNumber: block_number, logIndex: log_index };
  const event = parseEvent({ name, args: JSON.parse(args as string), ...position });
  if (isRefused(event)) throw new Error(`a stored event cannot be read: ${event.message}`);
  return event;
}
