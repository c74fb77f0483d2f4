import { randomUUID } from "node:crypto";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { isRefused, refuse } from "@link-rewards/core/encoding/refusal";
import type { Block } from "@link-rewards/core/law/block";
import { sealTimeOf } from "@link-rewards/core/law/clock";
import { MEMBER_VERSIONS } from "@link-rewards/core/signed/member-request";
import { parseReport, type Report } from "@link-rewards/core/signed/report";
import { type Doubt, doubtOfHead, isImplausible } from "@link-rewards/host/chain/plausible";
import { loadCurves } from "@link-rewards/host/curves";
import type { Log } from "@link-rewards/host/log";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import type { Sender } from "@link-rewards/host/transactions";
import type { MemberDoor, Unready } from "../edge/http/options.ts";
import { createHttpServer } from "../edge/http/server.ts";
import { createMetrics, type EpochProgress } from "../edge/metrics.ts";
import { openRecoverPool } from "../edge/recover-pool.ts";
import { createAnswerer } from "./answer.ts";
import { createAttester, type Examined, signReport } from "./attest.ts";
import { batchKeyRecovery, batchRecovery } from "./batch-recovery.ts";
import { clockSeconds, withPeersClocks } from "./clocks.ts";
import { createCustomers } from "./customers.ts";
import { createIngest } from "./ingest.ts";
import { bundlesFolder } from "./open.ts";
import type { Oracle } from "./oracle.ts";
import { createRecognition } from "./recognition.ts";
import { replicateFrom } from "./replicate.ts";

const THREADS = availableParallelism();
/** A task for each thread and one on its way to it, of about 4 ms: who comes next waits for no more of another's batch. */
const BATCHED = { calls: 2 * THREADS, receipts: 32 };
/** Between two looks at what arrived at a peer: what a member that is gone alone has is about as much. */
const REPLICATE_MS = 1_000;
/** A chain whose head is older than this is not being followed. */
const MAX_FOLLOW_AGE_SECONDS = 120;

export type ServeOptions = {
  readonly host: string;
  readonly port: number;
  readonly data: string;
  /** How long before its seal time an epoch closes for receipts: the time members have to copy from each other. */
  readonly marginSeconds: number;
  /** Time between two looks at the chain. */
  readonly followSeconds: number;
  /** Folder of the claim and audit pages, with their config.json. */
  readonly pages?: string | undefined;
  /** Addresses or networks of reverse proxies, whose word on where a request came from is taken. */
  readonly trustProxy?: readonly string[] | undefined;
};

/** Takes receipts and vouchers in, follows the chain, and answers peers and demands, until `stop` is aborted. */
export async function serve(
  oracle: Oracle,
  sender: Sender,
  log: Log,
  options: ServeOptions,
  stop: AbortSignal,
  onListening: (url: string) => void,
): Promise<void> {
  const { chain, store, follower, member } = oracle;
  /** The newest that was believed. */
  let head: Block | undefined;
  let followedAt = performance.now();
  let trouble: string | undefined;
  /** Of the node's last word, which was not taken for the chain's. */
  let doubted: Doubt | undefined;
  let doubtedHead: Block | undefined;

  async function follow(): Promise<void> {
    try {
      await follower.refresh();
      head = await chain.head();
      followedAt = performance.now();
      if (trouble !== undefined) log.info({ block: head.number }, "the chain is followed again");
      trouble = undefined;
      doubted = undefined;
      doubtedHead = undefined;
    } catch (error) {
      const told = await explain(error);
      trouble = (told as Error).message;
      log.error({ err: told }, "the chain cannot be followed; what is known stays in force");
    }
  }

  /** Peers are asked for their time once, not at each look. */
  async function explain(error: unknown): Promise<unknown> {
    if (!isImplausible(error)) return error;
    const isNew = doubted?.reason !== error.implausible.reason;
    doubted = error.implausible;
    doubtedHead = error.head;
    return isNew ? withPeersClocks(oracle.peers, error) : error;
  }

  /**
   * By the clock as it is at this moment, so that one that jumps is seen at once, and by the last block that was believed:
   * a node that says nonsense is as one that says nothing, until that block is too old.
   */
  function doubt(): Doubt | undefined {
    return head && doubtOfHead(head, clockSeconds(), chain.bounds);
  }

  const answerer = createAnswerer(oracle, sender, `serve:${randomUUID()}`);
  let isAnswering = false;

  /** Beside everything else: a transaction can take minutes. */
  async function answer(): Promise<void> {
    if (isAnswering) return;
    isAnswering = true;
    try {
      await answerer.round();
    } catch (error) {
      if (!stop.aborted) log.error({ err: error }, "demands cannot be answered; tried again");
    } finally {
      isAnswering = false;
    }
  }

  // Begun before anything is waited for: whoever sends first should not wait for a thread to begin.
  const pool = openRecoverPool(THREADS, THREADS);
  await follow();
  if (trouble !== undefined) throw new Error(`the chain cannot be read: ${trouble}`);
  const { name, reason } = loadSecp256k1();
  if (name === "pure") {
    log.warn(
      { reason },
      "the native signature check does not load; receipts take some ten times as long",
    );
  }
  const unready = () => [
    ...[doubt() ?? doubted].filter((each) => each !== undefined),
    ...readiness((performance.now() - followedAt) / 1000, trouble),
    ...ingest.troubles(),
  ];
  const chainSeconds = () => head?.timestamp ?? 0;
  // Peers take what was acknowledged here also while the clock is off.
  const times = () => [clockSeconds(), ...(doubtedHead ? [doubtedHead.timestamp] : [])];
  const metrics = createMetrics({
    unready,
    queueDepth: () => ingest.depth(),
    chainHead: () => head,
    epochs: () => unfinishedEpochs(oracle),
    demands: () => answerer.waiting(),
  });
  const ingest = createIngest({
    store,
    deployment: chain.deployment,
    law: () => follower.law(),
    chainSeconds,
    clockSeconds,
    doubt: () => doubt()?.message,
    knownUntil: () => follower.knownUntil(),
    marginSeconds: options.marginSeconds,
    member: member.address,
    sign: (digest) => member.sign(digest),
    curves: loadCurves(),
    recovery: batchRecovery(pool.recover, BATCHED),
    keyRecovery: batchKeyRecovery(pool.keysOf, BATCHED),
    meter: metrics.ingest,
    log,
  });
  const server = await createHttpServer({
    ingest,
    customers: createCustomers(oracle, chainSeconds),
    receipts: (epoch) => store.packedReceipts(epoch),
    readiness: async () => unready(),
    metrics,
    log,
    members: doorOf(oracle, chainSeconds, times),
    bundles: resolve(bundlesFolder(options.data)),
    ...(options.trustProxy !== undefined && { trustProxy: options.trustProxy }),
    ...(options.pages !== undefined && { pages: resolve(options.pages) }),
  });
  await store.beginLife();
  try {
    const { url } = await server.listen({ host: options.host, port: options.port });
    onListening(url);
    const mayRead = () => doubt() === undefined;
    const replication = oracle.peers.urls.map((peer) =>
      replicate(oracle, peer, log, mayRead, stop),
    );
    while (!stop.aborted) {
      void answer();
      await sleep(options.followSeconds * 1000, undefined, { signal: stop }).catch(ignoreAbort);
      if (!stop.aborted) await follow();
    }
    await Promise.all(replication);
  } finally {
    await server.close();
    await ingest.drain();
    await pool.close();
  }
}

/** Takes from one peer what arrived there, again and again. Its troubles are told when they begin and when they end. */
async function replicate(
  oracle: Oracle,
  peer: string,
  log: Log,
  mayRead: () => boolean,
  stop: AbortSignal,
): Promise<void> {
  let trouble: string | undefined;
  while (!stop.aborted) {
    try {
      if (mayRead()) await replicateFrom(oracle, peer);
      if (trouble !== undefined) log.info({ peer }, "the peer's arrivals are read again");
      trouble = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== trouble)
        log.warn({ peer, reason: message }, "a peer's arrivals cannot be read");
      trouble = message;
    }
    await sleep(REPLICATE_MS, undefined, { signal: stop }).catch(ignoreAbort);
  }
}

/** What members ask of each other here. */
function doorOf(
  oracle: Oracle,
  chainSeconds: () => number,
  times: () => readonly number[],
): MemberDoor {
  const { chain, store, follower, member } = oracle;
  const { chainId, contracts } = chain.deployment;
  const attester = createAttester(oracle);
  const examined = async (body: unknown, asker: Address) => {
    const report = parseReport(Object(body).report);
    if (isRefused(report)) return report;
    let verdict: Examined | undefined;
    try {
      verdict = await attester.examine(report, asker);
    } catch (error) {
      if (isImplausible(error)) return refuse("busy", error.message);
      throw error;
    }
    return verdict ?? refuse("busy", "another report is being verified for this member");
  };
  return {
    recognize: createRecognition({
      deployment: chain.deployment,
      law: () => follower.law(),
      member: member.address,
      chainSeconds,
      times,
    }),
    introduce: () => ({
      member: member.address,
      chainId,
      ledger: contracts.epochLedger,
      versions: MEMBER_VERSIONS,
      now: clockSeconds(),
    }),
    review: examined,
    async attest(body, asker) {
      const verdict = await examined(body, asker);
      if (isRefused(verdict) || "declined" in verdict) return verdict;
      return signReport(oracle, parseReport(Object(body).report) as Report);
    },
    arrivals: (table, after) => store.arrivals(table, after),
  };
}

function ignoreAbort(error: Error): void {
  if (error.name !== "AbortError") throw error;
}

function readiness(ageSeconds: number, trouble: string | undefined): readonly Unready[] {
  if (ageSeconds <= MAX_FOLLOW_AGE_SECONDS) return [];
  return [
    {
      reason: "chain-not-followed",
      message: trouble ?? `not read for ${Math.floor(ageSeconds)} seconds`,
    },
  ];
}

/** An epoch that is due must be proposed before its attempt times out, and final a window later. */
async function unfinishedEpochs({
  chain,
  store,
  follower,
}: Oracle): Promise<readonly EpochProgress[]> {
  const epoch = follower.law().lastFinal.epoch + 1;
  const row = await store.getEpoch(epoch);
  return [{ epoch, state: row?.state ?? "open", deadline: sealTimeOf(chain.deployment, epoch) }];
}
