import { parseArgs } from "node:util";
import { startSender, startServices } from "./ingest/processes.ts";

/**
 * Steady ingest for as long as is asked for: `node --expose-gc bench/soak.ts --minutes 60`. One JSON line for each round,
 * and at the end the slopes of heap and resident memory over the second half, when caches are full.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    size: { type: "string", default: "5000" },
    database: { type: "boolean", default: false },
  },
});
const size = Number(values.size);
const load = { form: "packed", batch: 100, connections: 12 } as const;
const { urls } = await startServices(size, {
  load,
  ...(values.database && { database: "PostgreSQL" }),
});
const sender = await startSender(size, { ...load, urls });
const began = performance.now();
const minutes = () => (performance.now() - began) / 60_000;
const samples: { readonly minutes: number; readonly heapMb: number; readonly rssMb: number }[] = [];
let accepted = 0;
while (minutes() < Number(values.minutes)) {
  accepted += (await sender.round()).accepted;
  // What is garbage only looks like growth.
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const sample = { minutes: minutes(), heapMb: heapUsed / 2 ** 20, rssMb: rss / 2 ** 20 };
  samples.push(sample);
  print({ ...sample, accepted });
}
const settled = samples.slice(samples.length >> 1);
print({
  accepted,
  heapMbPerHour: slope(settled.map(({ minutes: x, heapMb: y }) => ({ x: x / 60, y }))),
  rssMbPerHour: slope(settled.map(({ minutes: x, rssMb: y }) => ({ x: x / 60, y }))),
});
process.exit();

function print(line: Record<string, number>): void {
  const rounded = Object.entries(line).map(([name, value]) => [
    name,
    Math.round(value * 100) / 100,
  ]);
  process.stdout.write(`${JSON.stringify(Object.fromEntries(rounded))}\n`);
}

/** The slope of the line with the least squares. */
function slope(points: readonly { readonly x: number; readonly y: number }[]): number {
  const mean = (of: "x" | "y") => points.reduce((sum, p) => sum + p[of], 0) / points.length;
  const [meanX, meanY] = [mean("x"), mean("y")];
  const covariance = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
}
