import { once } from "node:events";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import {
  type Address,
  type Hex,
  isHexOf,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import {
  isPublicKeyOf,
  isSignedBy,
  NO_PUBLIC_KEY,
  PUBLIC_KEY_BYTES,
} from "@link-rewards/core/encoding/p256";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { parseSignature, recover } from "@link-rewards/core/encoding/signature";
import type { DeviceKey, DigestSigner } from "@link-rewards/host/keys";
import { z } from "zod";
import type { NodeRefusal, NodeRefused } from "../refusal.ts";
import { channelOf, deviceConnectionDigest, gatewayConnectionDigest } from "./proof.ts";

/**
 * Three lines of JSON, before anything else is said: the gateway proves whom it buys for, the device who it is, the gateway
 * says whether it takes it. Who refuses says why in place of its line, and ends the connection.
 */

/** Each line with its end. */
const MAX_LINE_BYTES = 1_024;
const NEWLINE = 0x0a;

const REFUSED = z.object({ refusal: z.string().max(40), message: z.string().max(500) });
const HEX_ADDRESS = z.string().refine((text) => isHexOf(text, 20));
const EPOCH = z.int().min(1).max(0xffff_ffff);
const GATEWAY_LINE = z.object({ customer: HEX_ADDRESS, epoch: EPOCH, signature: z.string() });
const DEVICE_LINE = z.object({
  device: HEX_ADDRESS,
  publicKey: z
    .string()
    .refine((text) => isHexOf(text, PUBLIC_KEY_BYTES))
    .optional(),
  epoch: EPOCH,
  signature: z.string(),
});
const WELCOME_LINE = z.object({ welcome: z.literal(true) });

/** The other end does not take part, and why: `word` is what it said, or what was found wrong with what it said. */
export type LinkRefused = Error & { readonly word: string };

export function isLinkRefused(error: unknown): error is LinkRefused {
  return error instanceof Error && "word" in error;
}

function linkRefused(word: string, message: string): LinkRefused {
  return Object.assign(new Error(`${word}: ${message}`), { word });
}

export type DeviceEnd = {
  readonly key: DeviceKey;
  readonly domain: Uint8Array;
  /** Whom the endpoint is said to belong to. */
  readonly customer: Address;
  /** The running epoch. */
  readonly epoch: () => Promise<number>;
  /** Whether this key may sign for the customer, and the customer be served; undefined when it may. */
  readonly judge: (
    customer: Address,
    key: Address,
    epoch: number,
  ) => Promise<NodeRefused | undefined>;
};

/** The device's part. Resolves when the gateway has taken it; throws LinkRefused, or what ended the connection. */
export async function greetGateway(socket: TLSSocket, end: DeviceEnd): Promise<void> {
  const { key, domain, customer } = end;
  const channel = channelOf(socket);
  const said = parseLine(GATEWAY_LINE, await readLine(socket));
  const signature = parseSignature(said.signature, "the gateway's signature");
  const epoch = await findOut(socket, end.epoch);
  const refuse = (refusal: NodeRefusal, message: string) =>
    sendRefusal(socket, { refusal, message });
  if (lowercaseHex(said.customer) !== customer) {
    return refuse("customer-unknown", `${said.customer} is not the customer of this endpoint`);
  }
  if (said.epoch !== epoch) {
    return refuse("epoch-closed", `it is epoch ${epoch} here, the gateway says ${said.epoch}`);
  }
  const signer = isRefused(signature)
    ? undefined
    : recover(gatewayConnectionDigest(domain, { customer, epoch, channel }), signature);
  if (signer === undefined) {
    return refuse("customer-signature-invalid", "the gateway's proof has no low-s signature");
  }
  const refused = await findOut(socket, () => end.judge(customer, signer, epoch));
  if (refused !== undefined) return sendRefusal(socket, refused);
  const digest = deviceConnectionDigest(domain, { device: key.address, customer, epoch, channel });
  await sendLine(socket, {
    device: key.address,
    ...(key.publicKey !== NO_PUBLIC_KEY && { publicKey: key.publicKey }),
    epoch,
    signature: toHex(await key.sign(digest)),
  });
  parseLine(WELCOME_LINE, await readLine(socket));
}

export type GatewayEnd = {
  readonly key: DigestSigner;
  readonly domain: Uint8Array;
  readonly customer: Address;
  readonly epoch: () => Promise<number>;
  /** Whether this device is used; undefined when it is. */
  readonly judge: (device: Address, epoch: number) => Promise<NodeRefused | undefined>;
};

export type ProvenDevice = { readonly device: Address; readonly publicKey: Hex };

/** The gateway's part. Throws LinkRefused, or what ended the connection. */
export async function greetDevice(socket: TLSSocket, end: GatewayEnd): Promise<ProvenDevice> {
  const { key, domain, customer } = end;
  const channel = channelOf(socket);
  const epoch = await findOut(socket, end.epoch);
  const digest = gatewayConnectionDigest(domain, { customer, epoch, channel });
  await sendLine(socket, { customer, epoch, signature: toHex(await key.sign(digest)) });
  const said = parseLine(DEVICE_LINE, await readLine(socket));
  const device = lowercaseHex(said.device);
  const publicKey = lowercaseHex(said.publicKey ?? NO_PUBLIC_KEY);
  const signature = parseSignature(said.signature, "the device's signature");
  const refuse = (refusal: NodeRefusal, message: string) =>
    sendRefusal(socket, { refusal, message });
  if (said.epoch !== epoch) {
    return refuse("epoch-closed", `it is epoch ${epoch} here, the device says ${said.epoch}`);
  }
  const shown = deviceConnectionDigest(domain, { device, customer, epoch, channel });
  const isOwnKey = publicKey === NO_PUBLIC_KEY || isPublicKeyOf(publicKey, device);
  if (isRefused(signature) || !isOwnKey || !isSignedBy(device, shown, signature, publicKey)) {
    return refuse("device-signature-invalid", `the proof is not by the key of ${device}`);
  }
  const refused = await findOut(socket, () => end.judge(device, epoch));
  if (refused !== undefined) return sendRefusal(socket, refused);
  await sendLine(socket, { welcome: true });
  return { device, publicKey };
}

/** Resolves when it is written: HTTP/2 takes the socket over, and must find nothing of ours under way. */
function sendLine(socket: Duplex, line: Readonly<Record<string, unknown>>): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(`${JSON.stringify(line)}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

/** What this end cannot find out now is not the other's fault, which is told to come again. */
async function findOut<T>(socket: Duplex, find: () => Promise<T>): Promise<T> {
  try {
    return await find();
  } catch (error) {
    const message = "it cannot be found out now whether to go on; come again";
    socket.end(`${JSON.stringify({ refusal: "busy", message })}\n`);
    throw error;
  }
}

function sendRefusal(socket: Duplex, { refusal, message }: NodeRefused): never {
  socket.end(`${JSON.stringify({ refusal, message: message.slice(0, 500) })}\n`);
  throw linkRefused(refusal, message);
}

function parseLine<T>(schema: z.ZodType<T>, line: string): T {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw linkRefused("malformed", "the other end does not speak this protocol");
  }
  const refused = REFUSED.safeParse(json);
  if (refused.success) throw linkRefused(refused.data.refusal, refused.data.message);
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw linkRefused("malformed", z.prettifyError(parsed.error).slice(0, 500));
}

/** What follows the line stays in the socket, for whoever reads on. */
async function readLine(socket: Duplex): Promise<string> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const piece: Buffer | null = socket.read();
    if (piece === null) {
      if (socket.readableEnded || socket.destroyed) {
        throw linkRefused("gone", "the other end closed the connection");
      }
      await Promise.race([once(socket, "readable"), once(socket, "end"), once(socket, "close")]);
      continue;
    }
    bytes = Buffer.concat([bytes, piece]);
    const end = bytes.indexOf(NEWLINE);
    if (end === -1 && bytes.length < MAX_LINE_BYTES) continue;
    if (end === -1 || end >= MAX_LINE_BYTES) {
      throw linkRefused("too-large", `a line has at most ${MAX_LINE_BYTES} bytes`);
    }
    if (end + 1 < bytes.length) socket.unshift(bytes.subarray(end + 1));
    return bytes.subarray(0, end).toString("utf8");
  }
}
