import { setTimeout as sleep } from "node:timers/promises";
import { fetchPaced } from "@link-rewards/client/node/paced";
import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import type { OpenEpoch } from "@link-rewards/core/law/clock";
import type {
  CustomerAnswer,
  SignedAcknowledgement,
  StandingAnswer,
} from "@link-rewards/core/signed/answers";
import { ANSWERS, type Answer, type AnswerName } from "@link-rewards/core/signed/answers";
import {
  parseSignedReceipt,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { parseSignedVoucher, signedVoucherToJson } from "@link-rewards/core/signed/submission";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import pRetry from "p-retry";

/** One oracle, and what it says. Whatever is no answer throws. */
export type OracleClient = {
  readonly url: string;
  openEpochs(): Promise<readonly OpenEpoch[]>;
  /** The customers that have gateways to dial, as the oracle reads them from the chain. */
  customers(): Promise<readonly CustomerAnswer[]>;
  /** How a customer of this epoch stands, and how it paid the last epochs. */
  standing(customer: Address): Promise<StandingAnswer | undefined>;
  /** The highest of each customer, for the epochs that are not sealed. */
  vouchers(): Promise<readonly SignedVoucher[]>;
  /** What the oracle holds for this (epoch, device, customer). */
  head(epoch: number, device: Address, customer: Address): Promise<SignedReceipt | undefined>;
  postReceipt(signed: SignedReceipt): Promise<ReceiptAnswer>;
  postVoucher(signed: SignedVoucher): Promise<VoucherAnswer>;
};

export type ReceiptAnswer =
  | {
      readonly status: "accepted" | "known";
      readonly warnings: readonly string[];
      readonly acknowledgement: SignedAcknowledgement;
    }
  | ({ readonly status: "refused"; readonly head: SignedReceipt | undefined } & Refused);

export type VoucherAnswer =
  | { readonly status: "accepted" | "known" }
  | ({ readonly status: "refused" } & Refused);

export type OracleClientOptions = {
  readonly url: string;
  readonly chainId: number;
  readonly registry: Address;
  readonly timeoutMilliseconds?: number | undefined;
};

/** A failure after which the same request may succeed. */
type Unavailable = Error & { readonly retryAfterSeconds?: number };

export function connectOracle(options: OracleClientOptions): OracleClient {
  const { chainId, registry } = options;
  const get = (path: string, maxBytes?: number) => request(options, path, {}, maxBytes);
  const post = (path: string, body: unknown) =>
    request(options, path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  return {
    url: options.url,
    async openEpochs() {
      const open = read("Terms", (await get("/v1/epochs/open")).body);
      if (open.chainId !== chainId || lowercaseHex(open.registry) !== registry) {
        throw new Error(
          `${options.url} serves registry ${open.registry} on chain ${open.chainId}, not ${registry} on ${chainId}`,
        );
      }
      return open.epochs;
    },
    async customers() {
      const { status, body } = await get("/v1/customers", MAX_CUSTOMERS_BYTES);
      if (status !== 200) throw nonsense(`HTTP ${status} to who the customers are`);
      return read("Customers", body).customers.map((each) => ({
        ...each,
        customer: lowercaseHex(each.customer),
        keys: each.keys.map(({ key, cap }) => ({ key: lowercaseHex(key), cap })),
      }));
    },
    async standing(customer) {
      const { status, body } = await get(`/v1/customers/${customer}`);
      if (status === 200) return read("Standing", body);
      read("Problem", body);
      return undefined;
    },
    async vouchers() {
      const { status, body } = await get("/v1/vouchers", MAX_VOUCHERS_BYTES);
      if (status !== 200) throw nonsense(`HTTP ${status} to which vouchers there are`);
      return read("Vouchers", body).vouchers.map((each) => checked(parseSignedVoucher(each)));
    },
    async head(epoch, device, customer) {
      const { status, body } = await get(`/v1/receipts/${epoch}/${device}/${customer}`);
      if (status !== 404) return checked(parseSignedReceipt(read("Head", body)));
      // In the oracle's words: of a proxy it would say nothing about what the oracle holds.
      read("Problem", body);
      return undefined;
    },
    async postReceipt(signed) {
      const { status, body } = await post("/v1/receipts", {
        chainId,
        registry,
        receipts: [signedReceiptToJson(signed)],
      });
      if (status !== 200) return { status: "refused", head: undefined, ...read("Refused", body) };
      const { results, acknowledgement } = read("Results", body);
      const [result] = results;
      if (result === undefined || results.length > 1)
        throw nonsense(`it has ${results.length} results for one receipt`);
      if (result.status !== "refused") {
        if (acknowledgement === undefined) throw nonsense("it has no acknowledgement");
        return { ...result, acknowledgement };
      }
      const { refusal, message, head } = result;
      return {
        ...{ status: "refused", refusal, message },
        head: head && checked(parseSignedReceipt(head)),
      };
    },
    async postVoucher(signed) {
      const { status, body } = await post("/v1/vouchers", signedVoucherToJson(signed));
      if (status !== 200) return { status: "refused", ...read("Refused", body) };
      return read("TakenVoucher", body);
    },
  };
}

/** What an oracle says is a claim: it is what the document promises, or nonsense. */
function read<N extends AnswerName>(name: N, body: unknown): Answer<N> {
  const parsed = ANSWERS[name].safeParse(body);
  if (parsed.success) return parsed.data as Answer<N>;
  const [issue] = parsed.error.issues;
  throw nonsense(`${[name, ...(issue?.path ?? [])].join(".")}: ${issue?.message}`);
}

function nonsense(reason: string): Error {
  return new Error(`the oracle answered nonsense: ${reason}`);
}

function checked<T>(parsed: T | Refused): T {
  if (isRefused(parsed)) throw nonsense(parsed.message);
  return parsed;
}

type HttpAnswer = { readonly status: number; readonly body: unknown };

const TIMEOUT_MS = 10_000;
/** The longest answer is a head or a refusal, of a kilobyte: no oracle may fill a device's memory. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Of the list of customers, with some keys each: ten thousand of them. */
const MAX_CUSTOMERS_BYTES = 8 * 1024 * 1024;
/** Of all vouchers of two epochs: as many customers. */
const MAX_VOUCHERS_BYTES = 8 * 1024 * 1024;
/** No oracle keeps a device waiting for longer than that, whatever it asks. */
const MOST_RETRY_AFTER_SECONDS = 600;
/** Too early, too often: what is said later may be another thing. */
const LATER: readonly number[] = [408, 425, 429];

/** Answers are what the oracle says of what it was asked; all else is a failure that a retry may help. */
async function request(
  { url, timeoutMilliseconds = TIMEOUT_MS }: OracleClientOptions,
  path: string,
  init: RequestInit = {},
  maxBytes = MAX_ANSWER_BYTES,
): Promise<HttpAnswer> {
  try {
    const { status, headers, bytes } = await fetchPaced(new URL(path, url), init, {
      answerMs: timeoutMilliseconds,
      maxBytes: () => maxBytes,
    });
    if (bytes === undefined) throw nonsense(`it has more than ${maxBytes} bytes`);
    const text = new TextDecoder().decode(bytes);
    if (status >= 500 || LATER.includes(status)) throw unavailable(status, headers, text);
    return { status, body: text === "" ? undefined : JSON.parse(text) };
  } catch (cause) {
    throw Object.assign(new Error(`${url}${path} did not answer`, { cause }), {
      retryAfterSeconds: retryAfterSeconds(cause),
    });
  }
}

function unavailable(status: number, headers: Headers, text: string): Unavailable {
  const asked = Number(headers.get("retry-after") ?? 0);
  return Object.assign(new Error(`HTTP ${status}: ${text.slice(0, 200)}`), {
    retryAfterSeconds: asked > 0 ? Math.min(asked, MOST_RETRY_AFTER_SECONDS) : 0,
  });
}

/** For how long it wants to be left alone, which failed with this; 0 when it said nothing. */
export function retryAfterSeconds(error: unknown): number {
  return (error as Unavailable).retryAfterSeconds ?? 0;
}

export type Backoff = {
  readonly firstMilliseconds: number;
  readonly longestMilliseconds: number;
  /** Attempts after the first; Infinity until it is stopped. */
  readonly retries: number;
};

/** Doubling delays, each stretched by a random part of itself: a fleet must not come back in step after an outage. */
export function withBackoff<T>(
  attempt: () => Promise<T>,
  { firstMilliseconds, longestMilliseconds, retries }: Backoff,
  { signal, onFailure }: { signal?: AbortSignal; onFailure?: (error: Error) => void } = {},
): Promise<T> {
  return pRetry(attempt, {
    retries,
    factor: 2,
    minTimeout: firstMilliseconds,
    maxTimeout: longestMilliseconds,
    ...(signal && { signal }),
    async onFailedAttempt({ error, retryDelay }) {
      onFailure?.(error);
      if (retryDelay === 0) return;
      const asked = 1_000 * retryAfterSeconds(error);
      await sleep(asked + Math.random() * retryDelay, undefined, signal && { signal });
    },
  });
}

export type EpochView = {
  /** The running epoch; 0 before the first. */
  current(): Promise<number>;
  isOpen(epoch: number): Promise<boolean>;
  /** Asks the oracles again before the next answer, unless it has just been asked. */
  refresh(): void;
};

/** A stranger's wrong epochs must not become a flood at the oracle. */
const LEAST_AGE_MILLISECONDS = 200;

/**
 * The oracles say which epoch it is, because a device's clock may say anything. An answer is used for a short time;
 * while they are away the last one stands, for both sides sign the epoch and it is refused if it has closed.
 */
export function viewEpochs(
  oracles: Pick<OracleClient, "openEpochs">,
  maxAgeMilliseconds: number,
): EpochView {
  let last: readonly OpenEpoch[] | undefined;
  let askedAt = 0;
  let askAgainAt = 0;
  let asking: Promise<readonly OpenEpoch[]> | undefined;

  async function ask(): Promise<readonly OpenEpoch[]> {
    try {
      last = await oracles.openEpochs();
      return last;
    } catch (error) {
      if (last === undefined) throw error;
      return last;
    } finally {
      askedAt = performance.now();
      askAgainAt = askedAt + maxAgeMilliseconds;
      asking = undefined;
    }
  }

  async function open(): Promise<readonly OpenEpoch[]> {
    if (last !== undefined && performance.now() < askAgainAt) return last;
    asking ??= ask();
    return asking;
  }

  return {
    current: async () => Math.max(0, ...(await open()).map(({ epoch }) => epoch)),
    isOpen: async (epoch) => (await open()).some((candidate) => candidate.epoch === epoch),
    refresh: () => {
      askAgainAt = Math.min(askAgainAt, askedAt + LEAST_AGE_MILLISECONDS);
    },
  };
}
