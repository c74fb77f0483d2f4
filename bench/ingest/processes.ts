import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { startPostgres } from "../../scripts/local/postgres-server.ts";
import type { Load, Sent } from "./sender.ts";
import { type Service, startService, type Verifier } from "./service.ts";

export type Setting = {
  readonly verifier?: Verifier;
  readonly database?: "PostgreSQL";
  readonly processes?: number;
  readonly maxQueuedReceipts?: number;
  readonly load: Omit<Load, "urls">;
};

/** This process serves, and as many others as the setting asks for. */
export async function startServices(
  size: number,
  { verifier = "native", database, processes = 1, maxQueuedReceipts }: Setting,
): Promise<{ readonly urls: readonly string[]; readonly service: Service }> {
  // Ended by a signal, a process would leave its children and its files behind.
  process.once("SIGTERM", () => process.exit());
  const server = database && (await startPostgres());
  const url = await server?.createSchema();
  const service = await startService({ size, verifier, database: url, maxQueuedReceipts });
  const others: string[] = [];
  for (let i = 1; i < processes; i++) {
    const child = forkOf("./service.ts", [String(size), url as string]);
    others.push((await answerOf(child)) as string);
  }
  return { urls: [service.url, ...others], service };
}

export async function startSender(size: number, load: Load) {
  const child = forkOf("./sender.ts", [String(size), JSON.stringify(load)]);
  await answerOf(child);
  const ask = async (what: string) => {
    child.send(what);
    return answerOf(child);
  };
  return {
    /** Receipts nobody has seen yet; signing them is not measured. */
    async round(): Promise<Sent> {
      await ask("prepare");
      return (await ask("send")) as Sent;
    },
  };
}

export function forkOf(
  file: string,
  args: readonly string[],
  from: string = import.meta.url,
): ChildProcess {
  return fork(fileURLToPath(new URL(file, from)), args, {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

export async function answerOf(child: ChildProcess): Promise<unknown> {
  const settled = new AbortController();
  const { signal } = settled;
  const ended = once(child, "exit", { signal }).then(([code, killedBy]) => {
    throw new Error(`a process of this case ended with ${killedBy ?? code}`);
  });
  try {
    const [message] = await Promise.race([once(child, "message", { signal }), ended]);
    return message;
  } finally {
    settled.abort();
  }
}
