import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { compileAssembly } from "./assembly.ts";

/**
 * Compiles kernel/keccak.ts (AssemblyScript) into core/encoding/keccak-kernel.ts: the same bytes on every machine, which a
 * test compares with the committed ones. Run it with `node scripts/kernel.ts`.
 */
const SOURCE = "kernel/keccak.ts";
const TARGET = "core/encoding/keccak-kernel.ts";

const FLAGS = ["--noAssert", "--runtime", "stub", "--enable", "simd"];
/** Pages of 64 KiB: the input, the output, and the state with its constants. */
const MEMORY = ["--initialMemory", "3", "--maximumMemory", "3"];

export async function compileKernel(): Promise<string> {
  const wasm = await compileAssembly(SOURCE, [...FLAGS, ...MEMORY]);
  return Buffer.from(wasm).toString("base64");
}

export function kernelModule(base64: string): string {
  const lines = base64.match(/.{1,92}/g) ?? [];
  const text = lines.map((line) => `  "${line}"`).join(" +\n");
  return `/** Compiled from ${SOURCE} by scripts/kernel.ts. */\nexport const KECCAK_KERNEL =\n${text};\n`;
}

if (import.meta.main) {
  await writeFile(
    fileURLToPath(new URL(`../${TARGET}`, import.meta.url)),
    kernelModule(await compileKernel()),
  );
}
