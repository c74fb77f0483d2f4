import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { BlockMark } from "@link-rewards/core/law/block";
import type { LawEvent } from "@link-rewards/core/law/events";
import type { Ranked } from "@link-rewards/core/law/order";
import type { VerifiedReceipt, VerifiedVoucher } from "@link-rewards/core/law/verify";
import type { SignedReceipt } from "@link-rewards/core/signed/receipt";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import type { TransactionJournal } from "@link-rewards/host/transactions";

/**
 * What an oracle keeps. Every promise resolves only after its writes are durable: an acknowledgement, a signature or
 * a transaction may leave the process as soon as it has. A rejected promise means that nothing of the call was kept, or, where
 * the connection broke at the commit, that it is not known: every call may be made again.
 */
export type Store = TransactionJournal & {
  /**
   * Merges receipts by the order of merge.ts, in one commit. Outcomes are in the order of the receipts; of two
   * in one call the later sees the earlier.
   */
  putReceipts(receipts: readonly VerifiedReceipt[]): Promise<readonly PutOutcome[]>;
  head(epoch: number, device: Address, customer: Address): Promise<SignedReceipt | undefined>;
  /** The heads of an epoch in any order, packed as in receipt.ts, many to a page: what an epoch of millions is sealed from. */
  packedReceipts(epoch: number): AsyncIterable<Uint8Array>;
  equivocations(epoch: number): Promise<readonly Equivocation[]>;
  /**
   * A page of what arrived after `cursor` (from the beginning when there is none), in the order of arrival: nothing that
   * is committed later comes before it. What was replaced since comes where its successor arrived. Empty when there is no
   * more. Undefined when the cursor is of another store, or of what this one was before it was restored from a copy.
   */
  arrivals(table: ArrivalTable, cursor: string | undefined): Promise<Arrivals | undefined>;
  /** A process that will answer cursors begins: what was given out before a copy was restored is told from now on. */
  beginLife(): Promise<void>;
  /** How far a peer's arrivals are read here; undefined before the first. */
  peerCursor(peer: string, table: ArrivalTable): Promise<string | undefined>;
  /** Undefined: from the beginning. */
  setPeerCursor(peer: string, table: ArrivalTable, cursor: string | undefined): Promise<void>;

  /** Keeps the highest of each (customer, epoch). */
  putVoucher(voucher: VerifiedVoucher): Promise<"accepted" | "known" | "stale">;
  /** The highest voucher of each (customer, epoch), by customer and epoch; read a page at a time. */
  vouchers(): AsyncIterable<SignedVoucher>;
  /** Drops the vouchers of all epochs before `epoch`. */
  dropVouchersBefore(epoch: number): Promise<void>;

  /** The last block whose events are stored; undefined before the first. */
  cursor(): Promise<BlockMark | undefined>;
  /**
   * Compare-and-set: appends the events of the blocks after `after` up to `cursor` and moves the cursor there, in one
   * commit; false when the cursor is not `after` any more, because another process was faster. Two views of a chain
   * that forked would otherwise mix unseen.
   */
  appendEvents(
    after: BlockMark | undefined,
    events: readonly LawEvent[],
    cursor: BlockMark,
  ): Promise<boolean>;
  /** After a reorg: forgets all events of blocks after `cursor` and moves it back; no change when it is not beyond. */
  rollback(cursor: BlockMark): Promise<void>;
  /** In the order of the chain. */
  events(fromBlock: number): AsyncIterable<LawEvent>;

  getEpoch(epoch: number): Promise<EpochRow | undefined>;
  /** In ascending order. */
  epochs(): Promise<readonly EpochRow[]>;
  /**
   * Compare-and-set: moves an epoch on and sets the given fields; false when it is not in the state `from`
   * (undefined: not known yet), because another process was faster.
   */
  advance(
    epoch: number,
    from: EpochState | undefined,
    to: EpochState,
    fields?: Partial<EpochFields>,
  ): Promise<boolean>;

  /** Gets or renews a lease; false while another holder's has not run out, by the database's clock. */
  acquireLease(name: string, holder: string, ttlSeconds: number): Promise<boolean>;
  releaseLease(name: string, holder: string): Promise<void>;

  /**
   * Must resolve before a signature over the digest leaves the process. "other": a different report of this epoch and
   * attempt was signed before, so this one must not be; "forgone": nor may any new one of this epoch.
   */
  recordReport(
    epoch: number,
    attempt: number,
    digest: Hex,
  ): Promise<"recorded" | "same" | "other" | "forgone">;
  /** The digest that was recorded. */
  recordedReport(epoch: number, attempt: number): Promise<Hex | undefined>;
  /** From now on no report of this epoch, or one before it, is recorded any more. */
  forgoThrough(epoch: number): Promise<void>;
  /** Whether `backup` made it, and `settleCopy` was not called since: no report is recorded in it. */
  isCopy(): Promise<boolean>;
  /** Once it is recorded what this copy must not sign. */
  settleCopy(): Promise<void>;

  close(): Promise<void>;
};

export type PutOutcome =
  | {
      /** "known": the very same digest was stored already. */
      readonly status: "accepted" | "known";
      readonly digest: Uint8Array;
      /** A total is lower than in the receipt it replaces: legal, both signed it. */
      readonly totalFell: boolean;
      readonly equivocation: boolean;
    }
  | { readonly status: "stale"; readonly head: Ranked; readonly equivocation: boolean };

export type ArrivalTable = "receipts" | "vouchers";

export type Arrivals = {
  /** Signed receipts, or signed vouchers, packed back to back. */
  readonly packed: Uint8Array;
  /** From where to go on. */
  readonly cursor: string;
};

/** Two receipts of one device with one sequence; `counting` is the one that counted when they met. */
export type Equivocation = { readonly counting: SignedReceipt; readonly other: SignedReceipt };

export const EPOCH_STATES = [
  "open",
  "sealed",
  "computed",
  "published",
  "attested",
  "proposed",
  "final",
  "held",
] as const;
export type EpochState = (typeof EPOCH_STATES)[number];

/** What the states leave behind; each is set by the step that reaches its state. */
export type EpochFields = {
  readonly sealBlock: BlockMark;
  readonly bundleHash: Hex;
  readonly attempt: number;
  /** The signed report and its signatures, as JSON: a take-over first submits what it finds here. */
  readonly signedReport: string;
  /** Why a person must look. */
  readonly heldReason: string;
  /** The state to go on from after a hold. */
  readonly heldFrom: EpochState;
  /** Who holds it, or did last. */
  readonly heldBy: "program" | "person";
  /** In which attempt guards are passed over, as a person has released the epoch in it. */
  readonly releasedAttempt: number;
};

export type EpochRow = {
  readonly epoch: number;
  readonly state: EpochState;
} & Partial<EpochFields>;
