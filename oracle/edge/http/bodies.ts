import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { gunzip as gunzipCallback } from "node:zlib";
import { refuse } from "@link-rewards/core/encoding/refusal";
import { PACKED_BATCH_TYPE } from "@link-rewards/core/signed/submission";
import { networkOf } from "@link-rewards/host/network";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type BodyLease, createBodyMemory } from "./body-memory.ts";
import { parseJson } from "./json.ts";
import { bodyTooLarge, MAX_BODY_BYTES, refusalError } from "./refusals.ts";

const gunzip = promisify(gunzipCallback);

/** Signatures do not shrink: an honest batch unpacks to 3 times its packed size, and a bomb to 1,000 times. */
const MAX_EXPANSION = 16;
/** One receipt may come byte by byte, a batch may not. */
const FREE_PIECES = 1_024;
const LEAST_BYTES_A_PIECE = 64;

/** A single receipt is smaller. What is larger may be a thousand, and milliseconds of the only thread. */
const SMALL_BYTES = 4 * 1024;

/** JSON and packed receipts, plain or gzipped. */
export function acceptBodies(app: FastifyInstance, cutOff: (socket: Socket) => void): void {
  const memory = createBodyMemory();
  let lastLarge: Promise<unknown> = Promise.resolve();
  /** Of large bodies that came together, one in each turn of the event loop: what is small goes on between them. */
  const inTurn = async (body: Buffer) => {
    if (body.length <= SMALL_BYTES) return body;
    lastLarge = lastLarge.then(() => nextTurn());
    await lastLarge;
    return body;
  };
  const bytesOf = async ({ headers, raw }: FastifyRequest, payload: Readable, lease: BodyLease) => {
    if (Number(headers["content-length"] ?? 0) > MAX_BODY_BYTES) throw bodyTooLarge();
    refuseCrumbs(payload, () => cutOff(raw.socket));
    return inTurn(await unpack(payload, headers["content-encoding"], lease));
  };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", (request: FastifyRequest, payload: Readable) =>
    memory.lend(networkOf(request.ip), async (lease) =>
      parseJson(await bytesOf(request, payload, lease)),
    ),
  );
  app.addContentTypeParser(
    [PACKED_BATCH_TYPE, "application/octet-stream"],
    (request: FastifyRequest, payload: Readable) =>
      memory.lend(networkOf(request.ip), (lease) => bytesOf(request, payload, lease)),
  );
}

/** Unpacks up to the limits and not a byte further, whatever the body claims to hold. */
async function unpack(
  payload: Readable,
  encoding: string | undefined,
  lease: BodyLease,
): Promise<Buffer> {
  if (encoding === undefined || encoding === "identity") return collect(payload, lease);
  if (encoding !== "gzip") {
    throw refusalError(415, refuse("malformed", "content-encoding must be gzip or absent"));
  }
  const packed = await collect(payload, lease);
  const most = Math.min(MAX_BODY_BYTES, MAX_EXPANSION * packed.length);
  lease.grow(most);
  try {
    return await gunzip(packed, { maxOutputLength: most });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_BUFFER_TOO_LARGE") {
      throw refusalError(400, refuse("malformed", "the body is not gzip"));
    }
    if (most === MAX_BODY_BYTES) throw bodyTooLarge();
    const message = `a body unpacks to at most ${MAX_EXPANSION} times its size; send it plain`;
    throw refusalError(413, refuse("too-large", message));
  }
}

/** Kept as it came, and put together once it is whole: most of it is never more than one piece, or is cut off. */
function collect(payload: Readable, lease: BodyLease): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;

    function onData(piece: Buffer): void {
      length += piece.length;
      try {
        if (length > MAX_BODY_BYTES) throw bodyTooLarge();
        lease.grow(piece.length);
        pieces.push(piece);
      } catch (error) {
        fail(error as Error);
      }
    }

    function fail(error: Error): void {
      stop();
      pieces.length = 0;
      // What still comes is dropped until the answer has closed the connection.
      payload.on("error", ignore).resume();
      reject(error);
    }

    function onEnd(): void {
      stop();
      resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces));
    }

    function onClose(): void {
      fail(refusalError(400, refuse("malformed", "the connection ended before the body did")));
    }

    function stop(): void {
      lease.arrived();
      payload.off("data", onData).off("end", onEnd).off("error", onClose).off("close", onClose);
    }

    lease.arriving(fail);
    payload.on("data", onData).on("end", onEnd).on("error", onClose).on("close", onClose);
  });
}

/** No client of ours sends them, and each costs as much as a kilobyte: a megabyte of them is seconds. */
function refuseCrumbs(payload: Readable, cutOff: () => void): void {
  let pieces = 0;
  let length = 0;
  const onData = (chunk: Buffer) => {
    length += chunk.length;
    if (++pieces <= FREE_PIECES + length / LEAST_BYTES_A_PIECE) return;
    payload.off("data", onData);
    cutOff();
  };
  payload.on("data", onData);
}

/** The refusal is decided: that its sender also went away changes nothing. */
function ignore(): void {
  // Nobody is left to be told.
}
