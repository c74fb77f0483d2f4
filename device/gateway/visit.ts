import { randomInt } from "node:crypto";
import { at } from "@link-rewards/core/encoding/at";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { sumOf } from "@link-rewards/core/epoch/value";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import { NOTHING, plus } from "../amounts.ts";
import { CHUNK_BYTES, chunkCount, keptFor } from "../content.ts";
import type { Stopwatch } from "../stopwatch.ts";
import type { JobFiles } from "./jobs.ts";
import type { KeptFile, Peer } from "./peer.ts";

/** What the customer asks of each node in one round. */
export type Work = {
  readonly ranges: number;
  readonly chunksPerRange: number;
  readonly challenges: number;
  /** Of a hundred visits, how many give a job. */
  readonly jobPercent: number;
  /** Of a hundred jobs, how many are computed a second time: what a wrong answer risks. */
  readonly checkPercent: number;
};

export const DEFAULT_WORK: Work = {
  ranges: 4,
  chunksPerRange: 16,
  challenges: 4,
  jobPercent: 100,
  checkPercent: 10,
};

/** Only what was checked and good; what was not is said, and not paid. */
export type Verified = { readonly amounts: Amounts; readonly failures: readonly string[] };

export type VisitParts = {
  readonly peer: Peer;
  readonly authorization: string;
  readonly device: Address;
  readonly epoch: number;
  readonly files: readonly KeptFile[];
  /** Those of which proofs are asked for. */
  readonly challenged: readonly KeptFile[];
  readonly work: Work;
  readonly stopwatch: Stopwatch;
  /** Told of a content that the device could not prove to keep. */
  readonly lost: (root: Hex) => void;
};

/** More than the fetches before a challenge take: what is kept meanwhile counts too. */
const FETCHING_MILLISECONDS = 60_000;

/** The most that a visit can come to, with its job, and the same at another device if one may be asked to check it. */
export function mostOf({
  jobs,
  mayLend,
  ...parts
}: Omit<VisitParts, "peer" | "authorization" | "lost"> & {
  readonly jobs: readonly JobFiles[];
  readonly mayLend: boolean;
}): Amounts {
  const { files, work } = parts;
  const longest = Math.max(0, ...jobs.map(({ milliseconds }) => milliseconds));
  const times = work.checkPercent === 0 || !mayLend ? 1 : 2;
  return {
    egressBytes: files.length === 0 ? 0n : BigInt(work.ranges * work.chunksPerRange * CHUNK_BYTES),
    storageByteSeconds: mostKept(parts),
    computeMilliseconds: work.jobPercent === 0 ? 0n : BigInt(longest * times),
  };
}

/** The most that a visit's proofs can show to have been kept. */
export function mostKept({
  device,
  epoch,
  challenged,
  stopwatch,
}: Pick<VisitParts, "device" | "epoch" | "challenged" | "stopwatch">): bigint {
  const kept = challenged.map(({ contentTree: { root, size } }) => {
    const passed = stopwatch.passed(nameOf(device, root), epoch);
    return passed === undefined ? 0n : keptFor(size, passed + FETCHING_MILLISECONDS);
  });
  return sumOf(kept);
}

/** All but computing, which goes on beside it: see jobs.ts. */
export async function visit(parts: VisitParts): Promise<Verified> {
  const results = [
    await attempt("fetch", () => fetchRanges(parts)),
    await attempt("storage", () => challengeFiles(parts)),
  ];
  return sumOfChecked(results);
}

export type Checked = { readonly amounts: Partial<Amounts>; readonly failures: readonly string[] };

export function sumOfChecked(results: readonly Checked[]): Verified {
  return {
    amounts: results.reduce((sum, { amounts }) => plus(sum, amounts), NOTHING),
    failures: results.flatMap(({ failures }) => failures),
  };
}

/** A node that answers nothing, or nonsense, spoils its own row and no one else's. */
export async function attempt(what: string, work: () => Promise<Checked>): Promise<Checked> {
  try {
    return await work();
  } catch (error) {
    return { amounts: {}, failures: [`${what}: ${(error as Error).message}`] };
  }
}

async function fetchRanges({ peer, authorization, files, work }: VisitParts): Promise<Checked> {
  const failures: string[] = [];
  let bytes = 0;
  for (let i = 0; i < work.ranges && files.length > 0; i++) {
    const { contentTree } = at(files, randomInt(files.length));
    const count = chunkCount(contentTree.size);
    const first = randomInt(count);
    const end = Math.min(count, first + work.chunksPerRange);
    const wanted = { contentTree, first, end };
    const { failure } = await peer.readChunks(authorization, wanted, (chunk, index, isGood) => {
      if (isGood) bytes += chunk.length;
      else failures.push(`fetch: chunk ${index} of ${contentTree.root} is not what was asked for`);
    });
    if (failure !== undefined) failures.push(`fetch: ${failure}`);
  }
  return { amounts: { egressBytes: BigInt(bytes) }, failures };
}

async function challengeFiles(parts: VisitParts): Promise<Checked> {
  const failures: string[] = [];
  let storageByteSeconds = 0n;
  for (const { contentTree } of parts.challenged) {
    const index = await failedChallenge(parts, contentTree);
    const name = nameOf(parts.device, contentTree.root);
    if (index === undefined) {
      storageByteSeconds += keptFor(contentTree.size, parts.stopwatch.lap(name, parts.epoch));
    } else {
      parts.stopwatch.forget(name);
      parts.lost(contentTree.root);
      failures.push(`storage: no proof of chunk ${index} of ${contentTree.root}`);
    }
  }
  return { amounts: { storageByteSeconds }, failures };
}

/** Of the content's watch. */
function nameOf(device: Address, root: Hex): string {
  return `${device}/${root}`;
}

async function failedChallenge(
  { peer, authorization, work }: VisitParts,
  contentTree: KeptFile["contentTree"],
): Promise<number | undefined> {
  for (let i = 0; i < work.challenges; i++) {
    const index = randomInt(chunkCount(contentTree.size));
    if (!(await peer.challenge(authorization, contentTree, index))) return index;
  }
  return undefined;
}
