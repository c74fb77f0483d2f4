import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { networkOf } from "@link-rewards/host/network";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { generate } from "selfsigned";
import {
  type GatewayEnd,
  greetDevice,
  isLinkRefused,
  type ProvenDevice,
} from "../link/handshake.ts";
import { LINK_TLS } from "../link/proof.ts";
import { askOver, type LinkAnswer, type LinkRequest } from "../link/request.ts";
import type { Log } from "../log.ts";

/** A device that dialled in and proved its key. */
export type LinkedDevice = ProvenDevice & {
  /** Where it dialled from. */
  readonly address: string;
  /** Throws when there is no answer. */
  ask(path: string, request?: LinkRequest): Promise<LinkAnswer>;
  hangUp(): void;
  /** Smoothed, in milliseconds. */
  roundTrip(): number;
};

export type DoorParts = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly end: GatewayEnd;
  readonly pingMilliseconds?: number | undefined;
  readonly log: Log;
};

/** Where devices dial in. */
export type Door = {
  readonly port: number;
  devices(): readonly LinkedDevice[];
  device(address: Address): LinkedDevice | undefined;
  close(): Promise<void>;
};

/** From its first packet to its proof: longer than the device itself waits. */
const GREETING_MS = 20_000;
/** Strangers that have connected and not proven anything yet: in all, and from one network. */
const MOST_GREETINGS = 1_024;
const MOST_GREETINGS_OF_A_NETWORK = 32;
/** Greetings of one network that came to nothing, in a minute: each costs a handshake, a signature and a check of one. */
const MOST_FAILURES = 60;
const FAILURES_SECONDS = 60;
const MOST_DEVICES = 50_000;
const PING_MS = 25_000;
/** A device that does not answer a ping for as long is gone, or its home is. */
const PING_TIMEOUT_MS = 10_000;
/** Of a sample in the smoothed round trip: as TCP has it (RFC 6298). */
const SMOOTHING = 1 / 8;
/** What is on its way to a gateway: at 300 ms and 100 Mbit/s a stream needs four megabytes. */
const WINDOW_BYTES = 4 * 1024 * 1024;
const SETTINGS = { enablePush: false, initialWindowSize: WINDOW_BYTES } as const;

export async function openDoor(parts: DoorParts): Promise<Door> {
  const { log } = parts;
  const linked = new Map<Address, LinkedDevice>();
  const greetings = countGreetings();
  const failures = new RateLimiterMemory({ points: MOST_FAILURES, duration: FAILURES_SECONDS });
  const server = createServer({
    ...LINK_TLS,
    ...(await selfSigned()),
    handshakeTimeout: GREETING_MS,
  });

  server.on("connection", (socket: Socket) => {
    if (!greetings.begin(socket)) socket.destroy();
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", (socket) => void receive(socket));

  async function receive(socket: TLSSocket): Promise<void> {
    const address = socket.remoteAddress ?? "";
    socket.on("error", ignore);
    const network = networkOf(address);
    const late = setTimeout(() => socket.destroy(), GREETING_MS);
    try {
      const failed = await failures.get(network);
      if (failed !== null && failed.consumedPoints >= MOST_FAILURES) {
        socket.destroy();
        return;
      }
      const proven = await greetDevice(socket, parts.end);
      if (linked.size >= MOST_DEVICES) throw new Error(`${linked.size} devices are connected`);
      await link(socket, address, proven);
    } catch (error) {
      // What the gateway itself could not find out is nobody else's fault.
      if (isLinkRefused(error)) void failures.penalty(network);
      log("warn", "not-linked", { address, reason: (error as Error).message });
      socket.destroySoon();
    } finally {
      clearTimeout(late);
      greetings.end(socket);
    }
  }

  async function link(socket: TLSSocket, address: string, proven: ProvenDevice): Promise<void> {
    socket.setNoDelay(true);
    const session = connect("http://device", {
      createConnection: () => socket,
      settings: SETTINGS,
    });
    session.on("error", ignore);
    session.setLocalWindowSize(WINDOW_BYTES);
    let roundTrip = await ping(session);
    if (session.destroyed) throw new Error("the connection is gone");
    const device: LinkedDevice = {
      ...proven,
      address,
      roundTrip: () => roundTrip,
      ask: (path, request) => askOver(session, path, request),
      hangUp: () => session.destroy(),
    };
    // The one before may have died without a word.
    linked.get(proven.device)?.hangUp();
    linked.set(proven.device, device);
    log("info", "linked", { device: proven.device, address, roundTrip: Math.round(roundTrip) });
    const { pingMilliseconds = PING_MS } = parts;
    const heart = setInterval(
      () => {
        ping(session).then(
          (sample) => {
            roundTrip += SMOOTHING * (sample - roundTrip);
          },
          () => session.destroy(),
        );
      },
      pingMilliseconds * (1 + Math.random() / 4),
    );
    session.once("close", () => {
      clearInterval(heart);
      if (linked.get(proven.device) === device) linked.delete(proven.device);
      log("info", "unlinked", { device: proven.device });
    });
  }

  server.listen(parts.port, parts.host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    devices: () => [...linked.values()],
    device: (address) => linked.get(address),
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const { hangUp } of linked.values()) hangUp();
      await closed;
    },
  };
}

/** Of those that have proven nothing yet, however they end. */
function countGreetings() {
  const counts = new Map<string, number>();
  const open = new Map<string, string>();
  const nameOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;
  function end(name: string): void {
    const network = open.get(name);
    if (network === undefined) return;
    open.delete(name);
    const left = (counts.get(network) ?? 0) - 1;
    if (left > 0) counts.set(network, left);
    else counts.delete(network);
  }
  return {
    begin(socket: Socket): boolean {
      const network = networkOf(socket.remoteAddress ?? "");
      const same = counts.get(network) ?? 0;
      if (open.size >= MOST_GREETINGS || same >= MOST_GREETINGS_OF_A_NETWORK) return false;
      const name = nameOf(socket);
      open.set(name, network);
      counts.set(network, same + 1);
      socket.once("close", () => end(name));
      return true;
    },
    end: (socket: Socket) => end(nameOf(socket)),
  };
}

/** Milliseconds. Throws when there is no answer in time. */
function ping(session: ClientHttp2Session): Promise<number> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("no answer to a ping")), PING_TIMEOUT_MS);
    const failed = (error: Error) => {
      clearTimeout(late);
      reject(error);
    };
    if (session.destroyed) return failed(new Error("the connection is gone"));
    session.ping((error, milliseconds) => {
      clearTimeout(late);
      if (error === null) resolve(milliseconds);
      else reject(error);
    });
  });
}

/** Made anew at each start: no device believes a certificate, whoever signed it. */
async function selfSigned(): Promise<{ key: string; cert: string }> {
  const { private: key, cert } = await generate([{ name: "commonName", value: "link-gateway" }], {
    keyType: "ec",
  });
  return { key, cert };
}

const ignore = () => undefined;
