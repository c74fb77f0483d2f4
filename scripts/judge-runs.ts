import { readFile, rename, writeFile } from "node:fs/promises";
import { Command } from "@commander-js/extra-typings";
import { wholeNumber } from "@link-rewards/host/options";
import { addCounts, type Counts, NO_COUNTS, playRound } from "../test/core/support/rounds.ts";

/** The long run of what test/core/judge/find-unlawful.ts runs shortly: stopped at any time, it goes on where it was. */
const { progress, seed, honest, unlawful } = new Command("judge-runs")
  .description(
    "Judges random honest epochs, of which none may be convicted, and random unlawful tables, of which all must be. Ends with exit code 1 at the first that breaks the promise; the same seed finds it again.",
  )
  .option("--progress <file>", "where counts are kept, and continued from", "cache/judge-runs.json")
  .option("--seed <n>", "the first round's; each round has the next", wholeNumber, 1)
  .option("--honest <n>", "epochs to judge", wholeNumber, 20_000)
  .option("--unlawful <n>", "unlawful tables to convict", wholeNumber, 60_000)
  .parse()
  .opts();

type Run = { readonly seed: number; readonly rounds: number; readonly counts: Counts };

let run = await readRun();
while (run.counts.honest < honest || run.counts.unlawful < unlawful) {
  const round = run.seed + run.rounds;
  try {
    run = { ...run, rounds: run.rounds + 1, counts: addCounts(run.counts, playRound(round)) };
  } catch (error) {
    process.stderr.write(`round ${round}: ${(error as Error).message}\n`);
    process.exit(1);
  }
  await writeRun(run);
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${lineOf(run)}`);
}
if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
process.stdout.write(`${lineOf(run)}\n${JSON.stringify(run.counts, null, 2)}\n`);

function lineOf({ rounds, counts }: Run): string {
  return `${rounds} rounds from seed ${seed} on: ${counts.honest} honest epochs, none convicted; ${counts.unlawful} unlawful tables, none missed`;
}

async function readRun(): Promise<Run> {
  const text = await readFile(progress, "utf8").catch(() => undefined);
  const before = text === undefined ? undefined : (JSON.parse(text) as Run);
  if (before !== undefined && before.seed !== seed)
    throw new Error(`${progress} is of seed ${before.seed}: go on with that, or name another file`);
  return before ?? { seed, rounds: 0, counts: NO_COUNTS };
}

/** In one step: whoever stops it leaves whole counts behind. */
async function writeRun(run: Run): Promise<void> {
  const written = `${progress}.new`;
  await writeFile(written, `${JSON.stringify(run)}\n`);
  await rename(written, progress);
}
