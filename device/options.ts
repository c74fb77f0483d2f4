import {
  CommanderError,
  type CommandUnknownOpts,
  InvalidArgumentError,
  Option,
} from "@commander-js/extra-typings";
import { type Address, isHexOf, lowercaseHex } from "../oracle/core/bytes.ts";

/** What both programs can be told, on the command line or by environment. Keys only by the name of their file. */
export function deploymentOption() {
  return new Option("--deployment <file>", "deployments/<chainId>.json of the contracts")
    .env("LINK_DEPLOYMENT")
    .makeOptionMandatory();
}

export function rpcOption() {
  return new Option("--rpc <url>", "JSON-RPC node of the chain").env("LINK_RPC");
}

export function oracleOption() {
  return new Option("--oracle <url>", "oracle that takes the receipts")
    .env("LINK_ORACLE")
    .makeOptionMandatory();
}

export function keyOptions() {
  return {
    keystore: new Option("--keystore <file>", "encrypted keystore of the key").env("LINK_KEYSTORE"),
    passwordFile: new Option("--password-file <file>", "file with the keystore's password").env(
      "LINK_PASSWORD_FILE",
    ),
    keyFile: new Option(
      "--key-file <file>",
      "file with the bare key, readable by you alone; made by `key`",
    ).env("LINK_KEY_FILE"),
  };
}

export function jsonOption() {
  return new Option(
    "--json",
    "JSON on stdout, one document a line; progress as JSON on stderr",
  ).default(false);
}

export function address(text: string): Address {
  if (!isHexOf(text, 20))
    throw new InvalidArgumentError("must be an address: 0x and 40 hex digits");
  return lowercaseHex(text);
}

export function addresses(text: string, before: readonly Address[] = []): readonly Address[] {
  return [...before, address(text)];
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError("must be a whole number");
  }
  return value;
}

/** As the oracle's commands: 0 good, 2 failed, 3 usage. */
const EXIT = { ok: 0, failed: 2, usage: 3 } as const;

export async function runProgram(program: CommandUnknownOpts): Promise<void> {
  for (const command of [program, ...program.commands]) {
    command.exitOverride().showHelpAfterError("(--help tells more)");
  }
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = exitCodeOf(error, program.name());
  }
}

function exitCodeOf(error: unknown, program: string): number {
  // Commander has already printed what is wrong with the words.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  process.stderr.write(`${program}: ${(error as Error).message}\n`);
  return EXIT.failed;
}

/** One document: as JSON, or as lines a person reads. */
export function print(asJson: boolean, document: Readonly<Record<string, unknown>>): void {
  const text = asJson
    ? JSON.stringify(document, wideAsText)
    : Object.entries(document)
        .map(([name, value]) => `${name}: ${String(value)}`)
        .join("\n");
  process.stdout.write(`${text}\n`);
}

function wideAsText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function askedToStop(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
