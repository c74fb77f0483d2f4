import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Who floods, in a process of its own. Everything it sends was made before, and it reads no more of an answer than where it
 * ends: it has the same cores as the service, and what it does there itself would else look like the flood's effect.
 */

export type Flood = {
  readonly url: string;
  /** Loopback's addresses that it comes from, in turn. */
  readonly addresses: readonly string[];
  readonly connections: number;
  /** In base64. Each connection sends the next, waits for the answer, and so on. */
  readonly requests: readonly string[];
  /** So many at a time on each connection, the next without waiting for an answer; one by one when absent. */
  readonly pipelined?: number;
  /** Sends in pieces of so many bytes with so long between two, and never the last byte. */
  readonly slow?: { readonly bytes: number; readonly everyMilliseconds: number };
  /** Only connects. */
  readonly silent?: boolean;
};

export type Flooded = {
  readonly answered: number;
  readonly opened: number;
  readonly cpuSeconds: number;
};

/** After a connection was ended for it: a loop that only connects would be a flood of another kind. */
const REOPEN_MS = 100;

function startFlood(flood: Flood): { stop(): Promise<Flooded> } {
  const { hostname, port } = new URL(flood.url);
  const requests = flood.requests.map((request) => Buffer.from(request, "base64"));
  const sockets = new Set<Socket>();
  const cpuBefore = process.cpuUsage();
  let [next, answered, opened, isOver] = [0, 0, 0, false];

  async function lane(i: number): Promise<void> {
    const localAddress = flood.addresses[i % flood.addresses.length] as string;
    while (!isOver) {
      const socket = connect({ host: hostname, port: Number(port), localAddress });
      opened++;
      sockets.add(socket);
      const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.on("error", () => undefined);
      const request = () => requests[next++ % requests.length] as Buffer;
      if (flood.slow !== undefined) void drip(socket, request(), flood.slow);
      else if (flood.silent !== true) {
        onAnswer(socket, () => {
          answered++;
          socket.write(request());
        });
        for (let each = 0; each < (flood.pipelined ?? 1); each++) socket.write(request());
      }
      await ended;
      sockets.delete(socket);
      await sleep(REOPEN_MS);
    }
  }

  const lanes = Array.from({ length: flood.connections }, (_, i) => lane(i));
  return {
    async stop() {
      isOver = true;
      for (const socket of sockets) socket.destroy();
      await Promise.all(lanes);
      const { user, system } = process.cpuUsage(cpuBefore);
      return { answered, opened, cpuSeconds: (user + system) / 1e6 };
    },
  };
}

async function drip(
  socket: Socket,
  request: Buffer,
  { bytes, everyMilliseconds }: NonNullable<Flood["slow"]>,
): Promise<void> {
  for (let at = 0; at < request.length - 1 && !socket.destroyed; at += bytes) {
    socket.write(request.subarray(at, Math.min(at + bytes, request.length - 1)));
    await sleep(everyMilliseconds);
  }
}

const CHUNKED_END = Buffer.from("0\r\n\r\n");

/** Calls for each answer that is whole. */
function onAnswer(socket: Socket, done: () => void): void {
  const none = Buffer.alloc(0);
  let head: Buffer | undefined = none;
  /** Undefined: until the last chunk. */
  let missing: number | undefined;
  socket.on("data", (bytes: Buffer) => {
    let rest = bytes;
    while (rest.length > 0) {
      if (head !== undefined) {
        head = Buffer.concat([head, rest]);
        const end = head.indexOf("\r\n\r\n");
        if (end === -1) return;
        const length = /content-length: (\d+)/i.exec(head.toString("latin1", 0, end))?.[1];
        missing = length === undefined ? undefined : Number(length);
        rest = head.subarray(end + 4);
        head = undefined;
      }
      if (missing === undefined) {
        if (!rest.subarray(-5).equals(CHUNKED_END)) return;
        rest = none;
      } else {
        const own = Math.min(missing, rest.length);
        missing -= own;
        rest = rest.subarray(own);
        if (missing > 0) return;
      }
      head = none;
      done();
    }
  });
}

if (import.meta.main) {
  let running: ReturnType<typeof startFlood> | undefined;
  process.on("disconnect", () => process.exit());
  process.on("message", async (message: Flood | "stop") => {
    if (message === "stop") {
      process.send?.(await running?.stop());
      return;
    }
    running = startFlood(message);
    process.send?.("begun");
  });
}
