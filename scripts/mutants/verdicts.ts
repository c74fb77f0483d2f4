import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Mutant } from "./mutant.ts";

/** The first test that failed, and how. */
export type Killer = { readonly file: string; readonly test: string; readonly error: string };

/** What became of a mutant. */
export type Outcome =
  | { readonly verdict: "killed"; readonly by: Killer }
  /** The tests did not end: killed, too. */
  | { readonly verdict: "timeout"; readonly by: { readonly file: string } }
  | { readonly verdict: "survived" }
  /** It compiles to what the contract compiles to, or to what another mutant does: not counted. */
  | { readonly verdict: "equivalent" }
  | { readonly verdict: "duplicate"; readonly of: string }
  /** It does not compile: not counted. */
  | { readonly verdict: "stillborn"; readonly why: string }
  /** No test failed, and yet they did not pass: tried again by the next run. */
  | { readonly verdict: "unclear"; readonly why: string };

export type Verdict = Outcome &
  Pick<Mutant, "id" | "contract" | "file" | "line" | "operator" | "before" | "after"> & {
    /** A hash of what it compiles to, when that is another code. */
    readonly code?: string;
    readonly seconds: number;
    /** What the contracts and their tests were. */
    readonly state: string;
  };

/** Verdicts on disk, one a line, the last of a mutant being its verdict. */
export type VerdictFile = {
  readonly known: ReadonlyMap<string, Verdict>;
  add(verdict: Verdict): Promise<void>;
};

/**
 * Those of an earlier state are not known, or, with `keepKills`, only those that were killed: after a change of tests,
 * what survived is what matters.
 */
export async function openVerdicts(
  path: string,
  state: string,
  keepKills = false,
): Promise<VerdictFile> {
  const text = await readFile(path, "utf8").catch(() => "");
  const known = new Map<string, Verdict>();
  for (const line of text.split("\n")) {
    const verdict = parse(line);
    if (verdict === undefined || verdict.verdict === "unclear") continue;
    const isKept = keepKills && (verdict.verdict === "killed" || verdict.verdict === "timeout");
    if (verdict.state === state || isKept) known.set(verdict.id, verdict);
  }
  await mkdir(dirname(path), { recursive: true });
  // A run that was stopped may have left half a line.
  let separator = text === "" || text.endsWith("\n") ? "" : "\n";
  return {
    known,
    async add(verdict) {
      known.set(verdict.id, verdict);
      const line = `${separator}${JSON.stringify(verdict)}\n`;
      separator = "";
      await appendFile(path, line);
    },
  };
}

function parse(line: string): Verdict | undefined {
  try {
    return JSON.parse(line) as Verdict;
  } catch {
    return undefined;
  }
}
