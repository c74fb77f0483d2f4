import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { networkOf } from "@link-rewards/host/network";

/** A sender that has not sent its headers, its request, or the next one, by then is gone or means harm. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 20_000;
const TIMEOUT_CHECK_MS = 5_000;
/** Browsers and proxies send a tenth of it. */
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADERS = 64;
/** Bounds memory and file handles against senders that only connect. */
const MAX_CONNECTIONS = 10_000;
/** Of them, for one address: more than a building full of devices opens, and no other's share. */
const MAX_CONNECTIONS_OF_AN_ADDRESS = 500;
/** On one connection, of which no client we know of begins a second before the first is answered. */
const MAX_REQUESTS_AT_ONCE = 16;
const CUT_OFF_MS = 10_000;

export type Connections = {
  createServer(handler: (request: IncomingMessage, response: ServerResponse) => void): Server;
  /**
   * Who does what no client does loses all its connections, and gets no other for a while. Node parses 64 kB before it
   * asks whether to go on, which can be 20 ms of the only thread: once for an address, and not once for a connection.
   */
  cutOff(socket: Socket): void;
};

/** Behind a proxy, whose connections are everybody's and who has limits of its own, each is looked at alone. */
export function createConnections({ behindProxy }: { readonly behindProxy: boolean }): Connections {
  const open = new Map<string, Set<Socket>>();
  const cutOffUntil = new Map<string, number>();
  const atWork = new WeakMap<Socket, number>();

  function cutOff(socket: Socket): void {
    socket.destroy();
    if (behindProxy) return;
    const key = addressOf(socket);
    cutOffUntil.set(key, performance.now() + CUT_OFF_MS);
    for (const other of open.get(key) ?? []) other.destroy();
  }

  function isCutOff(key: string): boolean {
    const now = performance.now();
    // In the order in which they were; few, for each had a connection.
    for (const [other, until] of cutOffUntil) if (until < now) cutOffUntil.delete(other);
    return cutOffUntil.has(key);
  }

  /** One over its address's share ends before anything of it is read. */
  function admit(socket: Socket): void {
    const key = addressOf(socket);
    const own = open.get(key) ?? new Set();
    if (own.size >= MAX_CONNECTIONS_OF_AN_ADDRESS || isCutOff(key)) {
      socket.destroy();
      return;
    }
    own.add(socket);
    open.set(key, own);
    socket.once("close", () => {
      own.delete(socket);
      if (own.size === 0) open.delete(key);
    });
  }

  return {
    cutOff,
    createServer(handler) {
      const limits = {
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: HEADERS_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      };
      // Node hands over every request that has arrived, whether the one before is answered or not.
      const server = createServer(limits, (request, response) => {
        const { socket } = request;
        if (socket.destroyed) return;
        const count = (atWork.get(socket) ?? 0) + 1;
        if (count > MAX_REQUESTS_AT_ONCE) {
          cutOff(socket);
          return;
        }
        atWork.set(socket, count);
        response.once("close", () => atWork.set(socket, (atWork.get(socket) ?? 1) - 1));
        handler(request, response);
      });
      server.maxHeadersCount = MAX_HEADERS;
      server.maxConnections = MAX_CONNECTIONS;
      if (!behindProxy) server.on("connection", admit);
      return server;
    },
  };
}

function addressOf({ remoteAddress = "" }: Socket): string {
  return networkOf(remoteAddress);
}
