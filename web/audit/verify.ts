import { lastBlockBefore } from "@link-rewards/client/last-block-before";
import { type Address, type Hex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { NO_PUBLIC_KEY, type PublicKeys } from "@link-rewards/core/encoding/p256";
import { CONTRIBUTION_BYTES } from "@link-rewards/core/epoch/records";
import type { Divergence } from "@link-rewards/core/judge/divergence";
import { sealTimeOf } from "@link-rewards/core/law/clock";
import type { LawEvent } from "@link-rewards/core/law/events";
import { registryDomain } from "@link-rewards/core/signed/deployment";
import { publicKeysAmong, SIGNERS_BYTES } from "@link-rewards/core/signed/signers";
import { fromMirrors, readFile, readManifest, readSigned } from "../sources/bundles.ts";
import type { Chain } from "../sources/chain.ts";
import type { History } from "./history.ts";
import type { VerifyAnswer, VerifyRequest } from "./verify.worker.ts";

export type Verdict =
  | { readonly verdict: "agrees"; readonly contributions: number; readonly seconds: number }
  | { readonly verdict: "differs"; readonly divergence: Divergence };

export type Progress = { readonly done: number; readonly total: number };

/** Downloads an epoch's bundle and recomputes all of it in a worker. */
export async function verifyEpoch(
  chain: Chain,
  history: History,
  epoch: number,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Verdict> {
  const started = performance.now();
  const report = history.reports.get(epoch)?.report;
  if (report === undefined) throw new RangeError(`epoch ${epoch} is not on chain`);
  const sealBlock = await sealBlockOf(chain, history, epoch);
  const [previousRewards, published] = await Promise.all([
    rewardsBefore(chain, history, epoch),
    fromMirrors(chain.config, epoch, (mirror) => readSigned(mirror, report.bundleHash)),
  ]);
  const { deployment, events } = history;
  const signers = await recoverInPieces(
    registryDomain(deployment),
    published.files.get("contributions.bin") ?? new Uint8Array(),
    publicKeysIn(events),
    onProgress,
    signal,
  );
  const answer = await withWorker(signal, (ask) =>
    ask({
      task: "check",
      input: {
        ...{ deployment, epoch, previousRewards, published, report, signers, sealBlock },
      },
      events,
    }),
  );
  if (!("agrees" in answer)) throw new Error("the worker answered something else");
  if (!answer.agrees) return { verdict: "differs", divergence: answer.divergence };
  const seconds = (performance.now() - started) / 1000;
  return { verdict: "agrees", contributions: answer.contributions, seconds };
}

/** As the law has them; it is replayed in the worker alone. */
function publicKeysIn(events: readonly LawEvent[]): PublicKeys {
  const keys = new Map<Address, Hex>();
  for (const { name, args } of events) {
    if (name === "DeviceEnrolled" && args.publicKey !== NO_PUBLIC_KEY)
      keys.set(args.device, args.publicKey);
  }
  return keys;
}

/** Records in one piece: often enough to see it move, seldom enough to cost nothing. */
const PIECE_RECORDS = 100;
const MAX_WORKERS = 8;

/** Who signed each contribution, worked out on every core. A record that is cut off is left to the check. */
async function recoverInPieces(
  domain: Uint8Array,
  contributions: Uint8Array,
  publicKeys: PublicKeys,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const total = Math.floor(contributions.length / CONTRIBUTION_BYTES);
  const signers = new Uint8Array(total * SIGNERS_BYTES);
  let next = 0;
  let done = 0;
  const work = async (ask: Ask) => {
    while (next < total) {
      const first = next;
      const last = Math.min(total, first + PIECE_RECORDS);
      next = last;
      const records = contributions.slice(first * CONTRIBUTION_BYTES, last * CONTRIBUTION_BYTES);
      const among = publicKeysAmong({ records, recordBytes: CONTRIBUTION_BYTES, publicKeys });
      const answer = await ask({ task: "signers", domain, records, publicKeys: among });
      if (!("signers" in answer)) throw new Error("the worker answered something else");
      signers.set(answer.signers, first * SIGNERS_BYTES);
      done += last - first;
      onProgress({ done, total });
    }
  };
  const cores = Math.min(MAX_WORKERS, navigator.hardwareConcurrency);
  const workers = Math.min(cores, Math.ceil(total / PIECE_RECORDS));
  await Promise.all(Array.from({ length: workers }, () => withWorker(signal, work)));
  return signers;
}

type Ask = (request: VerifyRequest) => Promise<Exclude<VerifyAnswer, { failed: string }>>;

/** A worker for as long as `use` takes. */
async function withWorker<T>(signal: AbortSignal, use: (ask: Ask) => Promise<T>): Promise<T> {
  const worker = new Worker(new URL("./verify.worker.ts", import.meta.url), { type: "module" });
  const ask: Ask = (request) =>
    new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      worker.onerror = ({ message }) => reject(new Error(`the worker failed: ${message}`));
      worker.onmessage = ({ data }: MessageEvent<VerifyAnswer>) => {
        if ("failed" in data) reject(new Error(data.failed));
        else resolve(data);
      };
      worker.postMessage(request);
    });
  try {
    return await use(ask);
  } finally {
    worker.terminate();
  }
}

/** rewards.bin of the epoch before, as its manifest and the chain have it. */
async function rewardsBefore(chain: Chain, history: History, epoch: number): Promise<Uint8Array> {
  const before = history.reports.get(epoch - 1)?.report;
  if (before === undefined || before.root === ZERO_HASH) return new Uint8Array();
  return fromMirrors(chain.config, epoch - 1, async (mirror) => {
    const manifest = await readManifest(mirror, before.bundleHash);
    return readFile(mirror, manifest, "rewards.bin");
  });
}

/** The last block before the epoch's seal time. */
async function sealBlockOf(chain: Chain, { deployment, head }: History, epoch: number) {
  const { startBlock } = chain.config.deployment;
  const blockAt = async (number: number) => {
    const block = await chain.block(number);
    if (block === undefined) throw new Error(`the node does not have block ${number}`);
    return block;
  };
  const block = await lastBlockBefore(blockAt, sealTimeOf(deployment, epoch), startBlock, head);
  if (block === undefined) throw new Error("the epoch is not sealed yet");
  return block;
}
