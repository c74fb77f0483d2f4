import { execFile } from "node:child_process";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { HDNodeWallet } from "ethers";
import { type OracleProcess, startOracle } from "../local/oracle-process.ts";
import type { MachineClock } from "./clocks.ts";
import {
  type CloseAnswer,
  closeAnswerIn,
  closeArgs,
  crashIn,
  LISTENING,
  type MemberPlace,
  serveArgs,
  stateIn,
} from "./commands.ts";
import type { Program } from "./draw.ts";
import type { NodeProxy } from "./node.ts";

/** A start that takes longer is none. */
const SERVE_MS = 30_000;
/** No file grows beyond this while the disk is full, in bytes. */
const FULL_DISK_BYTES = 4096;

export type Closed = { readonly code: number | null; readonly stderr: string } & CloseAnswer;

/** A member's machine: its programs, its disk, its clock and its way to the chain. */
export type Member = {
  readonly index: number;
  readonly wallet: HDNodeWallet;
  readonly place: MemberPlace;
  readonly bundles: string;
  readonly clock: MachineClock;
  readonly node: NodeProxy;
  /** Where it serves; undefined while it does not. */
  url(): string | undefined;
  isClosing(): boolean;
  /** Starts it unless it runs; false when it ended before it served, or took too long and was ended. */
  serve(): Promise<boolean>;
  /** To its end. */
  close(): Promise<Closed>;
  kill(program: Program): void;
  setDisk(program: Program, state: "full" | "free"): Promise<void>;
  stop(): Promise<void>;
};

export type MemberListener = {
  onState(to: string): void;
  onCrash(what: string): void;
};

export function createMember(
  machine: Pick<Member, "index" | "wallet" | "place" | "clock" | "node"> & {
    readonly folder: string;
  },
  { onState, onCrash }: MemberListener,
): Member {
  const { place, clock, folder } = machine;
  const running: Record<Program, OracleProcess | undefined> = {
    serve: undefined,
    close: undefined,
  };
  const ended = new Set<Promise<unknown>>();
  const killed = new WeakSet<OracleProcess>();
  let url: string | undefined;
  let writing = Promise.resolve();
  const write = (program: string, line: string) => {
    writing = writing.then(() => appendFile(join(folder, `${program}.log`), `${line}\n`));
  };

  function start(program: Program, args: readonly string[]): OracleProcess {
    write(program, `--- link-oracle ${args.join(" ")}`);
    const process = startOracle(args, {
      ...clock,
      onLine(line) {
        write(program, line);
        const state = program === "close" ? stateIn(line) : undefined;
        if (state !== undefined) onState(state.to);
      },
    });
    running[program] = process;
    const end = process.finished.then(({ code, signal, stdout, stderr }) => {
      write(program, `--- ended with ${signal ?? code}: ${stdout.trim()}`);
      if (running[program] === process) {
        running[program] = undefined;
        if (program === "serve") url = undefined;
      }
      const crash = killed.has(process) ? undefined : crashIn({ code, signal, stderr });
      if (crash !== undefined) onCrash(`${program}: ${crash}`);
      ended.delete(end);
    });
    ended.add(end);
    return process;
  }

  const kill = (program: Program) => {
    const process = running[program];
    if (process === undefined) return;
    killed.add(process);
    if (program === "serve") url = undefined;
    running[program] = undefined;
    process.child.kill("SIGKILL");
  };

  return {
    ...machine,
    bundles: join(place.data, "bundles"),
    url: () => url,
    isClosing: () => running.close !== undefined,
    async serve() {
      if (url !== undefined) return true;
      const process = running.serve ?? start("serve", serveArgs(place));
      const over = new AbortController();
      const patience = sleep(SERVE_MS, undefined, { signal: over.signal }).catch(() => undefined);
      const listening = await Promise.race([
        process.line(LISTENING).catch(() => undefined),
        patience,
      ]);
      over.abort();
      if (running.serve !== process) return false;
      if (listening === undefined) kill("serve");
      url = listening;
      return listening !== undefined;
    },
    async close() {
      const { code, stdout, stderr } = await start("close", closeArgs(place)).finished;
      return { code, stderr, ...(code === 0 || code === 1 ? closeAnswerIn(stdout) : {}) };
    },
    kill,
    async setDisk(program, state) {
      const pid = running[program]?.child.pid;
      if (pid === undefined) return;
      const limit = state === "full" ? FULL_DISK_BYTES : "unlimited";
      // The soft limit alone, so that it can be taken back. It may have ended meanwhile.
      await promisify(execFile)("prlimit", ["--pid", `${pid}`, `--fsize=${limit}:`]).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code === "ENOENT")
            throw new Error("full disks need prlimit, of util-linux: leave out the kind disk");
        },
      );
    },
    async stop() {
      kill("serve");
      kill("close");
      await Promise.all(ended);
      await writing;
    },
  };
}
