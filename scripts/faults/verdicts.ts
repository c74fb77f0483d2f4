import { createHash } from "node:crypto";
import { appendFile, mkdir, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A fault, for a person; and whether its moment came. */
export type Drawn = { readonly kind: string; readonly words: string; readonly came: boolean };

/** What became of a run. */
export type Verdict = {
  readonly seed: number;
  /** Of which faults were drawn. */
  readonly kinds: readonly string[];
  /** What the program and this harness were. */
  readonly state: string;
  readonly verdict: "held" | "broken" | "unclear";
  readonly faults: readonly Drawn[];
  readonly broken: readonly string[];
  readonly notes: readonly string[];
  readonly seconds: number;
  /** Where its logs are, unless all held. */
  readonly folder?: string;
};

/** Verdicts on disk, one a line; the last of a seed and its kinds is its verdict. */
export type VerdictFile = {
  known(seed: number, kinds: readonly string[]): Verdict | undefined;
  add(verdict: Verdict): Promise<void>;
};

/** Those of another state, and those of which nothing is known, are not known. */
export async function openVerdicts(path: string, state: string): Promise<VerdictFile> {
  const text = await readFile(path, "utf8").catch(() => "");
  const known = new Map<string, Verdict>();
  const keyOf = (seed: number, kinds: readonly string[]) => `${seed} ${kinds.join(",")}`;
  for (const line of text.split("\n")) {
    const verdict = parse(line);
    if (verdict === undefined || verdict.verdict === "unclear" || verdict.state !== state) continue;
    known.set(keyOf(verdict.seed, verdict.kinds), verdict);
  }
  await mkdir(dirname(path), { recursive: true });
  // A run that was stopped may have left half a line.
  let separator = text === "" || text.endsWith("\n") ? "" : "\n";
  return {
    known: (seed, kinds) => known.get(keyOf(seed, kinds)),
    async add(verdict) {
      known.set(keyOf(verdict.seed, verdict.kinds), verdict);
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

/** What a verdict depends on. */
const ROOMS = ["contracts", "core", "client", "host", "oracle", "scripts/faults", "scripts/local"];

export async function stateOf(checkout: string): Promise<string> {
  const hash = createHash("sha256");
  for (const room of ROOMS) {
    const names = await readdir(join(checkout, room), { recursive: true });
    const sources = names.filter((name) =>
      /^(?!artifacts|types|node_modules).*\.(ts|sol|sql)$/.test(name),
    );
    for (const name of sources.sort()) {
      hash.update(`${room}/${name}\n`).update(await readFile(join(checkout, room, name)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
