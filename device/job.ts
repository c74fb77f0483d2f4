import { hash } from "node:crypto";
import { setImmediate as yieldToOthers } from "node:timers/promises";
import { equalBytes } from "@link-rewards/core/encoding/bytes";
import { HASH_BYTES } from "@link-rewards/core/encoding/tree";

/**
 * A job that has one right answer: SHA-256 applied to a seed again and again, with a checkpoint after each segment.
 * Doing it takes every segment in turn; checking takes a few, picked after the answer came. A worker that skipped one
 * of n segments passes k checks with probability 1 − k/n, and saves 1/n of the work.
 */
export type Job = {
  readonly seed: Uint8Array;
  readonly segments: number;
  readonly hashesPerSegment: number;
};

/** By agreement, so that both sides count the same without a clock: about what one vCPU does in a millisecond. */
const HASHES_PER_MILLISECOND = 500;

export const MAX_SEGMENTS = 4_096;
/** Keeps the node answering others: it looks up after each segment. */
export const MAX_HASHES_PER_SEGMENT = 50_000;

export function millisecondsOf({ segments, hashesPerSegment }: Omit<Job, "seed">): bigint {
  return BigInt(Math.floor((segments * hashesPerSegment) / HASHES_PER_MILLISECOND));
}

/** The checkpoints, one after the other; the last one is the result. */
export async function runJob(job: Job, signal?: AbortSignal): Promise<Uint8Array> {
  const checkpoints = new Uint8Array(job.segments * HASH_BYTES);
  let state = job.seed;
  for (let segment = 0; segment < job.segments; segment++) {
    signal?.throwIfAborted();
    state = runSegment(state, job.hashesPerSegment);
    checkpoints.set(state, segment * HASH_BYTES);
    await yieldToOthers();
  }
  return checkpoints;
}

function runSegment(start: Uint8Array, hashes: number): Uint8Array {
  let state = start;
  for (let i = 0; i < hashes; i++) state = hash("sha256", state, "buffer");
  return state;
}

/** Recomputes the segments in `sample`, each from the checkpoint before it. */
export function checkJob(job: Job, checkpoints: Uint8Array, sample: readonly number[]): boolean {
  if (checkpoints.length !== job.segments * HASH_BYTES) return false;
  const checkpoint = (segment: number) =>
    segment < 0 ? job.seed : checkpoints.subarray(segment * HASH_BYTES, (segment + 1) * HASH_BYTES);
  return sample.every((segment) =>
    equalBytes(runSegment(checkpoint(segment - 1), job.hashesPerSegment), checkpoint(segment)),
  );
}
