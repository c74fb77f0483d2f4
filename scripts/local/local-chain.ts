import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import hre from "hardhat";

/** A chain of this machine's own; its clock can be moved and its accounts are Hardhat's well-known ones. */
export type LocalChain = {
  readonly rpcUrl: string;
  /** How many blocks must follow one before it is final. */
  readonly finalityBlocks: number;
  close(): Promise<void>;
};

/**
 * A local chain's time is moved by hours, days and years while the machine's clock goes on: what reads it is told to take
 * a newest block from any time within a century.
 */
const CENTURY_SECONDS = 3_155_760_000;
export const MOVED_TIME = { maxAgeSeconds: CENTURY_SECONDS, maxLeadSeconds: CENTURY_SECONDS };

/** As options of the programs. */
const MOVED_TIME_ARGS = [
  "--max-head-age",
  `${MOVED_TIME.maxAgeSeconds}`,
  "--max-head-lead",
  `${MOVED_TIME.maxLeadSeconds}`,
];

/** Options of the commands that read a local chain, and may find it behind a proxy. */
export function chainArgsOf(
  { rpcUrl, deploymentFile }: { readonly rpcUrl: string; readonly deploymentFile: string },
  proxyUrl = rpcUrl,
): readonly string[] {
  return ["--rpc", proxyUrl, "--deployment", deploymentFile, ...MOVED_TIME_ARGS];
}

type RpcCall = Readonly<Record<string, unknown>>;

/** cast sends a call's data under both its names, the old and the new; Hardhat's node takes one. */
hre.hooks.registerHandlers("network", {
  async onRequest(context, connection, request, next) {
    const [call, ...rest] = (request.params ?? []) as readonly RpcCall[];
    const twice = typeof call === "object" && call.data !== undefined && call.data === call.input;
    if (!twice) return next(context, connection, request);
    const { input: _, ...once } = call;
    return next(context, connection, { ...request, params: [once, ...rest] });
  },
});

export async function startHardhatChain(): Promise<LocalChain> {
  const server = await hre.network.createServer("default", "127.0.0.1", 0);
  const { address, port } = await server.listen();
  return { rpcUrl: `http://${address}:${port}`, finalityBlocks: 0, close: () => server.close() };
}

const ANVIL = fileURLToPath(
  new URL("../../node_modules/@foundry-rs/anvil/bin.mjs", import.meta.url),
);
/** With one slot in an epoch anvil calls everything final that is two blocks below the head. */
const ANVIL_ARGS = ["--port", "0", "--accounts", "20", "--slots-in-an-epoch", "1"];

/** A second chain, by other people. */
export async function startAnvilChain(...more: readonly string[]): Promise<LocalChain> {
  const child = spawn(process.execPath, [ANVIL, ...ANVIL_ARGS, ...more], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  for await (const line of createInterface({ input: child.stdout })) {
    const listening = /^Listening on (\S+)/.exec(line)?.[1];
    if (listening === undefined) continue;
    // What it says from here on is of no interest, but must not fill the pipe.
    child.stdout.resume();
    return {
      rpcUrl: `http://${listening}`,
      finalityBlocks: 2,
      async close() {
        child.kill("SIGTERM");
        await exited;
      },
    };
  }
  throw new Error("anvil ended before it listened");
}
