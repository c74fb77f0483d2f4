import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

type Program = "node" | "gateway" | "inspector";

export const programOf = (name: Program) =>
  fileURLToPath(new URL(`../../../device/${name}.ts`, import.meta.url));

/** Runs a program to its end, as its user does. */
export async function runProgram(name: Program, ...args: readonly string[]) {
  const child = spawn(process.execPath, [programOf(name), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (child.exitCode === null) await once(child, "close");
  return { code: child.exitCode, stdout, stderr };
}
