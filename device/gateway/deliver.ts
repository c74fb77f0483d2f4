import { open } from "node:fs/promises";
import { at } from "@link-rewards/core/encoding/at";
import { type Address, equalBytes } from "@link-rewards/core/encoding/bytes";
import { NOTHING } from "../amounts.ts";
import { CHUNK_BYTES, chunkLength, isChunk } from "../content.ts";
import type { Log } from "../log.ts";
import type { Range } from "../range.ts";
import { type Budget, openBudget } from "./budget.ts";
import type { Dispatch } from "./dispatch.ts";
import type { LinkedDevice } from "./door.ts";
import { shunnedUntil } from "./ledger.ts";
import type { KeptFile, Peer } from "./peer.ts";
import type { Places } from "./places.ts";
import type { Purchases } from "./purchases.ts";
import type { SettleParts } from "./settle.ts";

export type DeliverParts = SettleParts & {
  readonly connect: (linked: LinkedDevice) => Peer;
  readonly linked: () => readonly LinkedDevice[];
  readonly purchases: Purchases;
  readonly places: Places;
  readonly dispatch: Dispatch;
  readonly stallMilliseconds?: number | undefined;
  readonly log: Log;
};

export type Deliveries = {
  /**
   * The bytes of a range for a user, in order, each once, none that was not checked. What the user does not take is not
   * asked for: no more than two segments are ahead of it. Throws Undelivered when there is nobody left to get them from.
   */
  deliver(file: KeptFile, range: Range): AsyncGenerator<Uint8Array, void, undefined>;
  /** Resolves when all that was asked of devices has come, or will not, and is in the ledger. */
  idle(): Promise<void>;
};

/** `tried`: devices that were asked in vain, or 0 where there was none to ask. */
export type Undelivered = Error & { readonly tried: number };

export function isUndelivered(error: unknown): error is Undelivered {
  return error instanceof Error && "tried" in error;
}

/**
 * What is asked of a device at once, in chunks: little at first, for a user that wants no more, then twice as much each time
 * up to half a megabyte. With the next one under way that keeps 10 Mbit/s busy at 300 ms.
 */
const FIRST_SEGMENT = 4;
const LONGEST_SEGMENT = 32;
/** A device that takes longer for a chunk, the first or any other, is as good as gone: 5 kB a second. */
const STALL_MS = 3_000;
/** Epoch and budget are used for so long before they are asked for again, beside the business; and how long at most. */
const TERMS_FRESH_MS = 1_000;
const TERMS_USABLE_MS = 60_000;

/** Chunks that were asked for together, of one device or of the gateway's own copy. */
type Segment = {
  readonly first: number;
  /** The first chunk that is not of it. */
  readonly end: number;
  /** The next chunk; undefined when no more will come. */
  next(): Promise<Uint8Array | undefined>;
};

/** One user's range, on its way. */
type Transfer = {
  readonly file: KeptFile;
  /** Devices that failed it are not asked again for it, nor is a copy of the gateway's own that is not what it was. */
  readonly failed: Set<Address | "own copy">;
  isCovered: boolean;
  /** Why there was nobody to ask. */
  reason: string;
  /** A chunk of it as it is known to be, for who needs to compare; undefined when it never came. */
  whole(index: number): Promise<Uint8Array | undefined>;
};

export function openDeliveries(parts: DeliverParts): Deliveries {
  const { linked, places, dispatch, ledger, log } = parts;
  const terms = viewTerms(parts);
  const underWay = new Set<Promise<void>>();
  /** When it was said last that nothing more is bought: once an epoch is enough. */
  let uncoveredIn: number | undefined;

  function candidates({ file, failed, isCovered }: Transfer): readonly LinkedDevice[] {
    if (!isCovered) return [];
    const keepers = new Set(places.keepers(file.contentTree.root));
    const epoch = terms.last()?.epoch ?? 0;
    return linked().filter(
      ({ device }) =>
        keepers.has(device) && !failed.has(device) && shunnedUntil(ledger.value, device) < epoch,
    );
  }

  /** From the nearest device, then from the own copy, and from devices that failed a while ago where that is gone. */
  async function open(transfer: Transfer, first: number, end: number): Promise<Segment> {
    const { file, failed } = transfer;
    const bought = await terms.now().catch((error: Error) => {
      transfer.reason = error.message;
      return undefined;
    });
    const devices = bought === undefined ? [] : candidates(transfer);
    const { ready, avoided } = dispatch.rank(devices, (end - first) * CHUNK_BYTES);
    const nearest = ready[0] ?? (failed.has("own copy") ? avoided[0] : undefined);
    if (bought !== undefined && nearest !== undefined) {
      const segment = openInbox(first, end);
      const work = askDevice(transfer, bought, nearest, segment).finally(() => {
        underWay.delete(work);
      });
      underWay.add(work);
      return segment;
    }
    if (!failed.has("own copy")) return ownSegment(transfer, first, end);
    const tried = failed.size - 1;
    const { root } = file.contentTree;
    log("warn", "not-delivered", { root, reason: transfer.reason });
    throw Object.assign(new Error(transfer.reason), { tried }) satisfies Undelivered;
  }

  /** Never throws: a segment that ends early is asked for elsewhere. */
  async function askDevice(
    transfer: Transfer,
    { epoch, budget }: Terms,
    device: LinkedDevice,
    segment: Inbox,
  ): Promise<void> {
    const { root } = transfer.file.contentTree;
    const fail = (reason: string) => {
      transfer.failed.add(device.device);
      transfer.reason = `device ${device.device}: ${reason}`;
      log("warn", "not-delivered", { root, device: device.device, reason });
    };
    try {
      const bytes = bytesOf(transfer.file, segment.first, segment.end);
      const isBought = await parts.purchases.buy(
        budget,
        { ...NOTHING, egressBytes: BigInt(bytes) },
        async () => {
          await receive(transfer, epoch, device, segment, fail);
          return true;
        },
      );
      if (isBought === undefined) {
        transfer.isCovered = false;
        transfer.reason = budget.limit;
        if (uncoveredIn !== epoch) log("warn", "not-bought", { epoch, reason: budget.limit });
        uncoveredIn = epoch;
      }
    } catch (error) {
      fail((error as Error).message);
    } finally {
      segment.close();
    }
  }

  async function receive(
    transfer: Transfer,
    epoch: number,
    device: LinkedDevice,
    segment: Inbox,
    fail: (reason: string) => void,
  ): Promise<void> {
    const { contentTree } = transfer.file;
    const { first, end } = segment;
    const { purchases } = parts;
    const { tally, authorization } = await purchases.account(device, epoch);
    const asked = dispatch.ask(device);
    const limit = limitStalls(parts.stallMilliseconds ?? STALL_MS);
    let egressBytes = 0;
    let next = first;
    let isWrong = false;
    const { failure, refusal, rest } = await parts
      .connect(device)
      .readChunks(
        authorization,
        { contentTree, first, end, signal: limit.signal },
        (chunk, index, isGood) => {
          if (isWrong) return;
          if (!isGood) {
            isWrong = true;
            limit.end("it sent a wrong chunk");
            return;
          }
          limit.again();
          asked.chunkCame(chunk.length);
          egressBytes += chunk.length;
          next = index + 1;
          segment.add(chunk);
        },
      );
    limit.clear();
    const reason = limit.reason() ?? failure;
    if (reason === undefined) asked.answered();
    else if (refusal === "epoch-closed" && (await terms.isOver(epoch))) asked.dropped();
    else {
      asked.failed();
      fail(reason);
      if (refusal === "content-unknown") places.lost(contentTree.root, device.device, reason);
    }
    // Asked for before the segment ends, and with it the wait for who sends the chunk instead.
    const whole = rest.length > 0 && !isWrong ? transfer.whole(next) : undefined;
    segment.close();
    await purchases.count(tally, { egressBytes: BigInt(egressBytes) });
    // What came of a chunk before it broke off counts when the chunk, from whomever, begins with it.
    const begun = (await whole)?.subarray(0, rest.length);
    if (begun !== undefined && equalBytes(begun, rest))
      await purchases.count(tally, { egressBytes: BigInt(rest.length) });
  }

  return {
    async *deliver(file, { first, last }) {
      const known = knowChunks(file);
      const transfer: Transfer = {
        ...{ file, failed: new Set<Address | "own copy">(), whole: known.whole },
        isCovered: true,
        reason: "no device that keeps it is connected",
      };
      const end = Math.floor(last / CHUNK_BYTES) + 1;
      let next = Math.floor(first / CHUNK_BYTES);
      let length = FIRST_SEGMENT;
      const segments: Promise<Segment>[] = [];
      const openNext = (from: number) => {
        const opened = open(transfer, from, Math.min(end, from + length));
        // Whether it failed is asked when its turn comes.
        opened.catch(() => undefined);
        segments.push(opened);
        length = Math.min(2 * length, LONGEST_SEGMENT);
      };
      try {
        while (next < end) {
          if (segments.length === 0) openNext(next);
          const segment = await at(segments, 0);
          const chunk = await segment.next();
          if (chunk === undefined) {
            segments.shift();
            if (next < segment.end) segments.unshift(open(transfer, next, segment.end));
            continue;
          }
          known.learn(next, chunk);
          const start = next * CHUNK_BYTES;
          next += 1;
          const isHalfway = 2 * (next - segment.first) >= segment.end - segment.first;
          if (segments.length === 1 && isHalfway && segment.end < end) openNext(segment.end);
          yield chunk.subarray(Math.max(0, first - start), last + 1 - start);
        }
      } finally {
        known.close();
      }
    },
    async idle() {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

type Terms = { readonly epoch: number; readonly budget: Budget };

/**
 * Which epoch it is, and what may be bought in it. A user waits for oracles and chain only when nobody has been served for
 * long: what is older than a moment is asked for anew, and used meanwhile.
 */
function viewTerms(parts: DeliverParts) {
  const { epochs } = parts;
  let last: (Terms & { readonly at: number }) | undefined;
  let asking: Promise<Terms> | undefined;

  async function ask(): Promise<Terms> {
    const epoch = await epochs.current();
    if (epoch === 0) throw new Error("the first epoch has not begun");
    last = { epoch, budget: await openBudget(parts, epoch), at: performance.now() };
    return last;
  }
  function refresh(): Promise<Terms> {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  }

  return {
    last: (): Terms | undefined => last,
    async now(): Promise<Terms> {
      const age = last === undefined ? Infinity : performance.now() - last.at;
      if (last === undefined || age > TERMS_USABLE_MS) return refresh();
      if (age > TERMS_FRESH_MS) refresh().catch(() => undefined);
      return last;
    },
    /** Whether a device is right that the epoch is over. */
    async isOver(epoch: number): Promise<boolean> {
      if (last === undefined || last.epoch === epoch) {
        epochs.refresh();
        await refresh().catch(() => undefined);
      }
      return last !== undefined && last.epoch !== epoch;
    },
  };
}

type Inbox = Segment & { add(chunk: Uint8Array): void; close(): void };

/** Chunks as they come, whether or not anybody waits for them: how quick a device is does not depend on the user. */
function openInbox(first: number, end: number): Inbox {
  const chunks: Uint8Array[] = [];
  let isClosed = false;
  let wake: () => void = () => undefined;
  return {
    first,
    end,
    add(chunk) {
      chunks.push(chunk);
      wake();
    },
    close() {
      isClosed = true;
      wake();
    },
    async next() {
      if (chunks.length === 0 && !isClosed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return chunks.shift();
    },
  };
}

function ownSegment(transfer: Transfer, first: number, end: number): Segment {
  let index = first;
  return {
    first,
    end,
    async next() {
      if (index === end) return undefined;
      const chunk = await ownChunk(transfer.file, index);
      index += 1;
      if (chunk === undefined) {
        transfer.failed.add("own copy");
        transfer.reason += `; ${transfer.file.file} is not what it was at the start`;
      }
      return chunk;
    },
  };
}

/** Of the file on the disk; undefined when it is not there any more, or was changed. */
async function ownChunk(
  { file, contentTree }: KeptFile,
  index: number,
): Promise<Uint8Array | undefined> {
  try {
    const handle = await open(file, "r");
    try {
      const chunk = Buffer.alloc(chunkLength(contentTree.size, index));
      await handle.read(chunk, 0, chunk.length, index * CHUNK_BYTES);
      return isChunk(contentTree, index, chunk) ? chunk : undefined;
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}

/** Chunks that somebody waits to compare with: told when they come, and read from the own copy when they will not. */
function knowChunks(file: KeptFile) {
  const waiting = new Map<number, PromiseWithResolvers<Uint8Array | undefined>>();
  let isClosed = false;
  return {
    whole(index: number): Promise<Uint8Array | undefined> {
      if (isClosed) return ownChunk(file, index);
      const known = waiting.get(index) ?? Promise.withResolvers();
      waiting.set(index, known);
      return known.promise;
    },
    learn(index: number, chunk: Uint8Array): void {
      waiting.get(index)?.resolve(chunk);
      waiting.delete(index);
    },
    close(): void {
      isClosed = true;
      for (const [index, { resolve }] of waiting) resolve(ownChunk(file, index));
      waiting.clear();
    },
  };
}

/** Ends a request that goes on for too long without a chunk. */
function limitStalls(milliseconds: number) {
  const ended = new AbortController();
  let reason: string | undefined;
  const end = (why: string) => {
    reason ??= why;
    ended.abort();
  };
  const stalled = () => end(`no chunk in ${milliseconds} ms`);
  let late = setTimeout(stalled, milliseconds);
  const clear = () => clearTimeout(late);
  return {
    signal: ended.signal,
    reason: () => reason,
    end,
    clear,
    again() {
      clear();
      late = setTimeout(stalled, milliseconds);
    },
  };
}

function bytesOf({ contentTree: { size } }: KeptFile, first: number, end: number): number {
  return Math.min(size, end * CHUNK_BYTES) - first * CHUNK_BYTES;
}
