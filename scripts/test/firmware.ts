import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The firmware's tests, which need what a machine may not have. */
const TESTS = "test/firmware/";
/** The one of them that signs and checks with real keys. */
const EXAMPLE = "test/firmware/example.ts";

export const SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] as const;

const COMPILERS = ["cc", "gcc", "clang"];
const ANY_PROGRAM = "int main(void) { return 0; }\n";
const WITH_LIBCRYPTO = `#include <openssl/evp.h>\n${ANY_PROGRAM}`;

/** The first one on PATH that makes programs with sanitizers. */
export function findCompiler(): string | undefined {
  return COMPILERS.find((compiler) => builds(compiler, ANY_PROGRAM, SANITIZERS));
}

/** What this machine lacks to run a test file, and how to get it; undefined when it lacks nothing. */
export function lackFinder(): (file: string) => string | undefined {
  let found: { readonly all: string | undefined; readonly example: string | undefined } | undefined;
  return (file) => {
    if (!file.startsWith(TESTS)) return undefined;
    found ??= lacking();
    return file === EXAMPLE ? (found.all ?? found.example) : found.all;
  };
}

function lacking() {
  const compiler = findCompiler();
  if (compiler === undefined) {
    const all = `no C compiler with sanitizers (${COMPILERS.join(", ")}); on Debian: apt-get install gcc libc6-dev libssl-dev`;
    return { all, example: undefined };
  }
  if (builds(compiler, WITH_LIBCRYPTO, ["-lcrypto"])) return { all: undefined, example: undefined };
  return {
    all: undefined,
    example: "no headers of OpenSSL; on Debian: apt-get install libssl-dev",
  };
}

function builds(compiler: string, program: string, options: readonly string[]): boolean {
  const folder = mkdtempSync(join(tmpdir(), "firmware-"));
  try {
    const source = join(folder, "probe.c");
    writeFileSync(source, program);
    const args = [source, "-o", join(folder, "probe"), ...options];
    return spawnSync(compiler, args, { stdio: "ignore" }).status === 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export type Runnable = {
  readonly files: readonly string[];
  /** One line for each thing that is lacking. */
  readonly unchecked: readonly string[];
};

/** The files that can run here, and what is not checked for want of something. */
export function runnableHere(
  files: readonly string[],
  lackOf: (file: string) => string | undefined,
): Runnable {
  const lacks = new Map(files.map((file) => [file, lackOf(file)]));
  const without = Map.groupBy(
    files.filter((file) => lacks.get(file) !== undefined),
    (file) => lacks.get(file),
  );
  return {
    files: files.filter((file) => lacks.get(file) === undefined),
    unchecked: [...without].map(
      ([lack, left]) => `firmware was not checked (${left.join(", ")}): ${lack}`,
    ),
  };
}
