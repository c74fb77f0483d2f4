import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

export const LINK_MANNERS = {
  open: "is open",
  cut: "is cut",
  silent: "takes requests and answers nothing",
  slow: "is slow",
  drip: "brings a byte a second",
  twice: "brings every request twice",
  reordered: "brings the newest request first",
  late: "brings every request again when the epoch is sealed",
} as const;
export type LinkManner = keyof typeof LINK_MANNERS;
export const LINK_FAULTS = (Object.keys(LINK_MANNERS) as LinkManner[]).filter(
  (manner) => manner !== "open",
);

const SLOW_MS = 60;
const DRIP_MS = 1_000;
/** Requests that come within this are brought in the other order. */
const GATHER_MS = 100;
/** A member asks for little at a time: more copies would only take time. */
const MOST_COPIES = 200;

/** The way from one member to another: what is asked goes through it. */
export type Link = {
  readonly url: string;
  behave(manner: LinkManner): void;
  /** Brings what it has kept, when it is late. */
  repeat(): Promise<void>;
  close(): Promise<void>;
};

type Asked = Pick<IncomingMessage, "method" | "url" | "headers">;
type Copy = { readonly request: Asked; readonly body: Buffer };

/** `target`: where the other member listens; undefined while it does not. */
export async function startLink(target: () => string | undefined): Promise<Link> {
  let manner: LinkManner = "open";
  let copies: Copy[] = [];
  const gathered: (() => void)[] = [];
  const held = new Set<Socket>();

  /** Its turn comes after those that came later. */
  async function queue(): Promise<void> {
    const turn = Promise.withResolvers<void>();
    gathered.push(turn.resolve);
    if (gathered.length === 1) {
      await sleep(GATHER_MS);
      for (const go of gathered.splice(0).reverse()) go();
    }
    await turn.promise;
  }

  const server = createServer(async (request, response) => {
    try {
      const to = target();
      if (manner === "silent" || manner === "drip") {
        held.add(request.socket);
        request.socket.once("close", () => held.delete(request.socket));
      }
      if (manner === "silent") return;
      if (manner === "cut" || to === undefined) throw new Error("cut");
      const { method, url, headers } = request;
      const isDripping = manner === "drip";
      if (manner === "slow") await sleep(SLOW_MS);
      const body = await bytesOf(request);
      if (manner === "late" && copies.length < MOST_COPIES)
        copies.push({ request: { method, url, headers }, body });
      if (manner === "reordered") await queue();
      const answer = await pass(to, request, body, isDripping);
      if (manner === "twice") await bytesOf(await pass(to, request, body));
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      await pipeline(isDripping ? drops(await bytesOf(answer)) : answer, response);
    } catch {
      request.socket.destroy();
    }
  });
  server.on("connection", (socket) => socket.on("error", () => socket.destroy()));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    behave(next) {
      manner = next;
      if (next === "cut") server.closeAllConnections();
      for (const socket of held) socket.destroy();
    },
    async repeat() {
      const again = copies;
      copies = [];
      for (const { request, body } of again) {
        const to = target();
        if (to === undefined) continue;
        await pass(to, request, body).then(bytesOf, () => undefined);
      }
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part);
  return Buffer.concat(parts);
}

async function* byteByByte(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at++) {
    await sleep(DRIP_MS);
    yield bytes.subarray(at, at + 1);
  }
}

function drops(bytes: Buffer): Readable {
  return Readable.from(byteByByte(bytes), { objectMode: false });
}

function pass(to: string, { method, url, headers }: Asked, body: Buffer, isDripping = false) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const { host: _, connection: __, "transfer-encoding": ___, ...rest } = headers;
    const passed = httpRequest(
      new URL(url ?? "/", to),
      { method, headers: { ...rest, "content-length": body.length }, agent: false },
      resolve,
    );
    passed.on("error", reject);
    if (isDripping) void pipeline(drops(body), passed).catch(reject);
    else passed.end(body);
  });
}
