import type { AddressInfo } from "node:net";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { isHexOf, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { HASH_BYTES } from "@link-rewards/core/encoding/tree";
import fastify, { type FastifyReply, type FastifyRequest } from "fastify";
import { parseRange, type Range } from "../range.ts";
import { type Deliveries, isUndelivered } from "./deliver.ts";
import type { KeptFile } from "./peer.ts";

export type UsersParts = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly files: readonly KeptFile[];
  readonly deliver: Deliveries["deliver"];
};

/** Where the customer's users come. */
export type Users = { readonly port: number; close(): Promise<void> };

/** Each holds at most two segments, so all of them 256 MiB when they take nothing. */
const MOST_TRANSFERS = 256;
const MOST_CONNECTIONS = 1_024;
/** A user that takes nothing for so long is hung up: what it does not take waits in memory. */
const IDLE_MS = 60_000;
/** For a request's head, which is all that there is of one. */
const REQUEST_MS = 10_000;
const RETRY_AFTER_SECONDS = 1;
/** Of a file's name in a path. */
const LONGEST_NAME = 1_024;

/**
 * Serves the files that the gateway was given over HTTP, under their names and roots, as any web server would: the bytes come
 * from devices, and from the file on the disk when none can. TLS and names are the business of a proxy before it.
 */
export async function serveUsers({ host, port, files, deliver }: UsersParts): Promise<Users> {
  const fileOf = filesByName(files);
  let transfers = 0;
  const app = fastify({
    connectionTimeout: IDLE_MS,
    requestTimeout: REQUEST_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: LONGEST_NAME },
  });
  app.server.maxConnections = MOST_CONNECTIONS;

  async function serve(
    request: FastifyRequest<{ Params: { name: string } }>,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const { name } = request.params;
    const file = fileOf.get(isHexOf(name, HASH_BYTES) ? lowercaseHex(name) : name);
    if (file === undefined) return refuse(reply, 404, "content-unknown", `no file ${name}`);
    const { root, size } = file.contentTree;
    const tag = `"${root}"`;
    reply.header("etag", tag).header("accept-ranges", "bytes");
    if (request.headers["if-none-match"]?.includes(tag)) return reply.code(304).send();
    const range = rangeOf(request, tag, size);
    if (range === "outside") {
      reply.header("content-range", `bytes */${size}`);
      return refuse(reply, 416, "range-invalid", `${name} has ${size} bytes`);
    }
    const { first, last } = range ?? { first: 0, last: size - 1 };
    if (range !== undefined) reply.header("content-range", `bytes ${first}-${last}/${size}`);
    reply
      .code(range === undefined ? 200 : 206)
      .type("application/octet-stream")
      .header("content-length", last - first + 1);
    if (request.method === "HEAD") return reply.send();
    if (transfers >= MOST_TRANSFERS)
      return refuse(reply, 503, "busy", `${transfers} transfers are under way`);
    transfers += 1;
    return send(reply, deliver(file, { first, last }), () => {
      transfers -= 1;
    });
  }

  app.route({ method: ["GET", "HEAD"], url: "/:name", handler: serve });
  app.setNotFoundHandler((request, reply) =>
    refuse(reply, 404, "content-unknown", `${request.method} ${request.url}: GET /<name>`),
  );
  await app.listen({ host, port });
  return {
    port: (app.server.address() as AddressInfo).port,
    close: () => app.close(),
  };
}

/** The first bytes are there before anything is said of them: what cannot be delivered has a status then. */
async function send(
  reply: FastifyReply,
  bytes: ReturnType<Deliveries["deliver"]>,
  ended: () => void,
): Promise<FastifyReply> {
  try {
    const start = await bytes.next();
    const body = Readable.from(continued(start, bytes));
    body.once("close", ended);
    return reply.send(body);
  } catch (error) {
    ended();
    if (!isUndelivered(error)) throw error;
    const [status, refusal] = error.tried > 0 ? [504, "timeout"] : [503, "busy"];
    return refuse(reply, Number(status), String(refusal), error.message);
  }
}

async function* continued(
  start: IteratorResult<Uint8Array, void>,
  bytes: ReturnType<Deliveries["deliver"]>,
): AsyncGenerator<Uint8Array> {
  try {
    if (start.done) return;
    yield start.value;
    yield* bytes;
  } finally {
    await bytes.return();
  }
}

/** What asks for several ranges, or for a part of another version, gets all of it, as HTTP has it. */
function rangeOf(
  { headers }: FastifyRequest,
  tag: string,
  size: number,
): Range | "outside" | undefined {
  const { range } = headers;
  const wanted = headers["if-range"];
  if (range === undefined || (wanted !== undefined && wanted !== tag)) return undefined;
  return parseRange(range, size);
}

function refuse(
  reply: FastifyReply,
  status: number,
  refusal: string,
  message: string,
): FastifyReply {
  if (status === 503) reply.header("retry-after", RETRY_AFTER_SECONDS);
  return reply
    .removeHeader("content-length")
    .removeHeader("etag")
    .code(status)
    .type("application/json")
    .send({ refusal, message });
}

/** By name and by root. */
function filesByName(files: readonly KeptFile[]): ReadonlyMap<string, KeptFile> {
  const known = new Map<string, KeptFile>();
  for (const each of files) {
    const name = basename(each.file);
    const other = known.get(name);
    if (other !== undefined && other.contentTree.root !== each.contentTree.root)
      throw new Error(`${other.file} and ${each.file} would have one name: rename one of them`);
    known.set(name, each).set(each.contentTree.root, each);
  }
  return known;
}
