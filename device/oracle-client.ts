import { setTimeout as sleep } from "node:timers/promises";
import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import type { OpenEpoch } from "@link-rewards/core/law/clock";
import type { SignedAcknowledgement } from "@link-rewards/core/signed/answers";
import { ANSWERS, type Answer, type AnswerName } from "@link-rewards/core/signed/answers";
import {
  parseSignedReceipt,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { parseSignedVoucher, signedVoucherToJson } from "@link-rewards/core/signed/submission";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import pRetry from "p-retry";

export type OracleClient = {
  openEpochs(): Promise<readonly OpenEpoch[]>;
  /** What the oracle holds for this (epoch, device, customer). */
  head(epoch: number, device: Address, customer: Address): Promise<SignedReceipt | undefined>;
  postReceipt(signed: SignedReceipt): Promise<ReceiptAnswer>;
  postVoucher(signed: SignedVoucher): Promise<VoucherAnswer>;
  vouchers(): Promise<readonly SignedVoucher[]>;
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
  readonly timeoutMilliseconds?: number;
};

/** A failure after which the same request may succeed. */
type Unavailable = Error & { readonly retryAfterSeconds?: number };

export function connectOracle(options: OracleClientOptions): OracleClient {
  const { chainId, registry } = options;
  const get = (path: string) => request(options, path);
  const post = (path: string, body: unknown) =>
    request(options, path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  return {
    async openEpochs() {
      const open = read("Terms", (await get("/v1/epochs/open")).body);
      if (open.chainId !== chainId || lowercaseHex(open.registry) !== registry) {
        throw new Error(
          `${options.url} serves registry ${open.registry} on chain ${open.chainId}, not ${registry} on ${chainId}`,
        );
      }
      return open.epochs;
    },
    async head(epoch, device, customer) {
      const { status, body } = await get(`/v1/receipts/${epoch}/${device}/${customer}`);
      return status === 404 ? undefined : checked(parseSignedReceipt(read("Head", body)));
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
    async vouchers() {
      const { vouchers } = read("Vouchers", (await get("/v1/vouchers")).body);
      return vouchers.map((voucher) => checked(parseSignedVoucher(voucher)));
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

/** Answers below 500 are answers; all else is a failure that a retry may help. */
async function request(
  { url, timeoutMilliseconds = 10_000 }: OracleClientOptions,
  path: string,
  init: RequestInit = {},
): Promise<HttpAnswer> {
  try {
    const response = await fetch(new URL(path, url), {
      ...init,
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    const text = await response.text();
    if (response.status >= 500) throw unavailable(response, text);
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  } catch (cause) {
    const { retryAfterSeconds } = cause as Unavailable;
    throw Object.assign(new Error(`${url}${path} did not answer`, { cause }), {
      retryAfterSeconds,
    });
  }
}

function unavailable(response: Response, text: string): Unavailable {
  const retryAfterSeconds = Number(response.headers.get("retry-after") ?? 0) || 0;
  return Object.assign(new Error(`HTTP ${response.status}: ${text.slice(0, 200)}`), {
    retryAfterSeconds,
  });
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
      const asked = 1_000 * ((error as Unavailable).retryAfterSeconds ?? 0);
      await sleep(asked + Math.random() * retryDelay, undefined, signal && { signal });
    },
  });
}

export type EpochView = {
  /** The running epoch; 0 before the first. */
  current(): Promise<number>;
  isOpen(epoch: number): Promise<boolean>;
  /** Asks the oracle again before the next answer, unless it has just been asked. */
  refresh(): void;
};

/** A stranger's wrong epochs must not become a flood at the oracle. */
const LEAST_AGE_MILLISECONDS = 200;

/**
 * The oracle says which epoch it is, because a device's clock may say anything. An answer is used for a short time;
 * while the oracle is away the last one stands, for both sides sign the epoch and it is refused if it has closed.
 */
export function viewEpochs(oracle: OracleClient, maxAgeMilliseconds: number): EpochView {
  let last: readonly OpenEpoch[] | undefined;
  let askedAt = 0;
  let askAgainAt = 0;
  let asking: Promise<readonly OpenEpoch[]> | undefined;

  async function ask(): Promise<readonly OpenEpoch[]> {
    try {
      last = await oracle.openEpochs();
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
