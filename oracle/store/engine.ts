/** A row as the engines give it: numbers, texts, and bytes as Uint8Array. */
export type Row = Readonly<Record<string, unknown>>;

export type SqlValue = string | number | Uint8Array | null;

/** Runs one statement, with `?` for each of the values, and gives its rows. */
export type Query = (text: string, values?: readonly SqlValue[]) => Promise<readonly Row[]>;

/** What a database does for the tables. Statements are in the SQL that all engines speak. */
export type Engine = {
  /** SQL for its own clock, in unix seconds: the machines that share a database have several. */
  readonly now: string;
  /** Outside of any change: sees what is committed. */
  readonly query: Query;
  /**
   * Runs `change` in a transaction, as if there were no other client, and resolves with its result after the commit; when
   * it throws, nothing is kept. It may be run again when another client was in its way.
   */
  write<T>(change: (query: Query) => Promise<T>): Promise<T>;
  /** A view of one moment, for what is read in many pages; end it. */
  snapshot(): Promise<Snapshot>;
};

export type Snapshot = { readonly query: Query; end(): Promise<void> };

/** Rows read at a time: between pages nothing is held open, however slow the reader is. */
export const PAGE_ROWS = 1_000;
/** Receipts in one commit: enough to share the disk's flush, few enough to be answered within a moment. */
export const GROUP_RECEIPTS = 2_000;
/** Others' writes take milliseconds: one that takes longer than this hangs. */
export const LOCK_WAIT_MS = 5_000;
