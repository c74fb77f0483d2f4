import { randomBytes } from "node:crypto";
import { fetchPaced } from "@link-rewards/client/node/paced";
import {
  type Address,
  fromHex,
  lowercaseHex,
  toHex,
  utf8,
} from "@link-rewards/core/encoding/bytes";
import { ANSWERS, type Introduction, type Reviewed } from "@link-rewards/core/signed/answers";
import { type Deployment, ledgerDomain } from "@link-rewards/core/signed/deployment";
import {
  bodyHashOf,
  commonVersion,
  MEMBER_VERSIONS,
  type MemberVersions,
  memberAuthorization,
  memberRequestDigest,
  requestTarget,
} from "@link-rewards/core/signed/member-request";
import {
  type Attestation,
  type Declined,
  type Report,
  reportToJson,
} from "@link-rewards/core/signed/report";

/** A peer verifies every signature of the epoch before it answers. */
const VERIFY_TIMEOUT_MS = 10 * 60_000;
/** Everything else it has at hand. */
const ANSWER_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;
/** A page of arrivals: the commits of some thousand receipts. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** What members replicate. */
export const ARRIVAL_TABLES = ["receipts", "vouchers"] as const;
export type ArrivalTable = (typeof ARRIVAL_TABLES)[number];

/** What arrived at a member, packed back to back in the order of arrival, and from where to go on. */
export type ArrivedPage = { readonly packed: Uint8Array; readonly cursor: string };

/** The other members' oracles, by their URLs. */
export type Peers = {
  readonly urls: readonly string[];
  introduce(url: string): Promise<Introduction>;
  /**
   * The peer fetches the bundle from the members it knows and verifies it from scratch before it signs. `end` ends the
   * waiting: as long as that takes, one that hangs would keep whoever asks from ending.
   */
  attest(url: string, report: Report, end: AbortSignal): Promise<Attestation | Declined>;
  /** The same, and it signs nothing: whether it would. */
  review(
    url: string,
    report: Report,
    end: AbortSignal,
  ): Promise<(Reviewed & { readonly member: Address }) | Declined>;
  /** A page of what arrived there after `cursor`; undefined when the peer's store is not the one the cursor is of. */
  arrivals(
    url: string,
    table: ArrivalTable,
    cursor: string | undefined,
  ): Promise<ArrivedPage | undefined>;
};

export type PeersOptions = {
  readonly urls: readonly string[];
  readonly deployment: Deployment;
  readonly member: {
    readonly address: Address;
    readonly sign: (digest: Uint8Array) => Uint8Array;
  };
  /** Of the members' protocol that this member speaks: the program's. */
  readonly versions?: MemberVersions;
};

export function connectPeers(options: PeersOptions): Peers {
  const { urls, deployment, member, versions: ours = MEMBER_VERSIONS } = options;
  const domain = ledgerDomain(deployment);
  const known = new Map<string, Introduction>();

  async function introduce(url: string): Promise<Introduction> {
    const limits = { answerMs: ANSWER_TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES };
    const { ok, status, bytes } = await fetchAnswer(new URL("/v1/member", url), {}, limits);
    const parsed = ANSWERS.Introduction.safeParse(ok ? jsonOf(bytes) : undefined);
    if (!parsed.success) throw new Error(`no member answers there (HTTP ${status})`);
    const { chainId, ledger } = parsed.data;
    const { contracts } = deployment;
    if (chainId !== deployment.chainId || lowercaseHex(ledger) !== contracts.epochLedger) {
      throw new Error(
        `it serves ledger ${ledger} on chain ${chainId}, not ${contracts.epochLedger} on ${deployment.chainId}`,
      );
    }
    return { ...parsed.data, member: lowercaseHex(parsed.data.member) };
  }

  /** Asked once, and again when the peer does not know us: its key may be another by now. */
  async function introduced(url: string): Promise<Introduction> {
    const peer = known.get(url) ?? (await introduce(url));
    known.set(url, peer);
    return peer;
  }

  async function signed(url: string, method: string, path: string, body: Uint8Array) {
    const { member: recipient, versions } = await introduced(url);
    const version = commonVersion(ours, versions);
    if (version === undefined) {
      known.delete(url);
      throw new Error(
        `it speaks versions ${versions.oldest} to ${versions.newest} of the members' protocol, this program ${ours.oldest} to ${ours.newest}: update the older of the two`,
      );
    }
    const request = {
      version,
      member: member.address,
      recipient,
      target: requestTarget(method, path),
      bodyHash: bodyHashOf(body),
      sentAt: BigInt(Math.floor(Date.now() / 1000)),
      nonce: toHex(randomBytes(32)),
    };
    return memberAuthorization(request, member.sign(memberRequestDigest(domain, request)));
  }

  async function ask(
    url: string,
    { method, path, body, end, answerMs = ANSWER_TIMEOUT_MS, maxBytes = MAX_ANSWER_BYTES }: Asked,
  ) {
    const bytes = body === undefined ? new Uint8Array() : utf8(JSON.stringify(body));
    const authorization = await signed(url, method, path, bytes);
    const headers = { authorization, ...(body !== undefined && JSON_TYPE) };
    const sent = body !== undefined && { body: bytes as BodyInit };
    const init = { method, headers, ...sent, ...(end && { signal: end }) };
    const answer = await fetchAnswer(new URL(path, url), init, { answerMs, maxBytes });
    if (answer.status === 401 || answer.status === 426) known.delete(url);
    return answer;
  }

  async function verify(
    url: string,
    path: string,
    report: Report,
    end: AbortSignal,
  ): Promise<unknown | Declined> {
    const body = { report: reportToJson(report) };
    const asked = { method: "POST", path, body, end, answerMs: VERIFY_TIMEOUT_MS };
    const { ok, status, bytes } = await ask(url, asked);
    return ok ? jsonOf(bytes) : { declined: reasonIn(bytes, status) };
  }

  return {
    urls,
    introduce,
    async attest(url, report, end) {
      const answer = await verify(url, "/v1/attestations", report, end);
      if (isDeclined(answer)) return answer;
      const parsed = ANSWERS.Attestation.safeParse(answer);
      if (!parsed.success) return { declined: "its answer has no member and signature" };
      const { member, signature } = parsed.data;
      return { member: lowercaseHex(member), signature: fromHex(lowercaseHex(signature)) };
    },
    async review(url, report, end) {
      const answer = await verify(url, "/v1/reviews", report, end);
      if (isDeclined(answer)) return answer;
      const parsed = ANSWERS.Review.safeParse(answer);
      if (!parsed.success) return { declined: "its answer is no review" };
      return { ...parsed.data, member: (await introduced(url)).member };
    },
    async arrivals(url, table, cursor) {
      const query = cursor === undefined ? "" : `?after=${encodeURIComponent(cursor)}`;
      const path = `/v1/arrivals/${table}${query}`;
      const asked = { method: "GET", path, maxBytes: MAX_PAGE_BYTES };
      const { ok, status, headers, bytes } = await ask(url, asked);
      if (status === GONE) return undefined;
      if (!ok) throw new Error(reasonIn(bytes, status));
      const next = headers.get(CURSOR_HEADER);
      if (next === null || next.length > MAX_CURSOR) throw new Error("its answer has no cursor");
      return { packed: bytes, cursor: next };
    },
  };
}

async function fetchAnswer(
  url: URL,
  init: RequestInit,
  { answerMs, maxBytes }: { readonly answerMs: number; readonly maxBytes: number },
) {
  const { bytes, ...answer } = await fetchPaced(url, init, { answerMs, maxBytes: () => maxBytes });
  if (bytes === undefined) throw new Error(`it answers with more than ${maxBytes} bytes`);
  return { ...answer, bytes };
}

const CURSOR_HEADER = "link-cursor";
const MAX_CURSOR = 128;
const GONE = 410;
const JSON_TYPE = { "content-type": "application/json" };

type Asked = {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly end?: AbortSignal;
  readonly answerMs?: number;
  readonly maxBytes?: number;
};

function isDeclined(answer: unknown): answer is Declined {
  return typeof answer === "object" && answer !== null && "declined" in answer;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function reasonIn(bytes: Uint8Array, status: number): string {
  return ANSWERS.Problem.safeParse(jsonOf(bytes)).data?.message ?? `HTTP ${status}`;
}
