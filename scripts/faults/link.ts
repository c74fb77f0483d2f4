import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export const LINK_MANNERS = {
  open: "is open",
  cut: "is cut",
  silent: "takes requests and answers nothing",
  slow: "is slow",
  twice: "brings every request twice",
} as const;
export type LinkManner = keyof typeof LINK_MANNERS;

const SLOW_MS = 60;

/** The way from one member to another: what is asked goes through it. */
export type Link = {
  readonly url: string;
  behave(manner: LinkManner): void;
  close(): Promise<void>;
};

/** `target`: where the other member listens; undefined while it does not. */
export async function startLink(target: () => string | undefined): Promise<Link> {
  let manner: LinkManner = "open";
  const held = new Set<Socket>();
  const server = createServer(async (request, response) => {
    try {
      const to = target();
      if (manner === "silent") {
        held.add(request.socket);
        request.socket.once("close", () => held.delete(request.socket));
        return;
      }
      if (manner === "cut" || to === undefined) throw new Error("cut");
      if (manner === "slow") await sleep(SLOW_MS);
      const body = await bytesOf(request);
      const answer = await pass(to, request, body);
      if (manner === "twice") await bytesOf(await pass(to, request, body));
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on("error", () => request.socket.destroy());
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

function pass(to: string, { method, url, headers }: IncomingMessage, body: Buffer) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const { host: _, connection: __, "transfer-encoding": ___, ...rest } = headers;
    const passed = httpRequest(
      new URL(url ?? "/", to),
      { method, headers: { ...rest, "content-length": body.length }, agent: false },
      resolve,
    );
    passed.on("error", reject);
    passed.end(body);
  });
}
