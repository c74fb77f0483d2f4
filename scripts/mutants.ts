import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import reasons from "./mutants/reasons.json" with { type: "json" };
import { progressLine, reportLines } from "./mutants/report.ts";
import { runMutants } from "./mutants/run.ts";
import { isEnough, scoreOf } from "./mutants/score.ts";
import { endProgramsOnSignals } from "./test/programs.ts";

const CHECKOUT = fileURLToPath(new URL("..", import.meta.url));
const LEAST_SCORE = 95;

const command = new Command("npm run mutants --")
  .description(
    "Makes mistakes in the contracts, one at a time, and counts those that a test notices.",
  )
  .option("--out <folder>", "where copies and verdicts go, and are continued", "cache/mutants")
  .option("--contracts <names>", "only of these, with commas between", names)
  .option("--most <n>", "a sample of that many", positive)
  .option("--seed <seed>", "decides which are in the sample", "1")
  .option("--jobs <n>", "mutants at a time", positive, availableParallelism())
  .option("--least <percent>", "the score that ends with 0", Number, LEAST_SCORE)
  .option("--keep-kills", "tries again only what survived before contracts or tests changed", false)
  .option("--json", "one JSON document on stdout", false)
  .parse();
const { out, contracts, most, least, json, ...rest } = command.opts();

endProgramsOnSignals();
const started = performance.now();
const verdicts = await runMutants({
  ...rest,
  checkout: CHECKOUT,
  out: resolve(out),
  contracts: contracts ?? [],
  most: most ?? Number.POSITIVE_INFINITY,
  onProgress(done, of) {
    if (!process.stderr.isTTY) return;
    const line = progressLine(done, of, (performance.now() - started) / 1000);
    process.stderr.write(`\r\u001b[K${line}`);
  },
}).catch((error: Error) => command.error(error.message, { exitCode: 2 }));
if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");

const score = scoreOf(verdicts, reasons);
if (json) process.stdout.write(`${JSON.stringify({ ...score, verdicts }, null, 2)}\n`);
else process.stdout.write(`${reportLines(score).join("\n")}\n`);
process.exitCode = isEnough(score, least) ? 0 : 1;

function names(text: string): string[] {
  return text.split(",").filter((name) => name !== "");
}

function positive(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("a whole number");
  return number;
}
