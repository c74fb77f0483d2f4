import wabt from "wabt";
import type { JobLimits } from "./job.ts";

/**
 * WebAssembly 2.0, of which every instruction has one result on every machine but for the bits of a NaN. Not what may
 * differ: threads, relaxed SIMD; nor what has no maximum to be declared: garbage-collected objects. The rest is left out
 * because no compiler needs it yet.
 */
const FEATURES = {
  mutable_globals: true,
  sign_extension: true,
  sat_float_to_int: true,
  multi_value: true,
  bulk_memory: true,
  reference_types: true,
  simd: true,
  threads: false,
  relaxed_simd: false,
  exceptions: false,
  tail_call: false,
  function_references: false,
  gc: false,
  memory64: false,
  multi_memory: false,
  extended_const: false,
  annotations: false,
  code_metadata: false,
} as const;

const SECTION = { import: 2, table: 4, memory: 5 } as const;
const HEADER_BYTES = 8;
/** Of entries in all tables: each takes a machine word. */
const MOST_TABLE_ENTRIES = 2 ** 20;

/** Once, before anybody's time begins to run. */
const toolkit = await wabt();

export type Examined = { readonly memoryPages: number } | { readonly amiss: string };

/** The most pages that a module may take, or why it is not run: it is malformed, may answer differently elsewhere, or takes more than the limits. */
export function examineModule(
  module: Uint8Array,
  { memoryPages: most }: Pick<JobLimits, "memoryPages">,
): Examined {
  const amiss = (reason: string) => ({ amiss: reason });
  const invalid = invalidBecause(module);
  if (invalid !== undefined) return amiss(`no WebAssembly 2.0 without threads: ${invalid}`);
  if (countIn(module, SECTION.import) > 0)
    return amiss("the module imports something: only its input and its memory are there");
  const [memory] = limitsIn(module, SECTION.memory);
  if (memory === undefined) return amiss("the module has no memory of its own");
  const { maximum } = memory;
  if (maximum === undefined) return amiss("the module's memory has no declared maximum");
  if (maximum > most)
    return amiss(`the module may take ${maximum} pages of memory, at most ${most} are given`);
  const entries = limitsIn(module, SECTION.table).map(
    (table) => table.maximum ?? Number.POSITIVE_INFINITY,
  );
  if (entries.reduce((sum, each) => sum + each, 0) > MOST_TABLE_ENTRIES)
    return amiss(
      `the module's tables may have more than ${MOST_TABLE_ENTRIES} entries: declare a maximum`,
    );
  return { memoryPages: maximum };
}

function invalidBecause(module: Uint8Array): string | undefined {
  try {
    const read = toolkit.readWasm(module, { readDebugNames: false, ...FEATURES });
    try {
      read.validate();
      return undefined;
    } finally {
      read.destroy();
    }
  } catch (error) {
    const [, reason] = /error: (.*)/.exec((error as Error).message) ?? [];
    // Its stack or its memory ran out.
    return reason ?? "nested too deep, or otherwise beyond what can be read";
  }
}

// What follows reads a module that was found valid, so all lengths and numbers in it are right.

type Limits = { readonly minimum: number; readonly maximum: number | undefined };

function countIn(module: Uint8Array, id: number): number {
  return contentOf(module, id)?.u32() ?? 0;
}

/** Of tables, which name the type of their entries first, or of memories. */
function limitsIn(module: Uint8Array, id: number): readonly Limits[] {
  const content = contentOf(module, id);
  if (content === undefined) return [];
  return Array.from({ length: content.u32() }, () => {
    if (id === SECTION.table) content.byte();
    const hasMaximum = (content.byte() & 1) === 1;
    const minimum = content.u32();
    return { minimum, maximum: hasMaximum ? content.u32() : undefined };
  });
}

function contentOf(module: Uint8Array, id: number): Reader | undefined {
  const reader = readerOf(module, HEADER_BYTES);
  while (reader.at() < module.length) {
    const found = reader.byte();
    const size = reader.u32();
    if (found === id) return reader;
    reader.skip(size);
  }
  return undefined;
}

type Reader = ReturnType<typeof readerOf>;

function readerOf(bytes: Uint8Array, start: number) {
  let at = start;
  const byte = () => bytes[at++] ?? 0;
  return {
    at: () => at,
    skip: (count: number) => {
      at += count;
    },
    byte,
    /** LEB128. */
    u32() {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const next = byte();
        value += (next & 0x7f) * 2 ** shift;
        if (next < 0x80) return value;
      }
    },
  };
}
