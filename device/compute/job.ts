import type { Hex } from "@link-rewards/core/encoding/bytes";

/** What a customer asks a device to compute: a WebAssembly module of its own, on an input. */
export type Job = {
  readonly module: Uint8Array;
  readonly input: Uint8Array;
  /** What the customer pays, fixed before it runs: it may take so long, and costs so much if it ends sooner. */
  readonly milliseconds: number;
};

/** The same as it is sent: module and input by the roots of their content. */
export type JobOffer = {
  readonly module: Hex;
  readonly input: Hex;
  readonly milliseconds: number;
};

export type JobLimits = {
  /** Of the module's memory, in pages of 64 KiB; a module says its own maximum. */
  readonly memoryPages: number;
  readonly outputBytes: number;
  /** Of all that the process has in memory: the module's, the input twice, the compiler's. Measured on Linux alone. */
  readonly processBytes: number;
};

/** `refused`: the module is not one that every machine answers alike. `failed`: no answer came of it, which is not paid. */
export type Outcome =
  | { readonly outcome: "answered"; readonly output: Uint8Array }
  | { readonly outcome: "refused"; readonly reason: string }
  | { readonly outcome: "failed"; readonly failure: Failure; readonly reason: string };

/** `time`: the offered milliseconds were over. `crash`: its process ended, or said what it should not. */
export const FAILURES = ["trap", "time", "memory", "output", "crash"] as const;
export type Failure = (typeof FAILURES)[number];

/** To check a module takes some hundred times its size in memory, and about a second for each MiB. */
export const MOST_MODULE_BYTES = 4 * 2 ** 20;
/** It is in memory three times: at the device, in the process, in the module. */
export const MOST_INPUT_BYTES = 64 * 2 ** 20;
/** A minute: what a device may lose by one job that ends without an answer. */
export const MOST_JOB_MILLISECONDS = 60_000;

/** A quarter of a gigabyte for a module, and what goes with it; an answer that its customer can hold, too. */
export const JOB_LIMITS: JobLimits = {
  memoryPages: 4_096,
  outputBytes: 16 * 2 ** 20,
  processBytes: 768 * 2 ** 20,
};
