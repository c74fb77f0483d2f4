import { fileURLToPath } from "node:url";

const checkout = fileURLToPath(new URL("..", import.meta.url));

/** Compiles AssemblyScript: the same bytes on every machine. Throws with the compiler's words. */
export async function compileAssembly(
  source: string,
  flags: readonly string[],
): Promise<Uint8Array> {
  // Only who compiles waits for the compiler.
  const { main } = await import("assemblyscript/asc");
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await main(
    [source, "--baseDir", checkout, "-O3", ...flags, "--outFile", "module.wasm"],
    {
      writeFile: (_name, contents) => {
        wasm = contents as Uint8Array;
      },
    },
  );
  if (error !== null || wasm === undefined)
    throw new Error(`${source} does not compile: ${stderr.toString()}`, { cause: error });
  return wasm;
}
