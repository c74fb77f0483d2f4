import { readFileSync } from "node:fs";

/**
 * Loaded into a process before its program (`node --import`): its clock is ahead of the machine's by as many
 * milliseconds as the file says, and follows the file while the process runs.
 */

const file = process.env.LINK_FAULTS_CLOCK ?? "";
/** Reading the file at each look at the clock would be most of what a busy process does. */
const REREAD_MS = 20;

const MachineDate = Date;
let readAt = Number.NEGATIVE_INFINITY;
let aheadMs = 0;

function movedNow(): number {
  const at = performance.now();
  if (at - readAt >= REREAD_MS) {
    readAt = at;
    aheadMs = Number(readFileSync(file, "utf8"));
  }
  return MachineDate.now() + aheadMs;
}

globalThis.Date = new Proxy(MachineDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [movedNow()] : args, newTarget),
  apply: () => new MachineDate(movedNow()).toString(),
  get: (target, name, receiver) =>
    name === "now" ? movedNow : Reflect.get(target, name, receiver),
});
