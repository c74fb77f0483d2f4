import { fork } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { CHUNK_BYTES } from "../../device/content.ts";
import { type Dispatch, openDispatch } from "../../device/gateway/dispatch.ts";
import type { RunningGateway } from "../../device/gateway/start.ts";
import { type Service, startService } from "../../test/device/support/service.ts";
import { type MeasureTogether, median } from "../case.ts";

const DEVICES = fileURLToPath(new URL("../dispatch/devices.ts", import.meta.url));

const COUNT = 12;
const NEAREST_MS = 2;
const FARTHEST_MS = 300;
/** From the nearest to the farthest, each as many times as far as the one before. */
const ROUND_TRIPS = Array.from(
  { length: COUNT },
  (_, i) => NEAREST_MS * (FARTHEST_MS / NEAREST_MS) ** (i / (COUNT - 1)),
);
/** How far the nearest is in the second half of the scenario in which it gets slow. */
const SLOW_MS = 200;
/** What a user asks for. Its first byte is there when its first chunk is. */
const RANGE_BYTES = 4 * CHUNK_BYTES;
/** Between two users of one gateway, on average; they come by chance and wait for nobody. */
const BETWEEN_MS = 100;
const NO_WORK = { ranges: 0, chunksPerRange: 0, challenges: 0, jobPercent: 0, checkPercent: 0 };

/** One way to choose, and how long its users waited for their first bytes, in milliseconds. */
type Chooser = { readonly name: string; readonly gateway: RunningGateway; waits: number[] };

const measuring = openDispatch;

/** Any of them, each time anew. */
function choosingByChance(): Dispatch {
  return choosing((devices) => devices.toSorted(() => Math.random() - 0.5));
}

/** Always this one. */
function choosingOnly(device: Address): Dispatch {
  return choosing((devices) => devices.filter((each) => each.device === device));
}

function choosing(order: <T extends { readonly device: Address }>(of: readonly T[]) => T[]) {
  const { ask } = openDispatch();
  return { ask, rank: (devices, _bytes) => ({ ready: order(devices), avoided: [] }) } as Dispatch;
}

/** Users of all choosers at the same time, so that whatever else the machine does meets them all. */
async function useAll(choosers: readonly Chooser[], milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  await Promise.all(
    choosers.map(async (chooser) => {
      const waiting: Promise<void>[] = [];
      while (performance.now() < end) {
        await sleep(-Math.log(1 - Math.random()) * BETWEEN_MS);
        waiting.push(useOnce(chooser));
      }
      await Promise.all(waiting);
    }),
  );
}

async function useOnce({ gateway, waits }: Chooser): Promise<void> {
  const [file] = gateway.files;
  if (file === undefined) throw new Error("the gateway has no file");
  const from = performance.now();
  const bytes = gateway.deliver(file, { first: 0, last: RANGE_BYTES - 1 });
  await bytes.next();
  waits.push(performance.now() - from);
  for await (const _ of bytes);
}

/** One gateway for each way to choose, at the door where all devices are. */
async function openChoosers(
  service: Service,
  devices: readonly Address[],
): Promise<readonly Chooser[]> {
  const file = await service.file("film", RANGE_BYTES);
  const ways: [string, Dispatch][] = [
    ["ours", measuring()],
    ["random choice", choosingByChance()],
    ...devices.map((device): [string, Dispatch] => [device, choosingOnly(device)]),
  ];
  const choosers: Chooser[] = [];
  for (const [i, [name, dispatch]] of ways.entries()) {
    const gateway = await service.gateway({
      ...{ jobs: [], files: [file], work: NO_WORK, dispatch },
      nodes: () => devices.map((device) => ({ device })),
      replicas: COUNT,
      folder: join(service.folder, `gateway-${i}`),
    });
    await gateway.serveRound();
    choosers.push({ name, gateway, waits: [] });
  }
  // What cannot come from a device fails, and is not read from the disk instead.
  await rm(file);
  return choosers;
}

const p99 = (waits: readonly number[]) =>
  waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.99)] ?? NaN;

async function measureScenario(what: string, changed: readonly number[], milliseconds: number) {
  const service = await startService();
  const door = Number(new URL(service.endpoint).port);
  const about = {
    ...{ door, oracles: [service.oracle.url], roundTrips: ROUND_TRIPS },
    folder: service.folder,
  };
  const child = fork(DEVICES, [JSON.stringify(about)]);
  try {
    const [devices] = (await once(child, "message")) as [Address[]];
    const choosers = await openChoosers(service, devices);
    await useAll(choosers, milliseconds / 2);
    child.send(changed);
    await useAll(choosers, milliseconds / 2);
    const [ours, random, ...single] = choosers as [Chooser, Chooser, ...Chooser[]];
    const peakMb = Math.round(process.resourceUsage().maxRSS / 1024);
    return [
      ["median", median],
      ["p99", p99],
    ].flatMap(([name, of]) => {
      const figureOf = of as (waits: readonly number[]) => number;
      const best = Math.min(...single.map(({ waits }) => figureOf(waits)));
      const row = {
        what: `time to first byte, ${name}, ${what}`,
        size: ours.waits.length,
        figure: figureOf(ours.waits),
        peakMb,
        peerPeakMb: null,
      };
      return [
        { ...row, peer: "random choice", theirs: figureOf(random.waits) },
        { ...row, peer: "best in hindsight", theirs: best },
      ];
    });
  } finally {
    child.kill();
    await once(child, "exit");
    await service.close();
  }
}

export const measureTogether: MeasureTogether = async ({ quick, only = "" }) => {
  const milliseconds = quick ? 10_000 : 120_000;
  const scenarios: [string, readonly number[]][] = [
    ["all as they were", ROUND_TRIPS],
    ["the nearest gets slow", ROUND_TRIPS.with(0, SLOW_MS)],
  ];
  const rows = [];
  for (const [what, changed] of scenarios) {
    if (!what.includes(only)) continue;
    process.stderr.write(`bench: dispatch, ${what}\n`);
    rows.push(...(await measureScenario(what, changed, milliseconds)));
  }
  return rows;
};
