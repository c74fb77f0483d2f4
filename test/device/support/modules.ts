import wabt from "wabt";

/** WebAssembly from its text, with features that devices refuse too. */
export async function moduleOf(text: string): Promise<Uint8Array> {
  const parsed = (await wabt()).parseWat("module.wat", text, {
    ...{ threads: true, relaxed_simd: true, multi_memory: true, exceptions: true, gc: true },
    ...{ tail_call: true, memory64: true, simd: true, bulk_memory: true, reference_types: true },
  });
  try {
    return parsed.toBinary({}).buffer;
  } finally {
    parsed.destroy();
  }
}

const ALLOCATE = `(func (export "allocate") (param i32) (result i32) (i32.const 1024))`;

/** A module with a memory of 1 to 16 pages, whose `run` has this body. */
export function running(body: string, { memory = "1 16", more = "" } = {}): string {
  return `(module (memory (export "memory") ${memory}) ${ALLOCATE} ${more}
    (func $run (export "run") (param $input i32) (param $bytes i32) (result i64) ${body}))`;
}

/** Where an output is, as `run` says it. */
export function outputAt(from: string, bytes: string): string {
  return `(i64.or (i64.shl (i64.extend_i32_u ${from}) (i64.const 32)) (i64.extend_i32_u ${bytes}))`;
}

/** Answers with its input. */
export const ECHO = running(outputAt("(local.get $input)", "(local.get $bytes)"));

/** Never answers. */
export const ENDLESS = running("(loop $again (br $again)) (unreachable)");
