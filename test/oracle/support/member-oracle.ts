import { join } from "node:path";
import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { HDNodeWallet } from "ethers";
import { openPostgresStore } from "../../../oracle/store/postgres.ts";
import { openSqliteStore } from "../../../oracle/store/sqlite.ts";
import type { Store } from "../../../oracle/store/store.ts";
import type { Devnet } from "../../../scripts/local/devnet.ts";
import { chainArgsOf } from "../../../scripts/local/local-chain.ts";
import {
  type Finished,
  type OracleProcess,
  runOracle,
  startOracle,
} from "../../../scripts/local/oracle-process.ts";

export type Serving = {
  readonly url: string;
  readonly process: OracleProcess;
  /** Ends it as a service manager does. */
  stop(): Promise<void>;
  /** Ends it as a power cut does. */
  kill(): Promise<void>;
};

export type Closed = {
  readonly code: number | null;
  readonly outcome: Outcome;
  readonly stderr: string;
};

/** What `close --json` prints. */
export type Outcome = {
  readonly executed?: boolean;
  readonly actions?: readonly Record<string, unknown>[];
  readonly epoch?: number;
  readonly waiting?: string;
  readonly held?: string;
};

/** One member: its key, its folder, and the runs of link-oracle with them, each a process of its own. */
export type MemberOracle = {
  readonly wallet: HDNodeWallet;
  readonly member: Address;
  readonly data: string;
  /** The URL of its PostgreSQL database, if its store is one. */
  readonly database: string | undefined;
  readonly bundles: string;
  readonly args: readonly string[];
  serve(...more: readonly string[]): Promise<Serving>;
  /** `close --execute`. */
  close(...more: readonly string[]): Promise<Closed>;
  /** `close` without it. */
  plan(...more: readonly string[]): Promise<Closed>;
  /** Starts a `close --execute` and does not wait for it. */
  startClose(...more: readonly string[]): OracleProcess;
  run(command: string, ...more: readonly string[]): Promise<Finished>;
  /** Its store, beside its processes. */
  openStore(): Promise<Store>;
  stop(): Promise<void>;
};

export type MemberOracleOptions = {
  readonly devnet: Devnet;
  readonly name: string;
  readonly wallet: HDNodeWallet;
  /** Where it finds the chain; the devnet itself when not given. */
  readonly rpcUrl?: string;
  /** Another member's, for a take-over; its own when not given. */
  readonly data?: string;
  readonly database?: string | undefined;
  /** For the Node that runs it: a module that moves its clock. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

export async function memberOracle(options: MemberOracleOptions): Promise<MemberOracle> {
  const {
    devnet,
    name,
    wallet,
    rpcUrl = devnet.rpcUrl,
    database,
    nodeArgs = [],
    env = {},
  } = options;
  const data = options.data ?? join(devnet.folder, name);
  const keyFile = await devnet.keyFile(name, wallet);
  const chainArgs = chainArgsOf(devnet, rpcUrl);
  const args = [...chainArgs, "--data", data, "--key-file", keyFile];
  if (database !== undefined) args.push("--database", database);
  const running = new Set<OracleProcess>();

  const start = (...words: readonly string[]) => {
    const process = startOracle(words, { nodeArgs, env });
    running.add(process);
    process.finished.finally(() => running.delete(process));
    return process;
  };
  const end = async (process: OracleProcess, signal: NodeJS.Signals) => {
    process.child.kill(signal);
    await process.finished;
  };
  const closeArgs = (more: readonly string[]) => ["close", ...args, "--json", ...more];
  const close = async (more: readonly string[]): Promise<Closed> => {
    const { code, stdout, stderr } = await runOracle(closeArgs(more), { nodeArgs, env });
    return { code, outcome: stdout === "" ? {} : JSON.parse(stdout), stderr };
  };

  return {
    wallet,
    member: lowercaseHex(wallet.address),
    data,
    database,
    bundles: join(data, "bundles"),
    args,
    async serve(...more) {
      const process = start("serve", ...args, "--port", "0", "--follow-seconds", "1", ...more);
      const url = await process.line(/^http/);
      return {
        url,
        process,
        stop: () => end(process, "SIGTERM"),
        kill: () => end(process, "SIGKILL"),
      };
    },
    close: (...more) => close([...more, "--execute"]),
    plan: (...more) => close(more),
    startClose: (...more) => start(...closeArgs(more), "--execute"),
    run: (command, ...more) => runOracle([command, ...args, ...more], { nodeArgs, env }),
    openStore: () => (database === undefined ? openSqliteStore(data) : openPostgresStore(database)),
    async stop() {
      for (const process of running) await end(process, "SIGKILL");
    },
  };
}
