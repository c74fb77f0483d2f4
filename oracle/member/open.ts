import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import { connectChain } from "@link-rewards/host/chain/chain";
import { isImplausible } from "@link-rewards/host/chain/plausible";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { type KeyFiles, openSigner, type Signer } from "@link-rewards/host/keys";
import { createLog, type Log } from "@link-rewards/host/log";
import { headBoundsOf } from "@link-rewards/host/options";
import { openBundleFolder } from "../edge/bundles.ts";
import { openLawSnapshots } from "../edge/law-snapshots.ts";
import { connectPeers } from "../edge/peers.ts";
import { openPostgresStore } from "../store/postgres.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { withPeersClocks } from "./clocks.ts";
import { followLaw } from "./follow.ts";
import type { Oracle } from "./oracle.ts";

export type OracleOptions = KeyFiles & {
  readonly rpc: readonly string[];
  readonly rpcQuorum?: number | undefined;
  readonly deployment: string;
  readonly data: string;
  /** The URL of a PostgreSQL database; the store is a file in `data` without it. */
  readonly database?: string | undefined;
  readonly confirmations?: number | undefined;
  readonly maxHeadAge: number;
  readonly maxHeadLead: number;
  readonly peer: readonly string[];
  /** For forgo, which makes a store of a copy. */
  readonly mayBeCopy?: boolean;
};

/** Opens a member's oracle, lets `work` run on it, and closes it again whatever happened. */
export async function withOracle<T>(
  options: OracleOptions,
  work: (oracle: Oracle, signer: Signer, log: Log) => Promise<T>,
): Promise<T> {
  // The RPC URL often carries an access key, the database's a password.
  const log = createLog({ secrets: [...options.rpc, ...secretsOf(options.database)] });
  const signer = await openSigner(options);
  const chain = await connectChain({
    rpcUrls: options.rpc,
    rpcQuorum: options.rpcQuorum,
    deploymentFile: await readDeploymentFile(options.deployment),
    confirmations: options.confirmations,
    bounds: headBoundsOf(options),
    onPassedOver: (reason) => log.warn({ reason }, "a node's word is not taken"),
  });
  try {
    await mkdir(options.data, { recursive: true, mode: 0o700 });
    await claimFolder(options.data, chain.deployment);
    const store = await openStore(options);
    try {
      if (!options.mayBeCopy && (await store.isCopy())) {
        throw new Error(
          `the database in ${options.data} is a copy made by backup: it lacks what this member signed and acknowledged since. Run forgo on it first`,
        );
      }
      const onTrouble = (reason: string) => log.warn({ reason }, "no snapshot of the law");
      const oracle: Oracle = {
        chain,
        store,
        follower: followLaw(
          chain,
          store,
          openLawSnapshots(options.data, chain.deployment, onTrouble),
        ),
        bundles: await openBundleFolder(bundlesFolder(options.data)),
        peers: connectPeers({
          urls: options.peer,
          deployment: chain.deployment,
          member: signer,
        }),
        member: signer,
        log: (event, details) => log.info(details, event),
      };
      try {
        return await work(oracle, signer, log);
      } catch (error) {
        throw isImplausible(error) ? await withPeersClocks(oracle.peers, error) : error;
      }
    } finally {
      await store.close();
    }
  } finally {
    chain.close();
  }
}

/** One folder is of one deployment: what was stored for another would look like a reorg, and be signed for this one. */
async function claimFolder(data: string, { chainId, contracts }: Deployment): Promise<void> {
  const file = join(data, "deployment");
  const own = `${chainId} ${contracts.epochLedger}\n`;
  try {
    await writeFile(file, own, { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const found = await readFile(file, "utf8");
    // Empty while another process is between creating and writing it.
    if (found === own || found === "") return;
    throw new Error(
      `${data} belongs to chain and ledger ${found.trim()}, not ${own.trim()}; give another --data`,
    );
  }
}

function openStore({ data, database }: OracleOptions): Promise<Store> {
  return database === undefined ? openSqliteStore(data) : openPostgresStore(database);
}

/** The password also by itself: a driver may quote it without the rest. */
function secretsOf(database: string | undefined): readonly string[] {
  if (database === undefined) return [];
  const password = URL.parse(database)?.password ?? "";
  return [database, password, decodeURIComponent(password)];
}

export function bundlesFolder(data: string): string {
  return join(data, "bundles");
}
