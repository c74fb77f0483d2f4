import { join } from "node:path";
import type { HDNodeWallet } from "ethers";
import { freePort } from "../../test/oracle/support/free-port.ts";
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
  /** Whose key it began with. */
  readonly wallet: HDNodeWallet;
  /** Those of the other members. `close`, `count` and `stop` are theirs as well, after this one's. */
  readonly others: readonly Operator[];
  readonly url: string;
  readonly data: string;
  readonly bundles: string;
  readonly bundlesUrl: string;
  readonly chainArgs: readonly string[];
  readonly counts: ReceiptCounts;
  readonly crashes: number;
  /** The service dies without a word and is started again on the same port. */
  crash(): Promise<void>;
  /** The service dies without a word, and nothing of this operator's runs any more. */
  lose(): Promise<void>;
  isLost(): boolean;
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

/**
 * One for each member, and the first of them for all. `pages` is the folder of the claim and audit pages, if that one is
 * to serve them too.
 */
export async function startOperators(
  devnet: Devnet,
  members: readonly HDNodeWallet[],
  pages?: string,
): Promise<Operator> {
  // Each must know the others' addresses before they listen.
  const ports = await Promise.all(members.map(freePort));
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const counts: ReceiptCounts = { accepted: 0, equivocations: 0, refused: {} };
  const starts = members.map((wallet, i) =>
    startOperator(devnet, counts, {
      wallet,
      name: i === 0 ? "oracle" : `oracle-${i + 1}`,
      port: String(ports[i]),
      peers: urls.filter((_, other) => other !== i),
      ...(i === 0 && pages !== undefined && { pages }),
    }),
  );
  const operators: Operator[] = [];
  for (const start of await Promise.allSettled(starts))
    if (start.status === "fulfilled") operators.push(start.value);
  const [first, ...others] = operators;
  if (first === undefined || operators.length < members.length) {
    await Promise.all(operators.map((operator) => operator.stop()));
    await Promise.all(starts);
    throw new Error("an oracle did not start");
  }
  const present = () => operators.filter((operator) => !operator.isLost());
  return {
    ...first,
    others,
    get crashes() {
      return first.crashes;
    },
    async close(held?: boolean) {
      const outcome = await first.close(held);
      for (const other of present().slice(1)) await other.close();
      return outcome;
    },
    async count() {
      for (const each of present()) await each.count();
    },
    async stop() {
      await Promise.all(present().map((each) => each.stop()));
    },
  };
}

type OperatorOptions = {
  readonly wallet: HDNodeWallet;
  /** Of its folder. */
  readonly name: string;
  readonly port: string;
  readonly peers: readonly string[];
  readonly pages?: string;
};

async function startOperator(
  devnet: Devnet,
  counts: ReceiptCounts,
  { wallet, name, port, peers, pages }: OperatorOptions,
): Promise<Operator> {
  const data = join(devnet.folder, name);
  const chainArgs = chainArgsOf(devnet);
  const peerArgs = peers.flatMap((peer) => ["--peer", peer]);
  let keyFile = await devnet.keyFile(name, wallet);
  let service = await startService();
  let lost = false;
  const url = await service.line(/^http/);

  async function startService(): Promise<OracleProcess> {
    const memberArgs = ["--data", data, "--key-file", keyFile, ...peerArgs];
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
    service = await startService();
  }

  const closeArgs = () => [
    "close",
    ...chainArgs,
    "--data",
    data,
    "--key-file",
    keyFile,
    ...peerArgs,
    "--execute",
    "--lease-seconds",
    String(LEASE_SECONDS),
  ];

  let crashes = 0;
  return {
    wallet,
    others: [],
    url,
    data,
    bundles: join(data, "bundles"),
    bundlesUrl: `${url}/bundles`,
    chainArgs,
    counts,
    get crashes() {
      return crashes;
    },
    async crash() {
      await replace("SIGKILL");
      crashes += 1;
    },
    async lose() {
      await addCounts(counts, url);
      lost = true;
      service.child.kill("SIGKILL");
      await service.finished;
    },
    isLost: () => lost,
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
      crashes += 1;
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
