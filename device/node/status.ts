import { rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Address, type Hex, isHexOf, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { sumOf, valueAtTariff } from "@link-rewards/core/epoch/value";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import fastify from "fastify";
import { NOTHING } from "../amounts.ts";
import type { Chain } from "../chain.ts";
import type { Log } from "../log.ts";
import type { Entry } from "./book.ts";
import { type Exposed, type Exposure, exposedSum } from "./exposure.ts";
import type { LeftOut } from "./omissions.ts";
import type { Payment, Payments } from "./payments.ts";
import type { Protection } from "./protect.ts";
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
  readonly customers: readonly CustomerStatus[];
  readonly receipts: readonly ReceiptStatus[];
  /** What members acknowledged, and final reports lack. */
  readonly leftOut: readonly LeftOut[];
};

/** What a customer may owe and owes, in wei as decimal strings, and why it is not served. */
export type CustomerStatus = {
  readonly customer: Address;
  readonly allowed: string;
  readonly exposed: string;
  readonly epochs: readonly {
    readonly [Name in keyof Omit<Exposed, "customer">]: StatusOf<Exposed[Name]>;
  }[];
  /** Of the last final epoch; absent when it is not known, or the customer was served nothing in it. */
  readonly paid?: { readonly [Name in keyof Payment]: StatusOf<Payment[Name]> };
  readonly refusal?: string;
  readonly message?: string;
};

type StatusOf<T> = T extends bigint ? string : T;

/** What the owner has forgiven, in wei, up to an epoch. */
export type Forgiven = {
  readonly customer: Address;
  readonly through: number;
  readonly worth: string;
};

export type ReceiptStatus = { readonly [Resource in keyof Amounts]: string } & {
  readonly epoch: number;
  readonly customer: Address;
  /** Of the newest that both signed; 0 before the first. */
  readonly sequence: number;
  readonly fate: "pending" | "acknowledged" | "refused";
  readonly member?: Address;
  readonly refusal?: string;
  readonly message?: string;
};

export type StatusParts = {
  readonly about: Pick<DeviceStatus, "device" | "publicKey">;
  readonly epoch: () => Promise<number>;
  readonly chain: Pick<Chain, "ownerAt" | "tariffAt" | "isEarningAt"> | undefined;
  readonly links: () => readonly Link[];
  readonly customers: () => readonly CustomerStatus[];
  readonly entries: () => readonly Entry[];
  readonly leftOut: () => readonly LeftOut[];
};

/** As of now. */
export async function statusOf(parts: StatusParts): Promise<DeviceStatus> {
  const { about, chain, links, customers, entries, leftOut } = parts;
  const epoch = await parts.epoch();
  return {
    ...about,
    epoch,
    ...(chain && epoch > 0 && (await earningsOf(parts, chain, epoch))),
    gateways: links(),
    customers: customers(),
    receipts: entries().map(receiptStatus),
    leftOut: leftOut(),
  };
}

/** Of all that owe something, or whose gateways are known. */
export function customersOf({
  exposure,
  payments,
  protection,
  links,
}: {
  readonly exposure: Pick<Exposure, "list" | "of">;
  readonly payments: Pick<Payments, "last">;
  readonly protection: Pick<Protection, "allowed" | "knownRefusalOf">;
  readonly links: () => readonly Link[];
}): readonly CustomerStatus[] {
  const known = new Set([...exposure.list(), ...links()].map(({ customer }) => customer));
  return [...known].sort().map((customer) => {
    const exposed = exposure.of(customer);
    const last = payments.last(customer);
    return {
      customer,
      allowed: protection.allowed(customer).toString(),
      exposed: exposedSum(exposed).toString(),
      epochs: exposed.map(({ epoch, worth, signed, state }) => ({
        ...{ epoch, state },
        worth: worth.toString(),
        signed: signed.toString(),
      })),
      ...(last && { paid: paymentStatus(last) }),
      ...protection.knownRefusalOf(customer),
    };
  });
}

function paymentStatus({ epoch, isWhole, paid, counted, by }: Payment) {
  return {
    ...{ epoch, isWhole, by },
    paid: paid.toString(),
    ...(counted !== undefined && { counted: counted.toString() }),
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
    ...("refusal" in fate && { refusal: fate.refusal, message: fate.message }),
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
  {
    look,
    forgive,
  }: {
    readonly look: () => Promise<DeviceStatus>;
    readonly forgive: (customer: Address) => Promise<Forgiven>;
  },
): Promise<{ close(): Promise<void> } | undefined> {
  const path = join(folder, SOCKET);
  const app = fastify({ forceCloseConnections: true });
  app.get("/", look);
  app.post<{ Params: { customer: string } }>("/forgiven/:customer", async ({ params }, reply) =>
    isHexOf(params.customer, 20) ? forgive(lowercaseHex(params.customer)) : reply.code(404).send(),
  );
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
  return (await ask(folder, "GET", "/")) as DeviceStatus;
}

/** Has the device that runs with this folder forgive a customer what it did not pay. */
export async function askToForgive(folder: string, customer: Address): Promise<Forgiven> {
  return (await ask(folder, "POST", `/forgiven/${customer}`)) as Forgiven;
}

async function ask(folder: string, method: "GET" | "POST", path: string): Promise<unknown> {
  const socketPath = join(folder, SOCKET);
  const [status, answer] = await new Promise<[number | undefined, string]>((resolve, reject) => {
    const asked = request({ socketPath, method, path, timeout: STATUS_MS }, (response) =>
      text(response).then((body) => resolve([response.statusCode, body]), reject),
    );
    asked.on("timeout", () => asked.destroy(new Error("the device does not answer")));
    asked.on("error", (cause) =>
      reject(new Error(`no device runs with the folder ${folder}`, { cause })),
    );
    asked.end();
  });
  if (status === 200) return JSON.parse(answer);
  throw new Error(`the device answered HTTP ${status}: ${answer.slice(0, 200)}`);
}
