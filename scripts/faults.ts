import { constants } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { wholeNumber } from "@link-rewards/host/options";
import { EXIT, runProgram } from "@link-rewards/host/program";
import { FAULT_KINDS, type FaultKind } from "./faults/draw.ts";
import { reportLines } from "./faults/report.ts";
import { runSeed } from "./faults/run.ts";
import { openVerdicts, stateOf, type Verdict } from "./faults/verdicts.ts";
import { type PostgresServer, startPostgres } from "./local/postgres-server.ts";

const CHECKOUT = fileURLToPath(new URL("..", import.meta.url));
/** Added to a signal's number by shells. */
const SIGNAL_CODE = 128;
const COMMAND = "npm run faults --";
const DEFAULT_JOBS = 1;

const program = new Command(COMMAND)
  .description(
    "Three members, a chain, devices and customers as real processes, and faults that a seed draws; then what must hold. Exit codes: 0 all held, 1 something did not, 2 a run itself failed, 3 usage.",
  )
  .option("--seed <n>", "of the first run; each run has the next", wholeNumber, 1)
  .option("--runs <n>", "how many; one is always run again", wholeNumber, 1)
  .option("--jobs <n>", "how many at once; half of a run is waiting", wholeNumber, DEFAULT_JOBS)
  .option(
    "--kinds <names>",
    `of which faults are drawn, with commas between, or none: ${FAULT_KINDS.join(", ")}`,
    kindsIn,
    FAULT_KINDS,
  )
  .option("--out <folder>", "where verdicts and logs are kept, and continued", "cache/faults")
  .option("--keep", "keep the logs of runs that held, too", false)
  .option("--json", "one JSON document on stdout", false)
  .action(async ({ seed, runs, jobs, kinds, out, keep, json }) => {
    const folder = resolve(out);
    const state = await stateOf(CHECKOUT);
    const file = await openVerdicts(join(folder, "verdicts.jsonl"), state);
    let server: Promise<PostgresServer> | undefined;
    const postgres = () => {
      server ??= startPostgres();
      return server;
    };
    const verdicts: Verdict[] = [];
    let next = 0;
    const work = async () => {
      for (let i = next++; i < runs; i = next++) {
        const known = runs === 1 ? undefined : file.known(seed + i, kinds);
        const verdict =
          known ??
          (await runSeed({
            seed: seed + i,
            kinds,
            out: folder,
            state,
            postgres,
            keep,
            onLine: (line) => progress(`${i + 1} of ${runs}, seed ${seed + i}: ${line}`),
          }));
        if (known === undefined) await file.add(verdict);
        verdicts[i] = verdict;
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.max(1, jobs) }, work));
    } finally {
      await (await server)?.stop();
      if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
    }
    process.stdout.write(
      json
        ? `${JSON.stringify(verdicts, null, 2)}\n`
        : `${reportLines(verdicts, COMMAND).join("\n")}\n`,
    );
    process.exitCode = exitCodeOf(verdicts);
  });

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => process.exit(SIGNAL_CODE + constants.signals[signal]));
await runProgram(program);

function exitCodeOf(verdicts: readonly Verdict[]): number {
  if (verdicts.some(({ verdict }) => verdict === "broken")) return EXIT.differs;
  return verdicts.every(({ verdict }) => verdict === "held") ? EXIT.ok : EXIT.unavailable;
}

function progress(line: string): void {
  if (!process.stderr.isTTY) return;
  const width = process.stderr.columns - 1;
  process.stderr.write(`\r\u001b[K${line.slice(0, width)}`);
}

function kindsIn(text: string): readonly FaultKind[] {
  const names = text.split(",").filter((name) => name !== "" && name !== "none");
  const unknown = names.find((name) => !FAULT_KINDS.includes(name as FaultKind));
  if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is no kind of fault`);
  return FAULT_KINDS.filter((kind) => names.includes(kind));
}
