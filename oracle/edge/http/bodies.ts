import { promisify } from "node:util";
import { gunzip as gunzipCallback } from "node:zlib";
import { refuse } from "@link-rewards/core/encoding/refusal";
import { PACKED_BATCH_TYPE } from "@link-rewards/core/signed/submission";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { bodyTooLarge, MAX_BODY_BYTES, refusalError } from "./refusals.ts";

const gunzip = promisify(gunzipCallback);

/** JSON and packed receipts, plain or gzipped. Plain `JSON.parse`: core copies the fields it knows and no others. */
export function acceptBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>(
    "application/json",
    { parseAs: "buffer" },
    async ({ headers }: FastifyRequest, body: Buffer) => {
      return parseJson((await unpack(body, headers["content-encoding"])).toString("utf8"));
    },
  );
  app.addContentTypeParser<Buffer>(
    [PACKED_BATCH_TYPE, "application/octet-stream"],
    { parseAs: "buffer" },
    ({ headers }: FastifyRequest, body: Buffer) => unpack(body, headers["content-encoding"]),
  );
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refusalError(400, refuse("malformed", "the body is not JSON"));
  }
}

/** Unpacks up to the limit and not a byte further, whatever the body claims to hold. */
async function unpack(body: Buffer, encoding: string | undefined): Promise<Buffer> {
  if (encoding === undefined || encoding === "identity") return body;
  if (encoding !== "gzip") {
    throw refusalError(415, refuse("malformed", "content-encoding must be gzip or absent"));
  }
  try {
    return await gunzip(body, { maxOutputLength: MAX_BODY_BYTES });
  } catch (cause) {
    const tooLarge = (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw tooLarge
      ? bodyTooLarge()
      : refusalError(400, refuse("malformed", "the body is not gzip"));
  }
}
