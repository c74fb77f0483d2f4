import { fork } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { signerOf } from "@link-rewards/host/keys";
import { generate } from "selfsigned";
import { openDoor } from "../../device/gateway/door.ts";
import { LINK_TLS } from "../../device/link/proof.ts";
import type { Case, Contestant } from "../case.ts";
import { CUSTOMER, DOMAIN, EPOCH } from "../links/world.ts";
import { keyOf } from "../world.ts";

const DEVICES = fileURLToPath(new URL("../links/devices.ts", import.meta.url));

/** What this process takes with so many devices that dialled in and have nothing to do; in bytes. */
async function taken(kind: "link" | "tls", port: number, size: number): Promise<number> {
  const devices = fork(DEVICES, [kind, String(port), String(size)]);
  await once(devices, "message");
  global.gc?.();
  const { rss } = process.memoryUsage();
  devices.kill();
  await once(devices, "exit");
  return rss;
}

const ours: Contestant = async (size) => {
  const door = await openDoor({
    host: "127.0.0.1",
    port: 0,
    end: {
      key: signerOf(keyOf("gateway")),
      domain: DOMAIN,
      customer: CUSTOMER,
      epoch: async () => EPOCH,
      judge: async () => undefined,
    },
    log: () => undefined,
  });
  return async () => {
    const bytes = await taken("link", door.port, size);
    await door.close();
    return bytes;
  };
};

/** The same connections with nothing in them: what TLS itself takes. */
const bareTls: Contestant = async (size) => {
  const { private: key, cert } = await generate(undefined, { keyType: "ec" });
  const held = new Set<object>();
  const server = createServer({ ...LINK_TLS, key, cert }, (socket) => {
    held.add(socket);
    socket.on("error", () => undefined);
    socket.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return async () => {
    const bytes = await taken("tls", port, size);
    server.close();
    return bytes;
  };
};

export const cases: readonly Case[] = [
  {
    what: "memory of a gateway with idle devices",
    unit: "bytes",
    sizes: { quick: [100], full: [1_000] },
    rounds: { quick: 1, full: 1 },
    ours,
    peers: { "node:tls": { run: bareTls } },
  },
];
