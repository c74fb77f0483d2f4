import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Asked } from "./child.ts";
import { failed, hearer } from "./hear.ts";
import {
  JOB_LIMITS,
  type Job,
  type JobLimits,
  MOST_INPUT_BYTES,
  MOST_MODULE_BYTES,
  type Outcome,
} from "./job.ts";

/** To start the process and hand over module and input, on a slow machine: the device's time, not the customer's. */
const START_MS = 20_000;
/** Of V8's own heap, in MiB: a module's memory is not in it. */
const HEAP_MIB = 256;
/** How often the process's memory is looked at: in that time a fast machine fills a hundred MiB. */
const LOOK_MS = 50;
/** The threads that compile count, too, beside the one that runs. */
const THREADS = 2;

const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));
const READABLE = [
  dirname(CHILD),
  dirname(fileURLToPath(import.meta.resolve("wabt"))),
  ...["..", "../.."].map((up) => fileURLToPath(new URL(`${up}/package.json`, import.meta.url))),
];
const NODE_ARGS = [
  "--permission",
  ...READABLE.map((path) => `--allow-fs-read=${path}`),
  `--max-old-space-size=${HEAP_MIB}`,
];

/** Those that run. None outlives this process, unless that is killed. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export type RunOptions = { readonly limits?: JobLimits; readonly signal?: AbortSignal };

/**
 * Runs a job in a process of its own, which is killed when the offered time is over, when it takes or says more than it
 * may, or when `signal` is aborted; nothing is left of it when this resolves. The answer is a function of module and input
 * alone, but for the bits of a NaN.
 *
 * Throws when the process cannot be started, or the signal's reason.
 */
export async function runJob(
  { module, input, milliseconds }: Job,
  { limits = JOB_LIMITS, signal }: RunOptions = {},
): Promise<Outcome> {
  signal?.throwIfAborted();
  const beyond =
    tooLarge("module", module, MOST_MODULE_BYTES) ?? tooLarge("input", input, MOST_INPUT_BYTES);
  if (beyond !== undefined) return beyond;
  const child = startChild(milliseconds);
  running.add(child);
  let ended: Outcome | undefined;
  const end = (outcome?: Outcome) => {
    ended ??= outcome;
    child.kill("SIGKILL");
  };
  const onAbort = () => end();
  signal?.addEventListener("abort", onAbort, { once: true });
  let timer = setTimeout(end, START_MS, failed("crash", `not started within ${START_MS} ms`));
  const watch = watchMemory(child, limits.processBytes, end);
  const hear = hearer(limits, () => {
    clearTimeout(timer);
    timer = setTimeout(end, milliseconds, failed("time", `no answer within ${milliseconds} ms`));
  });
  child.stdout.on("data", (piece: Buffer) => {
    const outcome = hear(piece);
    if (outcome !== undefined) end(outcome);
  });
  // It may be killed, or have refused the module, before it has read all.
  child.stdin.on("error", () => undefined);
  const asked: Asked = { ...limits, moduleBytes: module.length };
  child.stdin.write(`${JSON.stringify(asked)}\n`);
  child.stdin.write(module);
  child.stdin.end(input);
  try {
    const [code, by] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (...how) => resolve(how));
    });
    signal?.throwIfAborted();
    return ended ?? failed("crash", `its process ended with ${by ?? code}`);
  } finally {
    clearTimeout(timer);
    clearInterval(watch);
    running.delete(child);
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * No dump of a crash is written. Should this process end without killing the other, its processor time runs out: a loop in
 * a module notices nothing else.
 */
function startChild(milliseconds: number): ChildProcessByStdio<Writable, Readable, null> {
  const command = [process.execPath, ...NODE_ARGS, CHILD];
  const seconds = Math.ceil(((START_MS + milliseconds) * THREADS) / 1_000);
  const limited = ["/bin/sh", "-c", `ulimit -c 0; ulimit -t ${seconds}; exec "$@"`, "sh"];
  const [program = "", ...args] = process.platform === "win32" ? command : [...limited, ...command];
  return spawn(program, args, { env: {}, stdio: ["pipe", "pipe", "ignore"] });
}

/** A compiler that is given the right module takes more than any module may. */
function watchMemory(
  { pid }: ChildProcess,
  most: number,
  end: (outcome: Outcome) => void,
): NodeJS.Timeout {
  return setInterval(async () => {
    // Elsewhere than on Linux, and when it has ended, there is no such file.
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    const [, kibibytes = 0] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    const bytes = Number(kibibytes) * 1_024;
    if (bytes > most) end(failed("memory", `its process takes more than ${most} bytes`));
  }, LOOK_MS);
}

function tooLarge(what: string, { length }: Uint8Array, most: number): Outcome | undefined {
  const reason = `the ${what} has ${length} bytes, at most ${most} are taken`;
  return length > most ? { outcome: "refused", reason } : undefined;
}
