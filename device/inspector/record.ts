import { type FileHandle, mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { BlockMark } from "@link-rewards/core/law/block";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import { syncFolder } from "@link-rewards/host/durable-files";
import { z } from "zod";
import { amountsToJson, parseAmounts } from "../amounts.ts";
import { FATES, type Turn } from "./passes.ts";

/** What an epoch's record begins with. */
export type RecordHead = {
  readonly epoch: number;
  readonly customer: Address;
  /** Which draws the order. */
  readonly block: BlockMark;
  /** How many have a place in it. */
  readonly devices: number;
  /** What may be spent in the epoch, in wei. */
  readonly amount: bigint;
};

/** What came of a visit. */
export type Bought = {
  readonly pass: number;
  readonly device: Address;
  readonly bought: Amounts;
  readonly failures: readonly string[];
};

/** What an inspector did in an epoch, a line of JSON each: its own memory, and for everybody to check. */
export type TurnRecord = {
  readonly lines: readonly (Turn | Bought)[];
  /** Resolves when they are on the disk. */
  write(lines: readonly (Turn | Bought)[]): Promise<void>;
  close(): Promise<void>;
};

const BLOCK = z.object({ number: z.int(), hash: z.string() });
const HEAD = z.object({
  epoch: z.int(),
  customer: z.string(),
  block: BLOCK,
  devices: z.int(),
  amount: z.string().regex(/^\d+$/),
});
const PASS = { pass: z.int().positive(), device: z.string() };
const TURN = z.strictObject({ ...PASS, fate: z.enum(FATES), at: z.int() });
const BOUGHT = z.strictObject({ ...PASS, bought: z.unknown(), failures: z.array(z.string()) });
const LINE = z.union([TURN, BOUGHT]);

/** A device's own words are part of a failure. */
const MOST_FAILURE_CHARACTERS = 200;

export function recordPath(folder: string, epoch: number): string {
  return join(folder, `turns-${epoch}.jsonl`);
}

/** Goes on with the record of the epoch, or begins it. Throws for one that is not of this order: it is somebody else's. */
export async function openRecord(folder: string, head: RecordHead): Promise<TurnRecord> {
  const path = recordPath(folder, head.epoch);
  await mkdir(folder, { recursive: true });
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const handle = await open(path, "a", 0o644);
  try {
    // What a power cut left of a line was never acted on.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    await handle.truncate(Buffer.byteLength(whole));
    if (whole === "") {
      await append(handle, [headToJson(head)]);
      await syncFolder(folder);
      return recordOn(handle, []);
    }
    const { head: found, lines } = parseRecord(whole);
    if (found.customer !== head.customer || found.block.hash !== head.block.hash)
      throw new Error("it is of another customer or order; move it away");
    return recordOn(handle, lines);
  } catch (cause) {
    await handle.close();
    throw new Error(`${path} cannot be used: ${(cause as Error).message}`, { cause });
  }
}

function recordOn(handle: FileHandle, lines: TurnRecord["lines"]): TurnRecord {
  let last: Promise<void> = Promise.resolve();
  return {
    lines,
    write(added) {
      const write = () => append(handle, added.map(lineToJson));
      last = last.then(write, write);
      return last;
    },
    async close() {
      await last.catch(() => undefined);
      await handle.close();
    },
  };
}

async function append(handle: FileHandle, lines: readonly unknown[]): Promise<void> {
  await handle.appendFile(lines.map((each) => `${JSON.stringify(each)}\n`).join(""));
  await handle.sync();
}

/** Throws, with the line's number, for what is no record. */
export function parseRecord(text: string): {
  readonly head: RecordHead;
  readonly lines: readonly (Turn | Bought)[];
} {
  const [first = "", ...rest] = text.split("\n").filter((each) => each !== "");
  return {
    head: parseLine(1, first, parseHead),
    lines: rest.map((each, i) => parseLine(i + 2, each, parseEntry)),
  };
}

function parseLine<T>(number: number, text: string, parse: (json: unknown) => T): T {
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`line ${number} is none of a record`, { cause });
  }
}

function parseHead(json: unknown): RecordHead {
  const { epoch, customer, block, devices, amount } = HEAD.parse(json);
  return {
    ...{ epoch, devices, customer: lowercaseHex(customer), amount: BigInt(amount) },
    block: { number: block.number, hash: lowercaseHex(block.hash) },
  };
}

function parseEntry(json: unknown): Turn | Bought {
  const line = LINE.parse(json);
  const device = lowercaseHex(line.device);
  return "fate" in line
    ? { ...line, device }
    : { ...line, device, bought: parseAmounts(line.bought) };
}

function headToJson({ epoch, customer, block, devices, amount }: RecordHead) {
  const { number, hash } = block;
  return { epoch, customer, block: { number, hash }, devices, amount: amount.toString() };
}

function lineToJson(line: Turn | Bought): unknown {
  if ("fate" in line) return line;
  const failures = line.failures.map((each) => each.slice(0, MOST_FAILURE_CHARACTERS));
  return { ...line, bought: amountsToJson(line.bought), failures };
}
