import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { constants } from "node:http2";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export type LinkRequest = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | Readable;
  /** Ends the request, and the reading of its answer. */
  readonly signal?: AbortSignal;
};

export type LinkAnswer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** To be read to its end, or destroyed. Errs when the connection breaks off. */
  readonly body: Readable;
};

/** Asks the device at the other end of a link. Throws when there is no answer. */
export function askOver(
  session: ClientHttp2Session,
  path: string,
  { method = "GET", headers = {}, body, signal }: LinkRequest = {},
): Promise<LinkAnswer> {
  return new Promise((resolve, reject) => {
    if (session.closed || session.destroyed) throw new Error("the connection is gone");
    const stream = session.request(
      { ...headers, ":method": method, ":path": path },
      { endStream: body === undefined, ...(signal && { signal }) },
    );
    stream.once("error", reject);
    stream.once("close", () => reject(new Error("the connection broke off")));
    stream.once("response", (answered) => {
      resolve({ status: Number(answered[":status"]), headers: answered, body: stream });
    });
    if (body !== undefined) send(stream, body).catch(reject);
  });
}

/** A device that refuses a body answers before it has read it: that is no failure to send. */
async function send(
  stream: ClientHttp2Stream,
  body: string | Uint8Array | Readable,
): Promise<void> {
  if (typeof body === "string" || body instanceof Uint8Array) {
    stream.end(body);
    return;
  }
  try {
    await pipeline(body, stream, { end: true });
  } catch (error) {
    if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw error;
  }
}
