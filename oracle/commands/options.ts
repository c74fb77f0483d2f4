import { Command, Option } from "@commander-js/extra-typings";
import { type Chain, connectChain } from "@link-rewards/host/chain/chain";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import {
  deploymentOption,
  headBoundsOf,
  headOptions,
  keyOptions,
  rpcQuorumOption,
  rpcsOption,
  wholeNumber,
} from "@link-rewards/host/options";
import { type LawSnapshots, openLawSnapshots } from "../edge/law-snapshots.ts";

/** A command that reads the chain. */
export function chainCommand(name: string) {
  const { maxHeadAge, maxHeadLead } = headOptions();
  return new Command(name)
    .addOption(rpcsOption().makeOptionMandatory())
    .addOption(rpcQuorumOption())
    .addOption(deploymentOption())
    .addOption(
      new Option(
        "--confirmations <blocks>",
        "for a chain without finality: how far below the head a block counts as final",
      ).argParser(wholeNumber),
    )
    .addOption(maxHeadAge)
    .addOption(maxHeadLead);
}

/** A command that reads the published files too. */
export function bundlesCommand(name: string) {
  return chainCommand(name).addOption(mirrorsOption()).addOption(jsonOption());
}

/** Where several may publish the bundles of one epoch. */
export function mirrorsOption() {
  return new Option(
    "--bundles <location...>",
    "folders or URLs where bundles are published, the next being asked where one has no good copy: the proposer's, and those of other members and mirrors",
  )
    .env("LINK_BUNDLES")
    .argParser((value: string, before: readonly string[] = []) => [...before, ...value.split(",")])
    .makeOptionMandatory();
}

/** Of an outsider: nothing in it is needed, and nothing of it is trusted past what the chain says. */
export function cacheOption() {
  return new Option(
    "--data <folder>",
    "keeps what was read of the chain there, so that the next start reads only what is new; without it all is read each time",
  );
}

/** Undefined without a folder. */
export function snapshotsIn(
  data: string | undefined,
  { deployment }: Chain,
): LawSnapshots | undefined {
  return data === undefined ? undefined : openLawSnapshots(data, deployment, tell);
}

function tell(reason: string): void {
  process.stderr.write(`link-oracle: ${reason}\n`);
}

/** A command of a member's own oracle. */
export function memberCommand(name: string) {
  const key = keyOptions();
  return chainCommand(name)
    .addOption(dataOption())
    .addOption(databaseOption())
    .addOption(
      new Option("--peer <url...>", "other members' oracles")
        .env("LINK_PEERS")
        .default([] as string[])
        .argParser((value: string, before: string[]) => [...before, ...value.split(",")]),
    )
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile);
}

export function dataOption() {
  return new Option("--data <folder>", "folder of the oracle's bundles and database")
    .env("LINK_DATA")
    .default("data");
}

export function databaseOption() {
  return new Option(
    "--database <url>",
    "PostgreSQL in place of the file in the data folder; with a password in it, better from the environment",
  ).env("DATABASE_URL");
}

export function jsonOption() {
  return new Option("--json", "one JSON document on stdout").default(false);
}

export type ChainOptions = {
  readonly rpc: readonly string[];
  readonly rpcQuorum?: number | undefined;
  readonly deployment: string;
  readonly confirmations?: number | undefined;
  readonly maxHeadAge: number;
  readonly maxHeadLead: number;
};

async function chainOf({ rpc, rpcQuorum, deployment, ...options }: ChainOptions): Promise<Chain> {
  return connectChain({
    rpcUrls: rpc,
    rpcQuorum,
    deploymentFile: await readDeploymentFile(deployment),
    confirmations: options.confirmations,
    bounds: headBoundsOf(options),
    onPassedOver: tell,
  });
}

/**
 * Runs `work` on a chain whose newest block can be believed, and closes the chain after it, whatever happened: an open
 * connection would keep the process alive.
 */
export async function withChain<T>(
  options: ChainOptions,
  work: (chain: Chain) => Promise<T>,
): Promise<T> {
  const chain = await chainOf(options);
  try {
    await chain.head();
    return await work(chain);
  } finally {
    chain.close();
  }
}
