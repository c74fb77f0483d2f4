import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { realpath } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { networkOf } from "@link-rewards/host/network";
import nephele from "nephele";
import { RateLimiterMemory } from "rate-limiter-flexible";
import type { Log } from "../log.ts";
import { openQuota } from "./quota.ts";
import { openShare } from "./share.ts";

export type HomeOptions = {
  /** What is shared: all that is in it. */
  readonly folder: string;
  /** What may be in it. */
  readonly quotaBytes: number;
  readonly isPassword: (given: string) => Promise<boolean>;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** In PEM; without, what goes over the network can be read by everybody in it, the password too. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
  readonly log: Log;
};

export type RunningHome = { readonly port: number; close(): Promise<void> };

/** Passwords that one network, and all together, may try in a minute: of 160 bits nobody guesses one, but each costs time. */
const TRIES = { points: 10, duration: 60 };
const ALL_TRIES = { points: 60, duration: 60 };
/** Of requests that are no file. */
const MOST_BODY_BYTES = 65_536;
const MOST_URL_CHARACTERS = 4_096;
const MOST_CONNECTIONS = 64;
const HEADERS_MS = 20_000;
/** Without a byte either way; a large file may take hours. */
const IDLE_MS = 60_000;

const OWNER = { username: "owner" };

/** Serves a folder by WebDAV to who knows the password, until it is closed. It has no key, meters nothing and signs nothing. */
export async function serveHome(options: HomeOptions): Promise<RunningHome> {
  const { log } = options;
  const root = await realpath(options.folder);
  const share = await openShare(root, () => openQuota(root, options.quotaBytes));
  const isOwner = doorman(options.isPassword);
  const answer = nephele(
    {
      adapter: share,
      authenticator: {
        authenticate: async () => OWNER,
        cleanAuthentication: async () => undefined,
      },
    },
    {
      errorHandler: async (code, message, _request, response: ServerResponse, error) => {
        if (code >= 500 && code !== 507) log("warn", "failed", { code, reason: error?.message });
        refuse(response, { code, message: code === 500 ? "It failed here." : message });
      },
    },
  );

  async function listen(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refused =
      malformed(request) ?? (await isOwner(request)) ?? tooLarge(request, share.quota.free());
    if (refused === undefined) answer(request, response);
    else refuse(response, refused);
  }

  const serve = (request: IncomingMessage, response: ServerResponse) =>
    void listen(request, response).catch((error: Error) => {
      log("warn", "failed", { reason: error.message });
      refuse(response, { code: 500, message: "It failed here." });
    });
  const timeouts = { headersTimeout: HEADERS_MS, requestTimeout: 0 };
  const server =
    options.tls === undefined
      ? createServer(timeouts, serve)
      : createTlsServer({ ...timeouts, ...options.tls }, serve);
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(IDLE_MS);
  server.listen(options.port, options.host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

type Refused = {
  readonly code: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** What comes after it on the connection may be the rest of a body that nobody reads. */
function refuse(response: ServerResponse, { code, message, headers = {} }: Refused): void {
  if (response.headersSent) return void response.destroy();
  const body = code === 304 ? "" : `${message}\n`;
  response.writeHead(code, {
    ...{ "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(body) },
    ...(code >= 400 && code !== 401 && code !== 404 && { connection: "close" }),
    ...headers,
  });
  response.end(body);
}

/** Whatever would be read in two ways by those that look at it one after the other. */
function malformed({
  method = "",
  url = "",
  headers,
  socket,
}: IncomingMessage): Refused | undefined {
  const no = (message: string, code = 400) => ({ code, message });
  if (!isPlainPath(url)) return no("The path is none of a file here.");
  if (headers["content-encoding"] !== undefined) return no("Send it as it is.", 415);
  const scheme = "encrypted" in socket ? "https" : "http";
  if (URL.parse(`${scheme}://${headers.host}`)?.host !== headers.host?.toLowerCase())
    return no("The host is none.");
  const { destination } = headers;
  if (destination !== undefined) {
    const parsed = URL.parse(String(destination), `${scheme}://${headers.host}`);
    if (parsed?.host !== headers.host?.toLowerCase()) return no("That is not on this server.", 502);
    if (!isPlainPath(String(destination).replace(/^https?:\/\/[^/]*/i, "")))
      return no("The destination is none of a file here.");
  }
  // All that is in a folder and in those in it, in one answer.
  if (method === "PROPFIND" && !["0", "1"].includes(String(headers.depth)))
    return no("Ask with a depth of 0 or 1.", 403);
  return undefined;
}

function isPlainPath(path: string): boolean {
  if (
    !path.startsWith("/") ||
    path.length > MOST_URL_CHARACTERS ||
    /%(?:2f|5c|00)|[\\?#]/i.test(path)
  )
    return false;
  try {
    const names = decodeURIComponent(path).split("/");
    return !names.some((name) => name === "." || name === "..");
  } catch {
    return false;
  }
}

function tooLarge({ method, headers }: IncomingMessage, free: number): Refused | undefined {
  const length = headers["content-length"];
  if (method === "PUT")
    return Number(length ?? 0) > free
      ? { code: 507, message: "There is no room for it." }
      : undefined;
  if (headers["transfer-encoding"] !== undefined)
    return { code: 411, message: "Say how long it is." };
  return Number(length ?? 0) > MOST_BODY_BYTES
    ? { code: 413, message: "It is too long." }
    : undefined;
}

/** Who it is; undefined for the owner. Clients send the password with each request: one that was right is known again. */
function doorman(isPassword: HomeOptions["isPassword"]) {
  const tries = new RateLimiterMemory(TRIES);
  const allTries = new RateLimiterMemory(ALL_TRIES);
  let known: Buffer | undefined;
  const unknown: Refused = {
    code: 401,
    message: "Which password?",
    headers: { "www-authenticate": `Basic realm="link-home", charset="UTF-8"` },
  };
  return async ({ headers, socket }: IncomingMessage): Promise<Refused | undefined> => {
    const [, encoded] = /^Basic ([A-Za-z0-9+/=]{1,1000})$/i.exec(headers.authorization ?? "") ?? [];
    if (encoded === undefined) return unknown;
    const given = Buffer.from(encoded, "base64")
      .toString()
      .replace(/^[^:]*:/, "");
    const digest = createHash("sha256").update(given).digest();
    if (known !== undefined && timingSafeEqual(known, digest)) return undefined;
    try {
      await tries.consume(networkOf(socket.remoteAddress ?? ""));
      await allTries.consume("all");
    } catch {
      const seconds = String(TRIES.duration);
      return { code: 429, message: "Too many passwords.", headers: { "retry-after": seconds } };
    }
    if (!(await isPassword(given))) return unknown;
    known = digest;
    return undefined;
  };
}
