import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A way to a server that can be lost without a word: what is sent vanishes, and no end is ever heard of. */
export type SilentProxy = {
  /** host:port of its own end. */
  readonly address: string;
  /** From now on nothing passes on the connections there are, and, if `all`, on new ones. */
  fallSilent(all?: boolean): void;
  close(): Promise<void>;
};

export async function startSilentProxy(target: string): Promise<SilentProxy> {
  const [host, port] = target.split(":") as [string, string];
  const pairs = new Set<readonly [Socket, Socket]>();
  let isSilent = false;
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    pairs.add([near, far]);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      if (!isSilent) from.pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: own } = server.address() as { port: number };
  return {
    address: `127.0.0.1:${own}`,
    fallSilent: (all = false) => {
      isSilent = all;
      for (const pair of pairs) {
        for (const socket of pair) {
          socket.unpipe();
          socket.removeAllListeners("close");
          socket.pause();
        }
      }
    },
    close: async () => {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
