import { join } from "node:path";
import type { Devnet } from "../local/devnet.ts";
import { chainArgsOf } from "../local/local-chain.ts";
import {
  type Finished,
  type OracleProcess,
  runOracle,
  startOracle,
} from "../local/oracle-process.ts";

/** What the oracle counted, summed over its lives: a killed process takes its counters with it. */
export type ReceiptCounts = {
  accepted: number;
  equivocations: number;
  readonly refused: Record<string, number>;
};

/** Runs the oracle as an operator would: one service, and `close` from cron. */
export type Operator = {
  readonly url: string;
  readonly data: string;
  readonly bundles: string;
  readonly bundlesUrl: string;
  readonly chainArgs: readonly string[];
  readonly counts: ReceiptCounts;
  crashes: number;
  /** The service dies without a word and is started again on the same port. */
  crash(): Promise<void>;
  /** The service stops and is started again with another member's key. */
  changeKey(keyFile: string): Promise<void>;
  /** `held` is whether it is meant to end with an epoch that a person must look at. */
  close(held?: boolean): Promise<Record<string, unknown>>;
  /** A close that is killed right after the epoch reached `state`. */
  killClose(state: string): Promise<void>;
  /** Any other command. */
  run(command: string, ...args: readonly string[]): Promise<Finished>;
  /** Adds what this life of the service has counted so far; once, before it stops for good. */
  count(): Promise<void>;
  stop(): Promise<void>;
};

const LEASE_SECONDS = 1;

/** `pages` is the folder of the claim and audit pages, if they are to be served too. */
export async function startOperator(devnet: Devnet, pages?: string): Promise<Operator> {
  const data = join(devnet.folder, "oracle");
  const chainArgs = chainArgsOf(devnet);
  let keyFile = await devnet.keyFile("member", devnet.role("member"));
  const counts: ReceiptCounts = { accepted: 0, equivocations: 0, refused: {} };
  let service = await startService("0");
  const url = await service.line(/^http/);

  async function startService(port: string): Promise<OracleProcess> {
    const memberArgs = ["--data", data, "--key-file", keyFile];
    const started = startOracle([
      "serve",
      ...chainArgs,
      ...memberArgs,
      "--port",
      port,
      "--follow-seconds",
      "1",
      ...(pages === undefined ? [] : ["--pages", pages]),
    ]);
    await started.line(/^http/);
    return started;
  }

  async function replace(signal: "SIGKILL" | "SIGTERM") {
    await addCounts(counts, url);
    service.child.kill(signal);
    await service.finished;
    service = await startService(new URL(url).port);
  }

  const closeArgs = () => [
    "close",
    ...chainArgs,
    "--data",
    data,
    "--key-file",
    keyFile,
    "--execute",
    "--lease-seconds",
    String(LEASE_SECONDS),
  ];

  const operator: Operator = {
    url,
    data,
    bundles: join(data, "bundles"),
    bundlesUrl: `${url}/bundles`,
    chainArgs,
    counts,
    crashes: 0,
    async crash() {
      await replace("SIGKILL");
      operator.crashes += 1;
    },
    async changeKey(file) {
      keyFile = file;
      await replace("SIGTERM");
    },
    async close(held = false) {
      const { code, stdout, stderr } = await runOracle([...closeArgs(), "--json"]);
      if (code !== (held ? 1 : 0)) throw new Error(`close ended with ${code}: ${stdout}${stderr}`);
      return JSON.parse(stdout);
    },
    async killClose(state) {
      const process = startOracle(closeArgs());
      await process.line(new RegExp(`"to":"${state}"`));
      process.child.kill("SIGKILL");
      await process.finished;
      operator.crashes += 1;
      // A killed run's lease must have run out before the next one.
      await new Promise((resolve) => setTimeout(resolve, 1_000 * (LEASE_SECONDS + 1)));
    },
    run: (command, ...args) => runOracle([command, ...chainArgs, ...args]),
    count: () => addCounts(counts, url),
    async stop() {
      service.child.kill("SIGTERM");
      await service.finished;
    },
  };
  return operator;
}

async function addCounts(counts: ReceiptCounts, url: string): Promise<void> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  const value = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);
  counts.accepted += value(/^receipts_accepted_total (\d+)/m);
  counts.equivocations += value(/^equivocations_total (\d+)/m);
  for (const [, refusal = "", n] of text.matchAll(
    /^receipts_refused_total\{refusal="([^"]+)"\} (\d+)/gm,
  )) {
    if (Number(n) > 0) counts.refused[refusal] = (counts.refused[refusal] ?? 0) + Number(n);
  }
}
