import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openBundleFolder } from "./edge/bundles.ts";
import { connectChain, readDeploymentFile } from "./edge/chain.ts";
import { createLog } from "./edge/log.ts";
import { connectPeers } from "./edge/peers.ts";
import { openSigner, type Signer } from "./edge/signer.ts";
import { openSqliteStore } from "./edge/sqlite.ts";
import { followLaw } from "./follow.ts";
import type { Oracle } from "./parts.ts";

/** As the command line names the files of a key. */
export type KeyFiles = {
  readonly keystore?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly keyFile?: string | undefined;
};

export type OracleOptions = KeyFiles & {
  readonly rpc: string;
  readonly deployment: string;
  readonly data: string;
  readonly confirmations?: number | undefined;
  readonly peer: readonly string[];
};

export type Log = ReturnType<typeof createLog>;

export function loadSigner({ keystore, passwordFile, keyFile }: KeyFiles): Promise<Signer> {
  if (keyFile !== undefined && keystore === undefined) return openSigner({ keyFile });
  if (keystore !== undefined && passwordFile !== undefined && keyFile === undefined) {
    return openSigner({ keystoreFile: keystore, passwordFile });
  }
  throw new Error("give either --key-file, or --keystore with --password-file");
}

/** Opens a member's oracle, lets `work` run on it, and closes it again whatever happened. */
export async function withOracle<T>(
  options: OracleOptions,
  work: (oracle: Oracle, signer: Signer, log: Log) => Promise<T>,
): Promise<T> {
  // The RPC URL often carries an access key.
  const log = createLog({ secrets: [options.rpc] });
  const signer = await loadSigner(options);
  const chain = await connectChain({
    rpcUrl: options.rpc,
    deploymentFile: await readDeploymentFile(options.deployment),
    confirmations: options.confirmations,
  });
  try {
    await mkdir(options.data, { recursive: true, mode: 0o700 });
    const store = await openSqliteStore(options.data);
    try {
      const oracle: Oracle = {
        chain,
        store,
        follower: followLaw(chain, store),
        bundles: await openBundleFolder(bundlesFolder(options.data)),
        peers: connectPeers(options.peer),
        member: signer,
        log: (event, details) => log.info(details, event),
      };
      return await work(oracle, signer, log);
    } finally {
      await store.close();
    }
  } finally {
    chain.close();
  }
}

export function bundlesFolder(data: string): string {
  return join(data, "bundles");
}
