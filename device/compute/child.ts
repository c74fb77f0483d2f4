import { writeSync } from "node:fs";
import type { Failure, JobLimits } from "./job.ts";
import { examineModule } from "./module.ts";

/**
 * The process that a job runs in, and dies with: nothing of a customer's is read, checked or run anywhere else. It has no
 * key, no environment and no network, starts no other process, and may read these files only. Standard input: one line of
 * JSON with the limits and the module's length, the module, the input. Standard output: lines of JSON; after one that is
 * `answered`, the output.
 */

export type Asked = JobLimits & { readonly moduleBytes: number };

export type Said =
  /** All is read: what follows is the customer's time. */
  | { readonly said: "begins" }
  | { readonly said: "refused"; readonly reason: string }
  | { readonly said: "failed"; readonly failure: Failure; readonly reason: string }
  | { readonly said: "answered"; readonly outputBytes: number };

/** What a module exports, beside its memory. */
type Exports = {
  readonly memory: WebAssembly.Memory;
  /** Where so many bytes of input may be written. */
  readonly allocate: (bytes: number) => number;
  /** Where the output begins, times 2^32, plus its length. */
  readonly run: (input: number, bytes: number) => bigint;
};

async function work(given: Buffer): Promise<void> {
  const end = given.indexOf(0x0a);
  const asked = JSON.parse(given.subarray(0, end).toString()) as Asked;
  // Of their own: who reads a module may look at the whole buffer under it.
  const bytes = Uint8Array.from(given.subarray(end + 1, end + 1 + asked.moduleBytes));
  const input = given.subarray(end + 1 + asked.moduleBytes);
  say({ said: "begins" });
  const module = await examine(bytes, asked);
  if ("said" in module) return say(module);
  try {
    answer(await runOn(module, input), asked);
  } catch (error) {
    say({ said: "failed", failure: "trap", reason: String(error) });
  }
}

async function examine(bytes: Uint8Array, asked: Asked): Promise<WebAssembly.Module | Said> {
  const examined = examineModule(bytes, asked);
  if ("amiss" in examined) return { said: "refused", reason: examined.amiss };
  const { memoryPages } = examined;
  try {
    const module = await WebAssembly.compile(bytes as BufferSource);
    const lacking = lackingIn(module);
    if (lacking !== undefined) return { said: "refused", reason: lacking };
    // A module may ask whether its memory grew: where it could not, the answer would be another one.
    new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages });
    return module;
  } catch (error) {
    const reason = String(error);
    return error instanceof RangeError
      ? { said: "failed", failure: "memory", reason }
      : { said: "refused", reason };
  }
}

function lackingIn(module: WebAssembly.Module): string | undefined {
  const kinds = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  for (const [name, kind] of Object.entries({
    memory: "memory",
    allocate: "function",
    run: "function",
  }))
    if (kinds.get(name) !== kind) return `the module exports no ${kind} "${name}"`;
  return undefined;
}

async function runOn(
  module: WebAssembly.Module,
  input: Uint8Array,
): Promise<{ readonly memory: WebAssembly.Memory; readonly from: number; readonly bytes: number }> {
  const { exports } = await WebAssembly.instantiate(module);
  const { memory, allocate, run } = exports as unknown as Exports;
  const at = allocate(input.length) >>> 0;
  new Uint8Array(memory.buffer).set(input, at);
  const packed = BigInt.asUintN(64, run(at, input.length));
  return { memory, from: Number(packed >> 32n), bytes: Number(packed & 0xffffffffn) };
}

function answer(
  { memory, from, bytes }: Awaited<ReturnType<typeof runOn>>,
  { outputBytes: most }: Asked,
): void {
  if (bytes > most) {
    const reason = `an output of ${bytes} bytes, at most ${most} are taken`;
    say({ said: "failed", failure: "output", reason });
  } else {
    const output = new Uint8Array(memory.buffer, from, bytes);
    say({ said: "answered", outputBytes: bytes });
    write(output);
  }
}

function say(said: Said): void {
  write(Buffer.from(`${JSON.stringify(said)}\n`));
}

/** At once: a loop that never ends would keep what is only queued. */
function write(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

await work(Buffer.concat(await Array.fromAsync(process.stdin)));
