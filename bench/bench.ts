import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism, cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { type Case, type MeasureTogether, median } from "./case.ts";

/**
 * Side by side with what a user would pick instead: `npm run bench`, or `npm run bench -- tree proof --size 100000`.
 * Contestants of a case take turns, round by round, so that whatever else the machine does meets them all.
 */
const SUBJECTS = [
  "verify",
  "ingest",
  "floods",
  "follow",
  "start",
  "tree",
  "proof",
  "close",
  "audit",
  "gas",
  "sizes",
  "links",
  "dispatch",
] as const;
type SubjectName = (typeof SUBJECTS)[number];

type Row = {
  readonly subject: SubjectName;
  readonly what: string;
  readonly size: number;
  /** A package's name; null where there is nothing to compare with. */
  readonly peer: string | null;
  readonly ours: number;
  readonly theirs: number | null;
  readonly unit: Case["unit"];
  /** Above 1: ours is better, by so much. */
  readonly ratio: number | null;
  readonly peakMb: number;
  readonly peerPeakMb: number | null;
};

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    size: { type: "string" },
    /** "cpu" on a machine that does other work as well: it leaves out waiting for a core, and means nothing for pools. */
    clock: { type: "string", default: "wall" },
    rounds: { type: "string" },
    /** Of the subjects, what has this in its name. */
    only: { type: "string" },
  },
});

const unknown = positionals.find((name) => !SUBJECTS.includes(name as SubjectName));
if (unknown !== undefined) {
  process.stderr.write(`no subject ${unknown}; there are ${SUBJECTS.join(", ")}\n`);
  process.exit(3);
}
const subjects = SUBJECTS.filter((name) => positionals.length === 0 || positionals.includes(name));
const rows: Row[] = [];
for (const subject of subjects) {
  const measured = await measureSubject(subject);
  rows.push(...measured);
  if (!options.json) process.stdout.write(`${tableOf(subject, measured)}\n\n`);
}
process.stdout.write(options.json ? `${JSON.stringify(rows, null, 1)}\n` : `${machine()}\n`);

async function measureSubject(subject: SubjectName): Promise<readonly Row[]> {
  const file = new URL(`./subjects/${subject}.ts`, import.meta.url);
  await access(file);
  const { cases, measureTogether } = (await import(file.href)) as {
    cases?: readonly Case[];
    measureTogether?: MeasureTogether;
  };
  const measured: Row[] = [];
  const together = await measureTogether?.({
    quick: options.quick ?? false,
    rounds: options.rounds === undefined ? undefined : Number(options.rounds),
    only: options.only,
  });
  for (const { figure, theirs, ...row } of together ?? []) {
    const ratio = rounded(theirs / figure);
    measured.push({
      ...{ subject, unit: "ms", ...row },
      ...{ ours: rounded(figure), theirs: rounded(theirs), ratio },
    });
  }
  for (const each of cases ?? []) {
    if (options.only !== undefined && !each.what.includes(options.only)) continue;
    for (const size of sizesOf(each)) {
      process.stderr.write(`bench: ${subject}, ${each.what}, ${size.toLocaleString("en")}\n`);
      measured.push(...(await measure(subject, each, size, file.href)));
    }
  }
  return measured;
}

function sizesOf({ sizes }: Case): readonly number[] {
  if (options.size !== undefined) return [Number(options.size)];
  return options.quick ? sizes.quick : sizes.full;
}

type Measured = { readonly figure: number; readonly peakMb: number };

async function measure(
  subject: SubjectName,
  { what, unit, rounds, peers }: Case,
  size: number,
  file: string,
): Promise<readonly Row[]> {
  const names = ["", ...Object.keys(peers)].filter((name) => size <= (peers[name]?.upTo ?? size));
  const children = new Map<string, ChildProcess>();
  const measured = new Map<string, Measured[]>(names.map((name) => [name, []]));
  try {
    for (const name of names)
      children.set(name, start([file, what, name, String(size), options.clock]));
    // All of them, because preparing is work too and would disturb a round of somebody else.
    await Promise.all([...children.values()].map(answer));
    const count = Number(options.rounds ?? (options.quick ? rounds.quick : rounds.full));
    for (let round = 0; round < count; round++) {
      for (const [name, child] of children) measured.get(name)?.push(await runRound(child));
    }
  } finally {
    for (const child of children.values()) child.kill();
  }
  const of = (name: string) => {
    const all = measured.get(name) ?? [];
    const figure = median(all.map((each) => each.figure));
    const isRate = unit === "receipts/s";
    return {
      figure: isRate ? (size * 1000) / figure : figure,
      peakMb: Math.max(...all.map(({ peakMb }) => peakMb)),
    };
  };
  const ours = of("");
  const row = { subject, what, size, unit, ours: rounded(ours.figure), peakMb: ours.peakMb };
  const others = names.slice(1);
  if (others.length === 0)
    return [{ ...row, peer: null, theirs: null, ratio: null, peerPeakMb: null }];
  return others.map((peer) => {
    const theirs = of(peer);
    const better = ours.figure / theirs.figure;
    const ratio = rounded(unit === "receipts/s" ? better : 1 / better);
    return { ...row, peer, theirs: rounded(theirs.figure), ratio, peerPeakMb: theirs.peakMb };
  });
}

function start(args: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL("./contestant.ts", import.meta.url)), args, {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: ["--max-old-space-size=16384"],
    // A quick run is mostly processes that start.
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "link-rewards-bench-code") },
  });
}

async function runRound(child: ChildProcess): Promise<Measured> {
  child.send("run");
  return (await answer(child)) as Measured;
}

async function answer(child: ChildProcess): Promise<unknown> {
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`a contestant ended with ${signal ?? `exit code ${code}`}`);
  });
  const [message] = await Promise.race([once(child, "message"), ended]);
  return message;
}

function rounded(figure: number): number {
  return Number(figure.toPrecision(figure >= 1000 ? 6 : 3));
}

function tableOf(subject: SubjectName, measured: readonly Row[]): string {
  const table = new Table({
    head: ["what", "size", "unit", "ours", "peer", "theirs", "ratio", "peak MB", "peer's MB"],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "left", "right", "left", "right", "right", "right", "right"],
  });
  for (const row of measured) {
    const number = (value: number | null) => value?.toLocaleString("en") ?? "–";
    table.push([
      row.what,
      number(row.size),
      row.unit,
      number(row.ours),
      row.peer ?? "–",
      number(row.theirs),
      row.ratio === null ? "–" : `${row.ratio}×`,
      number(row.peakMb),
      number(row.peerPeakMb),
    ]);
  }
  return `${subject}\n${table.toString()}`;
}

function machine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const packages = ["ethers", "viem", "@noble/curves", "secp256k1", "merkletreejs"];
  const require = createRequire(import.meta.url);
  const versions = [...packages, "@openzeppelin/merkle-tree"].map((name) => {
    const { devDependencies, dependencies } = require("../package.json") as Record<
      string,
      Record<string, string>
    >;
    return `${name} ${dependencies?.[name] ?? devDependencies?.[name]}`;
  });
  return [
    `${availableParallelism()} cores of ${cpu?.model.trim()}, ${memory} GiB, ${process.platform} ${release()}, Node ${process.version}`,
    versions.join(", "),
  ].join("\n");
}
