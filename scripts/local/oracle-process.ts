import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../oracle/main.ts", import.meta.url));
/** Halves the time a run takes to start: the modules are compiled once, not in each of many short runs. */
const COMPILE_CACHE = fileURLToPath(
  new URL("../../node_modules/.cache/link-oracle", import.meta.url),
);

export type Finished = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type OracleProcess = {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves with the first line of standard error, or output, that matches; rejects when it ends before. */
  line(pattern: RegExp): Promise<string>;
};

export type OracleProcessOptions = {
  /** Node's own, before the program. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Every line of standard error, as it comes. */
  readonly onLine?: (line: string) => void;
};

/** One run of link-oracle as its own process, as cron or a service manager starts it. */
export function startOracle(
  args: readonly string[],
  { nodeArgs = [], env = {}, onLine }: OracleProcessOptions = {},
): OracleProcess {
  const child = spawn(process.execPath, [...nodeArgs, MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...process.env, ...env },
  });
  const texts = { stdout: "", stderr: "" };
  const waiting: { pattern: RegExp; resolve: (line: string) => void }[] = [];
  const seen: string[] = [];
  for (const name of ["stdout", "stderr"] as const) {
    createInterface({ input: child[name] }).on("line", (line) => {
      texts[name] += `${line}\n`;
      seen.push(line);
      if (name === "stderr") onLine?.(line);
      for (const waiter of waiting) if (waiter.pattern.test(line)) waiter.resolve(line);
    });
  }
  const finished = once(child, "close").then(
    ([code, signal]): Finished => ({ code, signal, ...texts }),
  );
  return {
    child,
    finished,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const before = seen.find((line) => pattern.test(line));
        if (before !== undefined) return resolve(before);
        waiting.push({ pattern, resolve });
        finished.then(({ code, stderr }) =>
          reject(new Error(`ended with ${code} before a line matched ${pattern}: ${stderr}`)),
        );
      }),
  };
}

/** Runs to the end. */
export function runOracle(
  args: readonly string[],
  options: OracleProcessOptions = {},
): Promise<Finished> {
  return startOracle(args, options).finished;
}
