import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Address } from "@link-rewards/core/encoding/bytes";
import type { Store } from "../../../oracle/store/store.ts";
import { type Crowd, crowdOf } from "../../worlds/paper.ts";

/** Who writes in a writer's crowd. */
export const WRITER_SIZE = { devices: 4, customers: 4 };

/** What a writer prints for each receipt that it was told is stored. */
export type Acknowledged = { device: number; customer: number; sequence: number };

export type WriterOptions = {
  /** The function `opener` of `module` opens `location`. */
  readonly elsewhere: readonly [module: string, opener: string, location: string];
  /** The sequences first, first + step, first + 2 × step … of every device to every customer. */
  readonly first: number;
  readonly step: number;
  /** How many; it may be endless. */
  readonly rounds: number;
  /** The most bytes any of its files may have: beyond them the disk is full. */
  readonly fileBytes?: number;
};

/** Starts a process of its own that writes receipts as fast as the store takes them. */
export function startWriter({ elsewhere, first, step, rounds, fileBytes }: WriterOptions) {
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  // Older Nodes warn that node:sqlite is young.
  const env = { ...inherited, NODE_NO_WARNINGS: "1" };
  const command = [
    process.execPath,
    fileURLToPath(import.meta.url),
    ...elsewhere,
    ...[first, step, rounds].map(String),
  ];
  const limited =
    fileBytes === undefined
      ? command
      : ["/bin/sh", "-c", `ulimit -f ${fileBytes / 512}; exec "$@"`, "sh", ...command];
  const child = spawn(limited[0] as string, limited.slice(1), {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close") as Promise<[number | null, string | null]>;
  const errors = text(child.stderr);
  return {
    /** What it acknowledged until it ended, or was killed after so many. */
    acknowledged: async (killAfter = Number.POSITIVE_INFINITY) => {
      const lines: Acknowledged[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        lines.push(JSON.parse(line));
        if (lines.length === killAfter) child.kill("SIGKILL");
      }
      return lines;
    },
    end: async () => {
      const [code, signal] = await ended;
      return { exit: code ?? signal, errors: await errors };
    },
  };
}

/** Signing is slow: so much is done before the load begins. */
const SIGNED_AHEAD = 10;

async function main([module, opener, location, ...numbers]: readonly string[]): Promise<void> {
  const [first, step, rounds] = numbers.map(Number) as [number, number, number];
  const crowd = crowdOf(WRITER_SIZE);
  const { [opener as string]: open } = await import(module as string);
  const sequences = Array.from(
    { length: Math.min(rounds, SIGNED_AHEAD) },
    (_, i) => first + i * step,
  );
  const pairs = crowd.devices.flatMap((_, device) =>
    crowd.customers.map((_, customer) => ({ device, customer })),
  );
  const write = pairs.map((pair) => {
    const ahead = sequences.map((sequence) => signed(crowd, { ...pair, sequence }));
    return async (store: Store) => {
      for (let round = 0; round < rounds; round++) {
        const line = { ...pair, sequence: first + round * step };
        await store.putReceipts([ahead[round] ?? signed(crowd, line)]);
        writeSync(1, `${JSON.stringify(line)}\n`);
      }
    };
  });
  const store: Store = await open(location);
  await Promise.all(write.map((each) => each(store)));
  await store.close();
}

function signed(crowd: Crowd, { device, customer, sequence }: Acknowledged) {
  const parties = { device: crowd.devices[device], customer: crowd.customers[customer] };
  return crowd.verified({ ...(parties as { device: Address; customer: Address }), sequence });
}

if (import.meta.main) await main(process.argv.slice(2));
