import { refuse } from "@link-rewards/core/encoding/refusal";
import { MAX_BODY_BYTES, refusalError } from "./refusals.ts";

/** For 64 of the largest bodies at once. Without a bound, 600 connections that never finish hold 600 MB. */
const MAX_BYTES_IN_FLIGHT = 64 * MAX_BODY_BYTES;
/** For 8 of them from one address, or a thousand single receipts. */
const MAX_BYTES_OF_AN_ADDRESS = 8 * MAX_BODY_BYTES;

/** What one body holds until it is read. */
export type BodyLease = {
  /** Throws when there is no room, even with all that arrives cut off. */
  grow(bytes: number): void;
  /** From here to `arrived`, the body may be cut off to make room for others. */
  arriving(cutOff: (reason: Error) => void): void;
  arrived(): void;
};

/**
 * Bounds the bytes of the bodies that are being received, of each address and of all. When there is no room, what has been
 * arriving longest is cut off, of the same address first: an honest body is there within milliseconds, so senders that
 * keep theirs open only push out each other.
 */
export function createBodyMemory(): {
  /** What the body held is free again when `read` is done. */
  lend<T>(address: string, read: (lease: BodyLease) => Promise<T>): Promise<T>;
} {
  const all = createShare(MAX_BYTES_IN_FLIGHT);
  const shares = new Map<string, Share>();

  return {
    async lend(address, read) {
      const own = shares.get(address) ?? createShare(MAX_BYTES_OF_AN_ADDRESS);
      shares.set(address, own);
      own.leases++;
      let held = 0;
      let isOver = false;
      const release = () => {
        for (const share of [own, all]) share.held -= held;
        held = 0;
        isOver = true;
      };
      const lease: BodyLease = {
        grow(bytes) {
          for (const share of [own, all]) {
            for (const [other, cutOff] of share.arriving) {
              if (share.held + bytes <= share.most) break;
              if (other !== lease) cutOff();
            }
            if (isOver || share.held + bytes > share.most) throw noRoom(share.most);
          }
          for (const share of [own, all]) share.held += bytes;
          held += bytes;
        },
        arriving(cutOff) {
          const end = () => {
            cutOff(tooSlow());
            release();
          };
          for (const share of [own, all]) share.arriving.set(lease, end);
        },
        arrived() {
          for (const share of [own, all]) share.arriving.delete(lease);
        },
      };
      try {
        return await read(lease);
      } finally {
        lease.arrived();
        release();
        if (--own.leases === 0) shares.delete(address);
      }
    },
  };
}

type Share = {
  readonly most: number;
  held: number;
  /** Oldest first. */
  readonly arriving: Map<BodyLease, () => void>;
  leases: number;
};

function createShare(most: number): Share {
  return { most, held: 0, arriving: new Map(), leases: 0 };
}

function noRoom(most: number): Error {
  const message = `bodies of ${most} bytes are being received; nothing of this one was read`;
  return refusalError(503, refuse("busy", message));
}

/** The sender's own doing, unlike what comes when there is no room: so it counts against the address. */
function tooSlow(): Error {
  const message = "the body took longer than those that came after it; nothing of it was read";
  return refusalError(408, refuse("busy", message));
}
