import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { compileAssembly } from "./assembly.ts";

/** What devices can be given to compute: examples/*.ts, compiled beside them. A test compares the bytes. */
export const EXAMPLES = ["search", "resize"] as const;
export type Example = (typeof EXAMPLES)[number];

/** 64 MiB: the largest input, and what is made of it. No imports: a failed check is a trap. */
const FLAGS = ["--runtime", "stub", "--use", "abort=", "--maximumMemory", "2048"];

export function compileExample(name: Example): Promise<Uint8Array> {
  return compileAssembly(`examples/${name}.ts`, FLAGS);
}

export function fileOfExample(name: Example): string {
  return fileURLToPath(new URL(`../examples/${name}.wasm`, import.meta.url));
}

if (import.meta.main)
  for (const name of EXAMPLES) await writeFile(fileOfExample(name), await compileExample(name));
