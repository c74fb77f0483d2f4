import { refuse } from "@link-rewards/core/encoding/refusal";
import { MAX_BODY_BYTES, refusalError } from "./refusals.ts";

/** For 64 of the largest bodies at once. Without a bound, 600 connections that never finish hold 600 MB. */
const MAX_BYTES_IN_FLIGHT = 64 * MAX_BODY_BYTES;

/** What one body holds until it is read. */
export type BodyLease = {
  /** Throws when there is no room, even with all that arrives cut off. */
  grow(bytes: number): void;
  /** From here to `arrived`, the body may be cut off to make room for others. */
  arriving(cutOff: (reason: Error) => void): void;
  arrived(): void;
};

/**
 * Bounds the bytes of all bodies that are being received. When there is no room, what has been arriving longest is cut
 * off: an honest body is there within milliseconds, so senders that keep theirs open only push out each other.
 */
export function createBodyMemory(mostBytes = MAX_BYTES_IN_FLIGHT): {
  /** What the body held is free again when `read` is done. */
  lend<T>(read: (lease: BodyLease) => Promise<T>): Promise<T>;
} {
  let held = 0;
  /** Oldest first. */
  const arriving = new Map<BodyLease, () => void>();

  function noRoom(): Error {
    const message = `bodies of ${mostBytes} bytes are being received; nothing of this one was read`;
    return refusalError(503, refuse("busy", message));
  }

  /** The sender's own doing, unlike what comes when there is no room: so it counts against the address. */
  function tooSlow(): Error {
    const message = "the body took longer than those that came after it; nothing of it was read";
    return refusalError(408, refuse("busy", message));
  }

  return {
    async lend(read) {
      let own = 0;
      let isOver = false;
      const release = () => {
        held -= own;
        own = 0;
        isOver = true;
      };
      const lease: BodyLease = {
        grow(bytes) {
          for (const [other, cutOff] of arriving) {
            if (held + bytes <= mostBytes) break;
            if (other !== lease) cutOff();
          }
          if (isOver || held + bytes > mostBytes) throw noRoom();
          held += bytes;
          own += bytes;
        },
        arriving(cutOff) {
          arriving.set(lease, () => {
            cutOff(tooSlow());
            release();
          });
        },
        arrived: () => void arriving.delete(lease),
      };
      try {
        return await read(lease);
      } finally {
        arriving.delete(lease);
        release();
      }
    },
  };
}
