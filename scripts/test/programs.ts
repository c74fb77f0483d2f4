import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** How a program ended, and all it said. */
export type Ended = { readonly code: number; readonly said: string; readonly seconds: number };

const GRACE_MS = 3_000;
const WINDOWS = process.platform === "win32";

const running = new Map<ChildProcess, Promise<unknown>>();

/** Runs a program to its end, in a process group of its own: what it started must not outlive this run. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { readonly onMessage?: (message: unknown) => void } = {},
): Promise<Ended> {
  const { onMessage, ...rest } = options;
  const started = performance.now();
  const child = spawn(command, args, {
    ...rest,
    detached: !WINDOWS,
    stdio: ["ignore", "pipe", "pipe", ...(onMessage ? (["ipc"] as const) : [])],
  });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (part) => said.push(part));
  if (onMessage) child.on("message", onMessage);
  const closed = once(child, "close");
  running.set(child, closed);
  const [code, signal] = await closed.finally(() => running.delete(child));
  return {
    code: code ?? 128 + constants.signals[signal as NodeJS.Signals],
    said: Buffer.concat(said).toString("utf8"),
    seconds: (performance.now() - started) / 1000,
  };
}

/** On a signal to this process: ends every program, by force what takes too long, and then this process. */
export function endProgramsOnSignals(): void {
  let ending = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, async () => {
      // Whoever sends one may send more: what ends needs its time all the same.
      if (ending) return;
      ending = true;
      signalAll("SIGTERM");
      await Promise.race([Promise.allSettled(running.values()), sleep(GRACE_MS)]);
      signalAll("SIGKILL");
      process.exit(128 + constants.signals[signal]);
    });
  }
}

function signalAll(signal: NodeJS.Signals): void {
  for (const child of running.keys()) {
    if (WINDOWS || child.pid === undefined) child.kill(signal);
    else killGroup(child.pid, signal);
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
