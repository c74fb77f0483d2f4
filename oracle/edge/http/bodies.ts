import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { gunzip as gunzipCallback } from "node:zlib";
import { refuse } from "@link-rewards/core/encoding/refusal";
import { PACKED_BATCH_TYPE } from "@link-rewards/core/signed/submission";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type BodyLease, createBodyMemory } from "./body-memory.ts";
import { parseJson } from "./json.ts";
import { bodyTooLarge, MAX_BODY_BYTES, refusalError } from "./refusals.ts";

const gunzip = promisify(gunzipCallback);

/** Signatures do not shrink: an honest batch unpacks to 3 times its packed size, and a bomb to 1,000 times. */
const MAX_EXPANSION = 16;
/** Before the first growth: most bodies are one receipt, and need no other. */
const FIRST_BYTES = 2_048;

/** JSON and packed receipts, plain or gzipped. */
export function acceptBodies(app: FastifyInstance): void {
  const memory = createBodyMemory();
  const bytesOf = ({ headers }: FastifyRequest, payload: Readable, lease: BodyLease) => {
    if (Number(headers["content-length"] ?? 0) > MAX_BODY_BYTES) throw bodyTooLarge();
    return unpack(payload, headers["content-encoding"], lease);
  };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", (request: FastifyRequest, payload: Readable) =>
    memory.lend(async (lease) => parseJson(await bytesOf(request, payload, lease))),
  );
  app.addContentTypeParser(
    [PACKED_BATCH_TYPE, "application/octet-stream"],
    (request: FastifyRequest, payload: Readable) =>
      memory.lend((lease) => bytesOf(request, payload, lease)),
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

/** In one buffer that doubles: a body that drips in byte by byte would else be a million objects. */
function collect(payload: Readable, lease: BodyLease): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    let length = 0;

    function onData(chunk: Buffer): void {
      const needed = length + chunk.length;
      if (needed > MAX_BODY_BYTES) fail(bodyTooLarge());
      else if (needed <= bytes.length || enlarge(needed)) length += chunk.copy(bytes, length);
    }

    function enlarge(needed: number): boolean {
      const size = Math.min(MAX_BODY_BYTES, Math.max(FIRST_BYTES, needed, 2 * bytes.length));
      try {
        lease.grow(size - bytes.length);
      } catch (error) {
        fail(error as Error);
        return false;
      }
      const larger = Buffer.allocUnsafeSlow(size);
      bytes.copy(larger, 0, 0, length);
      bytes = larger;
      return true;
    }

    function fail(error: Error): void {
      stop();
      // What still comes is dropped until the answer has closed the connection.
      payload.on("error", ignore).resume();
      reject(error);
    }

    function onEnd(): void {
      stop();
      resolve(bytes.subarray(0, length));
    }

    function onClose(): void {
      fail(refusalError(400, refuse("malformed", "the connection ended before the body did")));
    }

    function stop(): void {
      lease.arrived();
      payload.off("data", onData).off("end", onEnd).off("error", fail).off("close", onClose);
    }

    lease.arriving(fail);
    payload.on("data", onData).on("end", onEnd).on("error", fail).on("close", onClose);
  });
}

/** The refusal is decided: that its sender also went away changes nothing. */
function ignore(): void {
  // Nobody is left to be told.
}
