import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openArtifacts } from "./artifacts.ts";
import { type Compiler, openCompiler } from "./compiler.ts";
import { dependentsIn } from "./dependents.ts";
import { type Mutant, mutantsOf } from "./mutant.ts";
import { copyBuilt, copyProject, type Project, stateOf } from "./project.ts";
import { sampleMutants } from "./sample.ts";
import type { SyntaxNode } from "./syntax.ts";
import {
  findContractTests,
  hasSolidityTests,
  runMocha,
  runSolidity,
  type TestRun,
} from "./tests.ts";
import { type Bench, keyOf, type Original, sourceName, tryMutant } from "./trial.ts";
import { openVerdicts, type Verdict } from "./verdicts.ts";

export type RunOptions = {
  /** The checkout whose contracts are made wrong; nothing is written to it. */
  readonly checkout: string;
  /** Where copies and verdicts go, and what is continued. */
  readonly out: string;
  /** Names of their files; all of them when empty. */
  readonly contracts: readonly string[];
  readonly most: number;
  readonly seed: string;
  /** Mutants at a time. */
  readonly jobs: number;
  /** Takes what was killed before contracts or tests changed as killed. */
  readonly keepKills: boolean;
  readonly onProgress: (verdicts: readonly Verdict[], of: number) => void;
};

const CONTRACT = /^contracts\/(?!interfaces\/)(?:.*\/)?(\w+)\.sol$/;
/** Without a mutant there is nothing to compare with. */
const BASELINE_MS = 30 * 60 * 1000;

/** Makes the mutants, tries each that has no verdict yet, and returns all verdicts in the order of the sources. */
export async function runMutants(options: RunOptions): Promise<readonly Verdict[]> {
  const { checkout, out, contracts, most, seed, jobs, keepKills, onProgress } = options;
  await mkdir(out, { recursive: true });
  const first = await copyProject(checkout, join(out, "project-1"));
  const state = await stateOf(first.folder);
  const verdicts = await openVerdicts(join(out, "verdicts.jsonl"), state, keepKills);
  const compiler = openCompiler(first.input, jobs);
  try {
    const artifacts = await openArtifacts(first.folder);
    const { trees, codes } = await compileOriginal(artifacts.contracts, compiler);
    const chosen = sampleMutants(mutantsIn(first, trees, contracts), most, seed);
    const waiting = chosen.filter(({ id }) => !verdicts.known.has(id));
    const done = () => chosen.flatMap(({ id }) => verdicts.known.get(id) ?? []);
    if (waiting.length === 0) return done();

    const seconds = await measureTests(first, join(out, "tests.json"), state);
    const dependents = dependentsIn(trees);
    const original: Original = { sources: sourcesOf(first), dependents, codes, seconds };
    const shared = { compiler, original, codes: codesOf(done()), kills: killsOf(done()) };
    const benches: Bench[] = [{ ...shared, folder: first.folder, artifacts }];
    while (benches.length < Math.min(jobs, waiting.length)) {
      const folder = join(out, `project-${benches.length + 1}`);
      await copyBuilt(first, folder);
      benches.push({ ...shared, folder, artifacts: await openArtifacts(folder) });
    }
    const work = async (bench: Bench) => {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        onProgress(done(), chosen.length);
        const verdict = await verdictOn(mutant, bench, state);
        await verdicts.add(verdict);
        countKill(shared.kills, verdict);
      }
    };
    await Promise.all(benches.map(work));
    return done();
  } finally {
    await compiler.close();
  }
}

/** Which mutant each code is that was judged. */
function codesOf(verdicts: readonly Verdict[]): Map<string, string> {
  return new Map(
    verdicts.flatMap(({ code, id, verdict }) =>
      code === undefined || verdict === "duplicate" ? [] : [[code, id] as const],
    ),
  );
}

function killsOf(verdicts: readonly Verdict[]): Map<string, number> {
  const kills = new Map<string, number>();
  for (const verdict of verdicts) countKill(kills, verdict);
  return kills;
}

function countKill(kills: Map<string, number>, verdict: Verdict): void {
  if (verdict.verdict !== "killed") return;
  const { file } = verdict.by;
  kills.set(file, 1 + (kills.get(file) ?? 0));
}

async function verdictOn(mutant: Mutant, bench: Bench, state: string): Promise<Verdict> {
  const started = performance.now();
  const outcome = await tryMutant(mutant, bench);
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  const { id, contract, file, line, operator, before, after } = mutant;
  return { id, contract, file, line, operator, before, after, ...outcome, seconds, state };
}

async function compileOriginal(contracts: readonly string[], compiler: Compiler) {
  const {
    errors,
    trees,
    contracts: compiled,
  } = await compiler.compile({
    changed: {},
    wanted: contracts,
    trees: true,
  });
  if (errors.length > 0) throw new Error(errors[0]);
  const codes = new Map(compiled.map((contract) => [keyOf(contract), contract.bytecode.object]));
  return { trees, codes };
}

function mutantsIn(
  project: Project,
  trees: Readonly<Record<string, SyntaxNode>>,
  contracts: readonly string[],
): readonly Mutant[] {
  const files = Object.keys(trees)
    .map((source) => source.replace(/^project\//, ""))
    .filter((file) => CONTRACT.test(file));
  const nameOf = (file: string) => CONTRACT.exec(file)?.[1] ?? "";
  const unknown = contracts.filter((name) => !files.some((file) => nameOf(file) === name));
  if (unknown.length > 0) throw new Error(`no such contract: ${unknown.join(", ")}`);
  return files
    .filter((file) => contracts.length === 0 || contracts.includes(nameOf(file)))
    .sort()
    .flatMap((file) => {
      const source = sourceName(file);
      const tree = trees[source];
      const text = project.input.sources[source]?.content;
      return tree === undefined || text === undefined ? [] : mutantsOf(file, text, tree);
    });
}

function sourcesOf({ input }: Project): Readonly<Record<string, string>> {
  const texts = Object.entries(input.sources).map(
    ([name, { content }]) => [name, content] as const,
  );
  return Object.fromEntries(texts);
}

/** All of them must pass on the contracts as they are; what that takes is kept in a file. */
async function measureTests(
  { folder }: Project,
  path: string,
  state: string,
): Promise<Readonly<Record<string, number>>> {
  const kept = JSON.parse(await readFile(path, "utf8").catch(() => "{}"));
  if (kept.state === state) return kept.seconds;
  const runs = [await runMocha(folder, await findContractTests(folder), BASELINE_MS)];
  if (hasSolidityTests(folder)) runs.push(await runSolidity(folder, BASELINE_MS));
  const seconds = Object.fromEntries(runs.flatMap((run) => [...secondsOf(run)]));
  await writeFile(path, JSON.stringify({ state, seconds }, null, 2));
  return seconds;
}

function secondsOf(run: TestRun): ReadonlyMap<string, number> {
  switch (run.ended) {
    case "passed":
      return run.seconds;
    case "failed":
      throw new Error(`without a mutant fails ${run.by.file}: ${run.by.test}: ${run.by.error}`);
    case "late":
      throw new Error("without a mutant the tests do not end");
    case "broken":
      throw new Error(`without a mutant the tests do not run: ${run.said}`);
  }
}
