import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { Artifacts } from "./artifacts.ts";
import type { Compiled, Compiler } from "./compiler.ts";
import type { Dependents } from "./dependents.ts";
import { applyMutant, type Mutant } from "./mutant.ts";
import { byName, runMocha, runSolidity, SOLIDITY, type TestRun } from "./tests.ts";
import type { Outcome } from "./verdicts.ts";

/** What every mutant is held against: the contracts as they are. */
export type Original = {
  /** By what solc calls them. */
  readonly sources: Readonly<Record<string, string>>;
  readonly dependents: Dependents;
  /** By source and name. */
  readonly codes: ReadonlyMap<string, string>;
  /** How long each test file takes, and the Solidity tests together. */
  readonly seconds: Readonly<Record<string, number>>;
};

/** Where one mutant after the other is tried. */
export type Bench = {
  readonly folder: string;
  readonly artifacts: Artifacts;
  readonly compiler: Compiler;
  readonly original: Original;
  /** Mutants that were compiled, by their code. */
  readonly codes: Map<string, string>;
  /** How many mutants each test file has killed: who killed many is asked first. */
  readonly kills: Map<string, number>;
};

/** A machine that is busy is slow; a mutant that never ends is slower. */
const PATIENCE = 10;
const LEAST_SECONDS = 300;
const SAID_CHARACTERS = 2_000;

/** How solc calls a file of the project. */
export function sourceName(file: string): string {
  return `project/${file}`;
}

export function keyOf({ source, name }: Compiled): string {
  return `${source}:${name}`;
}

export async function tryMutant(
  mutant: Mutant,
  bench: Bench,
): Promise<Outcome & { readonly code?: string }> {
  const { artifacts, compiler, original, codes } = bench;
  const source = sourceName(mutant.file);
  const changed = { [source]: applyMutant(original.sources[source] ?? "", mutant) };
  const dependents = original.dependents(source);
  const wanted = artifacts.contracts.filter((name) => dependents.has(name));
  const { errors, contracts } = await compiler.compile({ changed, wanted });
  if (errors.length > 0) return { verdict: "stillborn", why: firstLine(errors[0] ?? "") };
  const others = contracts.filter(
    (contract) => original.codes.get(keyOf(contract)) !== contract.bytecode.object,
  );
  if (others.length === 0) return { verdict: "equivalent" };
  const code = hashOf(others);
  const twin = codes.get(code);
  if (twin !== undefined && twin !== mutant.id) return { verdict: "duplicate", of: twin, code };
  codes.set(code, mutant.id);
  try {
    await artifacts.put(others);
    return { ...(await judge(mutant, bench, changed, dependents)), code };
  } finally {
    await artifacts.restore();
  }
}

/** By the tests, the cheapest first. */
async function judge(
  mutant: Mutant,
  bench: Bench,
  changed: Readonly<Record<string, string>>,
  dependents: ReadonlySet<string>,
): Promise<Outcome> {
  const { folder, artifacts, compiler, original, kills } = bench;
  const mocha = Object.keys(original.seconds).filter((file) => file !== SOLIDITY);
  // A library's own tests are those of the contracts that use it.
  const users = [...dependents].map((name) => basename(name, ".sol"));
  const isNamed = byName([mutant.contract], mocha)[0].length > 0;
  for (const files of byName(isNamed ? [mutant.contract] : users, mocha)) {
    if (files.length === 0) continue;
    const inOrder = cheapestFirst(files, original.seconds, kills);
    const run = await runMocha(folder, inOrder, limitOf(files, original.seconds));
    if (run.ended !== "passed") return outcomeOf(run, files[0] ?? "");
  }
  if (original.seconds[SOLIDITY] === undefined) return { verdict: "survived" };
  // Tests that have a library's code in their own.
  const wanted = artifacts.tests.filter((name) => dependents.has(name));
  if (wanted.length > 0) {
    const { errors, contracts } = await compiler.compile({ changed, wanted });
    if (errors.length > 0) return { verdict: "unclear", why: errors[0] ?? "" };
    await artifacts.put(contracts);
  }
  return outcomeOf(await runSolidity(folder, limitOf([SOLIDITY], original.seconds)), SOLIDITY);
}

function outcomeOf(run: TestRun, file: string): Outcome {
  switch (run.ended) {
    case "passed":
      return { verdict: "survived" };
    case "failed":
      return { verdict: "killed", by: run.by };
    case "late":
      return { verdict: "timeout", by: { file } };
    case "broken":
      return { verdict: "unclear", why: run.said.slice(-SAID_CHARACTERS) };
  }
}

function cheapestFirst(
  files: readonly string[],
  seconds: Readonly<Record<string, number>>,
  kills: ReadonlyMap<string, number>,
): readonly string[] {
  const worth = (file: string) => (1 + (kills.get(file) ?? 0)) / (0.1 + (seconds[file] ?? 0));
  return files.toSorted((a, b) => worth(b) - worth(a));
}

function limitOf(files: readonly string[], seconds: Readonly<Record<string, number>>): number {
  const usual = files.reduce((sum, file) => sum + (seconds[file] ?? 0), 0);
  return Math.ceil(1000 * Math.max(LEAST_SECONDS, PATIENCE * usual));
}

function hashOf(contracts: readonly Compiled[]): string {
  const hash = createHash("sha256");
  for (const contract of contracts.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    hash.update(`${keyOf(contract)}\n${contract.bytecode.object}\n`);
  }
  return hash.digest("hex");
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}
