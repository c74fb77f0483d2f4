import type { Case, Round } from "./case.ts";

/** The child process of bench.ts: one contestant of one case at one size, and a round for each message. */
const [file = "", what = "", name = "", size = "0", clock = ""] = process.argv.slice(2);
const { cases } = (await import(file)) as { cases: readonly Case[] };
const wanted = cases.find((candidate) => candidate.what === what);
const contestant = name === "" ? wanted?.ours : wanted?.peers[name]?.run;
if (contestant === undefined) throw new Error(`no contestant ${name} in ${what} of ${file}`);
const round = await contestant(Number(size));
process.on("message", async () => process.send?.(await timed(round)));
process.on("disconnect", () => process.exit());
process.send?.("ready");

/** Milliseconds on the wall, or of all this process's threads on a core. */
function now(): number {
  if (clock !== "cpu") return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function timed(run: Round) {
  const began = now();
  const measured = await run();
  const figure = measured ?? now() - began;
  return { figure, peakMb: Math.round(process.resourceUsage().maxRSS / 1024) };
}
