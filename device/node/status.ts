import { rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { sumOf, valueAtTariff } from "@link-rewards/core/epoch/value";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import fastify from "fastify";
import { NOTHING } from "../amounts.ts";
import type { Chain } from "../chain.ts";
import type { Log } from "../log.ts";
import type { Entry } from "./book.ts";
import type { LeftOut } from "./omissions.ts";
import type { Link } from "./reach.ts";

/** How a device does, for its owner. Amounts of service are decimal strings, as is what they are worth, in wei. */
export type DeviceStatus = {
  readonly device: Address;
  readonly publicKey?: Hex;
  readonly epoch: number;
  /** Whom it earns for in this epoch; null for nobody, and undefined where no node of the chain is asked. */
  readonly account?: Address | null;
  /** What this epoch's signed service is worth at the tariff: what is earned of it depends on what customers pay. */
  readonly worth?: string;
  readonly gateways: readonly Link[];
  readonly receipts: readonly ReceiptStatus[];
  /** What members acknowledged, and final reports lack. */
  readonly leftOut: readonly LeftOut[];
};

export type ReceiptStatus = { readonly [Resource in keyof Amounts]: string } & {
  readonly epoch: number;
  readonly customer: Address;
  /** Of the newest that both signed; 0 before the first. */
  readonly sequence: number;
  readonly fate: "pending" | "acknowledged" | "refused";
  readonly member?: Address;
  readonly refusal?: string;
};

export type StatusParts = {
  readonly about: Pick<DeviceStatus, "device" | "publicKey">;
  readonly epoch: () => Promise<number>;
  readonly chain: Pick<Chain, "ownerAt" | "tariffAt" | "isEarningAt"> | undefined;
  readonly links: () => readonly Link[];
  readonly entries: () => readonly Entry[];
  readonly leftOut: () => readonly LeftOut[];
};

/** As of now. */
export async function statusOf(parts: StatusParts): Promise<DeviceStatus> {
  const { about, chain, links, entries, leftOut } = parts;
  const epoch = await parts.epoch();
  return {
    ...about,
    epoch,
    ...(chain && epoch > 0 && (await earningsOf(parts, chain, epoch))),
    gateways: links(),
    receipts: entries().map(receiptStatus),
    leftOut: leftOut(),
  };
}

async function earningsOf(
  { about, entries }: StatusParts,
  chain: NonNullable<StatusParts["chain"]>,
  epoch: number,
): Promise<Pick<DeviceStatus, "account" | "worth">> {
  const [isEarning, account, tariff] = await Promise.all([
    chain.isEarningAt(about.device, epoch),
    chain.ownerAt(about.device, epoch),
    chain.tariffAt(epoch),
  ]);
  const signed = entries().filter((entry) => entry.epoch === epoch && entry.signed !== undefined);
  const worth = signed.map((entry) => valueAtTariff(entry.signed?.receipt ?? NOTHING, tariff));
  return { account: isEarning ? account : null, worth: sumOf(worth).toString() };
}

function receiptStatus({ epoch, customer, signed, fate }: Entry): ReceiptStatus {
  return {
    epoch,
    customer,
    sequence: signed?.receipt.sequence ?? 0,
    ...textsOf(signed?.receipt ?? NOTHING),
    fate: fate.status,
    ...("member" in fate && { member: fate.member }),
    ...("refusal" in fate && { refusal: fate.refusal }),
  };
}

function textsOf({ egressBytes, storageByteSeconds, computeMilliseconds }: Amounts) {
  return {
    egressBytes: egressBytes.toString(),
    storageByteSeconds: storageByteSeconds.toString(),
    computeMilliseconds: computeMilliseconds.toString(),
  };
}

const SOCKET = "status.sock";
const STATUS_MS = 10_000;

/**
 * Answers on a socket in the device's folder, for whoever may write there: no port is opened. A device serves also where
 * there can be none, because the folder's path is too long for a socket.
 */
export async function serveStatus(
  folder: string,
  log: Log,
  look: () => Promise<DeviceStatus>,
): Promise<{ close(): Promise<void> } | undefined> {
  const path = join(folder, SOCKET);
  const app = fastify({ forceCloseConnections: true });
  app.get("/", look);
  try {
    // One that is left of a run before is nobody's: a folder is one process's.
    await rm(path, { force: true });
    await app.listen({ path });
    return { close: () => app.close() };
  } catch (error) {
    log("warn", "no-status", { path, reason: (error as Error).message });
    await app.close();
    return undefined;
  }
}

/** What the device that runs with this folder says. Throws when none does. */
export async function askStatus(folder: string): Promise<DeviceStatus> {
  const socketPath = join(folder, SOCKET);
  const answer = await new Promise<string>((resolve, reject) => {
    const asked = request({ socketPath, path: "/", timeout: STATUS_MS }, (response) =>
      text(response).then(resolve, reject),
    );
    asked.on("timeout", () => asked.destroy(new Error("the device does not answer")));
    asked.on("error", (cause) =>
      reject(new Error(`no device runs with the folder ${folder}`, { cause })),
    );
    asked.end();
  });
  return JSON.parse(answer) as DeviceStatus;
}
