import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { JOB_LIMITS, type JobLimits, MOST_MODULE_BYTES } from "../../../device/compute/job.ts";
import { runJob } from "../../../device/compute/run.ts";
import { ECHO, ENDLESS, moduleOf, outputAt, running } from "../support/modules.ts";
import { isRunning, processesOf, secondsUsed } from "../support/processes.ts";

/** More than any of these need, on whatever machine; and little, for those that never end. */
const PLENTY = 60_000;
const LITTLE = 300;

const ANSWER = outputAt("(i32.const 0)", "(i32.const 8)");
const input = randomBytes(1_000);

describe("a job", () => {
  afterEach("leaves no process", () => {
    expect(processesOf(process.pid)).to.deep.equal([]);
  });

  async function run(
    module: string | Uint8Array,
    {
      milliseconds = PLENTY,
      limits = JOB_LIMITS,
    }: { milliseconds?: number; limits?: JobLimits } = {},
  ): Promise<string> {
    const bytes = typeof module === "string" ? await moduleOf(module) : module;
    const ran = await runJob({ module: bytes, input, milliseconds }, { limits });
    if (ran.outcome === "answered") return `answered ${Buffer.from(ran.output).toString("hex")}`;
    return `${ran.outcome === "refused" ? "refused" : ran.failure}: ${ran.reason}`;
  }

  const hex = (value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return `answered ${bytes.toString("hex")}`;
  };

  it("answers with what its module made of its input", async () => {
    expect(await run(ECHO)).to.equal(`answered ${input.toString("hex")}`);
  });

  it("may answer with nothing", async () => {
    expect(await run(running("(i64.const 0)"))).to.equal("answered ");
  });

  it("may use SIMD, tables, many exports and all the memory it declared", async () => {
    const exports = Array.from({ length: 1_000 }, (_, i) => `(export "f${i}" (func $run))`);
    const more = `(table 10 100 funcref) ${exports.join("\n")}`;
    const body = `(local $pages i64)
      (loop $grow
        (local.set $pages (i64.add (local.get $pages) (i64.const 1)))
        (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (v128.store (i32.const 0) (i64x2.splat (local.get $pages))) ${ANSWER}`;
    // One page from the start, and fifteen more.
    expect(await run(running(body, { more }))).to.equal(hex(16));
  });

  it("goes on beside another one", async () => {
    const other = runJob(
      { module: await moduleOf(ENDLESS), input, milliseconds: PLENTY },
      {
        signal: AbortSignal.timeout(LITTLE),
      },
    ).catch((error: Error) => error.name);
    expect(await run(ECHO)).to.equal(`answered ${input.toString("hex")}`);
    expect(await other).to.equal("TimeoutError");
  });

  describe("is refused when its module", () => {
    const plain = running(ANSWER);
    const within = (part: string) => plain.replace("(module", `(module ${part}`);
    const cases: readonly (readonly [string, string, RegExp])[] = [
      ["imports a function", within(`(import "a" "b" (func))`), /the module imports something/],
      ["imports a global", within(`(import "a" "b" (global i32))`), /the module imports something/],
      ["imports a table", within(`(import "a" "b" (table 1 funcref))`), /imports something/],
      [
        "imports its memory",
        `(module (import "a" "b" (memory 1 2)) (export "memory" (memory 0)))`,
        /imports something/,
      ],
      ["has two memories", within("(memory 1 2)"), /no WebAssembly 2.0/],
      ["shares its memory", running(ANSWER, { memory: "1 2 shared" }), /no WebAssembly 2.0/],
      ["has 64 bits of memory", running(ANSWER, { memory: "i64 1 2" }), /no WebAssembly 2.0/],
      ["declares no maximum of memory", running(ANSWER, { memory: "1" }), /no declared maximum/],
      [
        "may take more memory than is given",
        running(ANSWER, { memory: "1 4097" }),
        /may take 4097 pages of memory, at most 4096 are given/,
      ],
      ["has no memory", `(module (func (export "run")))`, /no memory of its own/],
      [
        "does not show its memory",
        running(ANSWER).replace(`(export "memory")`, ""),
        /exports no memory/,
      ],
      [
        "has no run",
        `(module (memory (export "memory") 1 1) (func (export "allocate")))`,
        /exports no function "run"/,
      ],
      [
        "shows something else as run",
        `(module (memory (export "memory") 1 1) (func (export "allocate")) (global (export "run") i32 (i32.const 1)))`,
        /exports no function "run"/,
      ],
      [
        "uses relaxed SIMD",
        running(`(drop (i32x4.relaxed_trunc_f32x4_s (v128.const i64x2 0 0))) ${ANSWER}`),
        /no WebAssembly 2.0/,
      ],
      [
        "uses atomics",
        running(`(drop (i32.atomic.load (i32.const 0))) ${ANSWER}`),
        /no WebAssembly 2.0/,
      ],
      ["throws exceptions", running(ANSWER, { more: "(tag)" }), /no WebAssembly 2.0/],
      [
        "has tables without a maximum",
        running(ANSWER, { more: "(table 1 funcref)" }),
        /more than 1048576 entries/,
      ],
      [
        "has a huge table",
        running(ANSWER, { more: "(table 9000000 9000000 funcref)" }),
        /more than 1048576 entries/,
      ],
      [
        "has many tables",
        running(ANSWER, { more: "(table 1000 30000 externref)".repeat(40) }),
        /more than 1048576 entries/,
      ],
    ];
    for (const [what, text, reason] of cases)
      it(what, async () => {
        expect(await run(text))
          .to.match(/^refused: /)
          .and.to.match(reason);
      });

    it("imports something after a section of its author's", async () => {
      const module = await moduleOf(within(`(import "a" "b" (func))`));
      const custom = Buffer.from([0, 5, 4, ...Buffer.from("note")]);
      const header = module.subarray(0, 8);
      const hidden = Buffer.concat([header, custom, module.subarray(8)]);
      expect(await run(hidden)).to.match(/^refused: the module imports something/);
    });

    it("is malformed", async () => {
      const good = await moduleOf(ECHO);
      const twice = Buffer.concat([good, good.subarray(8)]);
      for (const bytes of [
        new Uint8Array(),
        good.subarray(0, -1),
        Buffer.concat([good, Buffer.from([1])]),
        twice,
        Buffer.from("process.exit(0)"),
        randomBytes(1_000),
        Buffer.concat([good.subarray(0, 4), Buffer.from([2, 0, 0, 0])]),
      ])
        expect(await run(bytes)).to.match(/^refused: no WebAssembly 2.0 without threads: /);
    });

    it("is nested too deep to be read", async () => {
      const bomb = nested(1_000_000);
      expect(bomb.length).to.be.at.most(MOST_MODULE_BYTES);
      expect(await run(bomb)).to.match(/^refused: no WebAssembly 2.0 .*: nested too deep/);
    });

    it("is larger than is taken, without a look at it", async () => {
      const reason = `at most ${MOST_MODULE_BYTES} are taken`;
      expect(await run(new Uint8Array(100_000_000))).to.equal(
        `refused: the module has 100000000 bytes, ${reason}`,
      );
    });
  });

  describe("comes to no answer when its module", () => {
    const cases: readonly (readonly [string, string, RegExp])[] = [
      ["traps", running("(unreachable)"), /^trap: /],
      [
        "divides by zero",
        running(`(drop (i32.div_u (i32.const 1) (i32.const 0))) ${ANSWER}`),
        /^trap: /,
      ],
      [
        "calls itself without end",
        running("(call $run (i32.const 0) (i32.const 0))"),
        /^trap: .*stack/,
      ],
      [
        "answers beyond its memory",
        running(outputAt("(i32.const 65530)", "(i32.const 8)")),
        /^trap: /,
      ],
      [
        "answers from beyond its memory",
        running(outputAt("(i32.const -8)", "(i32.const 8)")),
        /^trap: /,
      ],
      [
        "wants its input beyond its memory",
        running(ANSWER).replace("(i32.const 1024)", "(i32.const -1)"),
        /^trap: /,
      ],
      [
        "answers with no number",
        running("(answer)").replace("(result i64) (answer)", "(result i32) (i32.const 1)"),
        /^trap: /,
      ],
      [
        "has data beyond its memory",
        running(ANSWER, { more: `(data (i32.const 65530) "${"x".repeat(100)}")` }),
        /^trap: /,
      ],
      [
        "traps before it is asked",
        running(ANSWER, { more: "(func $first (unreachable)) (start $first)" }),
        /^trap: /,
      ],
      [
        "answers with more than is taken",
        running(outputAt("(i32.const 0)", "(i32.const 16777217)"), { memory: "300 300" }),
        /^output: an output of 16777217 bytes, at most 16777216 are taken$/,
      ],
      [
        "answers with four gigabytes",
        running("(i64.const 0xffffffff)"),
        /^output: an output of 4294967295 bytes/,
      ],
    ];
    for (const [what, text, reason] of cases)
      it(what, async () => {
        expect(await run(text)).to.match(reason);
      });

    for (const [what, text] of [
      ["loops", ENDLESS],
      [
        "loops when it starts",
        running(ANSWER, { more: "(func $first (loop $l (br $l))) (start $first)" }),
      ],
      [
        "loops when it is asked for room",
        running(ANSWER).replace("(i32.const 1024)", "(loop $l (br $l)) (i32.const 0)"),
      ],
      [
        "never stops to grow",
        running("(loop $l (drop (memory.grow (i32.const 1))) (br $l)) (unreachable)"),
      ],
    ] as const)
      it(`${what}, and is killed when its time is over`, async () => {
        expect(await run(text, { milliseconds: LITTLE })).to.equal("time: no answer within 300 ms");
      });

    it("takes longer to check than it is worth", async () => {
      const bomb = manyFunctions(400_000);
      expect(bomb.length).to.be.at.most(MOST_MODULE_BYTES);
      expect(await run(bomb, { milliseconds: 20 })).to.equal("time: no answer within 20 ms");
    });

    it("takes more memory than its process may", async () => {
      const fill = `(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x10000000))`;
      const limits = { ...JOB_LIMITS, processBytes: 150 * 2 ** 20 };
      const module = running(`${fill} (loop $l (br $l)) (unreachable)`, { memory: "4096 4096" });
      expect(await run(module, { limits })).to.equal(
        `memory: its process takes more than ${150 * 2 ** 20} bytes`,
      );
    });
  });

  it("comes to no answer when its process is killed by somebody", async () => {
    const job = { module: await moduleOf(ENDLESS), input, milliseconds: PLENTY };
    const running = runJob(job);
    let [pid] = processesOf(process.pid);
    for (; pid === undefined; [pid] = processesOf(process.pid)) await sleep(5);
    process.kill(pid, "SIGKILL");
    expect(await running).to.deep.equal({
      ...{ outcome: "failed", failure: "crash" },
      reason: "its process ended with SIGKILL",
    });
  });

  it("ends with the process that started it, when that fails", async () => {
    const script = `
      import { runJob } from ${JSON.stringify(import.meta.resolve("../../../device/compute/run.ts"))};
      const [, hex] = process.argv;
      runJob({ module: Buffer.from(hex, "hex"), input: Buffer.alloc(8), milliseconds: 60_000 });
      process.stdin.once("data", () => { throw new Error("a fault"); });`;
    const hex = Buffer.from(await moduleOf(ENDLESS)).toString("hex");
    const device = spawn(process.execPath, ["--input-type=module", "-e", script, hex], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    let [pid] = processesOf(device.pid);
    for (; pid === undefined; [pid] = processesOf(device.pid)) await sleep(5);
    // More than it takes to start: it is in the module's loop.
    while (secondsUsed(pid) < 1) await sleep(5);
    device.stdin.write("fail");
    expect(await once(device, "exit")).to.deep.equal([1, null]);
    while (isRunning(pid)) await sleep(5);
  });

  it("ends when nobody wants it any more, before or after it began", async () => {
    const job = { module: await moduleOf(ENDLESS), input, milliseconds: PLENTY };
    for (const signal of [AbortSignal.abort(), AbortSignal.timeout(LITTLE)]) {
      const failure = await runJob(job, { signal }).catch((error: Error) => error.name);
      expect(failure).to.match(/AbortError|TimeoutError/);
    }
  });
});

/** Blocks in blocks. */
function nested(depth: number): Uint8Array {
  const [block, end] = [Buffer.from([0x02, 0x40]), 0x0b];
  return functions(1, [
    ...[Buffer.from([0]), Buffer.alloc(2 * depth, block), Buffer.alloc(depth + 1, end)],
  ]);
}

/** Each with fifty thousand variables of its own. */
function manyFunctions(count: number): Uint8Array {
  return functions(count, [Buffer.from([1, 0xd0, 0x86, 0x03, 0x7f, 0x0b])]);
}

/** The same body so many times. */
function functions(count: number, body: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.concat(body);
  const sized = Buffer.concat([Buffer.from(u32(bytes.length)), bytes]);
  const counted = (content: Uint8Array) => Buffer.concat([Buffer.from(u32(count)), content]);
  return sections([
    section(1, Buffer.from([1, 0x60, 0, 0])),
    section(3, counted(new Uint8Array(count))),
    section(10, counted(Buffer.alloc(sized.length * count, sized))),
  ]);
}

function sections(all: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([Buffer.from("0061736d01000000", "hex"), ...all]);
}

function section(id: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([id, ...u32(content.length)]), content]);
}

function u32(value: number): readonly number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...u32(Math.floor(value / 128))];
}
