import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sign } from "@link-rewards/core/encoding/signature";
import { endOf } from "@link-rewards/core/law/clock";
import type { Law } from "@link-rewards/core/law/law";
import { type SignedReceipt, signedReceiptToJson } from "@link-rewards/core/signed/receipt";
import { loadCurves } from "@link-rewards/host/curves";
import { createLog } from "@link-rewards/host/log";
import { expect } from "chai";
import type { HttpServerOptions } from "../../../oracle/edge/http/options.ts";
import { createHttpServer } from "../../../oracle/edge/http/server.ts";
import { createMetrics, type MetricSources } from "../../../oracle/edge/metrics.ts";
import { createIngest, type IngestOptions } from "../../../oracle/member/ingest.ts";
import { openSqliteStore } from "../../../oracle/store/sqlite.ts";
import type { Store } from "../../../oracle/store/store.ts";
import { address, deployment, keyOf, lawOf } from "../../worlds/paper.ts";
import { type OpenApi, undocumented } from "./document.ts";

export const MARGIN_SECONDS = 600;
/** In the middle of epoch 1. */
export const NOON = endOf(deployment, 1) - deployment.epochSeconds / 2;

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
  readonly text: string;
};

/** Every refusal any server here has answered with. */
export const refusalsSeen = new Set<unknown>();

/** An oracle's HTTP side as it runs: real sockets on loopback, a real database in a folder of its own. */
export type Served = {
  readonly url: string;
  readonly store: Store;
  readonly document: OpenApi;
  readonly logged: () => readonly Record<string, unknown>[];
  /** Receipts taken in and not answered yet. */
  depth(): number;
  /** Moves the chain's time, and the clock with it. */
  at(now: number): void;
  /** Moves the clock alone. */
  clockAt(time: number): void;
  /** The clock and the chain are too far apart. */
  doubting(why: string | undefined): void;
  under(law: Law): void;
  /** The law is read up to this time, and not to the clock's. */
  knowingUntil(time: number): void;
  /** Checks that the answer is one the OpenAPI document promises. */
  request(path: string, init?: RequestInit): Promise<Answer>;
  post(body: unknown, path?: string): Promise<Answer>;
  /** The results of a batch in the right envelope. */
  hand(...items: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  close(): Promise<void>;
};

export type Circumstances = {
  readonly law?: Law;
  /** By whose key it signs. */
  readonly member?: string;
  /** Stands between the ingest and the database, to fail or to delay. */
  readonly between?: (store: Store) => IngestOptions["store"];
  readonly sources?: Partial<MetricSources>;
} & Partial<
  Pick<
    HttpServerOptions,
    | "members"
    | "customers"
    | "bundles"
    | "pages"
    | "readiness"
    | "pointsPerAddress"
    | "readPointsPerAddress"
    | "receipts"
  >
> &
  Partial<Pick<IngestOptions, "maxQueuedReceipts" | "recovery" | "keyRecovery">>;

export async function serve(circumstances: Circumstances = {}): Promise<Served> {
  const {
    between = (store: Store) => store,
    sources,
    maxQueuedReceipts,
    recovery,
    member = "member",
    members,
    bundles,
    pages,
  } = circumstances;
  let law = circumstances.law ?? lawOf();
  let now = NOON;
  let clock: number | undefined;
  let doubt: string | undefined;
  let knownUntil: number | undefined;
  const lines: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), "link-rewards-http-"));
  const store = await openSqliteStore(folder);
  const log = createLog({
    level: "debug",
    destination: { write: (line) => void lines.push(line) },
  });
  const metrics = createMetrics({
    unready: () => ingest.troubles(),
    queueDepth: () => ingest.depth(),
    chainHead: () => undefined,
    epochs: async () => [],
    demands: () => ({ count: 0, firstDue: undefined }),
    ...sources,
  });
  const ingest = createIngest({
    store: between(store),
    deployment,
    law: () => law,
    knownUntil: () => knownUntil ?? now,
    chainSeconds: () => now,
    clockSeconds: () => clock ?? now,
    doubt: () => doubt,
    marginSeconds: MARGIN_SECONDS,
    member: address(member),
    sign: (digest) => sign(digest, keyOf(member)),
    meter: metrics.ingest,
    log,
    ...(maxQueuedReceipts !== undefined && { maxQueuedReceipts }),
    curves: loadCurves(),
    ...(recovery && { recovery }),
    ...(circumstances.keyRecovery && { keyRecovery: circumstances.keyRecovery }),
  });
  const server = await createHttpServer({
    ingest,
    receipts: circumstances.receipts ?? ((epoch) => store.packedReceipts(epoch)),
    readiness: circumstances.readiness ?? (async () => ingest.troubles()),
    metrics,
    log,
    // The tests of refusals are a flood of them.
    pointsPerAddress: circumstances.pointsPerAddress ?? Number.MAX_SAFE_INTEGER,
    readPointsPerAddress: circumstances.readPointsPerAddress ?? Number.MAX_SAFE_INTEGER,
    ...(members && { members }),
    ...(circumstances.customers && { customers: circumstances.customers }),
    ...(bundles !== undefined && { bundles }),
    ...(pages !== undefined && { pages }),
  });
  const { url } = await server.listen();
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApi;

  const request: Served["request"] = async (path, init = {}) => {
    const response = await fetch(`${url}${path}`, init);
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
    const body = isJson ? JSON.parse(text) : {};
    const { status, headers } = response;
    const pathname = path.split("?", 1)[0] as string;
    expect(undocumented(document, init.method ?? "GET", pathname, status, body)).to.equal(
      undefined,
    );
    for (const answer of [body, ...((body.results as { refusal?: string }[]) ?? [])])
      if (answer.refusal !== undefined) refusalsSeen.add(answer.refusal);
    return { status, headers, body, text };
  };
  const post: Served["post"] = (body, path = "/v1/receipts") =>
    request(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  return {
    url,
    store,
    document,
    logged: () => lines.map((line) => JSON.parse(line)),
    depth: () => ingest.depth(),
    at(time) {
      now = time;
    },
    clockAt(time) {
      clock = time;
    },
    doubting(why) {
      doubt = why;
    },
    under(other) {
      law = other;
    },
    knowingUntil(time) {
      knownUntil = time;
    },
    request,
    post,
    async hand(...items) {
      const { status, body } = await post(envelope(...items));
      expect([status, body.message]).to.deep.equal([200, undefined]);
      return body.results as readonly Record<string, unknown>[];
    },
    async close() {
      await server.close();
      await ingest.drain();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function envelope(...items: readonly unknown[]): Record<string, unknown> {
  const { chainId, contracts } = deployment;
  return { chainId, registry: contracts.deviceRegistry, receipts: items.map(itemOf) };
}

function itemOf(item: unknown): unknown {
  const isSigned = typeof item === "object" && item !== null && "deviceSignature" in item;
  return isSigned && (item as SignedReceipt).deviceSignature instanceof Uint8Array
    ? signedReceiptToJson(item as SignedReceipt)
    : item;
}
