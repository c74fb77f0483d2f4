import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way through which bytes take their time, so that what is beside us seems to be far away. */
export type Delay = { readonly port: number; close(): Promise<void> };

/** What may be under way in one direction: at 150 ms and 100 Mbit/s two megabytes. */
const MOST_UNDER_WAY_BYTES = 8 * 1024 * 1024;

/** `milliseconds` is asked for each piece, in each direction: half a round trip. None overtakes another. */
export async function layDelay(target: number, milliseconds: () => number): Promise<Delay> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => to.destroy());
      from.once("close", () => {
        sockets.delete(from);
        to.destroySoon();
      });
      carry(from, to, milliseconds);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function carry(from: Socket, to: Socket, milliseconds: () => number): void {
  const queue: Buffer[] = [];
  let underWay = 0;
  let last = 0;
  // Timers of different lengths may come out of order: each lets the oldest out.
  const letOut = () => {
    const piece = queue.shift();
    if (piece === undefined) return;
    underWay -= piece.length;
    from.resume();
    if (to.writable) to.write(piece);
  };
  from.on("data", (piece: Buffer) => {
    queue.push(piece);
    underWay += piece.length;
    if (underWay > MOST_UNDER_WAY_BYTES) from.pause();
    last = Math.max(last, performance.now() + milliseconds());
    setTimeout(letOut, Math.max(0, last - performance.now()));
  });
}
