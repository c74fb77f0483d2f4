import { readdirSync, readFileSync } from "node:fs";

/** Those that a process started and that are not reaped yet. */
export function processesOf(parent: number | undefined): readonly number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => parentOf(pid) === parent).map(Number);
}

/** Not ended, reaped or not. */
export function isRunning(pid: number): boolean {
  return !["Z", "X", undefined].includes(statOf(String(pid))?.[0]);
}

/** Of the processor, in its own code. */
export function secondsUsed(pid: number): number {
  const TICKS_PER_SECOND = 100;
  return Number(statOf(String(pid))?.[11]) / TICKS_PER_SECOND;
}

function parentOf(pid: string): number | undefined {
  return Number(statOf(pid)?.[1]);
}

/** After the name, which may have anything in it: the state, the parent, and more. */
function statOf(pid: string): readonly string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ");
  } catch {
    return undefined;
  }
}
