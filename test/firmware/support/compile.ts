import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findCompiler, SANITIZERS } from "../../../scripts/test/firmware.ts";
import { runToEnd } from "../../../scripts/test/programs.ts";

export const FIRMWARE = fileURLToPath(new URL("../../../firmware/", import.meta.url));
export const C_TESTS = fileURLToPath(new URL("../c/", import.meta.url));

/** What the library promises to whoever ports it: not one warning of these. */
export const STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion"];
export const SANITIZED = ["-g", "-O2", ...SANITIZERS];

export const cFilesIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".c"))
    .sort()
    .map((name) => folder + name);

/** Runs the machine's compiler, and fails with what it said. */
export async function compile(...args: readonly string[]): Promise<void> {
  const compiler = findCompiler();
  if (compiler === undefined) throw new Error("no C compiler: npm run test:firmware says more");
  await run(compiler, ...args);
}

/** Runs a program to its end, and gives what it said; fails with that when it did not end well. */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  const { code, said } = await runToEnd(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${said}`);
  return said;
}
