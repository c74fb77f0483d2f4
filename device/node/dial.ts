import { once } from "node:events";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { type DeviceEnd, greetGateway } from "../link/handshake.ts";
import { LINK_TLS } from "../link/proof.ts";
import { lookupPublic, refusePrivateHost } from "../link/public-address.ts";

/** From the first packet to the gateway's welcome: slow homes and far gateways take a second or two. */
const GREETING_MS = 15_000;
const HTTPS_PORT = 443;

export type DialParts = {
  readonly url: string;
  readonly end: DeviceEnd;
  /** Whether the owner lets the device dial into the network that it stands in. */
  readonly allowPrivate: boolean;
  readonly signal: AbortSignal;
};

/** A connection to a gateway that has proven its key and taken this device. */
export async function dial({ url, end, allowPrivate, signal }: DialParts): Promise<TLSSocket> {
  const { host, port } = parseEndpoint(url);
  if (!allowPrivate) refusePrivateHost(host);
  const socket = connect({
    ...LINK_TLS,
    host,
    port,
    ...(isIP(host) === 0 && { servername: host }),
    ...(!allowPrivate && { lookup: lookupPublic }),
    // Who it is says its proof: a certificate would say who runs the name.
    rejectUnauthorized: false,
  });
  const ended = AbortSignal.any([signal, AbortSignal.timeout(GREETING_MS)]);
  const hangUp = () => socket.destroy(signal.aborted ? undefined : new Error(`${url} is too slow`));
  ended.addEventListener("abort", hangUp);
  socket.on("error", ignore);
  try {
    await once(socket, "secureConnect", { signal: ended });
    socket.setKeepAlive(true);
    socket.setNoDelay(true);
    await greetGateway(socket, end);
    return socket;
  } catch (error) {
    // What was said last is still sent.
    socket.destroySoon();
    throw ended.aborted && !signal.aborted ? new Error(`${url} is too slow`) : error;
  } finally {
    ended.removeEventListener("abort", hangUp);
  }
}

/** That it ended is told by its end, here as later. */
const ignore = () => undefined;

/** As a customer publishes it: `https://host` or `https://host:port`, and nothing else. */
export function parseEndpoint(url: string): { readonly host: string; readonly port: number } {
  const parsed = URL.parse(url);
  const { protocol, username, password, pathname, search, hash, hostname, port } = parsed ?? {};
  const isPlain = !username && !password && !search && !hash && pathname === "/";
  if (protocol !== "https:" || !isPlain || !hostname) {
    throw new Error(`${url.slice(0, 100)} is no gateway's URL: it must be https://host:port`);
  }
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: port ? Number(port) : HTTPS_PORT };
}
