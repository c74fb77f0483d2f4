import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { type Address, isHexOf, lowercaseHex } from "../core/bytes.ts";
import { type Chain, connectChain, readDeploymentFile } from "../edge/chain.ts";

/** Exit codes of every command; see docs/operating.md. */
export const EXIT = { ok: 0, differs: 1, unavailable: 2, usage: 3 } as const;

/** A command that reads the chain. */
export function chainCommand(name: string) {
  return new Command(name)
    .addOption(
      new Option("--rpc <url>", "JSON-RPC node of the chain").env("LINK_RPC").makeOptionMandatory(),
    )
    .addOption(
      new Option("--deployment <file>", "deployments/<chainId>.json of the contracts")
        .env("LINK_DEPLOYMENT")
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--confirmations <blocks>",
        "for a chain without finality: how far below the head a block counts as final",
      ).argParser(wholeNumber),
    );
}

/** A command that reads the published files too. */
export function bundlesCommand(name: string) {
  return chainCommand(name)
    .addOption(
      new Option("--bundles <location>", "folder or URL where the bundles are published")
        .env("LINK_BUNDLES")
        .makeOptionMandatory(),
    )
    .addOption(jsonOption());
}

/** A command of a member's own oracle. */
export function memberCommand(name: string) {
  const key = keyOptions();
  return chainCommand(name)
    .addOption(
      new Option("--data <folder>", "folder of the oracle's bundles and database")
        .env("LINK_DATA")
        .default("data"),
    )
    .addOption(
      new Option(
        "--database <url>",
        "PostgreSQL in place of the file in the data folder; with a password in it, better from the environment",
      ).env("DATABASE_URL"),
    )
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

export function jsonOption() {
  return new Option("--json", "one JSON document on stdout").default(false);
}

/** A key is never an argument and never in the environment: only the name of its file is. */
export function keyOptions() {
  return {
    keystore: new Option("--keystore <file>", "encrypted keystore of the key").env("LINK_KEYSTORE"),
    passwordFile: new Option("--password-file <file>", "file with the keystore's password").env(
      "LINK_PASSWORD_FILE",
    ),
    keyFile: new Option("--key-file <file>", "file with the bare key, readable by you alone").env(
      "LINK_KEY_FILE",
    ),
  };
}

export type ChainOptions = {
  readonly rpc: string;
  readonly deployment: string;
  readonly confirmations?: number | undefined;
};

async function chainOf({ rpc, deployment, confirmations }: ChainOptions): Promise<Chain> {
  return connectChain({
    rpcUrl: rpc,
    deploymentFile: await readDeploymentFile(deployment),
    confirmations,
  });
}

/** Runs `work` and closes the chain after it, whatever happened: an open connection would keep the process alive. */
export async function withChain<T>(
  options: ChainOptions,
  work: (chain: Chain) => Promise<T>,
): Promise<T> {
  const chain = await chainOf(options);
  try {
    return await work(chain);
  } finally {
    chain.close();
  }
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError("must be a whole number");
  }
  return value;
}

export function addressArgument(text: string): Address {
  if (!isHexOf(text, 20))
    throw new InvalidArgumentError("must be an address: 0x and 40 hex digits");
  return lowercaseHex(text);
}
